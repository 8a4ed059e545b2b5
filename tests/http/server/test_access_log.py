"""The forms of the access log, its file, and what stands in a record."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from netkit.addr import SocketAddr
from netkit.http.connection.events import RequestHead
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.parser.head import HttpParser
from netkit.http.server.access_log import (
    AccessLog,
    AccessRecord,
    LogFile,
    as_json,
    basic_user,
    combined,
    common,
    escaped,
)
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.watchers import Watchers
from netkit.tls.errors import TlsError

pytestmark = pytest.mark.once

RECORD = AccessRecord(
    began=971211336.25,
    elapsed=0.0125,
    connection=7,
    peer="127.0.0.1:5000",
    host="127.0.0.1",
    user="frank",
    method="GET",
    target="/apache_pb.gif",
    version="HTTP/1.0",
    authority="example.com",
    status=200,
    received=0,
    sent=2326,
    referer="http://www.example.com/start.html",
    user_agent="Mozilla/4.08 [en] (Win98; I ;Nav)",
    error=None,
    note=None,
)


class TestForms:
    def test_common(self) -> None:
        """The example of Apache's manual (mod_log_config, Common Log Format), in UTC."""
        assert common(RECORD) == (
            '127.0.0.1 - frank [10/Oct/2000:20:55:36 +0000] "GET /apache_pb.gif HTTP/1.0" 200 2326'
        )

    def test_combined(self) -> None:
        assert combined(RECORD) == (
            f'{common(RECORD)} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
        )

    def test_what_is_not_there_is_a_dash(self) -> None:
        bare = RECORD._replace(user=None, sent=0, referer=None, user_agent=None)
        assert combined(bare).startswith("127.0.0.1 - - [")
        assert combined(bare).endswith(' 200 - "-" "-"')

    def test_a_client_that_went_is_499(self) -> None:
        assert " 499 " in common(RECORD._replace(status=None))

    def test_a_fault_has_no_request(self) -> None:
        assert '"-" 400 -' in common(RECORD._replace(method=None, status=400, sent=0))

    def test_json_has_everything(self) -> None:
        row = json.loads(as_json(RECORD))
        assert row == {
            "happened_at": "2000-10-10T20:55:36.250Z",
            "connection": 7,
            "peer": "127.0.0.1:5000",
            "user": "frank",
            "method": "GET",
            "target": "/apache_pb.gif",
            "http_version": "1.0",
            "addressed_to": "example.com",
            "bytes_received": 0,
            "bytes_sent": 2326,
            "referer": "http://www.example.com/start.html",
            "user_agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
            "elapsed_s": 0.0125,
            "client_certificate": None,
            "status": 200,
            "failure": None,
            "note": None,
        }

    @pytest.mark.parametrize("form", [common, combined, as_json])
    def test_nothing_of_a_client_leaves_its_field(self, form: object) -> None:
        evil = 'a" 200 1\n127.0.0.1 - - [x] "GET /forged HTTP/1.1"\r\x1b[2J\x9b\xe9\\'
        record = RECORD._replace(user=evil, method=evil, target=evil, referer=evil, user_agent=evil)
        assert callable(form)
        line = form(record)
        assert isinstance(line, str)
        assert line.isascii() and line.isprintable()
        if form is not as_json:
            fields = re.fullmatch(
                r'(\S+) - (\S+) \[([^]]+)\] "((?:[^"\\]|\\.)*)" (\d+) (\d+)'
                r'(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?',
                line,
            )
            assert fields is not None, line

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("/plain?q=1", "/plain?q=1"),
            ('"', '\\"'),
            ("\\", "\\\\"),
            ("\t\n\v\r\b", "\\t\\n\\v\\r\\b"),
            ("\x00\x1b\x7f\x80\xff", "\\x00\\x1b\\x7f\\x80\\xff"),
            ("\u20ac", "\\xe2\\x82\\xac"),
            ("\ud800", "\\xed\\xa0\\x80"),
        ],
    )
    def test_escapes_are_those_of_httpd(self, text: str, shown: str) -> None:
        assert escaped(text) == shown


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"),  # RFC 7617 section 2
        (b"basic dGVzdDoxMjPCow==", "test"),  # RFC 7617 section 2.1
        (b"Basic nonsense!", None),
        (b"Basic QQ==", None),
        (b"Basic Og==", None),
        (b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
        (b"Basic", None),
    ],
)
def test_the_name_in_credentials(value: bytes, name: str | None) -> None:
    assert basic_user(value) == name


