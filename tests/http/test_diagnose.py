"""`diagnose`: what it finds, and where; that the parser decides; that nothing makes it run away."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from netkit.http.diagnose import diagnosis as module
from netkit.http.diagnose.diagnosis import MAX_ALIKE, MAX_CHUNKS, MAX_FINDINGS, MAX_MESSAGES, diagnose
from netkit.http.diagnose.findings import KNOWN, Span, code_of
from netkit.http.parser.chunked import ChunkedDecoder, ChunkEnd
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing, Lenient, TargetForm
from netkit.http.parser.head import HttpParser
from netkit.severity import Severity
from tests.http.finding_examples import EXAMPLES, Example
from tests.http.mutation import WHOLE_REQUESTS, WHOLE_RESPONSES, edited, edits

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def codes(octets: bytes, **options: Any) -> list[str]:
    return [finding.code for finding in diagnose(octets, **options).findings]


# Every code


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_found_where_it_is(example: Example) -> None:
    report = diagnose(example.octets, **example.options)
    found = next(finding for finding in report.findings if finding.code == example.code)
    assert (found.offset, found.length, found.severity.value) == (
        *(example.offset, example.length, example.severity),
    )
    assert found.section.startswith("RFC ")
    assert found.problem
    assert "at octet" not in found.problem or found.code == "framing-conflict"
    assert found.to_dict()["elsewhere"] == found.elsewhere
    assert report.accepted is not (example.severity == "error")


def test_every_error_of_the_parser_has_an_example() -> None:
    kinds = {value.__name__ for value in vars(ParseError).values() if isinstance(value, type)}
    wanted = {code_of(getattr(ParseError, kind).__new__(getattr(ParseError, kind))) for kind in kinds}
    assert wanted <= {example.code for example in EXAMPLES}
    assert len(wanted) == 29


def test_every_code_in_the_source_has_an_example() -> None:
    """Whatever text in it looks like one."""
    folder = Path(module.__file__).parent
    source = "".join(
        (folder / name).read_text("utf-8") for name in ("diagnosis.py", "meaning.py", "chunk_report.py")
    )
    found = set(re.findall(r'(?<!b)"([a-z0-9]+(?:-[a-z0-9]+)+)"', source)) - {"latin-1"}
    assert found <= {example.code for example in EXAMPLES} | {"more-messages"}
    assert len(found) >= 28


def test_an_ordinary_message_has_no_findings() -> None:
    assert diagnose(GET).findings == []
    assert codes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") == []


# The parts


def test_the_parts_of_a_request() -> None:
    octets = b"POST http://a/x?y HTTP/1.0\r\nHost:  a \r\nContent-Length: 3\r\n\r\nabc"
    (message,) = diagnose(octets).messages
    assert message.is_request
    assert (message.method, message.target, message.version) == (b"POST", b"http://a/x?y", (1, 0))
    assert (message.target_form, message.status, message.reason) == ("absolute", None, None)
    assert {name: octets[span.offset : span.end] for name, span in message.start_line.items()} == {
        "method": b"POST",
        "target": b"http://a/x?y",
        "version": b"HTTP/1.0",
    }
    host = message.headers[0]
    assert (host.name, host.value, host.name_span, host.value_span) == (
        *(b"Host", b"a", Span(28, 4), Span(35, 1)),
    )
    assert message.framing is Framing.LENGTH
    assert (message.body, message.content_length, message.complete) == (Span(60, 3), 3, True)
    assert message.span == Span(0, len(octets))


def test_the_parts_of_a_chunked_response() -> None:
    octets = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nETag: x\r\nX:y\r\n\r\n"
    )
    report = diagnose(octets)
    (message,) = report.messages
    assert (message.status, message.reason, message.framing) == (200, b"OK", Framing.CHUNKED)
    assert [(chunk.size, chunk.extension) for chunk in message.chunks] == [(3, b";a=b"), (10, b""), (0, b"")]
    for chunk in message.chunks:
        assert int(octets[chunk.line.offset : chunk.line.end].partition(b";")[0], 16) == chunk.size
        assert octets[chunk.data.offset - 2 : chunk.data.offset] == b"\r\n"
    assert [octets[chunk.data.offset : chunk.data.end] for chunk in message.chunks] == [
        b"abc",
        b"0123456789",
        b"",
    ]
    assert (message.content_length, message.chunk_count) == (13, 3)
    assert [(field.name, field.value) for field in message.trailers] == [(b"ETag", b"x"), (b"X", b"y")]
    for field in message.trailers:
        assert octets[field.name_span.offset : field.name_span.end] == field.name
        assert octets[field.value_span.offset : field.value_span.end] == field.value
    assert message.body == Span(47, len(octets) - 47)
    assert report.accepted


@pytest.mark.parametrize(
    ("octets", "options", "framing", "reason", "item"),
    [
        (GET, {}, "none", "without Content-Length and Transfer-Encoding has no body", 7),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            {"request_methods": ["HEAD"]},
            "none",
            "to HEAD",
            1,
        ),
        (b"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", {}, "none", "status 304", 1),
        (b"HTTP/1.1 200 OK\r\n\r\n", {"request_methods": [b"CONNECT"]}, "none", "comes a tunnel", 2),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", {}, "until-close", "is not chunked", 4),
        (b"HTTP/1.1 200 OK\r\n\r\n", {}, "until-close", "ends with the connection", 8),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {}, "length", "says how long", 6),
        (EXAMPLES[31].octets, {}, "chunked", "overrides Content-Length", 3),
    ],
)
def test_how_it_is_framed_and_why(
    octets: bytes, options: dict[str, Any], framing: str, reason: str, item: int
) -> None:
    (message,) = diagnose(octets, **options).messages
    assert message.framing == framing
    assert reason in message.framing_reason
    assert message.framing_section == f"RFC 9112 section 6.3, item {item}"


def test_one_after_another() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    report = diagnose(GET + post + b"\r\n" + GET)
    assert [message.method for message in report.messages] == [b"GET", b"POST", b"GET"]
    assert [message.span.offset for message in report.messages] == [0, len(GET), len(GET + post)]
    assert [(finding.code, finding.message) for finding in report.findings] == [("leading-empty-lines", 2)]


def test_responses_answer_methods_in_order() -> None:
    """An interim response answers nothing yet; the last method goes on."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    octets = head + b"x" + b"HTTP/1.1 100 Continue\r\n\r\n" + head + head
    report = diagnose(octets, request_methods=["GET", "HEAD"])
    assert [message.framing for message in report.messages] == ["length", "none", "none", "none"]
    assert report.accepted


