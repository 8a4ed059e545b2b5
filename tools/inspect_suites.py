"""Run the tests of other projects that use httpbin, with httpbin and with netkit's inspecting endpoints.

    python tools/inspect_suites.py [--folder FOLDER] [NAME]...

Their source distributions, and what they need, are fetched with pip into a temporary folder, or into FOLDER,
where a second run finds them. What differs between the two servers is listed; docs/http-inspect.md argues it.
The exit status is 1 if a test passes with httpbin only, and is not among the `KNOWN` ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import venv
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

TOOLS = Path(__file__).parent


class Suite(NamedTuple):
    """A project: the package, what its tests need, and where they are."""

    package: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()


_COMMON = ("pytest<9", "pytest-httpbin==2.1.0", "httpbin~=0.10.0", "trustme")

SUITES = {
    "requests": Suite("requests==2.34.2", ("PySocks", "pytest-mock"), ("tests",)),
    "httpie": Suite("httpie==3.2.4", ("responses", "werkzeug", "flask", "requests[socks]<2.33"), ("tests",)),
    # Its tests drive httpx, requests, urllib3 and aiohttp; httpx's own have a server of their own.
    "vcrpy": Suite(
        "vcrpy==9.4.2",
        (
            "httpx",
            "requests",
            "urllib3",
            "aiohttp",
            "pytest-aiohttp",
            "pytest-asyncio",
            "httplib2",
            "tornado",
        ),
        ("tests/integration",),
        ("-m", "not online"),
    ),
}

#: Tests that fail with netkit's endpoints for a reason that docs/http-inspect.md gives.
KNOWN: dict[str, frozenset[str]] = {
    # They look for the capitals of werkzeug's reason phrases: 302 FOUND.
    "httpie": frozenset(
        (
            "tests.test_auth::test_ignore_netrc[http]",
            "tests.test_auth::test_ignore_netrc[https]",
            "tests.test_exit_status::test_error_response_exits_0_without_check_status",
            "tests.test_exit_status::test_3xx_check_status_exits_3_and_stderr_when_stdout_redirected",
            "tests.test_exit_status::test_4xx_check_status_exits_4",
            "tests.test_exit_status::test_5xx_check_status_exits_5",
            "tests.test_output.TestVerboseFlag::test_verbose_implies_all",
            "tests.test_redirects::test_follow_all_redirects_shown",
        )
    ),
    # They look for words of httpbin's own index page.
    "vcrpy": frozenset(
        (
            "tests.integration.test_basic::test_basic_json_use",
            "tests.integration.test_register_persister::test_load_cassette_with_custom_persister",
        )
    ),
}

#: How long the tests of one suite may take, in seconds.
LIMIT = 1200


class Fetched(NamedTuple):
    source: Path
    python: Path


def fetched(suite: Suite, name: str, folder: Path) -> Fetched:
    """The sources of a suite, and an environment that has what its tests need."""
    home = folder / name
    python = home / "environment" / "bin" / "python"
    if not (home / "done").exists():
        home.mkdir(parents=True, exist_ok=True)
        venv.create(home / "environment", with_pip=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        package = suite.package.partition("==")[0]
        source = [*pip, "download", "--no-deps", "--no-binary", package, "-d", str(home), suite.package]
        subprocess.run(source, check=True)
        subprocess.run([*pip, "install", suite.package, *suite.needs, *_COMMON], check=True)
        archive = next(home.glob("*.tar.gz"))
        with tarfile.open(archive) as packed:
            packed.extractall(home / "source", filter="data")
        (home / "done").touch()
    return Fetched(next((home / "source").iterdir()), python)


def outcomes(suite: Suite, where: Fetched, urls: list[str], report: Path) -> dict[str, str]:
    """What became of each test that uses httpbin; `urls` are those of the server in its place."""
    replaced = ["-p", "no:httpbin"] if urls else []
    argv = [
        str(where.python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "inspect_plugin",
        *replaced,
        *suite.options,
    ]
    argv += ["-o", "addopts=", "--continue-on-collection-errors", f"--junitxml={report}", *suite.tests]
    variables = {
        "PATH": f"{where.python.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(TOOLS),
        "INSPECT_URLS": " ".join(urls),
        "HOME": str(report.parent),
        "LANG": "C.UTF-8",
    }
    report.unlink(missing_ok=True)
    with (report.with_suffix(".log")).open("wb") as log:
        subprocess.run(
            argv, cwd=where.source, env=variables, stdout=log, stderr=log, check=False, timeout=LIMIT
        )
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        what = next((kind for kind in ("error", "failure", "skipped") if kind in kinds), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = what
    return found


class Endpoints:
    """netkit's inspecting endpoints, with TLS and without, in a process of their own."""

    def __init__(self, certificates: Path) -> None:
        argv = [sys.executable, str(Path(__file__)), "--serve", str(certificates)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        plain, secure = json.loads(self.process.stdout.readline())
        self.urls = [f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"]

    def __enter__(self) -> list[str]:
        return self.urls

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def serve(certificates: Path) -> None:
    """What `Endpoints` runs."""
    from netkit.http import HttpServer
    from netkit.http.inspector import Inspector, InspectorConfig
    from netkit.net.tcp import TcpListener
    from netkit.tls import Certificate, PrivateKey, TlsConfig

    certificate = Certificate.from_pem((certificates / "server.pem").read_text())
    key = PrivateKey.from_pem((certificates / "server.key").read_text())
    listeners = [TcpListener.bind("127.0.0.1:0") for _ in range(2)]
    print(json.dumps([each.local_addr.port for each in listeners]), flush=True)
    # Some tests ask for these names at 127.0.0.1.
    inspector = Inspector(InspectorConfig(["httpbin.org", "pie.dev"]))
    servers = [
        HttpServer(inspector),
        HttpServer(inspector, tls=TlsConfig.server().with_identity(certificate, key)),
    ]
    threads = [
        threading.Thread(target=server.run, args=([listener],), daemon=True)
        for server, listener in zip(servers, listeners, strict=True)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def compare(name: str, folder: Path) -> bool:
    """Run one suite twice; returns whether only known tests fail with netkit's endpoints alone."""
    suite = SUITES[name]
    where = fetched(suite, name, folder)
    code = "import pytest_httpbin.certs as c, os; print(os.path.dirname(c.where()))"
    place = subprocess.run([where.python, "-c", code], capture_output=True, check=True, text=True).stdout
    theirs = outcomes(suite, where, [], folder / f"{name}-httpbin.xml")
    with Endpoints(Path(place.strip())) as urls:
        ours = outcomes(suite, where, urls, folder / f"{name}-netkit.xml")
    print(f"{suite.package}: {len(theirs)} tests use httpbin")
    for who, found in (("httpbin", theirs), ("netkit", ours)):
        counted = ", ".join(f"{count} {what}" for what, count in sorted(Counter(found.values()).items()))
        print(f"  with {who}: {counted}")
    apart = [test for test in theirs if theirs[test] != ours.get(test)]
    for test in apart:
        print(f"  {test}: {theirs[test]} with httpbin, {ours.get(test)} with netkit")
    worse = [test for test in apart if theirs[test] == "passed"]
    return set(worse) <= KNOWN.get(name, frozenset()) and len(theirs) > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="suites; all of them without a name")
    parser.add_argument("--folder", type=Path, help="where what was fetched is kept")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return 0
    with tempfile.TemporaryDirectory(prefix="inspect-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        results = [compare(name, folder) for name in given.names or SUITES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
