"""Heads of HTTP/1.1 messages and chunked bodies, each with what must come of it (RFC 9112, RFC 9110).

`@@` marks the octet where an error is expected, and is not part of the message. The tables are fed whole,
byte by byte and in pieces, to both twins; the differential run and the fuzzers mutate them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

MARK = b"@@"

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Good(NamedTuple):
    """A head that is accepted."""

    name: str
    data: bytes
    framing: str = "none"
    body_len: int | None = 0
    conflict: bool = False
    headers: list[tuple[bytes, bytes]] | None = None
    options: Mapping[str, Any] = NO_OPTIONS


class Bad(NamedTuple):
    """A message that is refused, at the mark, with this variant of ParseError and these fields."""

    name: str
    data: bytes
    error: str
    fields: Mapping[str, Any] = NO_OPTIONS
    options: Mapping[str, Any] = NO_OPTIONS

    @property
    def message(self) -> bytes:
        return self.data.replace(MARK, b"")

    @property
    def offset(self) -> int:
        assert self.data.count(MARK) == 1, f"{self.name}: one mark"
        return self.data.index(MARK)


BROWSER = (
    b"GET /search?q=rfc+9112&hl=en HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: session=0123456789abcdef; theme=dark\r\n"
    b"\r\n"
)

#: Requests that everybody accepts.
GOOD_REQUESTS = [
    Good("least", b"GET / HTTP/1.1\r\n\r\n", headers=[]),
    Good("http 1.0", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    Good("a browser's", BROWSER),
    Good("empty lines before it", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Good("content length", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "length", 5),
    Good("content length zero", b"PUT / HTTP/1.1\r\ncontent-length:0\r\n\r\n", "length", 0),
    Good("zeros before it", b"PUT / HTTP/1.1\r\nCONTENT-LENGTH: 00042\r\n\r\n", "length", 42),
    Good(
        "largest content length",
        b"PUT / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n",
        "length",
        2**63 - 1,
    ),
    Good("chunked", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked", None),
    Good("chunked in capitals", b"POST / HTTP/1.1\r\ntransfer-encoding:\tChunKed \r\n\r\n", "chunked", None),
    Good("gzip, chunked", b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "chunked", None),
    Good(
        "gzip, then chunked",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        "chunked",
        None,
    ),
    Good(
        "chunked beside a length",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "chunked",
        None,
        True,
    ),
    Good(
        "a length beside chunked",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "chunked",
        None,
        True,
    ),
    Good(
        "whitespace around values",
        b"GET / HTTP/1.1\r\nA:  b c\t \r\nD:\r\nE: \t\r\nF:g\r\n\r\n",
        headers=[(b"A", b"b c"), (b"D", b""), (b"E", b""), (b"F", b"g")],
    ),
    Good("a name of every kind of octet", b"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n"),
    Good(
        "obs-text in a value",
        b"GET / HTTP/1.1\r\nA: \x80\xff\xc3\xa9\r\n\r\n",
        headers=[(b"A", b"\x80\xff\xc3\xa9")],
    ),
    Good("one name twice", b"GET / HTTP/1.1\r\nA: 1\r\na: 2\r\n\r\n", headers=[(b"A", b"1"), (b"a", b"2")]),
    Good("asterisk form", b"OPTIONS * HTTP/1.1\r\n\r\n"),
    Good("absolute form", b"GET http://example.com/x?y HTTP/1.1\r\n\r\n"),
    Good("absolute form without a path", b"GET http://example.com HTTP/1.1\r\n\r\n"),
    Good("absolute form with a port", b"GET HTTP://[::1]:8080?q HTTP/1.1\r\n\r\n"),
    Good("authority form", b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"),
    Good("authority form with IPv6", b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n"),
    Good("WebSocket", b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    Good("a method with a hyphen", b"M-SEARCH / HTTP/1.1\r\n\r\n"),
    Good(
        "a search of UPnP's",
        b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n\r\n',
    ),
    Good(
        "an advertisement of UPnP's",
        b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:byebye\r\n\r\n",
    ),
    Good("pipelined", b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
]

#: Requests that are accepted by those that were told to.
TOLERATED_REQUESTS = [
    Good(
        "LF alone",
        b"\nGET / HTTP/1.1\nA: b\nC: d\r\n\n",
        headers=[(b"A", b"b"), (b"C", b"d")],
        options={"lenient": ["bare-lf"]},
    ),
    Good(
        "folds",
        b"GET / HTTP/1.1\r\nA: b\r\n  c \r\n\td\r\nE:\r\n f\r\nG: h\r\n  \r\n\r\n",
        headers=[(b"A", b"b c d"), (b"E", b"f"), (b"G", b"h")],
        options={"lenient": ["obs-fold"]},
    ),
    Good(
        "an empty fold between",
        b"GET / HTTP/1.1\r\nA: b\r\n \r\n c\r\n\r\n",
        headers=[(b"A", b"b c")],
        options={"lenient": ["obs-fold"]},
    ),
    Good(
        "folds and LF alone",
        b"GET / HTTP/1.1\nA: b \n\tc\n\n",
        headers=[(b"A", b"b c")],
        options={"lenient": ["obs-fold", "bare-lf"]},
    ),
    Good(
        "space before the colon",
        b"GET / HTTP/1.1\r\nA \t: b\r\nContent-Length : 3\r\n\r\n",
        "length",
        3,
        headers=[(b"A", b"b"), (b"Content-Length", b"3")],
        options={"lenient": ["space-before-colon"]},
    ),
    Good(
        "the same length again",
        b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 03\r\n\r\n",
        "length",
        3,
        options={"lenient": ["content-length"]},
    ),
    Good(
        "the same length in a list",
        b"PUT / HTTP/1.1\r\nContent-Length: 3, 3 ,003\r\n\r\n",
        "length",
        3,
        options={"lenient": ["content-length"]},
    ),
    Good(
        "chunked in HTTP/1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "chunked",
        None,
        options={"lenient": ["transfer-encoding"]},
    ),
    Good(
        "chunked and a tab",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\t\r\n\r\n",
        "chunked",
        None,
        options={"lenient": ["transfer-encoding"]},
    ),
    Good("HTTP/1.7", b"GET / HTTP/1.7\r\n\r\n", options={"lenient": ["version"]}),
    Good("any method", b"br3w~ / HTTP/1.1\r\n\r\n", options={"lenient": ["unknown-method"]}),
    Good(
        "octets in the target",
        b"GET /caf\xc3\xa9 HTTP/1.1\r\n\r\n",
        options={"lenient": ["non-ascii-target"]},
    ),
    Good(
        "a conflict",
        b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "chunked",
        None,
        True,
        options={"lenient": ["cl-te"]},
    ),
]

GOOD_RESPONSES = [
    Good("least", b"HTTP/1.1 200 OK\r\n\r\n", "until-close", None, headers=[]),
    Good("without a reason", b"HTTP/1.1 200 \r\n\r\n", "until-close", None),
    Good("without the space either", b"HTTP/1.1 200\r\n\r\n", "until-close", None),
    Good("an odd reason", b"HTTP/1.0 404 Pas trouv\xe9\t!\r\n\r\n", "until-close", None),
    Good("content length", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "length", 3),
    Good("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked", None),
    Good("gzip alone", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "until-close", None),
    Good(
        "chunked not the last",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "until-close",
        None,
        options={"lenient": ["until-close"]},
    ),
    Good(
        "chunked not the last of two lines, and a length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: x;y=z\r\n\r\n",
        "until-close",
        None,
        True,
        options={"lenient": ["until-close"]},
    ),
    Good(
        "chunked not the last, and no body by the status",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "none",
        0,
        options={"lenient": ["until-close"]},
    ),
    Good(
        "gzip alone, and a length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\n",
        "until-close",
        None,
        True,
    ),
    Good("continue", b"HTTP/1.1 100 Continue\r\n\r\n"),
    Good("switching", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    Good("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"),
    Good("no content", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    Good("not modified", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    Good("not modified, chunked", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Good("to HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", options={"request_method": "HEAD"}),
    Good(
        "to HEAD as octets",
        b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        options={"request_method": b"HEAD"},
    ),
    Good(
        "to CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", options={"request_method": b"CONNECT"}
    ),
    # RFC 9110 section 9.3.6: a client must ignore them, whatever they say.
    Good(
        "to CONNECT with both framings",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        options={"request_method": b"CONNECT"},
    ),
    Good(
        "to CONNECT with framings that are none",
        b"HTTP/1.0 200 OK\r\nContent-Length: x\r\nContent-Length: 5\r\nTransfer-Encoding: x\t\r\n\r\n",
        options={"request_method": b"CONNECT"},
    ),
    Good(
        "a refusal to CONNECT",
        b"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\n",
        "length",
        5,
        options={"request_method": b"CONNECT"},
    ),
    Good(
        "to GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "length",
        5,
        options={"request_method": b"GET"},
    ),
    Good("a status nobody knows", b"HTTP/1.1 999 What\r\n\r\n", "until-close", None),
]

BAD_REQUESTS = [
    # The start line
    Bad("no target", b"GET@@\r\n\r\n", "InvalidRequestLine"),
    Bad("no target but a space", b"GET @@\r\n\r\n", "InvalidRequestLine"),
    Bad("two spaces", b"GET @@ / HTTP/1.1\r\n\r\n", "InvalidRequestLine"),
    Bad("a tab", b"GET@@\t/ HTTP/1.1\r\n\r\n", "InvalidMethod", {"octet": 9}),
    Bad("a space before the method", b"@@ GET / HTTP/1.1\r\n\r\n", "InvalidMethod", {"octet": 32}),
    Bad("binary", b"@@\x00\x01\x02", "InvalidMethod", {"octet": 0}),
    Bad("a method with a slash", b"GET@@/ / HTTP/1.1\r\n\r\n", "InvalidMethod"),
    Bad("lower case", b"@@get / HTTP/1.1\r\n\r\n", "UnknownMethod", {"raw": b"get"}),
    Bad("an unknown method", b"@@BREW / HTTP/1.1\r\n\r\n", "UnknownMethod", {"raw": b"BREW"}),
    Bad("HTTP/0.9", b"GET /@@\r\n", "UnsupportedVersion", {"raw": b"HTTP/0.9"}),
    Bad("HTTP/2.0", b"GET / @@HTTP/2.0\r\n\r\n", "UnsupportedVersion", {"raw": b"HTTP/2.0"}),
    Bad("HTTP/1.2", b"GET / @@HTTP/1.2\r\n\r\n", "UnsupportedVersion", {"raw": b"HTTP/1.2"}),
    Bad(
        "HTTP/2.0, tolerantly",
        b"GET / @@HTTP/2.0\r\n\r\n",
        "UnsupportedVersion",
        options={"lenient": ["version"]},
    ),
    Bad("lower case version", b"GET / @@http/1.1\r\n\r\n", "InvalidVersion", {"octet": 0x68}),
    Bad("a version cut short", b"GET / HTTP/1@@\r\n\r\n", "InvalidVersion", {"octet": None}),
    Bad("a long version", b"GET / HTTP/1.1@@0\r\n\r\n", "InvalidVersion"),
    Bad("a space behind it", b"GET / HTTP/1.1@@ \r\n\r\n", "InvalidVersion", {"octet": 32}),
    Bad("two targets", b"GET /a @@/b HTTP/1.1\r\n\r\n", "InvalidVersion"),
    Bad("HTTP/2 preface", b"@@PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "Http2Preface"),
    Bad("TLS client hello", b"@@\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TlsBytes"),
    Bad("TLS alert", b"@@\x15\x03\x03\x00\x02\x02\x28", "TlsBytes"),
    Bad("nearly TLS", b"@@\x16\x02", "InvalidMethod", {"octet": 0x16}),
    Bad("LF alone", b"GET / HTTP/1.1@@\n\r\n", "BareLineFeed"),
    Bad("an empty line of LF", b"\r\n@@\nGET / HTTP/1.1\r\n\r\n", "BareLineFeed"),
    Bad("a CR before it", b"@@\rGET / HTTP/1.1\r\n\r\n", "BareCarriageReturn"),
    Bad("CR in the line", b"GET /@@\rX HTTP/1.1\r\n\r\n", "BareCarriageReturn"),
    Bad("CR in the method", b"GE@@\rT / HTTP/1.1\r\n\r\n", "BareCarriageReturn"),
    Bad("CR in the version", b"GET / HTTP@@\r/1.1\r\n\r\n", "BareCarriageReturn"),
    Bad("CR CR LF", b"GET / HTTP/1.1@@\r\r\n\r\n", "BareCarriageReturn"),
    # Targets (RFC 9112 section 3.2)
    Bad("NUL in the target", b"GET /@@\x00 HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("DEL in the target", b"GET /@@\x7f HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("an octet over 0x7f", b"GET /@@\xe9 HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("a fragment", b"GET /x@@#y HTTP/1.1\r\n\r\n", "InvalidTarget"),
    *(
        Bad(f"GET {target}", b"GET @@%b HTTP/1.1\r\n\r\n" % target.encode(), "InvalidTarget", {"reason": why})
        for target, why in (
            ("example.com:443", "a host and a port are for CONNECT alone"),
            ("[::1]:443", "a host and a port are for CONNECT alone"),
            ("index.html", "it is neither a path nor an absolute URI"),
            ("+x://h/", "it is neither a path nor an absolute URI"),
            ("1x://h/", "it is neither a path nor an absolute URI"),
            ("a_b://h/", "it is neither a path nor an absolute URI"),
            (":", "it is neither a path nor an absolute URI"),
            ("*", "* is for OPTIONS, M-SEARCH and NOTIFY alone"),
            ("**", "it is neither a path nor an absolute URI"),
            ("coap+ws://h/", "a scheme of more than letters, which is not taken here"),
            ("s3://h/", "a scheme of more than letters, which is not taken here"),
            ("urn:ietf:rfc:9110", "an absolute URI without a host, which is not taken here"),
            ("mailto:a@b", "an absolute URI without a host, which is not taken here"),
            ("http:/a", "an absolute URI without a host, which is not taken here"),
            ("http:", "an absolute URI without a host, which is not taken here"),
            ("http://[v1.a:b]/", "an address of a future version of IP, which is not taken here"),
            ("http://u:p@h/", "userinfo in it"),
            ("http://u@h", "userinfo in it"),
            ("http:///x", "no host, or a port that is none"),
            ("http://h:x/@", "no host, or a port that is none"),
            ("http://h:123456/", "no host, or a port that is none"),
            ("http://[::1/", "no host, or a port that is none"),
        )
    ),
    Bad("origin form for CONNECT", b"CONNECT @@/ HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("absolute form for CONNECT", b"CONNECT @@http://a:80/ HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("CONNECT without a port", b"CONNECT @@example.com HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("CONNECT with half a port", b"CONNECT @@example.com: HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("CONNECT with a long port", b"CONNECT @@example.com:443443 HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("CONNECT with half a bracket", b"CONNECT @@[::1:443 HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("absolute form without a host", b"GET @@http:///x HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("absolute form with a user", b"GET @@http://u@h/x HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("absolute form with a bad port", b"GET @@http://h:x/ HTTP/1.1\r\n\r\n", "InvalidTarget"),
    Bad("a URI without authority", b"GET @@urn:x HTTP/1.1\r\n\r\n", "InvalidTarget"),
    # Header lines
    Bad("no name", b"GET / HTTP/1.1\r\n@@: x\r\n\r\n", "InvalidHeaderName", {"octet": 0x3A}),
    Bad("no colon", b"GET / HTTP/1.1\r\nHost@@\r\n\r\n", "MissingColon"),
    Bad("a space in the name", b"GET / HTTP/1.1\r\nA@@ b: c\r\n\r\n", "InvalidHeaderName", {"octet": 32}),
    Bad("a control character in the name", b"GET / HTTP/1.1\r\nA@@\x0b: c\r\n\r\n", "InvalidHeaderName"),
    Bad("a letter from afar in the name", b"GET / HTTP/1.1\r\n@@\xc3\xa9: c\r\n\r\n", "InvalidHeaderName"),
    Bad("NUL in the name", b"GET / HTTP/1.1\r\nA@@\x00: c\r\n\r\n", "InvalidHeaderName"),
    Bad("space before the colon", b"GET / HTTP/1.1\r\nContent-Length@@ : 5\r\n\r\n", "SpaceBeforeColon"),
    Bad("tab before the colon", b"GET / HTTP/1.1\r\nA@@\t: 5\r\n\r\n", "SpaceBeforeColon"),
    Bad("space and no name", b"GET / HTTP/1.1\r\nB: c\r\n@@ : x\r\n\r\n", "ObsoleteFold"),
    Bad("a fold", b"GET / HTTP/1.1\r\nA: b\r\n@@ c\r\n\r\n", "ObsoleteFold"),
    Bad("a fold of nothing", b"GET / HTTP/1.1\r\nA: b\r\n@@ \r\n\r\n", "ObsoleteFold"),
    Bad("a fold before any field", b"GET / HTTP/1.1\r\n@@ A: b\r\n\r\n", "InvalidHeaderName"),
    Bad(
        "such a fold, tolerantly",
        b"GET / HTTP/1.1\r\n@@\tA: b\r\n\r\n",
        "InvalidHeaderName",
        options={"lenient": ["obs-fold"]},
    ),
    Bad(
        "a folded length, tolerantly",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\n@@ 2\r\n\r\n",
        "ObsoleteFold",
        options={"lenient": ["obs-fold"]},
    ),
    Bad(
        "a folded coding, tolerantly",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n@@ , gzip\r\n\r\n",
        "ObsoleteFold",
        options={"lenient": ["obs-fold"]},
    ),
    Bad("NUL in a value", b"GET / HTTP/1.1\r\nA: b@@\x00c\r\n\r\n", "InvalidHeaderValue", {"octet": 0}),
    Bad("escape in a value", b"GET / HTTP/1.1\r\nA: @@\x1b[31m\r\n\r\n", "InvalidHeaderValue"),
    Bad("DEL in a value", b"GET / HTTP/1.1\r\nA: @@\x7f\r\n\r\n", "InvalidHeaderValue"),
    Bad(
        "CR in a value", b"GET / HTTP/1.1\r\nA: b@@\rTransfer-Encoding: chunked\r\n\r\n", "BareCarriageReturn"
    ),
    Bad("CR CR LF behind a value", b"GET / HTTP/1.1\r\nA: b@@\r\r\n\r\n", "BareCarriageReturn"),
    Bad("CR in a name", b"GET / HTTP/1.1\r\nA@@\rB: c\r\n\r\n", "BareCarriageReturn"),
    Bad("CR alone", b"GET / HTTP/1.1\r\n@@\r\r\n\r\n", "BareCarriageReturn"),
    Bad("LF behind a value", b"GET / HTTP/1.1\r\nA: b@@\n\r\n", "BareLineFeed"),
    Bad("LF for the empty line", b"GET / HTTP/1.1\r\nA: b\r\n@@\n", "BareLineFeed"),
    Bad("NUL before LF", b"GET / HTTP/1.1\r\nA: @@\x00\n\r\n", "InvalidHeaderValue"),
    # Framing (RFC 9112 section 6)
    Bad("plus", b"PUT / HTTP/1.1\r\nContent-Length: @@+5\r\n\r\n", "InvalidContentLength", {"raw": b"+5"}),
    Bad("minus", b"PUT / HTTP/1.1\r\nContent-Length: @@-5\r\n\r\n", "InvalidContentLength", {"raw": b"-5"}),
    Bad("spaces in it", b"PUT / HTTP/1.1\r\nContent-Length: @@1 2\r\n\r\n", "InvalidContentLength"),
    Bad("an underscore", b"PUT / HTTP/1.1\r\nContent-Length: @@1_0\r\n\r\n", "InvalidContentLength"),
    Bad("hexadecimal", b"PUT / HTTP/1.1\r\nContent-Length: @@0x10\r\n\r\n", "InvalidContentLength"),
    Bad("a point", b"PUT / HTTP/1.1\r\nContent-Length: @@5.0\r\n\r\n", "InvalidContentLength"),
    Bad("nothing", b"PUT / HTTP/1.1\r\nContent-Length:@@\r\n\r\n", "InvalidContentLength", {"raw": b""}),
    Bad("Arabic digits", b"PUT / HTTP/1.1\r\nContent-Length: @@\xd9\xa5\r\n\r\n", "InvalidContentLength"),
    Bad(
        "a superscript in Latin-1",
        b"PUT / HTTP/1.1\r\nContent-Length: @@\xb2\r\n\r\n",
        "InvalidContentLength",
    ),
    Bad(
        "too large",
        b"PUT / HTTP/1.1\r\nContent-Length: @@9223372036854775808\r\n\r\n",
        "InvalidContentLength",
    ),
    Bad("huge", b"PUT / HTTP/1.1\r\nContent-Length: @@" + b"9" * 99 + b"\r\n\r\n", "InvalidContentLength"),
    Bad("a list", b"PUT / HTTP/1.1\r\nContent-Length: @@5, 5\r\n\r\n", "InvalidContentLength"),
    Bad(
        "an unequal list, tolerantly",
        b"PUT / HTTP/1.1\r\nContent-Length: @@5, 6\r\n\r\n",
        "ConflictingContentLength",
        {"first": 5, "second": 6},
        {"lenient": ["content-length"]},
    ),
    Bad(
        "a list with a gap, tolerantly",
        b"PUT / HTTP/1.1\r\nContent-Length: @@5, \r\n\r\n",
        "InvalidContentLength",
        options={"lenient": ["content-length"]},
    ),
    Bad(
        "two lengths",
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: @@6\r\n\r\n",
        "ConflictingContentLength",
        {"first": 5, "second": 6},
    ),
    Bad(
        "two lengths, tolerantly",
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: @@6\r\n\r\n",
        "ConflictingContentLength",
        options={"lenient": ["content-length"]},
    ),
    Bad(
        "one length twice",
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: @@5\r\n\r\n",
        "ConflictingContentLength",
        {"first": 5, "second": 5},
    ),
    Bad(
        "chunked twice",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@chunked, chunked\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked on two lines",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: @@chunked\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked not the last",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@chunked, gzip\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked not the last of a request, whatever is tolerated",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@chunked, gzip\r\n\r\n",
        "InvalidTransferEncoding",
        options={"lenient": ["until-close"]},
    ),
    Bad(
        "identity after chunked",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: @@identity\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "not chunked",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@gzip\r\n\r\n",
        "InvalidTransferEncoding",
        {"raw": b"gzip"},
    ),
    Bad(
        "identity",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@identity\r\nContent-Length: 3\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "nearly chunked",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@xchunked\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "quoted chunked",
        b'PUT / HTTP/1.1\r\nTransfer-Encoding: @@"chunked"\r\n\r\n',
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked with a parameter",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@chunked;a=b\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "a list with a gap",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@,chunked\r\n\r\n",
        "InvalidTransferEncoding",
        {"reason": "an empty list member", "section": "RFC 9110 section 5.6.1"},
    ),
    Bad("no coding", b"PUT / HTTP/1.1\r\nTransfer-Encoding:@@\r\n\r\n", "InvalidTransferEncoding"),
    Bad(
        "chunked and a space no one knows",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: @@chunked\xa0\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked and a tab",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: @@chunked \t\r\n\r\n",
        "InvalidTransferEncoding",
        {"raw": b"chunked", "reason": "a tab behind it"},
    ),
    Bad(
        "chunked in HTTP/1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: @@chunked\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "a bad length beside chunked",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: @@x\r\n\r\n",
        "InvalidContentLength",
    ),
    # Limits
    Bad(
        "a long request line",
        b"GET /xxxxx@@ HTTP/1.1\r\n\r\n",
        "RequestLineTooLong",
        {"limit": 10, "setting": "max_request_line"},
        {"max_request_line": 10},
    ),
    Bad("an endless request line", b"GET /" + b"x" * 8187 + b"@@xx", "RequestLineTooLong", {"limit": 8192}),
    Bad(
        "endless empty lines",
        b"\r\n" * 4 + b"\r@@\n",
        "RequestLineTooLong",
        {"limit": 9},
        {"max_request_line": 9},
    ),
    Bad(
        "a long header line",
        b"GET / HTTP/1.1\r\nA: 345678@@9\r\n\r\n",
        "HeaderTooLong",
        {"limit": 9, "setting": "max_header_line"},
        {"max_header_line": 9},
    ),
    Bad(
        "an endless header line",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 16381 + b"@@xx",
        "HeaderTooLong",
        {"limit": 16384},
    ),
    Bad(
        "long headers",
        b"GET / HTTP/1.1\r\nA: 1\r\nB: @@2\r\n\r\n",
        "HeaderTooLong",
        {"limit": 9, "setting": "max_headers_total"},
        {"max_headers_total": 9},
    ),
    Bad(
        "too many headers",
        b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n@@C: 3\r\n\r\n",
        "TooManyHeaders",
        {"limit": 2, "setting": "max_header_count"},
        {"max_header_count": 2},
    ),
    Bad(
        "129 headers",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 128 + b"@@A: b\r\n\r\n",
        "TooManyHeaders",
        {"limit": 128},
    ),
    Bad(
        "a limit breaks before an octet does",
        b"GET / HTTP/1.1\r\nA: \x0045678@@9\r\n\r\n",
        "HeaderTooLong",
        {"limit": 9},
        {"max_header_line": 9},
    ),
]

BAD_RESPONSES = [
    Bad("a request", b"@@GET / HTTP/1.1\r\n\r\n", "InvalidStatusLine"),
    Bad("an empty line before it", b"@@\r\nHTTP/1.1 200 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("TLS alert", b"@@\x15\x03\x01\x00\x02\x02\x46", "TlsBytes"),
    Bad("lower case", b"@@http/1.1 200 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("not HTTP", b"HT@@PT/1.1 200 OK\r\n\r\n", "InvalidVersion"),
    Bad("HTTP/2.0", b"@@HTTP/2.0 200 OK\r\n\r\n", "UnsupportedVersion", {"raw": b"HTTP/2.0"}),
    Bad("no space", b"HTTP/1.1@@200 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("two spaces", b"HTTP/1.1 @@ 200 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("two digits", b"HTTP/1.1 20@@ OK\r\n\r\n", "InvalidStatusLine"),
    Bad("four digits", b"HTTP/1.1 200@@0 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("a sign", b"HTTP/1.1 @@+20 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("a status under 100", b"HTTP/1.1 @@099 OK\r\n\r\n", "InvalidStatusLine"),
    Bad("nothing", b"HTTP/1.1 @@\r\n\r\n", "InvalidStatusLine"),
    Bad("only a version", b"HTTP/1.1@@\r\n\r\n", "InvalidStatusLine"),
    Bad(
        "no space before a reason, strictly",
        b"HTTP/1.1 200@@\r\n\r\n",
        "InvalidStatusLine",
        options={"lenient": []},
    ),
    Bad("a control character in the reason", b"HTTP/1.1 200 O@@\x1bK\r\n\r\n", "InvalidStatusLine"),
    Bad("CR in the reason", b"HTTP/1.1 200 O@@\rK\r\n\r\n", "BareCarriageReturn"),
    Bad("CR after the status", b"HTTP/1.1 200@@\rK\r\n\r\n", "BareCarriageReturn"),
    Bad("LF after the reason", b"HTTP/1.1 200 OK@@\n\r\n", "BareLineFeed"),
    Bad(
        "chunked not the last",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: @@chunked, gzip\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "chunked twice, and a coding between",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nTransfer-Encoding: @@chunked\r\n\r\n",
        "InvalidTransferEncoding",
        {"reason": "chunked twice"},
        {"lenient": ["until-close"]},
    ),
    Bad(
        "a coding with a parameter",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: @@gzip ;a=b\r\n\r\n",
        "InvalidTransferEncoding",
        {"reason": "a parameter, which no registered coding has", "section": "RFC 9112 section 7"},
    ),
    Bad(
        "chunked with a parameter, to be read until close",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: @@Chunked;a=b\r\n\r\n",
        "InvalidTransferEncoding",
        options={"lenient": ["until-close"]},
    ),
    Bad(
        "chunked in a quoted parameter",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: @@gzip;a=",chunked\r\n\r\n',
        "InvalidTransferEncoding",
        options={"lenient": ["until-close"]},
    ),
    Bad(
        "no token, to be read until close",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: @@gz/ip\r\n\r\n",
        "InvalidTransferEncoding",
        {"reason": "not a list of transfer codings", "section": "RFC 9112 section 6.1"},
        {"lenient": ["until-close"]},
    ),
    Bad(
        "chunked in HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: @@chunked\r\n\r\n",
        "InvalidTransferEncoding",
    ),
    Bad(
        "two lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: @@2\r\n\r\n",
        "ConflictingContentLength",
    ),
    Bad(
        "a long status line",
        b"HTTP/1.1 20@@0 OK\r\n\r\n",
        "RequestLineTooLong",
        {"limit": 11},
        {"max_request_line": 11},
    ),
]


class Body(NamedTuple):
    """A chunked body that is accepted: what it decodes to, and its trailers."""

    name: str
    data: bytes
    decoded: bytes
    trailers: Sequence[tuple[bytes, bytes]] = ()
    options: Mapping[str, Any] = NO_OPTIONS


GOOD_BODIES = [
    Body("empty", b"0\r\n\r\n", b""),
    Body("one chunk", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    Body("two chunks", b"5\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\n", b"hello, world!!!"),
    Body(
        "letters of both cases",
        b"a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n",
        b"01234567890123456789a",
    ),
    Body("zeros before the size", b"0000000000000005\r\nhello\r\n00\r\n\r\n", b"hello"),
    Body("line ends as data", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    Body("an extension", b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello"),
    Body("a quoted extension", b'5;a="x;\\"y\r"\r\nhello\r\n0\r\n\r\n'.replace(b'\r"', b'"'), b"hello"),
    Body("many extensions", b'5;a=b;c="";d;e="\t\\\\"\r\nhello\r\n0\r\n\r\n', b"hello"),
    Body("a trailer", b"0\r\nX-Sum: 12 \r\n\r\n", b"", [(b"X-Sum", b"12")]),
    Body("trailers", b"1\r\nx\r\n0\r\nA:1\r\nb: \r\n\r\n", b"x", [(b"A", b"1"), (b"b", b"")]),
    Body("trailing data", b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", b""),
    Body("LF alone", b"5\nhello\n0\nA: b\n\n", b"hello", [(b"A", b"b")], {"lenient": ["bare-lf"]}),
    Body(
        "spaces",
        b'5 \r\nhello\r\n5 ; a = "b" ;c \t\r\nworld\r\n0\t\r\n\r\n',
        b"helloworld",
        options={"lenient": ["chunk-space"]},
    ),
    Body(
        "a folded trailer",
        b"0\r\nA: b\r\n  c\r\nD:\r\n e\r\n\r\n",
        b"",
        [(b"A", b"b c"), (b"D", b"e")],
        {"lenient": ["obs-fold"]},
    ),
]

BAD_BODIES = [
    Bad("no size", b"@@\r\n", "InvalidChunkSize", {"octet": 13}),
    Bad("an extension without a size", b"@@;a\r\n", "InvalidChunkSize"),
    Bad("a sign", b"@@+5\r\nhello\r\n", "InvalidChunkSize"),
    Bad("minus", b"@@-1\r\n", "InvalidChunkSize"),
    Bad("a space before it", b"@@ 5\r\nhello\r\n", "InvalidChunkSize"),
    Bad("0x", b"0@@x5\r\nhello\r\n", "InvalidChunkExtension"),
    Bad("an underscore", b"5@@_0\r\nhello\r\n", "InvalidChunkExtension"),
    Bad(
        "a space behind it",
        b"5@@ \r\nhello\r\n",
        "InvalidChunkExtension",
        {"octet": 0x20, "section": "RFC 9110 section 5.6.3"},
    ),
    Bad("whitespace before a semicolon", b"1@@ ; a = b\r\nx\r\n", "InvalidChunkExtension", {"octet": 0x20}),
    Bad(
        "a tab before an equals sign",
        b"1;a@@\t=b\r\nx\r\n",
        "InvalidChunkExtension",
        {"octet": 9, "section": "RFC 9110 section 5.6.3"},
    ),
    Bad("Arabic digits", b"@@\xd9\xa5\r\nhello\r\n", "InvalidChunkSize"),
    Bad("no chunked body at all", b"@@<html>", "InvalidChunkSize"),
    Bad(
        "over 32 bits",
        b"@@100000000\r\n",
        "ChunkSizeOverflow",
        {"limit": 2**32 - 1, "setting": "max_chunk_size"},
    ),
    Bad("over 64 bits", b"5\r\nhello\r\n@@10000000000000005\r\nhello\r\n", "ChunkSizeOverflow"),
    Bad("endless zeros", b"@@" + b"0" * 1100, "ChunkSizeOverflow"),
    Bad("seventeen digits", b"@@00000000000000005\r\nhello\r\n", "ChunkSizeOverflow"),
    Bad("over a limit", b"@@6\r\n", "ChunkSizeOverflow", {"limit": 5}, {"max_chunk_size": 5}),
    Bad("LF for an end", b"5@@\nhello\r\n", "BareLineFeed"),
    Bad("LF in an extension", b"5;a=b@@\nhello\r\n", "BareLineFeed"),
    Bad("LF in a quoted extension", b'5;a="b@@\n"\r\nhello\r\n', "InvalidChunkExtension", {"octet": None}),
    Bad("CR in an extension", b"5;a@@\rb\r\nhello\r\n", "BareCarriageReturn"),
    Bad("CR CR LF", b"5@@\r\r\nhello\r\n", "BareCarriageReturn"),
    Bad("NUL in an extension", b"5;a@@\x00\r\nhello\r\n", "InvalidChunkExtension", {"octet": 0}),
    Bad("an extension without a name", b"5;@@\r\nhello\r\n", "InvalidChunkExtension", {"octet": None}),
    Bad("two semicolons", b"5;@@;\r\nhello\r\n", "InvalidChunkExtension"),
    Bad("a name without a value", b"5;a=@@\r\nhello\r\n", "InvalidChunkExtension"),
    Bad("a quotation in a token", b'5;a=b@@"\r\nhello\r\n', "InvalidChunkExtension"),
    Bad("something after a quotation", b'5;a="b"@@c\r\nhello\r\n', "InvalidChunkExtension"),
    Bad("a space in an extension", b"5;@@ a\r\nhello\r\n", "InvalidChunkExtension"),
    Bad(
        "a long extension",
        b"5@@;abcd\r\nhello\r\n",
        "ChunkExtensionTooLong",
        {"limit": 4, "setting": "max_extension"},
        {"max_extension": 4},
    ),
    Bad("an endless extension", b"5@@;" + b"a" * 1041, "ChunkExtensionTooLong", {"limit": 1024}),
    Bad(
        "endless extensions",
        b"1;a\r\nx\r\n" * 3 + b"1@@;a\r\nx\r\n",
        "ChunkExtensionTooLong",
        {"limit": 6, "setting": "max_extensions_total"},
        {"max_extensions_total": 6},
    ),
    Bad("data beyond the size", b"5\r\nhello@@!\r\n", "InvalidChunkEnd", {"octet": 0x21}),
    Bad("LF behind the data", b"5\r\nhello@@\n0\r\n\r\n", "InvalidChunkEnd", {"octet": 10}),
    Bad("CR behind the data", b"5\r\nhello\r@@0\r\n\r\n", "InvalidChunkEnd", {"octet": 0x30}),
    Bad("no empty line", b"0\r\n@@\x00\r\n", "InvalidHeaderName"),
    Bad("LF for the empty line", b"0\r\n@@\n", "BareLineFeed"),
    Bad("a trailer with NUL", b"0\r\nA: @@\x00\r\n\r\n", "InvalidHeaderValue"),
    Bad("a folded trailer", b"0\r\nA: b\r\n@@ c\r\n\r\n", "ObsoleteFold"),
    Bad(
        "a trailer without a colon",
        b"0\r\nGET / HTTP/1.1@@\r\n\r\n".replace(b"GET / ", b"").replace(b"/", b""),
        "MissingColon",
    ),
    Bad("a request for a trailer", b"0\r\nGET@@ / HTTP/1.1\r\n\r\n", "InvalidHeaderName"),
    Bad(
        "Content-Length as a trailer",
        b"0\r\n@@content-length: 5\r\n\r\n",
        "ForbiddenTrailer",
        {"raw": b"content-length"},
    ),
    Bad("Transfer-Encoding as a trailer", b"0\r\n@@Transfer-Encoding: chunked\r\n\r\n", "ForbiddenTrailer"),
    Bad(
        "a long trailer",
        b"0\r\nA: 345678@@9\r\n\r\n",
        "HeaderTooLong",
        {"limit": 9, "setting": "max_header_line"},
        {"max_header_line": 9},
    ),
    Bad("an endless trailer", b"0\r\nA: " + b"x" * 16381 + b"@@xx", "HeaderTooLong", {"limit": 16384}),
    Bad(
        "long trailers",
        b"0\r\nA: 1\r\nB: @@2\r\n\r\n",
        "HeaderTooLong",
        {"limit": 9, "setting": "max_headers_total"},
        {"max_headers_total": 9},
    ),
    Bad(
        "too many trailers",
        b"0\r\nA: 1\r\nB: 2\r\n@@C: 3\r\n\r\n",
        "TooManyHeaders",
        {"limit": 2},
        {"max_header_count": 2},
    ),
]
