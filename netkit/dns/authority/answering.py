"""What an authoritative name server answers: from the octets of a query to those of the response.

`reply` makes every decision, without a socket. Recursion, updates and DNSSEC signing are not supported; zones
that are signed are answered with their signatures. Signed queries (TSIG) get signed answers.

RFC 1034 section 4.3, RFC 6891 (EDNS), RFC 8467 (padding), RFC 8945 (TSIG), RFC 9619 (one question). RFC 8482
is not applied: ANY returns all records, because this server is for testing and learning.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from netkit._log import Log
from netkit.dns.authority.options import ServerOptions
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.edns.extended_errors import ExtendedErrorCode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import MIN_MESSAGE, QR, TC, Message, make_response
from netkit.dns.messages.wire import MAX_MESSAGE
from netkit.dns.tsig.answering import QuerySignature, query_signature
from netkit.dns.zones.answers import ZoneAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.authority.zone_set import Zones
    from netkit.dns.tsig.keys import TsigKey

log = Log("netkit.dns.authority")

#: The largest response over UDP, even if the client accepts more: it fits an unfragmented IPv6 packet.
MAX_UDP_PAYLOAD = 1232

#: RFC 8467 section 4.1: a response over TLS has a multiple of so many octets, for who pads the query.
PADDED_TO = 468
#: What a server is that nobody told anything about itself.
DEFAULT_OPTIONS = ServerOptions()

#: What a query came over (RFC 1035 section 4.2, RFC 7858, RFC 8484).
Over: TypeAlias = Literal["udp", "tcp", "tls", "https"]

_ENCRYPTED = frozenset(("tls", "https"))
_NOTHING = ZoneAnswer("elsewhere", authoritative=False)
#: Of these options a server says that they are malformed (RFC 7873 section 5.2.2); others it does not read.
_UNDERSTOOD = frozenset((EdnsOption.Nsid.code, EdnsOption.Cookie.code, EdnsOption.Padding.code))
# The flags of the third octet of a message.
_HEADER_SIZE = 12
_QR_OCTET, _TC_OCTET = QR >> 8, TC >> 8
#: An option has a code and a length before its data.
_OPTION_HEAD = 4

_TRANSFERS = frozenset((DnsRecordType.AXFR, DnsRecordType.IXFR))


class Reply(NamedTuple):
    """The result of `reply`: the response, and its octets."""

    message: Message
    wire: bytes


class Came(NamedTuple):
    """How a query came: what it came over, the time in seconds since 1970, and who tells the client.

    Signatures and cookies are compared with the time; cookies are made for a client.
    """

    over: Over
    now: float = 0.0
    client: Callable[[], SocketAddr] | None = None


def respond(
    zones: Zones,
    wire: bytes,
    came: Came,
    *,
    keys: Sequence[TsigKey] = (),
    options: ServerOptions = DEFAULT_OPTIONS,
) -> bytes | None:
    """The octets of the response to a query: those of `reply`."""
    made = reply(zones, wire, came, keys=keys, options=options)
    return None if made is None else made.wire


def reply(
    zones: Zones,
    wire: bytes,
    came: Came,
    *,
    keys: Sequence[TsigKey] = (),
    options: ServerOptions = DEFAULT_OPTIONS,
) -> Reply | None:
    """Return the response to a query; None if `wire` is itself a response or is shorter than a header.

    A response has any length but over UDP, and is padded where nobody else sees it, for who pads the query.
    `keys` may have signed the query.

    No content of `wire` or of the zones makes this function raise: the response to a query that cannot be
    read is FORMERR, and SERVFAIL replaces a response that cannot be encoded.
    """
    # RFC 5358: two servers that answer responses would answer each other for ever.
    if len(wire) < _HEADER_SIZE or wire[2] & _QR_OCTET:
        return None
    asked = _Asked.of(wire, came, keys, options)
    over_tcp = came.over != "udp"
    query, signature = asked.query, asked.signature
    edns = query.edns
    if over_tcp:
        limit = MAX_MESSAGE
    elif edns is None:
        limit = MIN_MESSAGE
    else:
        limit = min(max(edns.payload_size, MIN_MESSAGE), MAX_UDP_PAYLOAD)
    room = limit if signature is None else limit - signature.room
    try:
        response = _answer(zones, asked, options, over_tcp=over_tcp)
        if edns is not None and edns.options:
            response = _with_options(response, edns, asked.cookie, options)
        encoded = response.to_wire(limit)
        if len(encoded) > room:
            # RFC 8945 section 5.3: the signature must fit, and nothing but the question stays beside it.
            response = _response(query, Rcode.NOERROR)
            response = response.replace(flags=response.flags | TC)
            encoded = response.to_wire(limit)
        if came.over in _ENCRYPTED and edns is not None and edns.option(EdnsOption.Padding) is not None:
            response, encoded = _padded(response, encoded, limit - room)
        if not (over_tcp and encoded[2] & _TC_OCTET):
            return Reply(response, encoded if signature is None else signature.sign(encoded))
        # TC asks the client to come again over TCP: there it would ask for ever.
        log.debug("the response to %s fits in no message", query.question[0])
    except DnsError as error:
        log.debug("a response that cannot be sent: %s", error)
    failed = _response(query, Rcode.SERVFAIL)
    encoded = failed.to_wire(limit)
    return Reply(failed, encoded if signature is None else signature.sign(encoded))


class _Asked(NamedTuple):
    """A query as a server reads it.

    Of a malformed one, `query` is what a response needs. `qdcount` is the number of questions that its header
    says. `cookie` is the one for the response, if the server has cookies and the query has one; the client
    got it from here, if `cookie_known`.
    """

    query: Message
    qdcount: int
    malformed: DnsError | None
    signature: QuerySignature | None
    cookie: EdnsOption.Cookie | None = None
    cookie_known: bool = False

    @classmethod
    def of(
        cls,
        wire: bytes,
        came: Came,
        keys: Sequence[TsigKey],
        options: ServerOptions,
    ) -> _Asked:
        """Read a query."""
        qdcount = wire[4] << 8 | wire[5]
        try:
            query = Message.from_query(wire, _UNDERSTOOD)
            signature = _signature(query, wire, keys, came.now)
        except DnsError as error:
            return cls(Message.from_malformed(wire), qdcount, error, None)
        if options.cookies is not None and came.client is not None and query.edns is not None:
            cookie = query.edns.option(EdnsOption.Cookie)
            if cookie is not None:
                made = options.cookies.answer(cookie, came.client().ip, came.now)
                return cls(query, qdcount, None, signature, *made)
        return cls(query, qdcount, None, signature)


def _signature(query: Message, wire: bytes, keys: Sequence[TsigKey], now: float) -> QuerySignature | None:
    """The signature of a query; None if it has none. Raises DnsError.InvalidResponse for one out of place."""
    records = query.answer + query.authority + query.additional
    if not records or DnsRecordType.TSIG not in [record.rdtype for record in records]:
        return None
    if not query.additional or query.additional[-1].rdtype != DnsRecordType.TSIG:
        raise DnsError.InvalidResponse("type", 0, "TSIG is not the last record")
    return query_signature(wire, keys, now)


def _answer(zones: Zones, asked: _Asked, options: ServerOptions, *, over_tcp: bool) -> Message:
    query, signature = asked.query, asked.signature
    if signature is not None and signature.error is not None:
        log.debug("a query that is not accepted: %s", signature.error)
        return _response(query, Rcode.NOTAUTH)  # RFC 8945 section 5.2
    if query.opcode == Opcode.QUERY and asked.qdcount > 1:
        return _response(query, Rcode.FORMERR)  # RFC 9619 section 4, in any version of EDNS
    # What another version of EDNS, or another operation, looks like is not known here: whether a message
    # of it is malformed can be said by nobody.
    edns = query.edns
    if edns is not None and edns.version > 0:
        return _response(query, Rcode.BADVERS)  # RFC 6891 section 6.1.3
    if query.opcode != Opcode.QUERY:
        return _response(query, Rcode.NOTIMP)
    if asked.malformed is not None:
        log.debug("malformed query: %s", asked.malformed)
        return _response(query, Rcode.FORMERR)
    if not query.question:
        # RFC 7873 section 5.4: a query may be for a cookie alone.
        return _response(query, Rcode.FORMERR if asked.cookie is None else Rcode.NOERROR)
    if options.cookie_needed and asked.cookie is not None and not (asked.cookie_known or over_tcp):
        return _response(query, Rcode.BADCOOKIE)
    if options.signed_only and signature is None:
        return _response(query, Rcode.REFUSED, reason=ExtendedErrorCode.PROHIBITED)
    question = query.question[0]
    if question.rdtype in _TRANSFERS:
        # An empty answer would say that the zone has no such record.
        return _response(query, Rcode.NOTIMP)
    zone = zones.find(question.name, question.rdclass, question.rdtype)
    if zone is None:
        about_itself = options.about_itself(question)
        if about_itself is None:
            return _response(query, Rcode.REFUSED, reason=ExtendedErrorCode.NOT_AUTHORITATIVE)
        return _response(query, Rcode.NOERROR, ZoneAnswer("answer", False, (about_itself,)))
    found = zone.find(question.name, question.rdtype, dnssec=edns is not None and edns.dnssec_ok)
    if question.rdclass == DnsClass.ANY:
        # RFC 1035 section 6.2: for all classes only where all of them are known to be here. So this server
        # does not say what is absent either.
        authority = () if found.kind in ("nodata", "nxdomain") else found.authority
        found = found._replace(authoritative=False, authority=authority)
    return _response(query, found.rcode, found)


def _response(
    query: Message, rcode: Rcode, found: ZoneAnswer = _NOTHING, *, reason: int | None = None
) -> Message:
    """Make the response with the found records, and with EDNS if the query has EDNS.

    `reason` is an extended error, for who can read it (RFC 8914 section 2: with EDNS).
    """
    return make_response(
        query,
        rcode=rcode,
        aa=found.authoritative,
        answer=found.answer,
        authority=found.authority,
        additional=found.additional,
        edns=_edns(query.edns is not None and query.edns.dnssec_ok, reason),
    )


@cache
def _edns(dnssec_ok: bool, reason: int | None) -> Edns:
    """One of the few that a server sends without being asked for more."""
    options = [] if reason is None else [EdnsOption.ExtendedError(reason)]
    return Edns(MAX_UDP_PAYLOAD, dnssec_ok=dnssec_ok, options=options)


def _with_options(
    response: Message, asked: Edns, cookie: EdnsOption.Cookie | None, options: ServerOptions
) -> Message:
    """The response with what the options of the query ask for."""
    own, nsid = response.edns, options.nsid
    if own is None or asked.version > 0:
        return response
    made: list[EdnsOption] = list(own.options)
    if cookie is not None:
        made.insert(0, cookie)
    if nsid is not None and asked.option(EdnsOption.Nsid) is not None:
        made.insert(0, EdnsOption.Nsid(nsid))
    return response if not made else response.replace(edns=own.replace(options=made))


def _padded(response: Message, encoded: bytes, signature: int) -> tuple[Message, bytes]:
    """A response whose length tells nothing: a multiple of PADDED_TO octets with its signature, which takes
    `signature` octets (RFC 8467 section 4.1)."""
    edns = response.edns
    size = len(encoded) + _OPTION_HEAD + signature
    room = min(-size % PADDED_TO, MAX_MESSAGE - size)
    if edns is None or room < 0:
        return response, encoded
    padded = response.replace(edns=edns.replace(options=[*edns.options, EdnsOption.Padding(room)]))
    return padded, padded.to_wire(MAX_MESSAGE)
