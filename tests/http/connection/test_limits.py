"""The limits of a connection: their ranges, and the words of an error that names one."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from netkit.http import HttpError
from netkit.http.connection.errors import (
    ConnectionFault,
    ErrorCode,
    IncompleteMessage,
    StreamFault,
    code_name,
)
from netkit.http.connection.limits import DEFAULT_LIMITS, LARGEST_WINDOW, ConnectionLimits

pytestmark = pytest.mark.once

#: Each limit: its default, its least and its largest value.
LIMITS = {
    "max_header_list": (65536, 1024, 2**24),
    "max_header_count": (128, 1, 65536),
    "max_start_line": (8192, 64, 2**24),
    "max_concurrent_streams": (100, 1, 2**31 - 1),
    "stream_window": (2**20, 1, LARGEST_WINDOW),
    "connection_window": (2**22, 65535, LARGEST_WINDOW),
    "max_interim": (16, 0, 1000),
    "max_resets": (200, 1, 1_000_000),
    "max_settings": (100, 1, 1_000_000),
    "max_pings": (100, 1, 1_000_000),
    "max_empty_frames": (100, 1, 1_000_000),
    "max_continuations": (8, 0, 1_000_000),
}


def test_every_limit_is_in_the_table() -> None:
    assert ConnectionLimits.__match_args__ == tuple(LIMITS)
    assert {name: getattr(DEFAULT_LIMITS, name) for name in LIMITS} == {
        name: default for name, (default, _, _) in LIMITS.items()
    }
    assert ConnectionLimits.__doc__ is not None
    for name in LIMITS:
        assert f"`{name}`" in ConnectionLimits.__doc__


@pytest.mark.parametrize("name", LIMITS)
def test_ranges(name: str) -> None:
    _, least, most = LIMITS[name]
    for value in (least, most):
        limits = ConnectionLimits(**{name: value})
        assert getattr(limits, name) == value
        assert limits == DEFAULT_LIMITS.replace(**{name: value}) != DEFAULT_LIMITS
        assert pickle.loads(pickle.dumps(limits)) == limits
    for value in (least - 1, most + 1, -1):
        with pytest.raises(
            HttpError.InvalidValue, match=f"{name}: {value} is not {least} to {most}"
        ) as caught:
            ConnectionLimits(**{name: value})
        assert caught.value.limit == most
    wrong: list[Any] = [True, 1000.0, "1000", None]
    for each in wrong:
        with pytest.raises(TypeError, match=f"{name} is an int"):
            ConnectionLimits(**{name: each})


def test_a_limit_does_not_change() -> None:
    with pytest.raises(AttributeError):
        DEFAULT_LIMITS.max_interim = 1


def test_faults() -> None:
    fault = ConnectionFault("too much", ErrorCode.ENHANCE_YOUR_CALM, limit_name="max_pings", limit=5)
    assert str(fault) == "too much (max_pings = 5)"
    assert (fault.kind, fault.code, fault.fault) == ("EnhanceYourCalm", 11, "peer")
    assert str(ConnectionFault("wrong")) == "wrong"
    assert ConnectionFault("wrong", 0x77).kind == "ErrorCode119"
    stream = StreamFault("wrong", ErrorCode.CANCEL, stream=3)
    assert (stream.stream, stream.kind) == (3, "Cancel")
    assert isinstance(stream, ConnectionFault)
    assert (code_name(0), code_name(13), code_name(14)) == ("NO_ERROR", "HTTP_1_1_REQUIRED", "error code 0xe")


def test_incomplete_messages() -> None:
    assert isinstance(IncompleteMessage(), EOFError)
    assert str(IncompleteMessage(3, 5)) == "the connection ended after 3 of 5 octets of the body"
    assert str(IncompleteMessage(3)) == "the connection ended inside the body, after 3 octets of it"
    assert IncompleteMessage().kind == "Incomplete"
