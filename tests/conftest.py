"""What the whole suite shares: both twins, real peers, and a summary of what was there to test with.

    def test_something(twin):                   # runs once with each implementation
        assert twin.apply_mask(b"", bytes(4)) == b""

    def test_with_a_real_peer():
        nsd = require_peer("nsd")               # its path; skips, or fails in CI, where it is absent

What is absent is skipped with the reason. Two variables make it a failure instead, so that nothing is left
out unnoticed where everything should be: `NETKIT_REQUIRE_RUST=1` for the Rust twin, and
`NETKIT_REQUIRE_PEERS=1` for the peers.
"""

from __future__ import annotations

import gc
import os
import random
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from netkit import _twins

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

pytest_plugins = [
    "tests.leftovers",
    "tests.interop.http_servers",
    "tests.interop.proxies",
    "tests.interop.websocket_peers",
]


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


TESTS = Path(__file__).parent

#: Where the suite runs with the Python twin forced, only that one is tested.
KINDS = ("python",) if _is_set("NETKIT_PURE") else ("python", "rust")

#: Packages no module of which uses a twin (tests/test_twins.py holds that): their tests are marked `once`.
WITHOUT_TWINS = ("addr", "io", "lab", "measure", "net", "serve", "tls")

# A machine under load is no finding, hence no deadline. CI repeats the same examples every time, so it needs
# fewer: new ones are looked for elsewhere.
settings.register_profile(
    "netkit", deadline=None, derandomize=_is_set("CI"), max_examples=50 if _is_set("CI") else 100
)
settings.load_profile("netkit")


class Twin:
    """The functions of one implementation, as attributes: `twin.apply_mask(...)`.

    A function is known from when the module that has it is imported, which the test does.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"Twin({self.kind!r})"

    def __getattr__(self, name: str) -> Any:
        if name not in _twins.python_functions:
            raise AttributeError(f"no imported module has a twin called {name!r}")
        return _twins.python_functions[name] if self.kind == "python" else getattr(_twins.rust, name)


@pytest.fixture(params=KINDS, scope="session")
def twin(request: pytest.FixtureRequest) -> Twin:
    """Each implementation in turn."""
    return _twin(request.param)


@pytest.fixture(scope="session")
def twins() -> tuple[Twin, Twin]:
    """Both implementations, the Python one first, for tests that compare them."""
    if "rust" not in KINDS:
        pytest.skip("NETKIT_PURE is set")
    return _twin("python"), _twin("rust")


def _twin(kind: str) -> Twin:
    if kind == "rust" and _twins.rust is None:
        absent(f"no Rust twin: {_twins.reason}", "NETKIT_REQUIRE_RUST")
    return Twin(kind)


def require_peer(program: str, *folders: str) -> str:
    """The path of a program that netkit is tested against; skips the test where it is not installed.

    `folders` are places for programs that a package keeps out of everybody's way.
    """
    # Servers are in sbin, which is not in everybody's PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *folders])
    found = shutil.which(program, path=path)
    if found is None:
        absent(f"{program} is not installed (make peers)", "NETKIT_REQUIRE_PEERS")
    return found


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago over both TCP and UDP, and that the system gives nobody by itself.

    For a program that cannot be given port 0 and asked which it got (netkit's own servers can), and for a
    place where nobody listens. Below the ephemeral ports, because one of those may be given to whoever asks
    next; and where client and server both set SO_REUSEPORT, as BIND's dig and knotd do, a client may be given
    the very port it sends to, and reads its own question as the reply.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in random.SystemRandom().sample(range(10_000, _first_ephemeral()), 1_000):
        with (
            socket.socket(family, socket.SOCK_STREAM) as tcp,
            socket.socket(family, socket.SOCK_DGRAM) as udp,
        ):
            try:
                tcp.bind((host, port))
                udp.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError("no port is free for both TCP and UDP")


def _first_ephemeral() -> int:
    """The lowest port that the system gives to a socket that asks for any."""
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        low = 32_768
    # Where the range begins lower still, a port in it is the best there is.
    return max(low, 12_000)


def absent(what: str, required: str) -> NoReturn:
    if _is_set(required):
        pytest.fail(f"{what}, and {required} is set", pytrace=False)
    pytest.skip(what)


def _state() -> str:
    return "Rust" if _twins.rust is not None else f"Python ({_twins.reason})"


#: The longest path that the folder of temporary files may have, in octets. An address of a Unix socket holds
#: 103 or more, of which pytest takes up to 60 for the folder of a test.
_LONGEST_TMPDIR = 20


#: How many descriptors tests may need: one sends 253 in one message, others fill what there is.
_DESCRIPTORS = 1024


def pytest_configure() -> None:
    """Make the suite independent of how it was started, and of where temporary files are kept.

    A shell ignores SIGINT for what it starts in the background, and children ignore what a parent ignores.
    A handler that does nothing ignores it just as well, and is not inherited: so programs that tests start
    can be interrupted. Sockets stand beside other temporary files: under a long TMPDIR (macOS has one for
    each user), their paths would be too long for an address. And where few descriptors are allowed (macOS
    allows 256), there may be more.
    """
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_TMPDIR and os.access("/tmp", os.W_OK | os.X_OK):
        os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda _signum, _frame: None)


#: A module all tests of which are run once.
_ALL_ONCE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.once\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not read what the marks leave out of a whole run: each test takes a millisecond to collect."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not whole or "not once" not in str(config.getoption("markexpr")):
        return None
    if not collection_path.is_relative_to(TESTS):
        return None
    if collection_path.relative_to(TESTS).as_posix() in WITHOUT_TWINS:
        return True
    if collection_path.suffix == ".py" and collection_path.name.startswith("test_"):
        return bool(_ALL_ONCE.search(collection_path.read_text(encoding="utf-8"))) or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no cycles among all that is collected: neither now nor where a test calls gc.collect()."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before the marks are chosen by
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # tests/net/..., or tests/test_addr.py
        place = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if place.removeprefix("test_").removesuffix(".py") in WITHOUT_TWINS or _chooses_its_twin(item):
            item.add_marker(pytest.mark.once)


def _chooses_its_twin(item: pytest.Item) -> bool:
    """Whether a test is given an implementation by name, or both: one run with Rust has each of them."""
    if not isinstance(item, pytest.Function):
        return False
    if "twins" in item.fixturenames:
        return True
    try:
        given = item.callspec.params.values()
    except AttributeError:  # it has no parameters
        return False
    return any(isinstance(each, str) and each in ("python", "pure", "rust") for each in given)


def pytest_report_header() -> str:
    return f"netkit twins: {_state()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"netkit twins: {_state()}")