@pytest.mark.parametrize(
    ("octets", "options"),
    [
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\0\1", {}),
        (b"HTTP/1.1 200 OK\r\n\r\n\0\1", {"request_methods": ["CONNECT"]}),
        (b"HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n\0\1", {}),
    ],
)
def test_what_is_no_longer_http_is_left_alone(octets: bytes, options: dict[str, Any]) -> None:
    report = diagnose(octets, **options)
    assert report.accepted
    assert report.rest == Span(len(octets) - 2, 2)
    assert [finding.code for finding in report.findings] == ["tunnel"]


# Behind an error


def test_all_bad_lines_are_found() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\nbad\r\nA: \0\r\n fold\r\nContent-Length: x\r\n\r\n"
    report = diagnose(octets)
    assert report.error is not None
    assert report.error.kind == "SpaceBeforeColon"
    assert [(finding.code, finding.offset) for finding in report.findings] == [
        ("space-before-colon", 26),
        ("missing-colon", 35),
        ("invalid-header-value", 40),
        ("obsolete-fold", 43),
        ("invalid-content-length", 66),
    ]
    assert all(finding.severity is Severity.ERROR for finding in report.findings)
    assert report.rest == Span(26, len(octets) - 26)


def test_what_was_tolerated_is_a_warning() -> None:
    octets = b"GET / HTTP/1.1\nHost: a\r\nX : y\r\n\r\n"
    lenient = Lenient.BARE_LF | Lenient.SPACE_BEFORE_COLON
    report = diagnose(octets, lenient=lenient)
    assert report.accepted
    assert [(finding.code, finding.severity.value, finding.offset) for finding in report.findings] == [
        ("bare-line-feed", "warning", 14),
        ("space-before-colon", "warning", 25),
    ]
    report = diagnose(octets, lenient=Lenient.BARE_LF)
    assert [(finding.code, finding.severity.value) for finding in report.findings] == [
        ("space-before-colon", "error"),
        ("bare-line-feed", "warning"),
    ]


