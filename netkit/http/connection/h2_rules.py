"""The rules of RFC 9113 for header lists, where python-hyper's are not used.

Section 8.2 (fields), 8.3 (pseudo-header fields), 8.1.1 (content-length), RFC 8441 (`:protocol`).

python-hyper ends the whole connection for a message that is malformed, where the RFC has it end the stream;
and it looks at nothing that is sent to it in upper case, or at the length of a body, without doing so. So its
checks are turned off, and these are the ones in use. The Rust form has those of its crate. The two draw the
line at the same place: an octet that cannot stand in a name or a value breaks the connection, because the
crate takes it for a fault of the compression; a list that is put together wrongly, the stream.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.http.connection.events import RequestHead
from netkit.http.parser.framing import TCHAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.connection.events import FieldList

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++").fullmatch
_TOKEN = re.compile(rb"[" + TCHAR + rb"]++").fullmatch
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+").fullmatch
_STATUS = re.compile(rb"[1-9][0-9]{2}").fullmatch
_TARGET = re.compile(rb"/[!$-;=@-_a-z|~\"{}^`\x7f-\xff?]*+|\*").fullmatch
_AUTHORITY = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]\x80-\xff-]++").fullmatch
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+").fullmatch
#: What the pseudo-header fields may hold, with those that there are.
_PSEUDO = {
    b":method": _TOKEN,
    b":scheme": _VALUE,
    b":authority": _VALUE,
    b":path": _VALUE,
    b":protocol": _VALUE,
    b":status": _STATUS,
}
#: Fields that concern a connection of HTTP/1.1 (RFC 9113 section 8.2.2).
CONNECTION_FIELDS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


_SPACE = (b" ", b"\t")


class Malformed(Exception):
    """The message breaks a rule, said in words; its stream cannot go on."""


def is_field(name: bytes, value: bytes) -> bool:
    """Whether a field, or a pseudo-header field, has no octet that it cannot have."""
    if name[:1] == b":":
        holds = _PSEUDO.get(name)
        return holds is not None and holds(value) is not None
    return _NAME(name) is not None and _VALUE(value) is not None


def sendable_fields(fields: Iterable[tuple[bytes, bytes]]) -> FieldList:
    """Fields as HTTP/2 sends them: their names in lower case.

    Raises `Malformed` for those that concern a connection of HTTP/1.1, and ValueError for what is no field.
    """
    sendable = []
    for name, value in fields:
        name = name.lower()
        if _NAME(name) is None:
            raise ValueError("header name")
        if _VALUE(value) is None:
            raise ValueError("header value")
        _check_connection_field(name, value)
        sendable.append((name, value))
    return sendable


def sendable_head(head: RequestHead) -> FieldList:
    """The pseudo-header fields of a request. Raises `Malformed`."""
    if _TOKEN(head.method) is None:
        raise Malformed("the method is no token")
    if _AUTHORITY(head.authority) is None:
        raise Malformed("HTTP/2 needs an authority: a host, and a port if any")
    pseudo = [(b":method", head.method)]
    if head.method == b"CONNECT" and head.protocol is None:
        return [*pseudo, (b":authority", head.authority)]
    if _TARGET(head.target) is None:
        raise Malformed("the target is no path")
    if _SCHEME(head.scheme) is None:
        raise Malformed("the scheme is not one")
    pseudo += [(b":scheme", head.scheme), (b":authority", head.authority), (b":path", head.target)]
    if head.protocol is not None:
        if _TOKEN(head.protocol) is None:
            raise Malformed("the protocol is no token")
        pseudo.append((b":protocol", head.protocol))
    return pseudo


def received_request(items: FieldList, *, extended_connect: bool) -> RequestHead:
    """The head of a request that was received. Raises `Malformed`."""
    pseudo, fields = _split(items)
    try:
        method = pseudo.pop(b":method")
    except KeyError:
        raise Malformed("there is no :method") from None
    if b":status" in pseudo:
        raise Malformed("a request has no :status")
    protocol = pseudo.get(b":protocol")
    if protocol is not None and (method != b"CONNECT" or not extended_connect):
        raise Malformed(":protocol without an extended CONNECT")
    is_tunnel = method == b"CONNECT" and protocol is None
    for name in (b":scheme", b":path"):
        if (name in pseudo) is is_tunnel:
            raise Malformed(f"{name.decode()} is {'there' if is_tunnel else 'absent'}")
    target = pseudo.get(b":path", b"").partition(b"#")[0]
    if not is_tunnel and (_TARGET(target) is None or (target == b"*" and method != b"OPTIONS")):
        raise Malformed("the path does not begin with a slash")
    scheme = pseudo.get(b":scheme", b"https")
    if _SCHEME(scheme) is None:
        raise Malformed("the scheme is not one")
    authority = pseudo.get(b":authority", b"")
    if b":authority" in pseudo and _AUTHORITY(authority) is None:
        raise Malformed("the authority is not one")
    if method == b"CONNECT" and not authority:
        raise Malformed("CONNECT has no authority")
    hosts = [value for name, value in fields if name == b"host"]
    if hosts:
        # Host says the same as :authority, or stands for it (section 8.3.1).
        if len(hosts) > 1:
            raise Malformed("Host is there twice")
        if authority and hosts[0].lower() != authority.lower():
            raise Malformed("Host and :authority differ")
        authority = authority or hosts[0]
        fields = [field for field in fields if field[0] != b"host"]
    return RequestHead(method, target, authority, scheme, fields, protocol=protocol)


def received_response(items: FieldList) -> tuple[int, FieldList]:
    """The status and the fields of a response that was received. Raises `Malformed`."""
    pseudo, fields = _split(items)
    status = pseudo.get(b":status")
    if status is None:
        raise Malformed("there is no :status")
    if status == b"101":
        raise Malformed("HTTP/2 has no 101 (Switching Protocols)")  # section 8.6
    return int(status), fields


def received_trailers(items: FieldList) -> FieldList:
    """Trailers that were received. Raises `Malformed`."""
    return _split(items)[1]


def content_length(fields: Iterable[tuple[bytes, bytes]]) -> int | None:
    """How many octets of body the fields announce. Raises `Malformed` where they contradict themselves."""
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return None
    if not all(length.isdigit() and len(length) < 20 for length in lengths):
        raise Malformed("Content-Length is no number")
    if len({int(length) for length in lengths}) > 1:
        raise Malformed("Content-Length is there twice, and differs")
    return int(lengths.pop())


def _split(items: FieldList) -> tuple[dict[bytes, bytes], FieldList]:
    """The pseudo-header fields, which are first and each there once, and the others."""
    pseudo: dict[bytes, bytes] = {}
    fields: FieldList = []
    for name, value in items:
        if name[:1] == b":":
            if fields or name in pseudo:
                raise Malformed(f"{name.decode()} is not first, or there twice")
            pseudo[name] = value
            continue
        _check_connection_field(name, value)
        if value[:1] in _SPACE or value[-1:] in _SPACE:
            raise Malformed("the value of a field begins or ends with a space")  # section 8.2.1
        fields.append((name, value))
    return pseudo, fields


def _check_connection_field(name: bytes, value: bytes) -> None:
    if name in CONNECTION_FIELDS or (name == b"te" and value != b"trailers"):
        raise Malformed("a field that concerns a connection of HTTP/1.1")
