"""What the authoritative server says of itself, and what it makes of the options of a query."""

from __future__ import annotations

import pytest

from netkit.dns.authority.answering import MAX_UDP_PAYLOAD, PADDED_TO, Came, Over, respond
from netkit.dns.authority.options import ServerOptions
from netkit.dns.authority.responder import Responder
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsClass, DnsRecordType as T, Rcode
from netkit.dns.edns import Edns, EdnsOption, ExtendedErrorCode
from netkit.dns.messages.message import Message, make_query
from netkit.dns.tsig import TsigKey, sign
from netkit.dns.zones.zonefile import parse_zone

pytestmark = pytest.mark.once

ZONES = Zones(
    [
        parse_zone(
            "$ORIGIN e.\n@ 60 SOA a b 1 2 3 4 5\nwww A 192.0.2.1\n"
            + "".join(f"big TXT {n} {'x' * 200}\n" for n in range(40))
        )
    ]
)
NAMED = ServerOptions("this one", "netkit of tests")
KEY = TsigKey.parse("hmac-sha256:k:c2VjcmV0IHNlY3JldCBzZWNyZXQ=")


def asked(
    name: str,
    rdtype: int = T.A,
    *,
    options: ServerOptions = NAMED,
    over: Over = "udp",
    **how: object,
) -> Message:
    query = make_query(name, rdtype, id=7, **how)  # type: ignore[arg-type]
    wire = respond(ZONES, query.to_wire(), Came(over), options=options)
    assert wire is not None
    return Message.from_wire(wire)


def with_options(*options: EdnsOption) -> Edns:
    return Edns(options=options)


