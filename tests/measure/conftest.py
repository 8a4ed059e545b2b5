"""The fixtures of the sockets' tests."""

from tests.net.conftest import call, drive, loop_runner, no_leak

__all__ = ["call", "drive", "loop_runner", "no_leak"]