def test_what_was_tolerated_in_a_body_is_a_warning() -> None:
    octets = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n"
    report = diagnose(octets, lenient=Lenient.CHUNK_SPACE)
    assert report.accepted
    assert [(finding.code, finding.severity.value) for finding in report.findings] == [
        ("invalid-chunk-extension", "warning"),
    ]


def test_a_framing_conflict_is_what_one_says_it_is() -> None:
    octets = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    report = diagnose(octets + GET)
    (found,) = report.findings
    assert not report.accepted
    assert found.problem.endswith("the body ends at octet 79 by the one, at 77 by the other")
    assert found.tolerance == "cl-te"
    assert found.elsewhere == {"llhttp": "refuses", "h11": "accepts", "nginx": "refuses"}
    assert len(report.messages) == 2, "chunked wins"
    report = diagnose(octets, lenient=Lenient.CL_TE)
    assert report.accepted
    assert report.findings[0].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (GET[:-2], "the message is cut off"),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", "3 of 5 octets of its body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "2 octets of a chunk are missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "its last chunk is missing"),
    ],
)
def test_cut_off(octets: bytes, words: str) -> None:
    report = diagnose(octets)
    found = report.findings[0]
    assert (found.code, found.offset, report.accepted) == ("incomplete", len(octets), False)
    assert words in found.problem
    assert not report.messages[0].complete


@pytest.mark.parametrize(
    ("host", "target", "differs"),
    [
        (b"a", b"http://a/", False),
        (b"A", b"http://a/", False),
        (b"a:80", b"http://a/", False),
        (b"a", b"http://A:80/", False),
        (b"a:443", b"https://a/", False),
        (b"a:80", b"https://a/", True),
        (b"a:8080", b"http://a/", True),
        (b"b", b"http://a/", True),
        (b"a", b"http://a:/", False),
        (b"a", b"ws://a:80/", False),
        (b"a:80", b"ws://a/", False),
        (b"[::1]", b"http://[::1]:80/", False),
        (b"[::1]:8080", b"http://[::1]:8080/", False),
    ],
)
def test_host_beside_the_target(host: bytes, target: bytes, differs: bool) -> None:
    octets = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    assert ("host-differs" in codes(octets)) is differs