def exchange_of(*fields: tuple[bytes, bytes], status: int | None = 200) -> Exchange:
    head = RequestHead(b"GET", b"/a?b", b"example.com", b"http", list(fields))
    facts = ConnectionFacts(3, SocketAddr.parse("[2001:db8::1]:99"), SocketAddr.parse("[::1]:80"), None)
    exchange = Exchange(ServerConfig(), facts, head, (2, 0), 0, False)
    exchange.status = status
    exchange.sent = 5
    return exchange


class TestRecords:
    def test_of_an_exchange(self) -> None:
        exchange = exchange_of((b"User-Agent", b"x/1"), (b"REFERER", b"r"))
        record = AccessRecord.of(exchange, 0.5, None)
        assert (record.peer, record.host) == ("[2001:db8::1]:99", "2001:db8::1")
        assert (record.user_agent, record.referer, record.version) == ("x/1", "r", "HTTP/2.0")
        assert json.loads(as_json(record))["http_version"] == "2"

    @pytest.mark.parametrize(("status", "user"), [(200, "Aladdin"), (401, None), (403, None)])
    def test_a_name_counts_where_it_was_checked(self, status: int, user: str | None) -> None:
        exchange = exchange_of((b"authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), status=status)
        assert AccessRecord.of(exchange, 0.5, None).user is None
        record = AccessRecord.of(exchange, 0.5, None, names_user=True)
        assert record.user == user
        assert "open sesame" not in as_json(record)

    def test_a_fault_says_rule_and_offset(self) -> None:
        lines: list[str] = []
        log = AccessLog(lines.append, as_json)
        facts = ConnectionFacts(1, "", "/run/s", None)
        with pytest.raises(ParseError) as raised:
            HttpParser.request().feed(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        log.fault(facts, raised.value)
        row = json.loads(lines[0])
        assert (row["status"], row["peer"]) == (400, "unix:")
        assert re.search(r"ParseError\.\w+: .*\b\d+", row["failure"])

    def test_a_failed_handshake_is_no_request(self) -> None:
        lines: list[str] = []
        facts = ConnectionFacts(1, "", "", None)
        error = TlsError("nonsense")
        AccessLog(lines.append, combined).fault(facts, error)
        assert lines == []
        AccessLog(lines.append, as_json).fault(facts, error)
        assert json.loads(lines[0])["status"] is None

    def test_a_late_head_is_408(self) -> None:
        lines: list[str] = []
        late = HttpError.Timeout(1.0, "waiting for a request", fault="peer")
        AccessLog(lines.append, common).fault(ConnectionFacts(1, "", "", None), late)
        assert '"-" 408 -' in lines[0]


class TestFile:
    def test_lines_are_appended_and_reopening_follows_a_move(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        path.write_text("before\n")
        log = LogFile(str(path))
        log.write("one")
        path.rename(tmp_path / "log.1")
        log.write("two")
        log.reopen()
        log.write("three")
        log.close()
        assert (tmp_path / "log.1").read_text() == "before\none\ntwo\n"
        assert path.read_text() == "three\n"

    def test_where_reopening_fails_the_old_file_goes_on(self, tmp_path: Path) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        log = LogFile(str(folder / "log"))
        folder.rename(tmp_path / "moved")
        with pytest.raises(FileNotFoundError):
            log.reopen()
        log.write("still here")
        log.close()
        assert (tmp_path / "moved" / "log").read_text() == "still here\n"

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
    def test_a_full_disk_loses_lines_and_ends_nothing(self) -> None:
        log = LogFile("/dev/full")
        log.write("one")
        log.write("two")
        assert log.lost == 2
        log.close()


def test_several_watchers_are_told() -> None:
    told: list[str] = []
    logs = [AccessLog(told.append, common), AccessLog(told.append, combined)]
    both = Watchers.joined([logs[0], None, logs[1]])
    assert both is not None
    both.exchange(exchange_of(), 0.1, None)
    both.fault(ConnectionFacts(1, "", "", None), HttpError.Timeout(1.0, "x", fault="peer"))
    assert [line.count('"') for line in told] == [2, 6, 2, 6]
    assert Watchers.joined([None, logs[0]]) is logs[0]
    assert Watchers.joined([None]) is None
