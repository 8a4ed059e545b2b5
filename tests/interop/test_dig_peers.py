"""`netkit dig` beside BIND's dig: the same command lines, at named and at netkit's own name server.

What both write is compared line for line, but for what differs from one run to the next (IDs, times). Where
netkit dig means to do otherwise, a table in docs/dig.md says how and why, and each of its rows is run.
"""

from __future__ import annotations

import re
import shlex
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.dns import DnsServer, Message, parse_zone
from netkit.dns.constants import Rcode
from netkit.serve.connections import in_background
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, run_netkit
from tests.conftest import free_port, require_peer
from tests.dns.scripted import Asked, ScriptedServer, answer
from tests.interop.dig_lines import COOKIES, DIFFERENCES, PAGE, SAME, ZONES, Difference, page
from tests.interop.test_dns_peers import running

pytestmark = pytest.mark.once

#: What BIND's dig says of itself, and what is another each time.
_OWN = re.compile(
    r"; <<>> DiG|; \(\d server|;; global options|;; Got answer|;; WHEN|;; Query time|;; Warning: .*-f"
)
_ID = re.compile(r"(?<=id: )\d+|(?<=COOKIE: )\w+")


@contextmanager
def named(folder: Path) -> Iterator[int]:
    port = free_port()
    zones = "".join([f'zone "{name}" {{ type primary; file "{name}"; }};\n' for name in ZONES])
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}"; pid-file none; session-keyfile none; listen-on-v6 {{ none; }};
  listen-on port {port} {{ 127.0.0.1; }}; recursion no; dnssec-validation no; notify no;
  rrset-order {{ order none; }}; minimal-responses no; require-server-cookie yes;
  version "lines"; server-id "lines";
}};
controls {{ }};
{zones}"""
    )
    for name, text in ZONES.items():
        (folder / name).write_text(text)
    with running([require_peer("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")], port):
        yield port


RECORD = "www.lines.test. 60 A 192.0.2.1"


def without_edns(asked: Asked) -> Message:
    """What a server answers that takes an OPT record for nonsense (RFC 6891 section 7)."""
    if asked.message.edns is not None:
        return answer(asked, rcode=Rcode.FORMERR).replace(edns=None)
    return answer(asked, RECORD)


class Place(NamedTuple):
    """A server that both ask, and the home directory of BIND's dig.

    Nothing listens on the port `closed`. The server on the port `old` does not know EDNS, that on the port
    `secure` speaks TLS, that on the port `echo` sends back what it gets.
    """

    port: int
    closed: int
    old: int
    secure: int
    echo: int
    folder: Path

    def words(self, line: str) -> list[str]:
        """The words of a line: `@` is the server, and FILE a file of queries."""
        given = line.replace("FILE", str(self.folder / "queries"))
        places = {
            "MISSING": self.folder / "missing",
            "CLOSED": self.closed,
            "OLD": self.old,
            "SECURE": self.secure,
            "ECHO": self.echo,
        }
        for word, place in places.items():
            given = given.replace(word, str(place))
        words = shlex.split(given)
        at = words.index("@") if "@" in words else None
        if at is not None:
            words[at : at + 1] = ["@127.0.0.1", "-p", str(self.port)]
        return words

    def bind(self, line: str) -> subprocess.CompletedProcess[str]:
        """What BIND's dig makes of a line."""
        command = [require_peer("dig"), *self.words(line)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env={"HOME": str(self.folder)}
        )

    def netkit(self, line: str) -> Result:
        """What netkit dig makes of it."""
        return run_netkit("dig", "--ordered", *self.words(line))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    # netkit sends a cookie on demand: see the table of the differences.
    (folder / ".digrc").write_text("+nocookie\n")
    (folder / "queries").write_text("www.lines.test A\nlines.test MX\n-x 192.0.2.1\n")
    return folder


@pytest.fixture(scope="module")
def at_named(folder: Path) -> Iterator[Place]:
    certificate, key = ThrowawayAuthority().issue(["dns.test"])
    (folder / "server.pem").write_text(certificate.to_pem() + key.to_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.set_alpn_protocols(["dot"])
    with (
        named(folder) as port,
        ScriptedServer(without_edns) as old,
        ScriptedServer(lambda asked: answer(asked, RECORD), context) as secure,
        ScriptedServer(lambda asked: asked.wire) as echo,
    ):
        yield Place(port, free_port(), old.addr.port, secure.addr.port, echo.addr.port, folder)


@pytest.fixture(scope="module")
def at_netkit(folder: Path) -> Iterator[Place]:
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(text, file=name) for name, text in ZONES.items()])
    with in_background(server.serve):
        yield Place(server.local_addr.port, 0, 0, 0, 0, folder)


@pytest.fixture(params=["named", "netkit"])
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(f"at_{request.param}")
    assert isinstance(found, Place)
    return found


def normal(text: str, line: str) -> list[str]:
    """What can be compared of what a line writes."""
    shown = [each for each in text.splitlines() if each and not _OWN.match(each)]
    return shown if "+qid" in line else [_ID.sub("N", each) for each in shown]


@pytest.mark.parametrize(("code", "line"), [(code, line) for code, lines in SAME.items() for line in lines])
def test_a_line_does_the_same(code: int, line: str, place: Place) -> None:
    theirs, ours = place.bind(line), place.netkit(line)
    assert normal(ours.stdout, line) == normal(theirs.stdout, line)
    assert (ours.exit_code, theirs.returncode) == (code, 0)


@pytest.mark.parametrize(
    ("code", "line"), [(code, line) for code, lines in COOKIES.items() for line in lines]
)
def test_cookies_are_sent_back_alike(code: int, line: str, at_named: Place) -> None:
    test_a_line_does_the_same(code, line, at_named)


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.line)
def test_a_difference_is_as_the_table_says(row: Difference, at_named: Place) -> None:
    theirs, ours = at_named.bind(row.line), at_named.netkit(row.line)
    for pattern, written in (
        (row.dig_shows, theirs.stdout + theirs.stderr),
        (row.shows, ours.stdout + ours.stderr),
    ):
        assert bool(re.search(pattern.removeprefix("!"), written)) != pattern.startswith("!"), written
    assert (theirs.returncode, ours.exit_code) == (row.dig_code, row.code)


def test_the_table_in_the_documentation_is_that_of_the_rows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run python -m tests.interop.dig_lines"