class TestAboutItself:
    """RFC 4892 section 3, and the older names that BIND brought."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("id.server", "this one"),
            ("hostname.bind", "this one"),
            ("version.server", "netkit of tests"),
            ("version.bind", "netkit of tests"),
            ("VerSion.BIND", "netkit of tests"),
        ],
    )
    @pytest.mark.parametrize("rdtype", [T.TXT, T.ANY])
    def test_in_class_ch(self, name: str, text: str, rdtype: T) -> None:
        response = asked(name, rdtype, rdclass=DnsClass.CH)
        assert [str(record) for record in response.answer] == [f'{name}.\t0\tCH\tTXT\t"{text}"']
        # Nobody delegated these names to this server.
        assert (response.rcode, response.authoritative) == (Rcode.NOERROR, False)

    @pytest.mark.parametrize(
        ("name", "rdtype", "rdclass"),
        [
            ("id.server", T.TXT, DnsClass.IN),
            ("id.server", T.A, DnsClass.CH),
            ("server", T.TXT, DnsClass.CH),
            ("x.id.server", T.TXT, DnsClass.CH),
            ("authors.bind", T.TXT, DnsClass.CH),
        ],
    )
    def test_nothing_else(self, name: str, rdtype: T, rdclass: DnsClass) -> None:
        assert asked(name, rdtype, rdclass=rdclass).rcode == Rcode.REFUSED

    def test_refused_where_it_is_not_told(self) -> None:
        for name in ("id.server", "version.bind"):
            assert asked(name, T.TXT, rdclass=DnsClass.CH, options=ServerOptions()).rcode == Rcode.REFUSED

    def test_a_zone_of_the_class_comes_first(self) -> None:
        zones = Zones([parse_zone("server. 5 CH SOA a. b. 1 2 3 4 5\nid.server. 5 CH TXT other\n")])
        query = make_query("id.server", T.TXT, id=1, rdclass=DnsClass.CH).to_wire()
        wire = respond(zones, query, Came("udp"), options=NAMED)
        assert wire is not None
        response = Message.from_wire(wire)
        assert (response.authoritative, str(response.answer[0])) == (True, 'id.server.\t5\tCH\tTXT\t"other"')


class TestNsid:
    """RFC 5001 section 2.2: to who asks with it, in every response of this version of EDNS."""

    ASKED = with_options(EdnsOption.Nsid())

    @pytest.mark.parametrize(("name", "rcode"), [("www.e", 0), ("x.e", 3), ("x.f", 5)])
    def test_told(self, name: str, rcode: int) -> None:
        response = asked(name, edns=self.ASKED)
        assert response.edns is not None
        assert (response.rcode, response.edns.option(EdnsOption.Nsid)) == (
            rcode,
            EdnsOption.Nsid(b"this one"),
        )

    def test_told_once(self) -> None:
        response = asked(
            "www.e", edns=with_options(EdnsOption.Nsid(), EdnsOption.Nsid(b"what is here is ignored"))
        )
        assert response.edns == Edns(MAX_UDP_PAYLOAD, options=[EdnsOption.Nsid(b"this one")])

    def test_not_told(self) -> None:
        assert asked("www.e", edns=Edns()).edns == Edns(MAX_UDP_PAYLOAD)
        assert asked("www.e", edns=self.ASKED, options=ServerOptions()).edns == Edns(MAX_UDP_PAYLOAD)
        assert asked("www.e", edns=self.ASKED.replace(version=1)).edns == Edns(MAX_UDP_PAYLOAD)


class TestOptionsOfOthers:
    @pytest.mark.parametrize("code", [1, 2, 4, 5, 8, 9, 11, 13, 14, 15, 18, 19, 20, 65001])
    @pytest.mark.parametrize("data", [b"", b"x", b"eight oc"])
    def test_what_is_not_understood_is_ignored(self, code: int, data: bytes) -> None:
        """RFC 6891 section 6.1.2: also what would be malformed for who understands it."""
        response = asked("www.e", edns=with_options(EdnsOption.Unknown(code, data)))
        assert (response.rcode, len(response.answer)) == (Rcode.NOERROR, 1)
        assert response.edns == Edns(MAX_UDP_PAYLOAD)

    @pytest.mark.parametrize("data", [b"", b"seven o", b"nine octe", b"x" * 41])
    def test_a_cookie_that_is_none(self, data: bytes) -> None:
        """RFC 7873 section 5.2.2."""
        response = asked("www.e", edns=with_options(EdnsOption.Unknown(10, data)))
        assert (response.rcode, response.edns) == (Rcode.FORMERR, Edns(MAX_UDP_PAYLOAD))

    def test_options_that_do_not_end_are_malformed_whatever_they_are(self) -> None:
        query = make_query("www.e", T.A, id=7, edns=with_options(EdnsOption.Unknown(65001, b"12345678")))
        wire = bytearray(query.to_wire())
        wire[-9] += 1
        response = respond(ZONES, bytes(wire), Came("udp"))
        assert response is not None
        assert Message.from_wire(response).rcode == Rcode.FORMERR


class TestRefused:
    """RFC 8914 section 4.21, and 4.19."""

    def test_the_reason(self) -> None:
        edns = asked("www.f", edns=Edns()).edns
        assert edns is not None
        assert [error.info_code for error in edns.extended_errors] == [ExtendedErrorCode.NOT_AUTHORITATIVE]

    def test_not_to_who_cannot_read_it(self) -> None:
        response = asked("www.f", edns=None)
        assert (response.rcode, response.edns) == (Rcode.REFUSED, None)

    def test_unsigned(self) -> None:
        options = ServerOptions(signed_only=True)
        response = asked("www.e", options=options)
        assert response.edns is not None
        assert [error.info_code for error in response.edns.extended_errors] == [ExtendedErrorCode.PROHIBITED]
        assert (response.rcode, response.answer) == (Rcode.REFUSED, ())
        signed = sign(make_query("www.e", T.A, id=7).to_wire(), KEY, 1e9)
        wire = respond(ZONES, signed.wire, Came("udp", 1e9), keys=[KEY], options=options)
        assert wire is not None
        assert Message.from_wire(wire).rcode == Rcode.NOERROR


class TestPadding:
    """RFC 7830 section 4, RFC 8467 section 4.1."""

    PADDED = with_options(EdnsOption.Padding(20))

    @pytest.mark.parametrize("name", ["www.e", "x.e", "x.f", "big.e"])
    @pytest.mark.parametrize("signed", [False, True])
    def test_over_what_nobody_else_reads(self, name: str, signed: bool) -> None:
        query = make_query(name, T.TXT, id=7, edns=self.PADDED).to_wire()
        if signed:
            query = sign(query, KEY, 1e9).wire
        response = respond(ZONES, query, Came("tls", 1e9), keys=[KEY])
        assert response is not None
        assert len(response) % PADDED_TO == 0
        assert Message.from_wire(response).edns is not None

    def test_only_there_and_only_to_who_pads(self) -> None:
        clear: tuple[Over, ...] = ("udp", "tcp")
        for over in clear:
            assert asked("www.e", edns=self.PADDED, over=over).edns == Edns(MAX_UDP_PAYLOAD)
        assert asked("www.e", edns=Edns(), over="tls").edns == Edns(MAX_UDP_PAYLOAD)

    def test_as_far_as_a_message_goes(self) -> None:
        lines = "".join([f"huge TXT {number} {'x' * 240}\n" for number in range(252)])
        zones = Zones(
            [parse_zone(f"$ORIGIN e.\n@ 60 SOA a b 1 2 3 4 5\n{lines}huge TXT {'y' * 250} {'y' * 250}")]
        )
        query = make_query("huge.e", T.TXT, id=7, edns=self.PADDED).to_wire()
        response = respond(zones, query, Came("tls"))
        assert response is not None
        assert 65535 - PADDED_TO < len(response) <= 65535
        assert len(Message.from_wire(response).answer) == 253


class TestClassAny:
    def test_absence_is_not_said(self) -> None:
        """RFC 1035 section 6.2: nobody knows all classes."""
        for name, rcode in (("x.e", Rcode.NXDOMAIN), ("www.e", Rcode.NOERROR)):
            response = asked(name, T.MX, rdclass=DnsClass.ANY)
            assert (response.rcode, response.authoritative, response.authority) == (rcode, False, ())


def test_a_responder_tells_what_it_is_told() -> None:
    """Also after it has answered, from what it keeps ready."""
    responder = Responder(ZONES, [], lambda: 0.0)
    query = make_query("id.server", T.TXT, id=1, rdclass=DnsClass.CH).to_wire()

    def answer() -> Message:
        wire = responder.datagram(query, lambda: pytest.fail("nobody listens"))
        assert wire is not None
        return Message.from_wire(wire)

    assert answer().rcode == Rcode.REFUSED
    for identity in ("one", "another"):
        responder.options = ServerOptions(identity)
        for _ in range(2):
            assert identity in str(answer().answer[0])
