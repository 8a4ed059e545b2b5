"""`netkit dig +proxy` at unbound, which takes a PROXY header for the client's address."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import run_netkit
from tests.conftest import free_port, require_peer
from tests.waiting import until

pytestmark = pytest.mark.once


class Ports(NamedTuple):
    """Where unbound takes queries with headers."""

    plain: int
    tls: int


def ask(port: int, *words: str) -> tuple[str, int]:
    """What --short shows, and the exit code."""
    result = run_netkit(
        "dig", "@127.0.0.1", "-p", str(port), "www.lines.test", "+short", "+tries=1", "+time=5", *words
    )
    return result.stdout, result.exit_code


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    folder: Path = tmp_path_factory.mktemp("unbound")
    certificate, key = ThrowawayAuthority().issue(["dns.test"])
    (folder / "cert.pem").write_text(certificate.to_pem())
    (folder / "key.pem").write_text(key.to_pem())
    found = Ports(free_port(), free_port())
    (folder / "unbound.conf").write_text(
        f"""server:
  interface: 127.0.0.1@{found.plain}
  interface: 127.0.0.1@{found.tls}
  proxy-protocol-port: {found.plain}
  proxy-protocol-port: {found.tls}
  tls-port: {found.tls}
  tls-service-key: "{folder}/key.pem"
  tls-service-pem: "{folder}/cert.pem"
  access-control: 127.0.0.0/8 allow
  access-control: 192.0.2.0/24 allow
  access-control: 198.51.100.0/24 refuse
  access-control: 2001:db8::/32 refuse
  local-zone: "lines.test." static
  local-data: "www.lines.test. 60 IN A 192.0.2.1"
  module-config: "iterator"
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  use-syslog: no
  num-threads: 1
"""
    )
    command = [require_peer("unbound"), "-d", "-c", str(folder / "unbound.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:

            def answers() -> bool:
                assert process.poll() is None, "unbound has ended"
                return ask(found.plain, "+tcp", "+proxy")[1] == 0

            until(answers, "an answer of unbound")
            yield found
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("over", ["+notcp", "+tcp"])
def test_unbound_takes_the_source_for_the_client(ports: Ports, over: str) -> None:
    answered, refused = ("192.0.2.1\n", 0), ("", 3)
    assert ask(ports.plain, over, "+proxy") == answered
    assert ask(ports.plain, over, "+proxy=192.0.2.7-192.0.2.53") == answered
    assert ask(ports.plain, over, "+proxy=198.51.100.7#999-192.0.2.53#53") == refused
    assert ask(ports.plain, over, "+proxy-plain=2001:db8::7-2001:db8::53") == refused
    assert ask(ports.plain, over, "+proxy-plain=192.0.2.7-192.0.2.53") == answered


def test_unbound_wants_the_header_in_tls(ports: Ports) -> None:
    over = ("+tls", "--insecure")
    assert ask(ports.tls, *over, "+proxy") == ("192.0.2.1\n", 0)
    assert ask(ports.tls, *over, "+proxy=192.0.2.7-192.0.2.53") == ("192.0.2.1\n", 0)
    assert ask(ports.tls, *over, "+proxy=198.51.100.7-192.0.2.53") == ("", 3)
    assert ask(ports.tls, *over, "+proxy-plain=192.0.2.7-192.0.2.53") == ("", 3)
