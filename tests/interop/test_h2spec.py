"""netkit's HTTP server against h2spec, whose 145 cases are the rules of RFC 9113 and RFC 7541.

Both forms, over plain TCP with prior knowledge, and over TLS with ALPN. `make h2spec` runs this alone.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
import trustme

from tests.conftest import KINDS, absent
from tests.http.connection.forms import require_form
from tests.interop.h2_server import Server

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(300)]

TOOL = Path(__file__).parents[2] / "tools" / "h2spec.sh"
FORMS = [{"python": "pure"}.get(kind, kind) for kind in KINDS]

#: How many cases h2spec has, in the release that the tool builds.
CASES = 145


@cache
def h2spec() -> str:
    """The path of h2spec; skips the test where it cannot be had."""
    done = subprocess.run([TOOL], capture_output=True, text=True, check=False)
    if done.returncode:
        skip(done.stderr)
    return done.stdout.strip()


def skip(said: str) -> NoReturn:
    absent(said.strip().rpartition("netkit: ")[2], "NETKIT_REQUIRE_PEERS")


def run(port: int, *options: str) -> tuple[str, str]:
    """What h2spec says of the server on a port: its last line, and its report of what failed."""
    command = [h2spec(), "--host", "127.0.0.1", "--port", str(port), "--timeout", "5", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    summary = re.search(r"\d+ tests, .*", done.stdout)
    assert summary is not None, done.stdout + done.stderr
    return summary.group(), done.stdout.partition("Failures:")[2]


@pytest.mark.parametrize("form", FORMS)
def test_prior_knowledge(form: str) -> None:
    require_form(form)
    with Server(form) as server:
        summary, failures = run(server.port)
    assert summary == f"{CASES} tests, {CASES} passed, 0 skipped, 0 failed", failures


@pytest.mark.parametrize("form", FORMS)
def test_tls_with_alpn(form: str) -> None:
    require_form(form)
    with Server(form, trustme.CA().issue_cert("127.0.0.1")) as server:
        summary, failures = run(server.port, "--tls", "--insecure")
    # Two cases more: that TLS is new enough, and that its ciphers are not those of RFC 9113's appendix A.
    assert summary.endswith(", 0 skipped, 0 failed"), failures
    assert int(summary.split()[0]) >= CASES