@pytest.mark.parametrize("host", [b"www.example.com", b"www.example.com:80"])
def test_host_beside_the_target_of_a_connect(host: bytes) -> None:
    """The first is the example of RFC 9112 section 3.2.3."""
    octets = b"CONNECT www.example.com:80 HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    assert codes(octets) == []


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"a",
        b"a:1",
        b"[::1]",
        b"[::1]:80",
        b"a-b.c_d",
        b"a%20b",
        b"a:",
        b"a:000080",
        b"a:65535",
        b"[v1.a:b]",
    ],
)
def test_a_valid_host(host: bytes) -> None:
    assert codes(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == []


@pytest.mark.parametrize(
    "host", [b"a b", b"a/", b"a@b", b"[::1", b"a:port", b"a,b:c", b"caf\xe9", b"a%zz", b"[::::]", b"a:65536"]
)
def test_a_host_that_is_none(host: bytes) -> None:
    assert "invalid-host" in codes(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")


def test_errors_are_kept_beside_any_number_of_notes() -> None:
    noisy = GET[:-2] + b"".join(b"X-%d: \xe9\r\n" % n for n in range(5)) + b"\r\n"
    report = diagnose(noisy * 45 + b"GET / HTTP/1.1\r\nX : b\r\n\r\n")
    assert not report.accepted
    assert report.reasons == ["space-before-colon", "missing-host"]
    assert report.omitted["obs-text"] == 25
    assert [found.code for found in report.findings if found.severity is Severity.ERROR] == report.reasons


def test_notes_do_not_stand_for_warnings_of_their_code() -> None:
    fields = b"".join(b"A_%d: x\r\n" % n for n in range(5)) + b"Content_Length: 5\r\n"
    report = diagnose(GET[:-2] + fields + b"\r\n")
    assert [found.severity.value for found in report.findings] == ["note"] * 5 + ["warning"]


def test_a_connection_field_that_names_many() -> None:
    octets = GET[:-2] + b"Connection: accept, cookie, date, etag, expect, host, content-length\r\n\r\n"
    (found,) = diagnose(octets).findings
    assert found.problem.startswith(
        "Connection names accept, content-length, cookie, date, etag, expect, host:"
    )


def test_a_length_of_many_digits() -> None:
    zeros = b"0" * 5000
    octets = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        + zeros
        + b"\r\n\r\n0\r\n\r\n"
    )
    assert diagnose(octets).reasons == ["framing-conflict"]


@pytest.mark.parametrize("version", [b"1.1", b"1.5"])
def test_host_is_wanted_whatever_is_read_as_http_1_1(version: bytes) -> None:
    octets = b"GET / HTTP/" + version + b"\r\n\r\n"
    assert diagnose(octets, lenient=Lenient.VERSION).reasons == ["missing-host"]
    assert diagnose(b"GET / HTTP/1.0\r\n\r\n").accepted


def test_only_what_is_tolerated_is_said_to_be() -> None:
    octets = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX\0: a\r\n"
        b"Content-Length: 6\r\nContent-Length: -7\r\nContent-Length: 5, 5\r\n\r\n"
    )
    report = diagnose(octets, lenient=Lenient.CONTENT_LENGTH)
    assert [(found.code, found.severity.value, found.tolerance) for found in report.findings] == [
        ("invalid-header-name", "error", None),
        ("conflicting-content-length", "error", None),
        ("invalid-content-length", "error", None),
        ("invalid-content-length", "warning", "content-length"),
    ]
    folded = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"
    assert diagnose(folded, lenient=Lenient.OBS_FOLD).findings[0].tolerance is None


_OLD = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


_NOT_LAST = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc"


def test_a_response_that_is_read_until_close() -> None:
    report = diagnose(_NOT_LAST, lenient=Lenient.UNTIL_CLOSE)
    (message,) = report.messages
    assert (message.framing, message.content_length) == (Framing.UNTIL_CLOSE, 3)
    assert message.framing_section == "RFC 9112 section 6.3, item 4"
    (found,) = [found for found in report.findings if found.code == "invalid-transfer-encoding"]
    assert (found.severity, found.tolerance) == (Severity.WARNING, "until-close")
    assert "chunked is not the last" in found.problem


def test_whitespace_in_an_extension_is_not_blamed_on_the_grammar() -> None:
    findings = diagnose(_CHUNKED + b"1 ; a = b\r\nx\r\n0\r\n\r\n").findings
    (found,) = [found for found in findings if found.severity is Severity.ERROR]
    assert found.section == "RFC 9110 section 5.6.3"
    assert found.problem == "whitespace behind a chunk's size or in its extension, which no sender may write"


