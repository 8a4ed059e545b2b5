"""`tcp connect`, `tcp listen` and `unix` against socat, ncat and OpenSSL, each as the other end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, run_netkit
from tests.cli.test_listen import Listener, listening
from tests.conftest import free_port, require_peer
from tests.waiting import until

# None of this uses a twin.
pytestmark = pytest.mark.once

WAIT = 20.0
#: As much as a pipe holds that nobody reads yet.
PIPEFUL = bytes(range(256)) * 200


@contextmanager
def running(*argv: str, stdin: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
            yield process
        finally:
            process.kill()


def connected(*args: str, stdin: bytes = b"") -> Result:
    """`netkit ARGS`, tried again while nobody listens there yet."""
    results: list[Result] = []

    def was_not_refused() -> bool:
        results.append(run_netkit(*args, stdin=stdin))
        return results[-1].exit_code != 4

    until(was_not_refused, "a peer that listens")
    return results[-1]


def output(process: subprocess.Popen[bytes]) -> bytes:
    return process.communicate(timeout=WAIT)[0]


# -- connecting


def socat_listens(port: int) -> list[str]:
    return [require_peer("socat"), "-t", "20", "-", f"TCP-LISTEN:{port},bind=127.0.0.1"]


def ncat_listens(port: int) -> list[str]:
    return [require_peer("ncat"), "-l", "127.0.0.1", str(port)]


@pytest.mark.parametrize("argv", [socat_listens, ncat_listens])
def test_connect(argv: object) -> None:
    port = free_port()
    with running(*argv(port), stdin=b"from the peer") as process:  # type: ignore[operator]
        result = connected("tcp", "connect", f"127.0.0.1:{port}", stdin=PIPEFUL)
        assert (result.raw, result.exit_code) == (b"from the peer", 0)
        assert output(process) == PIPEFUL


def test_connect_over_tls_to_openssl(tmp_path: Path) -> None:
    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost"])
    (tmp_path / "cert.pem").write_text(certificate.to_pem() + key.to_pem())
    (tmp_path / "ca.pem").write_text(authority.certificate.to_pem())
    port = free_port()
    server = [require_peer("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-rev"]
    with running(*server, "-cert", str(tmp_path / "cert.pem"), "-alpn", "test"):
        given = [
            "-N",
            "--tls",
            "--ca",
            str(tmp_path / "ca.pem"),
            "--alpn",
            "test",
            "--servername",
            "localhost",
        ]
        # s_server -rev sends each line back, reversed, and says goodbye without close_notify at our end.
        result = connected("tcp", "connect", *given, "--json", f"127.0.0.1:{port}", stdin=b"hello\n")
    events = result.json
    assert events[0]["tls"]["alpn"] == "test"
    assert [row["data_b64"] for row in events if row["event"] == "received"] == ["b2xsZWgK"]


def test_connect_over_tls_to_ncat(tmp_path: Path) -> None:
    port = free_port()
    with running(require_peer("ncat"), "-l", "127.0.0.1", str(port), "--ssl", stdin=b"from the peer"):
        result = connected("tcp", "connect", "--tls", "--insecure", f"127.0.0.1:{port}")
    # It hangs up after its input, and without close_notify; to send it anything would risk a reset.
    assert (result.raw, result.exit_code) == (b"from the peer", 5)


def test_unix_connect_to_socat(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    socat = [require_peer("socat"), "-t", "20", "-"]
    with running(*socat, f"UNIX-LISTEN:{path}", stdin=b"from the peer") as process:
        result = connected("unix", "connect", path, stdin=PIPEFUL)
        assert (result.raw, result.exit_code) == (b"from the peer", 0)
        assert output(process) == PIPEFUL


# -- listening


def socat_connects(address: str) -> list[str]:
    return [require_peer("socat"), "-t", "20", "-", f"TCP:{address}"]


def ncat_connects(address: str) -> list[str]:
    return [require_peer("ncat"), *address.split(":")]


@pytest.mark.parametrize("argv", [socat_connects, ncat_connects])
def test_listen(argv: object) -> None:
    with listening("tcp", "listen", stdin=b"to the peer") as listener:
        with running(*argv(listener.address), stdin=PIPEFUL) as process:  # type: ignore[operator]
            assert output(process) == b"to the peer"
        assert listener.finish() == (PIPEFUL, "", 0)


@pytest.mark.parametrize("argv", [socat_connects, ncat_connects])
def test_listen_with_a_command_for_many(argv: object) -> None:
    with listening("tcp", "listen", "-k", "--exec", "sh -c 'tr a-z A-Z'") as listener:
        for _ in range(3):
            with running(*argv(listener.address), stdin=b"hello") as process:  # type: ignore[operator]
                assert output(process) == b"HELLO"
        assert listener.terminate()[2] == 0


def answered(listener: Listener, data: bytes) -> None:
    """Wait until `hello` has come, then send `data` and its end: a client may hang up when it reads that."""
    stdin, stdout = listener.process.stdin, listener.process.stdout
    assert stdin is not None
    assert stdout is not None
    assert stdout.read(5) == b"hello"
    stdin.write(data)
    stdin.close()
    listener.process.stdin = None


def test_listen_over_tls_for_openssl(tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.pem")
    with listening("tcp", "listen", "--tls", "--write-ca", ca, stdin=None) as listener:
        client = [require_peer("openssl"), "s_client", "-connect", listener.address, "-quiet"]
        verify = ["-CAfile", ca, "-verify_return_error", "-verify_hostname", "localhost"]
        with running(*client, *verify, stdin=b"hello") as process:
            answered(listener, b"to the peer")
            assert output(process) == b"to the peer"
        assert listener.finish()[0::2] == (b"", 0)


def test_listen_over_tls_for_ncat(tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.pem")
    with listening("tcp", "listen", "--tls", "--write-ca", ca, stdin=None) as listener:
        port = listener.address.rpartition(":")[2]
        client = [require_peer("ncat"), "--ssl-verify", "--ssl-trustfile", ca, "localhost", port]
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"hello")
            process.stdin.flush()
            answered(listener, b"to the peer")
            assert process.stdout.read(11) == b"to the peer"
            process.stdin.close()  # it hangs up then, and without close_notify
        out, said, code = listener.finish()
        assert (out, code) == (b"", 5)
        assert "ended without close_notify" in said


def test_unix_listen_for_socat(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with listening("unix", "listen", path, stdin=b"to the peer") as listener:
        with running(
            require_peer("socat"), "-t", "20", "-", f"UNIX-CONNECT:{path}", stdin=PIPEFUL
        ) as process:
            assert output(process) == b"to the peer"
        assert listener.finish() == (PIPEFUL, "", 0)
