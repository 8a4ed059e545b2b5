"""`netkit demo`: every command in it ends as it says it should."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.helpers import Result


def test_every_step_ends_as_it_should(netkit: Callable[..., Result]) -> None:
    result = netkit("demo", "--json")
    rows = result.json
    assert [(row["argv"], row["exit_code"]) for row in rows] == [
        (row["argv"], row["expected_exit_code"]) for row in rows
    ]
    assert result.exit_code == 0
    assert {row["argv"][1] for row in rows} >= {"dig", "resolve", "tcp", "tls"}
    said = "".join(row["stdout"] for row in rows)
    for wanted in ("127.0.0.1", "10 mail.demo.test.", "what goes out comes back", "CN=localhost"):
        assert wanted in said