def test_what_upnp_sends() -> None:
    octets = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n\r\n'
    report = diagnose(octets)
    assert report.messages[0].target_form is TargetForm.ASTERISK
    assert [found for found in report.findings if found.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    ("octets", "code", "tolerance"),
    [
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare-line-feed", "bare-lf"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "unsupported-version", None),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "unsupported-version", "version"),
        (b"GET /\r\n", "unsupported-version", None),
        (b"GET /#a HTTP/1.1\r\n\r\n", "invalid-target", None),
        (b"GET /\xe9 HTTP/1.1\r\n\r\n", "invalid-target", "non-ascii-target"),
        (b"HTTP/1.1 20\r\n\r\n", "invalid-status-line", None),
        (_OLD, "invalid-transfer-encoding", "transfer-encoding"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "invalid-transfer-encoding", None),
        (_CHUNKED + b"0x5\r\n", "invalid-chunk-extension", None),
        (_CHUNKED + b"1 \r\nx\r\n0\r\n\r\n", "invalid-chunk-extension", "chunk-space"),
        (_CHUNKED + b"1 ; a = b\r\nx\r\n0\r\n\r\n", "invalid-chunk-extension", "chunk-space"),
        (_NOT_LAST, "invalid-transfer-encoding", "until-close"),
        (_NOT_LAST.replace(b"chunked, gzip", b"gzip;a=b"), "invalid-transfer-encoding", "until-close"),
        (_NOT_LAST.replace(b"chunked, gzip", b"chunked;a"), "invalid-transfer-encoding", None),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "invalid-transfer-encoding", None),
        (_CHUNKED + b"1\r\nx\n0\r\n\r\n", "invalid-chunk-end", "bare-lf"),
        (_CHUNKED + b"1\r\nxy0\r\n\r\n", "invalid-chunk-end", None),
    ],
)
def test_the_tolerance_that_helps(octets: bytes, code: str, tolerance: str | None) -> None:
    (found,) = [found for found in diagnose(octets).findings if found.code == code]
    assert found.tolerance == tolerance


def test_every_deviation_of_a_line() -> None:
    octets = b"FOO /\xff HTTP/1.7\nHost: a\r\n\r\n"
    wanted = ["unknown-method", "invalid-target", "unsupported-version", "bare-line-feed"]
    assert [found.code for found in diagnose(octets).findings] == wanted
    lenient = Lenient.named(["unknown-method", "non-ascii-target", "version", "bare-lf"])
    report = diagnose(octets, lenient=lenient)
    assert [found.code for found in report.findings] == wanted
    assert report.accepted


def test_tolerated_trailers() -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n"
    (found,) = diagnose(octets, lenient=Lenient.SPACE_BEFORE_COLON).findings
    assert (found.code, found.severity.value, found.offset) == ("space-before-colon", "warning", 51)


def test_a_refused_head_is_judged_for_what_it_says_all_the_same() -> None:
    octets = (
        b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\nX : c\r\n\r\n"
    )
    report = diagnose(octets)
    assert report.reasons == ["space-before-colon", "framing-conflict", "repeated-host"]
    assert [field.name for field in report.messages[0].headers][-1] == b"X"


