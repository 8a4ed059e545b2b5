"""Network namespaces that a test makes for itself: Linux hosts with several addresses on one link."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.conftest import absent, require_peer

#: The interface of each host.
LINK = "wire0"


class Host:
    """A network namespace with one interface, and the addresses it was given."""

    def __init__(self, ip: str, name: str) -> None:
        self._ip = ip
        self.name = name

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` on this host, as the same process."""
        return [self._ip, "netns", "exec", self.name, *argv]


@contextmanager
def two_hosts(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[Host, Host]]:
    """Two hosts that share a link, with these addresses (`192.0.2.1/24`).

    Skips the test where there is no permission for it; with NETKIT_REQUIRE_PEERS it fails.
    """
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    ip = require_peer("ip")
    hosts = [Host(ip, f"netkit-{os.getpid()}-{place}") for place in "ab"]
    made: list[Host] = []
    try:
        for host in hosts:
            added = subprocess.run(
                [ip, "netns", "add", host.name], capture_output=True, text=True, check=False
            )
            if added.returncode:
                absent(f"no network namespace can be made ({added.stderr.strip()})", "NETKIT_REQUIRE_PEERS")
            made.append(host)
        one, other = hosts
        ends = ["type", "veth", "peer", "name", LINK, "netns", other.name]
        subprocess.run([ip, "-n", one.name, "link", "add", LINK, *ends], check=True)
        for host, addresses in zip(hosts, (first, second), strict=True):
            for address in addresses:
                # Without duplicate address detection, an IPv6 address can be used at once.
                more = ["nodad"] if ":" in address else ["broadcast", "+"]
                subprocess.run(
                    [ip, "-n", host.name, "address", "add", address, *more, "dev", LINK], check=True
                )
            for device in ("lo", LINK):
                subprocess.run([ip, "-n", host.name, "link", "set", device, "up"], check=True)
        yield one, other
    finally:
        for host in made:
            subprocess.run([ip, "netns", "delete", host.name], check=True)
