"""`TlsStream.read_into_flow`: decrypted straight into the buffer of the caller, ending as other reads do."""

from __future__ import annotations

import random
import threading

import pytest

from netkit.io import run
from netkit.tls.errors import TlsError
from tests.tls.each_backend import each_backend  # noqa: F401 - a fixture
from tests.tls.test_stream import Both, both  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("each_backend")

DATA = random.Random(8446).randbytes(1_000_003)


def read_all(stream: object, size: int) -> bytes:
    view = memoryview(bytearray(size))
    found = bytearray()
    while count := run(stream.read_into_flow(view), deadline=None):  # type: ignore[attr-defined]
        found += view[:count]
    return bytes(found)


@pytest.mark.parametrize("size", [1000, 16_384, 16_385, 262_144, 2_000_000])
def test_all_of_it_in_order(both: Both, size: int) -> None:  # noqa: F811
    def send() -> None:
        both.server.write_all(DATA)
        both.server.close()

    sender = threading.Thread(target=send)
    sender.start()
    assert read_all(both.client, size) == DATA
    sender.join(10)
    assert run(both.client.read_into_flow(memoryview(bytearray(1)))) == 0
    assert both.client.read() == b""


def test_what_is_in_the_buffer_comes_first(both: Both) -> None:  # noqa: F811
    both.server.write_all(b"one two")
    run(both.client.fill(7))
    both.server.write_all(b" three")
    view = memoryview(bytearray(4))
    assert run(both.client.read_into_flow(view)) == 4 and bytes(view) == b"one "
    assert both.client.read_exactly(3) == b"two"
    both.server.close()
    assert read_all(both.client, 100) == b" three"


def test_a_small_view_loses_nothing(both: Both) -> None:  # noqa: F811
    both.server.write_all(b"abcdef")
    both.server.write_all(b"ghi")
    both.server.close()
    view = memoryview(bytearray(4))
    assert run(both.client.read_into_flow(view)) == 4 and bytes(view) == b"abcd"
    assert both.client.read(1) == b"e"
    assert read_all(both.client, 2) == b"fghi"


def test_several_records_are_one_read(both: Both) -> None:  # noqa: F811
    for _ in range(5):
        both.server.write_all(b"x" * 100)
    both.server.close()
    found = both.client.read_to_end()
    assert found == b"x" * 500


@pytest.mark.parametrize("records", [0, 1, 3])
def test_a_connection_that_is_cut_off(both: Both, records: int) -> None:  # noqa: F811
    """What came before is read first; then the error, with every read."""
    for _ in range(records):
        both.server.write_all(b"x" * 100)
    both.server.below.close()
    view = memoryview(bytearray(4096))
    got = 0
    while got < records * 100:
        got += run(both.client.read_into_flow(view))
    assert got == records * 100
    with pytest.raises(TlsError.Truncated):
        run(both.client.read_into_flow(view))
    with pytest.raises(TlsError.Truncated):
        both.client.read()


@pytest.mark.parametrize("form", ["read_into", "read"])
def test_a_record_that_was_changed(both: Both, form: str) -> None:  # noqa: F811
    """The records before it are still good, also when they are received together with it."""
    both.server.write_all(b"good")
    run(both.server.below.write_all_flow(b"\x17\x03\x03\x00\x20" + bytes(32)))
    view = memoryview(bytearray(4096))

    def read() -> bytes:
        if form == "read":
            return both.client.read()
        return bytes(view[: run(both.client.read_into_flow(view))])

    assert read() == b"good"
    for _ in range(2):
        with pytest.raises(TlsError.HandshakeFailed, match=r"^TLS connection failed: "):
            read()