def test_host_is_not_missed_where_a_line_cannot_be_read() -> None:
    assert "missing-host" not in codes(b"GET / HTTP/1.1\r\nHost\0: a\r\n\r\n")
    assert "missing-host" not in codes(b"GET / HTTP/1.1\r\nX : a\r\n")
    assert "missing-host" in codes(b"GET / HTTP/1.1\r\nX : a\r\n\r\n")
    assert "missing-host" not in codes(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")


@pytest.mark.parametrize("other", [b"\x16\x03\x01\0\xa5\n\xff\n\xfe\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_another_protocol_is_not_read_for_lines(other: bytes) -> None:
    assert len(diagnose(other).findings) == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n\0",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\0",
    ],
)
def test_a_tunnel_is_not_behind_the_last_message(octets: bytes) -> None:
    assert codes(octets, request_methods=["CONNECT"]) == ["tunnel"]


def test_an_interim_response_closes_nothing() -> None:
    octets = b"HTTP/1.1 100 x\r\nConnection: close\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n"
    assert codes(octets) == []


def test_framing_of_a_response_that_makes_a_tunnel() -> None:
    octets = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert codes(octets, request_methods=["CONNECT"]) == ["framing-without-body"]


def test_a_conflict_where_there_is_no_body() -> None:
    octets = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    (found,) = diagnose(octets, request_methods=["HEAD"]).findings
    assert found.problem == "Transfer-Encoding and Content-Length, in a response that has no body"


@pytest.mark.parametrize(
    ("version", "value", "length", "found"),
    [
        (b"1.1", b"100-continue", 1, [("expect-continue", "note")]),
        (b"1.1", b"100-Continue, 100-continue", 1, [("expect-continue", "note")]),
        (b"1.1", b"", 1, []),
        (b"1.1", b"100-continue", None, [("expect-continue", "warning")]),
        (b"1.1", b"100-continue, tea", 1, [("unknown-expectation", "warning"), ("expect-continue", "note")]),
        (b"1.0", b"100-continue", 1, [("expect-continue", "note")]),
    ],
)
def test_expectations(version: bytes, value: bytes, length: int | None, found: list[tuple[str, str]]) -> None:
    octets = b"POST / HTTP/" + version + b"\r\nHost: a\r\nExpect: " + value + b"\r\n"
    octets += b"\r\n" if length is None else b"Content-Length: 1\r\n\r\nx"
    assert [(each.code, each.severity.value) for each in diagnose(octets).findings] == found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"0" * 17 + b"5\r\nhello\r\n0\r\n\r\n", "a chunk's size in more digits than are read"),
        (b"0\r\n", "the empty line that ends its trailers is missing"),
        (b"0;a=b\r\nX: y\r\n", "the empty line that ends its trailers is missing"),
    ],
)
def test_chunks_in_words(body: bytes, words: str) -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    assert any(words in found.problem for found in diagnose(octets).findings)


def test_a_long_line_behind_an_error_is_not_read() -> None:
    octets = b"GET / HTTP/1.1\r\nbad\r\nTransfer-Encoding: " + b"ab," * 100_000 + b"\r\n\r\n"
    assert codes(octets) == ["missing-colon", "header-too-long"]


# What may be given


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="no argument 'max_header'"):
        diagnose(GET, max_header=1)
    with pytest.raises(ValueError, match="max_header_line"):
        diagnose(GET, max_header_line=-1)
    with pytest.raises(TypeError):
        diagnose("GET")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="several"):
        diagnose(GET, request_methods="HEAD")
    for method in ("", "GE T", b"\xff"):
        with pytest.raises(ValueError, match="is not a method"):
            diagnose(GET, request_methods=[method])


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_buffer(make: Any) -> None:
    assert diagnose(make(GET)).accepted


def test_a_kind_that_is_given() -> None:
    assert diagnose(GET, response=True).error is not None
    assert diagnose(b"HTTP/1.1 200 OK\r\n\r\n", response=False).error is not None


# Bounds


def test_alike_findings_are_counted() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"bad\r\n" * 100 + b"\r\n"
    report = diagnose(octets)
    assert len(report.findings) == MAX_ALIKE
    assert report.omitted == {"missing-colon": 100 - MAX_ALIKE}


def test_findings_are_bounded() -> None:
    report = diagnose(b"\r\n" + GET + (b"\r\n" + GET) * 500)
    assert len(report.findings) == MAX_FINDINGS
    assert report.omitted == {"leading-empty-lines": 501 - MAX_FINDINGS}
    assert diagnose((b"\r\n" + GET) * 300 + b"bad").accepted is False, "an error counts though it is not kept"


def test_messages_are_bounded() -> None:
    report = diagnose(GET * (MAX_MESSAGES + 5))
    assert len(report.messages) == MAX_MESSAGES
    assert report.rest == Span(MAX_MESSAGES * len(GET), 5 * len(GET))
    assert report.findings[-1].code == "more-messages"


