"""Both implementations of every hot function: the same results, the same errors, one place that chooses.

The functions themselves are tested through the `twin` fixture, which gives each implementation in turn:
WebSocket masking (RFC 6455 section 5.3) here, the HTTP parser and decoder in tests/http, the WebSocket reader
in tests/websocket.
"""

from __future__ import annotations

import array
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

import netkit.http.parser.chunked
import netkit.http.parser.head
import netkit.websocket.reader  # noqa: F401 - the twins are known from when their modules are imported
from netkit import __version__, _twins
from netkit.websocket import masking
from tests.conftest import WITHOUT_TWINS, Twin
from tests.test_layers import MODULES, imports

KEY = bytes.fromhex("37fa213d")  # RFC 6455 section 5.7

#: What the suite does with a payload: each entry makes a buffer out of the octets it is given.
BUFFERS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "writable memoryview": lambda octets: memoryview(bytearray(octets)),
    "a part of a memoryview": lambda octets: memoryview(b"--" + octets + b"--")[2 : 2 + len(octets)],
    "signed octets": lambda octets: array.array("b", octets),
}


def by_the_rule(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """RFC 6455 section 5.3, word for word."""
    return bytes(octet ^ key[(offset + i) % 4] for i, octet in enumerate(data))


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """What came of a call, in a form that compares: the result, or the exception's type and words."""
    try:
        return ("returned", function(*arguments))
    except Exception as error:
        return ("raised", type(error), str(error))


@pytest.mark.parametrize(
    ("data", "key", "masked"),
    [
        (b"Hello", KEY, bytes.fromhex("7f9f4d5158")),  # section 5.7
        (b"", KEY, b""),
        (b"\x00", KEY, KEY[:1]),
        (bytes(4), KEY, KEY),
        (bytes(9), KEY, KEY + KEY + KEY[:1]),
        (b"left as it is", bytes(4), b"left as it is"),
        (b"\xff\x00\xff\x00", b"\xff\xff\x00\x00", b"\x00\xff\xff\x00"),
    ],
)
def test_vectors(twin: Twin, data: bytes, key: bytes, masked: bytes) -> None:
    assert twin.apply_mask(data, key) == masked
    assert twin.apply_mask(masked, key) == data
    buffer = bytearray(data)
    assert twin.apply_mask_in_place(buffer, key) is None
    assert buffer == masked


# Around the widths where an implementation changes its ways: a block of the kernel, the integer's limit.
@pytest.mark.parametrize("length", [1, 3, 4, 63, 64, 65, 127, 128, 129, 2047, 2048, 2049, 10_000])
@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 2**31 + 1, 2**64 + 2])
def test_lengths_and_offsets(twin: Twin, length: int, offset: int) -> None:
    data = bytes(i * 31 % 251 for i in range(length))
    expected = by_the_rule(data, KEY, offset)
    assert twin.apply_mask(data, KEY, offset) == expected
    buffer = bytearray(data)
    twin.apply_mask_in_place(buffer, KEY, offset=offset)
    assert buffer == expected


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
@pytest.mark.parametrize("length", [0, 5, 3000])
def test_any_buffer_in_and_bytes_out(twin: Twin, make: Callable[[bytes], Any], length: int) -> None:
    data = bytes(i % 128 for i in range(length))
    masked = twin.apply_mask(make(data), KEY)
    assert type(masked) is bytes
    assert masked == by_the_rule(data, KEY)
    assert twin.apply_mask(data, make(KEY[2:] + KEY[2:])) == by_the_rule(data, KEY[2:] + KEY[2:])


