"""Commands with pipes: what they write and read, their group, their end."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from netkit.io import ClosedError, Flow, beside, run, run_async
from netkit.serve.child import start_piped
from tests.waiting import until

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix"),
]


def talk(command: str, data: bytes) -> Flow[tuple[bytes, bytes, int]]:
    """What a shell's command makes of `data`, and what it complains of."""
    child, pipes = start_piped(["sh", "-c", command])
    said, complained = bytearray(), bytearray()

    def writing() -> Flow[None]:
        yield from pipes.stdin.write_all_flow(data)
        pipes.stdin.close()

    def complaining() -> Flow[None]:
        while piece := (yield from pipes.stderr.read_flow()):
            complained.extend(piece)

    def reading() -> Flow[int]:
        while piece := (yield from pipes.stdout.read_flow()):
            said.extend(piece)
        return (yield from child.ended_flow())

    try:
        status = yield from beside(reading(), writing(), complaining())
        yield from complaining()  # the rest, to its end
        return bytes(said), bytes(complained), status
    finally:
        pipes.close()
        child.kill()


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    data = os.urandom(1 << 20)
    assert run(talk("cat; exit 3", data)) == (data, b"", 3)


def test_in_an_event_loop_and_by_name() -> None:
    async def main() -> tuple[bytes, bytes, int]:
        return await run_async(talk("cat > /dev/stdout; echo no > /dev/stderr", b"yes"))

    said, complained, status = asyncio.run(main())
    assert (said, complained, status) == (b"yes", b"no\n", 0)


def test_who_does_not_read_is_noticed() -> None:
    child, pipes = start_piped(["sh", "-c", "exec <&-; echo closed; cat /dev/zero > /dev/null"])
    try:
        assert run(pipes.stdout.read_flow()) == b"closed\n"
        with pytest.raises(BrokenPipeError):
            run(pipes.stdin.write_all_flow(b"x"))
    finally:
        pipes.close()
        child.kill()
    assert child.status == -9
    with pytest.raises(ClosedError):
        run(pipes.stdout.read_flow())


def test_a_signal_goes_to_all_that_it_has_started() -> None:
    child, pipes = start_piped(["sh", "-c", "sleep 600 & echo $!; wait"])
    try:
        below = int(run(pipes.stdout.read_flow()))
        assert os.getpgid(below) == child.pid != os.getpgid(0)
        assert run(child.end()) == -15

        def is_over() -> bool:
            try:
                with open(f"/proc/{below}/stat") as file:
                    return file.read().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                return True

        until(is_over)
    finally:
        pipes.close()
        child.kill()


def test_what_cannot_be_started_leaves_no_descriptor() -> None:
    before = os.listdir("/dev/fd")
    with pytest.raises(FileNotFoundError):
        start_piped(["/no/such/program"])
    assert len(os.listdir("/dev/fd")) == len(before)
