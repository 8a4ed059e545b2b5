"""What arrives where a flow waits when it has to end, and what its owner raises then."""

from __future__ import annotations

import ast
import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

import netkit
from netkit.io import (
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Event,
    Flow,
    Interrupted,
    all_of,
    before,
    beside,
    first_of,
    nursery,
    phase,
    race,
    run,
    run_async,
)
from netkit.io.flow import PAUSE
from netkit.io.interruption import interrupt

from .conftest import Drive

PACKAGE = Path(netkit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def waiting() -> Flow[None]:
    yield from Event().wait()


def soon() -> float:
    return monotonic() + 0.01


def seeing(seen: list[BaseException]) -> Flow[None]:
    """A flow that waits for ever, and notes what ends it."""
    try:
        yield from waiting()
    except BaseException as error:
        seen.append(error)
        raise


def failing_cleanup() -> Flow[None]:
    try:
        yield from waiting()
    finally:
        raise OSError("the cleanup failed")


class TestWhatArrives:
    def test_no_handler_of_errors_sees_it(self, drive: Drive) -> None:
        def stubborn() -> Flow[None]:
            while True:
                try:
                    yield from waiting()
                except Exception:
                    continue

        with pytest.raises(DeadlineExceeded):
            drive(stubborn(), timeout=0.01)

    def test_of_a_token(self, drive: Drive) -> None:
        token, seen = CancellationToken(), list[BaseException]()

        def cancelling() -> Flow[None]:
            yield PAUSE
            token.cancel("enough")

        with pytest.raises(CancellationError, match="enough"):
            drive(all_of([seeing(seen), cancelling()]), cancel=token)
        assert [type(each) for each in seen] == [Interrupted]
        assert isinstance(seen[0], Interrupted)
        assert isinstance(seen[0].error, CancellationError)

    def test_closing_a_composed_flow_closes_its_branches(self) -> None:
        compositions: list[Callable[..., Flow[object]]] = [
            first_of,
            race,
            beside,
            lambda flow: all_of([flow]),
            lambda flow: before(monotonic() + 60, flow),
            lambda flow: nursery(lambda _: flow),
        ]
        for compose in compositions:
            seen: list[BaseException] = []
            flow = compose(seeing(seen))
            next(flow)
            flow.close()
            assert [type(each) for each in seen] == [GeneratorExit]


class TestWhatTheOwnerRaises:
    def test_whatever_comes_out_of_the_cleanup(self, drive: Drive) -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            drive(failing_cleanup(), timeout=0.01)
        assert str(caught.value.__context__) == "the cleanup failed"

    def test_ctrl_c_whatever_comes_out_of_the_cleanup(self) -> None:
        cause = KeyboardInterrupt()
        flow = failing_cleanup()
        next(flow)
        assert interrupt(flow, cause) is cause
        assert str(cause.__context__) == "the cleanup failed"

    def test_ctrl_c_that_comes_during_the_cleanup_is_not_lost(self, drive: Drive) -> None:
        def interrupted_in_its_cleanup() -> Flow[None]:
            try:
                yield from waiting()
            finally:
                raise KeyboardInterrupt

        flow = interrupted_in_its_cleanup()
        next(flow)
        owed = interrupt(flow, Interrupted(DeadlineExceeded()))
        assert isinstance(owed, KeyboardInterrupt)
        assert isinstance(owed.__context__, DeadlineExceeded)

    def test_ctrl_c_that_comes_as_a_branch_is_ended_is_not_lost(self) -> None:
        def interrupted_in_its_cleanup() -> Flow[None]:
            try:
                yield from waiting()
            finally:
                raise KeyboardInterrupt

        def failing() -> Flow[None]:
            yield PAUSE
            raise LookupError

        with pytest.raises(KeyboardInterrupt):
            run(all_of([failing_cleanup(), interrupted_in_its_cleanup(), failing()]))
        ended = all_of([failing_cleanup(), interrupted_in_its_cleanup()])
        next(ended)
        assert isinstance(interrupt(ended, Interrupted(DeadlineExceeded())), KeyboardInterrupt)

    def test_ctrl_c_before_anything_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At every step of the driver's own beginning it comes out as what it is."""
        import sys

        lines = 0

        def times(count: int) -> None:
            left = count

            def trace(frame: object, event: str, arg: object) -> object:
                nonlocal left, lines
                if event == "line" and frame.f_code is run.__code__:  # type: ignore[attr-defined]
                    lines = max(lines, count - left)
                    left -= 1
                    if left < 0:
                        sys.settrace(None)
                        raise KeyboardInterrupt
                return trace

            previous = sys.gettrace()
            sys.settrace(trace)  # type: ignore[arg-type]
            try:
                run(waiting(), deadline=monotonic() + 0.01)
            finally:
                sys.settrace(previous)

        for count in range(8):
            with pytest.raises((KeyboardInterrupt, DeadlineExceeded)):
                times(count)
        assert lines >= 7

    def test_the_same_cancelled_error_that_asyncio_threw(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await run_async(failing_cleanup())
            async with asyncio.TaskGroup() as group:
                task = group.create_task(run_async(failing_cleanup()))
                await asyncio.sleep(0)
                task.cancel()  # a TaskGroup takes nothing but CancelledError for a cancellation
            assert task.cancelled()

        loop_runner.run(main())

    def test_no_interrupted_in_its_chain(self, drive: Drive) -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            drive(all_of([failing_cleanup(), failing_cleanup()]), timeout=0.01)
        error: BaseException | None = caught.value
        chain = []
        while error is not None and error not in chain:
            chain.append(error)
            error = error.__cause__ or error.__context__
        assert not any(isinstance(each, Interrupted) for each in chain)
        assert any(str(each) == "the cleanup failed" for each in chain)

    def test_no_interrupted_in_a_future_a_group_or_a_thread(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> list[BaseException | None]:
            token = CancellationToken()
            tasks = [
                asyncio.ensure_future(run_async(waiting(), deadline=soon())),
                asyncio.ensure_future(run_async(waiting(), cancel=token)),
                asyncio.ensure_future(asyncio.to_thread(run, waiting(), deadline=soon())),
                asyncio.ensure_future(asyncio.to_thread(run, waiting(), cancel=token)),
            ]
            asyncio.get_running_loop().call_soon(token.cancel)
            await asyncio.wait(tasks)
            return [task.exception() for task in tasks]

        found = [type(each) for each in loop_runner.run(main())]
        assert found == [DeadlineExceeded, CancellationError, DeadlineExceeded, CancellationError]

    def test_an_error_leaves_no_garbage(self) -> None:
        def times_out() -> None:
            try:
                run(waiting(), deadline=monotonic() + 0.001)
            except DeadlineExceeded:
                pass

        times_out()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                times_out()
            assert gc.collect() < 20
        finally:
            gc.enable()


class TestExplaining:
    class Silent(Exception):
        pass

    def explaining(self, what: str) -> Flow[None]:
        try:
            yield from waiting()
        except Interrupted as interrupted:
            interrupted.explain(self.Silent(what))
            raise

    def test_its_owner_raises_what_the_flow_says(self, drive: Drive) -> None:
        with pytest.raises(self.Silent, match="the server") as caught:
            drive(self.explaining("the server"), timeout=0.01)
        assert isinstance(caught.value.__cause__, DeadlineExceeded)

    def test_the_first_to_say_so_wins(self, drive: Drive) -> None:
        def outer() -> Flow[None]:
            try:
                yield from self.explaining("the inner")
            except Interrupted as interrupted:
                interrupted.explain(self.Silent("the outer"))
                raise

        with pytest.raises(self.Silent, match="the inner"):
            drive(outer(), timeout=0.01)

    def test_before_hands_it_on(self, drive: Drive) -> None:
        with pytest.raises(self.Silent):
            drive(before(soon(), self.explaining("x")), timeout=5)
        with pytest.raises(LookupError, match="x") as caught:
            drive(
                before(soon(), self.explaining("x"), expired=lambda error: LookupError(str(error))), timeout=5
            )
        assert isinstance(caught.value.__cause__, self.Silent)

    def test_a_phase_names_what_was_being_done(self, drive: Drive) -> None:
        def named() -> Flow[None]:
            with phase("outside"), phase("reading the inscription"):
                yield from waiting()

        with pytest.raises(DeadlineExceeded, match="while reading the inscription"):
            drive(named(), timeout=0.01)


class TestBefore:
    def test_an_inner_one_lets_an_outer_one_pass(self, drive: Drive) -> None:
        seen: list[BaseException] = []
        inner = before(monotonic() + 60, seeing(seen), "inner", expired=lambda _: LookupError("inner"))
        with pytest.raises(DeadlineExceeded, match="outer"):
            drive(before(soon(), inner, "outer"), timeout=5)
        assert [type(each) for each in seen] == [Interrupted]

    def test_its_own_is_the_outcome_of_its_branch(self, drive: Drive) -> None:
        flows = [before(soon(), waiting()), before(soon(), waiting(), expired=lambda _: LookupError("gone"))]
        outcomes = drive(all_of(flows, return_errors=True), timeout=5)
        assert [type(outcome.error) for outcome in outcomes] == [DeadlineExceeded, LookupError]

    def test_what_is_swallowed_is_no_result(self, drive: Drive) -> None:
        def swallowing() -> Flow[int]:
            try:
                yield from waiting()
            except Interrupted:
                pass
            return 1

        with pytest.raises(DeadlineExceeded):
            drive(before(soon(), swallowing()), timeout=5)


def functions(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))


#: The owners of interruptions, and what keeps what comes out of them.
OWNERS = {
    "netkit/io/aio.py",
    "netkit/io/blocking.py",
    "netkit/io/interruption.py",
    "netkit/io/compose.py",
    "netkit/http/server/handling/bridge.py",  # what a thread raised is raised where it is waited for
    "netkit/http/server/handling/brief.py",  # what is thrown in goes into the flow that was begun elsewhere
    "netkit/tls/backends/rustls/session.py",  # what a verifier raised is raised when rustls has returned
    "netkit/websocket/place.py",  # the same, for a handler's flow that the loop continues
}


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_who_catches_everything_raises_it_again(file: Path) -> None:
    """`except BaseException` and a bare `except` end in a bare `raise`: an interruption is not swallowed."""
    where = f"netkit/{file.relative_to(PACKAGE)}"
    for handler in functions(ast.parse(file.read_text(encoding="utf-8"))):
        names = "" if handler.type is None else ast.unparse(handler.type)
        if names and "BaseException" not in names and "Interrupted" not in names:
            continue
        last = handler.body[-1]
        assert where in OWNERS or (isinstance(last, ast.Raise) and last.exc is None), (
            f"{where}:{handler.lineno}"
        )


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_work_beside_what_stops_it_is_a_race(file: Path) -> None:
    """`first_of` waits on when a branch raises: beside `event.wait()` that loses the error."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("first_of"):
            given = " ".join(ast.unparse(argument) for argument in node.args)
            assert ".wait(" not in given and "sleep_until(" not in given, f"{file.name}:{node.lineno}"


class TestLoopsOnAClosedSocket:
    """A loop that goes on after an OSError would spin on a closed socket, but for its guard."""

    def test_of_datagrams(self, drive: Drive) -> None:
        from netkit.lab.echo import Echoed, echo_datagrams
        from netkit.net import UdpSocket

        sock = UdpSocket.bind("127.0.0.1:0")

        def closing() -> Flow[None]:
            yield PAUSE
            sock.close()

        with pytest.raises(ClosedError):
            drive(all_of([echo_datagrams(sock, counts=Echoed(), stop=Event()), closing()]), timeout=5)

    def test_of_a_name_server(self, drive: Drive) -> None:
        from netkit.dns.authority.server import DnsServer
        from netkit.dns.zones.zonefile import parse_zone

        zone = parse_zone(
            "@ 60 SOA ns hostmaster 1 2 3 4 5\n@ 60 NS ns\nns 60 A 127.0.0.1\n", origin="a.test"
        )
        server = DnsServer.bind("127.0.0.1:0", [zone])

        def closing() -> Flow[None]:
            yield PAUSE
            server._udp[0].close()

        with pytest.raises(ClosedError):
            drive(all_of([server.serve(Event()), closing()]), timeout=5)

    def test_of_a_ping(self, drive: Drive) -> None:
        from netkit.measure.ping import PingStatistics, ping_datagrams
        from netkit.net import UdpSocket

        with UdpSocket.bind("127.0.0.1:0") as peer:
            sock = UdpSocket.connected(peer.local_addr)
            pinging = ping_datagrams(
                sock,
                count=None,
                interval=0.001,
                timeout=5,
                statistics=PingStatistics(),
                on_reply=lambda reply: None,
            )

            def closing() -> Flow[None]:
                yield PAUSE
                sock.close()

            with pytest.raises(ClosedError):
                drive(all_of([pinging, closing()]), timeout=5)


def test_an_interrupted_server_cuts_its_connections_off(drive: Drive) -> None:
    """Healthy connections of a server that is cancelled have not failed."""
    from netkit.lab.echo import Echoed, echo_stream
    from netkit.net import TcpListener, TcpStream
    from netkit.serve import Served, serve

    listener = TcpListener.bind("127.0.0.1:0")
    served, token = Served(), CancellationToken()
    flow = serve(listener, lambda stream: echo_stream(stream, counts=Echoed()), stop=Event(), served=served)
    with TcpStream.connect(listener.local_addr) as client:

        def talking() -> None:
            client.write_all(b"x")
            client.read(timeout=20)
            token.cancel()

        thread = threading.Thread(target=talking)
        thread.start()
        with pytest.raises(CancellationError):
            drive(flow, timeout=20, cancel=token)
        thread.join()
    assert (served.accepted, served.failed, served.cut_off, len(served.active)) == (1, 0, 1, 0)
