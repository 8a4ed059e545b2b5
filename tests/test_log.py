"""Debug lines: nothing while nobody listens, the standard logger when somebody does."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from netkit._log import Log


def test_nothing_is_imported_and_nothing_said_until_logging_is_there() -> None:
    code = """
import sys
from netkit._log import Log
log = Log("netkit.test")
log.debug("unheard %s", 1)
assert not log.enabled
assert "logging" not in sys.modules
import logging
log.warning("no handler: still nothing")
records = []
class Keep(logging.Handler):
    def emit(self, record): records.append(record.getMessage())
logging.getLogger("netkit").addHandler(Keep())
logging.getLogger("netkit").setLevel(logging.DEBUG)
assert log.enabled
log.debug("heard %s", 2)
assert records == ["heard 2"], records
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lines_come_from_where_they_were_written(caplog: pytest.LogCaptureFixture) -> None:
    log = Log("netkit.test")
    with caplog.at_level(logging.DEBUG, "netkit"):
        log.debug("asked %s in %.1f ms", "server", 1.25)
        log.warning("odd")
    assert [(r.name, r.levelname, r.getMessage(), r.filename) for r in caplog.records] == [
        ("netkit.test", "DEBUG", "asked server in 1.2 ms", "test_log.py"),
        ("netkit.test", "WARNING", "odd", "test_log.py"),
    ]


def test_disabled_level_is_not_formatted() -> None:
    class Explodes:
        def __str__(self) -> str:
            raise AssertionError("formatted for nobody")

    logging.getLogger("netkit.quiet").setLevel(logging.WARNING)
    log = Log("netkit.quiet")
    log.debug("%s", Explodes())
    assert not log.enabled
