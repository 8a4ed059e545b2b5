"""`netkit dig --compare` and `--watch` beside named, knotd and nsd: a lame delegation, a stale copy."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.helpers import netkit_argv, process_environment, row_of, run_netkit
from tests.conftest import free_port, require_peer
from tests.interop.dns_tree import EXAMPLE1, EXAMPLE2, ROOT, TEST1, ZONES, Tree
from tests.interop.test_dns_peers import wait_until_it_answers

pytestmark = pytest.mark.once

NEW = "2026112601"
OLD = "2026112600"


class Copy(NamedTuple):
    """A named that has a copy of example.test, which may be old."""

    port: int
    process: subprocess.Popen[bytes]
    file: Path

    @property
    def at(self) -> str:
        return f"{ROOT}:{self.port}"

    def load(self, text: str) -> None:
        """Read another version of the zone. The file's time decides whether named reads it."""
        self.file.write_text(text)
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("copy")
    port = free_port()
    file = folder / "zone"
    file.write_text(ZONES["example.test."].replace(NEW, OLD))
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ {ROOT}; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
zone "example.test" {{ type primary; file "{file}"; }};
"""
    )
    command = [require_peer("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_it_answers(port, process)
            yield Copy(port, process, file)
        finally:
            process.terminate()


def test_all_authoritative_servers_agree(tree: Tree) -> None:
    at = (f"@{EXAMPLE1}", "-p", str(tree.port))
    (row,) = run_netkit("dig", *at, "www.example.test", "--compare", "auth", "+dnssec", "--json").json
    assert row["agree"] is True
    assert [each["server"] for each in row["servers"]] == [
        f"{each}:{tree.port}" for each in (EXAMPLE1, EXAMPLE2)
    ]
    assert {each["type"] for each in row["groups"][0]["records"]} == {"A", "RRSIG"}
    assert [each["zone_serial"] for each in row["serials"]] == [int(NEW)]


def test_a_lame_delegation(tree: Tree) -> None:
    """knotd does not have the zone that is delegated to it, and nsd does."""
    at = (f"@{TEST1}", "-p", str(tree.port))
    result = run_netkit("dig", *at, "www.lame.test", "--compare", "auth", "--json")
    assert result.exit_code == 1
    (row,) = result.json
    found = {each["name"]: (each["server"], each["standing"], each["reason"]) for each in row["servers"]}
    assert found == {
        "ns1.test.": (f"{TEST1}:{tree.port}", "lame", "refers to other servers"),
        "ns.lame.test.": (f"{EXAMPLE1}:{tree.port}", "answered", None),
    }


def test_a_stale_copy_and_the_wait_until_it_has_the_new_version(tree: Tree, copy: Copy) -> None:
    servers = f"{EXAMPLE1}:{tree.port},{copy.at}"
    result = run_netkit("dig", "www.example.test", "--compare", servers)
    assert result.exit_code == 1
    cells = [line.split("\t")[1:] for line in result.lines]
    assert ["serial", "example.test.", NEW, "newest", f"{EXAMPLE1}:{tree.port}"] in cells
    assert ["serial", "example.test.", OLD, "1 behind", copy.at] in cells
    assert [each for each in cells if each[0] == "differ"] == [
        ["differ", "2", "serial", NEW, OLD, "1 behind"]
    ]
    words = ("dig", "www.example.test", "--compare", servers, "--watch", "--interval", "0.05")
    argv = netkit_argv(*words, "--until", "agree", "--timeout", "30", "--json")
    with subprocess.Popen(argv, env=process_environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = row_of(("dig",), process.stdout.readline())
        copy.load(ZONES["example.test."])
        rows = [first, *[row_of(("dig",), line) for line in process.stdout]]
        assert process.wait(30) == 0
    told = [each for each in rows if each.get("upstream") == copy.at]
    assert told[0]["zone_serial"] == int(OLD)
    assert (told[-1]["event"], told[-1]["zone_serial"], told[-1]["agree"]) == ("serial", int(NEW), True)
    assert rows[-1]["end"] == "holds"