def test_in_place_changes_only_the_buffer_it_was_given(twin: Twin) -> None:
    frame = bytearray(b"headHellotail")
    twin.apply_mask_in_place(memoryview(frame)[4:9], KEY)
    assert frame == b"head" + bytes.fromhex("7f9f4d5158") + b"tail"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((b"x", b""), ValueError, "a masking key is 4 bytes, not 0"),
        ((b"x", b"123"), ValueError, "a masking key is 4 bytes, not 3"),
        ((b"x", b"12345"), ValueError, "a masking key is 4 bytes, not 5"),
        ((b"x", KEY, -1), ValueError, "offset must not be negative"),
        ((b"x", KEY, -(2**70)), ValueError, "offset must not be negative"),
        (("x", b"123", -1), ValueError, "a masking key is 4 bytes, not 3"),
        (("x", KEY, -1), ValueError, "offset must not be negative"),
        (("x", KEY), TypeError, "memoryview: a bytes-like object is required, not 'str'"),
        ((b"x", "1234"), TypeError, "memoryview: a bytes-like object is required, not 'str'"),
        ((b"x", KEY, 1.5), TypeError, "'float' object cannot be interpreted as an integer"),
        ((b"x", KEY, None), TypeError, "'NoneType' object cannot be interpreted as an integer"),
        (
            (memoryview(b"abcd")[::2], KEY),
            TypeError,
            "memoryview: casts are restricted to C-contiguous views",
        ),
    ],
)
def test_errors(twin: Twin, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    for function in (twin.apply_mask, twin.apply_mask_in_place):
        assert outcome(function, *arguments) == ("raised", error, message)


@pytest.mark.parametrize("buffer", [b"read-only", memoryview(b"read-only"), b""])
def test_in_place_refuses_what_is_read_only(twin: Twin, buffer: Any) -> None:
    with pytest.raises(TypeError, match=r"^cannot modify read-only memory$"):
        twin.apply_mask_in_place(buffer, KEY)


buffers = st.builds(
    lambda octets, make: make(octets), st.binary(max_size=200), st.sampled_from(list(BUFFERS.values())[:5])
)
keys = st.binary(min_size=4, max_size=4) | st.binary(max_size=6)
offsets = st.integers(min_value=0, max_value=20) | st.integers(min_value=-(2**70), max_value=2**70)
anything = st.one_of(
    st.none(), st.text(max_size=3), st.integers(), st.floats(), st.lists(st.integers(0, 255))
)


@given(data=buffers | anything, key=keys | anything, offset=offsets | anything)
def test_twins_agree(twins: tuple[Twin, Twin], data: Any, key: Any, offset: Any) -> None:
    python, rust = twins
    assert outcome(python.apply_mask, data, key, offset) == outcome(rust.apply_mask, data, key, offset)


@given(data=st.binary(max_size=200) | st.binary(min_size=2000, max_size=2100), key=keys, offset=offsets)
def test_twins_agree_in_place(twins: tuple[Twin, Twin], data: bytes, key: bytes, offset: int) -> None:
    python, rust = (
        (outcome(twin.apply_mask_in_place, buffer, key, offset), buffer)
        for twin, buffer in zip(twins, (bytearray(data), bytearray(data)), strict=True)
    )
    assert python == rust


@given(data=st.binary(max_size=300), key=st.binary(min_size=4, max_size=4), cut=st.integers(0, 300))
def test_pieces_are_the_whole(twin: Twin, data: bytes, key: bytes, cut: int) -> None:
    pieces = twin.apply_mask(data[:cut], key) + twin.apply_mask(data[cut:], key, len(data[:cut]))
    assert pieces == twin.apply_mask(data, key) == by_the_rule(data, key)


def test_every_python_function_has_its_twin(twins: tuple[Twin, Twin]) -> None:
    """The same names on both sides, with the same parameters, and none on the Rust side that nobody uses."""
    python, rust = twins
    native = {name for name in vars(_twins.rust) if not name.startswith("_")} - {"VERSION"}
    assert native == set(_twins.python_functions)
    for name in native:
        here, there = (getattr(twin, name) for twin in (python, rust))
        if isinstance(here, type):
            assert _shape(here) == _shape(there), name
        else:
            assert _parameters(here) == _parameters(there), name


def _parameters(function: Callable[..., Any], defaults: bool = True) -> list[tuple[Any, ...]]:
    return [
        (p.name, p.kind, p.default if defaults else p.default is p.empty)
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def _shape(cls: type) -> dict[str, list[tuple[Any, ...]] | None]:
    """What a class has for its users: the parameters of what can be called, None for the rest.

    A default that is no literal cannot be written into a native signature; only that there is one counts.
    """
    shape: dict[str, list[tuple[Any, ...]] | None] = {"__init__": _parameters(cls, defaults=False)}
    for name in dir(cls):
        if not name.startswith("_"):
            member = inspect.getattr_static(cls, name)
            called = callable(member) or isinstance(member, classmethod)
            shape[name] = _parameters(getattr(cls, name), defaults=False) if called else None
    return shape


def test_the_module_uses_what_was_chosen() -> None:
    expected = _twins.python_functions["apply_mask"] if _twins.rust is None else _twins.rust.apply_mask
    assert masking.apply_mask is expected
    assert _twins.implementation == ("python" if _twins.rust is None else "rust")
    assert (_twins.reason is None) == (_twins.rust is not None)


@pytest.mark.parametrize("package", WITHOUT_TWINS)
def test_a_package_whose_tests_run_once_uses_no_twin(package: str) -> None:
    ahead = [module for module in MODULES if f"{module}.".startswith(f"netkit.{package}.")]
    assert ahead
    reached = set(ahead)
    while ahead:
        for imported in imports(ahead.pop()):
            # The root hands its names on lazily, and imports none of their modules.
            if imported.module in MODULES and imported.module not in reached | {"netkit"}:
                reached.add(imported.module)
                ahead.append(imported.module)
    assert "netkit._twins" not in reached


def chosen(program: str = "", **environment: str) -> str:
    """What a fresh interpreter says of its twins, after running a program."""
    show = "from netkit import _twins; print(_twins.implementation, _twins.reason, sep='|')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\n{show}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("value", "pure"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_netkit_pure_forces_python(twins: tuple[Twin, Twin], value: str, pure: bool) -> None:
    assert chosen(NETKIT_PURE=value) == ("python|NETKIT_PURE is set" if pure else "rust|None")


def test_a_twin_of_another_version_is_not_used(twins: tuple[Twin, Twin]) -> None:
    program = "import types; old = types.ModuleType('netkit._rust'); old.VERSION = '0.0.1'\n"
    program += "import netkit; netkit._rust = sys.modules['netkit._rust'] = old"
    assert chosen(program) == f"python|netkit._rust is of version 0.0.1, netkit of {__version__}"


def test_the_reason_is_what_the_build_noted() -> None:
    absent = "sys.modules['netkit._rust'] = None\n"
    note = (
        "import types; note = types.ModuleType('netkit._build_note'); "
        "note.ABSENT = {'netkit._rust': 'cargo was not found'}\n"
    )
    note += "sys.modules['netkit._build_note'] = note"
    assert chosen(absent + note, NETKIT_PURE="") == "python|built without it: cargo was not found"
    # A note that another extension is absent says nothing of this one.
    other = (
        "import types; note = types.ModuleType('netkit._build_note'); note.ABSENT = {'netkit._h2': 'no'}\n"
    )
    other += "sys.modules['netkit._build_note'] = note"
    assert chosen(absent + other, NETKIT_PURE="").startswith("python|not built (")
    without = chosen(absent + "sys.modules['netkit._build_note'] = None", NETKIT_PURE="")
    assert without.startswith("python|not built (")
