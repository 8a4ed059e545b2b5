"""The configurations of named, nsd and knotd that all fixtures have in common.

Each function writes the file into a folder, and returns the command line; none of the servers becomes a
daemon, leaves a file elsewhere, or has more threads than it needs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import require_peer


def named(folder: Path, listen: str, options: str, statements: str) -> list[str]:
    """named, which resolves and notifies nothing. `listen` are its statements listen-on, `options` others of
    its options, and `statements` what stands beside them."""
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key";
  {listen} listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
  {options}
}};
controls {{ }};
{statements}"""
    )
    return [require_peer("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]


def nsd(folder: Path, listen: Iterable[str], server: str, sections: str) -> list[str]:
    """nsd at ADDRESS@PORT, with more lines of its section `server`, and the sections behind it."""
    addresses = "\n".join(f"  ip-address: {each}" for each in listen)
    (folder / "nsd.conf").write_text(
        f"""server:
  server-count: 1
{addresses}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  rrl-ratelimit: 0
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
{server}remote-control:
  control-enable: no
{sections}"""
    )
    return [require_peer("nsd"), "-d", "-c", str(folder / "nsd.conf")]


def knotd(folder: Path, listen: Iterable[str], server: str, sections: str) -> list[str]:
    """knotd at ADDRESS@PORT, with more lines of its section `server`, and the sections behind it."""
    (folder / "knot.conf").write_text(
        f"""server:
  listen: [ {", ".join(listen)} ]
  rundir: {folder}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
{server}database:
  storage: {folder}
{sections}"""
    )
    return [require_peer("knotd"), "-c", str(folder / "knot.conf")]


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, and end it if it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