def test_chunks_are_bounded() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    (message,) = diagnose(head + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n").messages
    assert (len(message.chunks), message.chunk_count) == (MAX_CHUNKS, 5001)
    assert message.content_length == 5000


@pytest.mark.parametrize(
    "piece",
    [
        b"bad\n",
        b"\r\n",
        b"a: b\r\n",
        GET,
        b"\0",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nx\r\n0\r\na: b\r\n\r\n",
    ],
    ids=["lines", "empty", "fields", "requests", "zeros", "chunked"],
)
def test_cost_grows_with_the_size(piece: bytes) -> None:
    """Sixteen times the octets, no more than sixteen times the calls (and no call looks at all of them)."""

    def calls(size: int) -> int:
        octets = b"GET / HTTP/1.1\r\n" + piece * (size // len(piece))
        count = 0

        def profile(*_: object) -> None:
            nonlocal count
            count += 1

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            diagnose(octets, max_headers_total=2**30, max_header_count=2**30)
        finally:
            sys.setprofile(before)
        return count

    assert calls(320_000) < 17 * calls(20_000)


# Agreement with the parser


@settings(max_examples=400)
@given(message=st.sampled_from(WHOLE_REQUESTS + WHOLE_RESPONSES), edits=edits, flags=st.integers(0, 2047))
@example(message=b"", edits=[], flags=0)
def test_the_parser_decides(message: bytes, edits: list[tuple[int, int, int, int]], flags: int) -> None:
    """What the parser refuses is refused with its error first; nothing raises, no span is out of range."""
    octets = edited(message, edits)
    lenient = Lenient(flags)
    report = diagnose(octets, lenient=lenient)
    for finding in report.findings:
        assert 0 <= finding.offset <= len(octets)
        assert 0 <= finding.length <= len(octets) - finding.offset
    for read in report.messages:
        assert read.span.end <= len(octets)
    parser = (HttpParser.request if report.is_request else HttpParser.response)(lenient=lenient)
    try:
        done = parser.feed(octets)
        if done and done.framing is Framing.CHUNKED:
            decoder = ChunkedDecoder(start=done.body_start, lenient=lenient)
            while (progress := decoder.feed(octets)) and not isinstance(progress, ChunkEnd):
                pass
    except ParseError as error:
        assert not report.accepted
        assert report.messages[0].error is not None
        assert vars(report.messages[0].error) == vars(error)
        assert any(found.code == code_of(error) and found.offset == error.offset for found in report.findings)
    else:
        first = report.messages[0] if report.messages else None
        if first is not None and first.error is not None:
            assert first.error.kind == "Incomplete"


@settings(max_examples=400)
@given(message=st.sampled_from(WHOLE_REQUESTS + WHOLE_RESPONSES), edits=edits, flags=st.integers(0, 2047))
def test_what_is_said_of_tolerances_is_true(
    message: bytes, edits: list[tuple[int, int, int, int]], flags: int
) -> None:
    """Told to let an error pass by the flag that is named, it is no error any more."""
    octets = edited(message, edits)
    lenient = Lenient(flags)
    for found in diagnose(octets, lenient=lenient).findings:
        if found.tolerance is None:
            assert not found.problem.endswith(": tolerated")
            continue
        flag = Lenient.named([found.tolerance])
        assert bool(flag & lenient) is (found.severity is Severity.WARNING)
        if found.severity is Severity.ERROR:
            again = diagnose(octets, lenient=lenient | flag)
            errors = [(each.code, each.offset) for each in again.findings if each.severity is Severity.ERROR]
            assert (found.code, found.offset) not in errors


@given(st.binary(max_size=200))
def test_any_octets(octets: bytes) -> None:
    report = diagnose(octets)
    assert report.accepted or report.findings


def test_what_is_known_is_about_codes_there_are() -> None:
    assert set(KNOWN) <= {example.code for example in EXAMPLES}
