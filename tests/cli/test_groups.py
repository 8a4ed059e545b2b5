"""Option groups: a class declares options, and a command gets what was given as one value of that class."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from netkit.addr import IpAddr, SocketAddr
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import FamilyOptions, OptionGroup, SourceOptions, field, flag, option_group
from netkit.cli.frame.options import File, Number, WrongValue, exclude, option
from netkit.cli.payload.tls.client import ClientTlsOptions
from netkit.cli.payload.tls.server import ServerTlsOptions
from netkit.cli.table import Entry
from tests.cli.helpers import Result, add_commands
from tests.cli.sample import RawView

pytestmark = pytest.mark.once


class TunedOptions(OptionGroup):
    """How it is tuned."""

    section = "Tuning"

    level: int = field("-l", "--level", type=Number(1, 9), default=3, help="How much.")
    log: str | None = field("--log", type=File(), help="Where it is noted.")
    names: tuple[int, ...] = field("--also", type=Number(), multiple=True, help="What else.")
    twice: bool = flag("--twice", help="Do it again.")

    def check(self) -> None:
        exclude("--twice", self.twice, "--log", self.log)


#: What the command below was given.
GIVEN: list[tuple[TunedOptions, bool]] = []


@command("tune", view=RawView())
@option("--before", is_flag=True, help="Comes first.")
@option_group(tuned=TunedOptions)
@option("--after", is_flag=True, help="Comes last.")
def tune(run: Run[int], before: bool, tuned: TunedOptions, after: bool) -> None:
    """Tune.

    Examples:

        $ netkit tune
    """
    GIVEN.append((tuned, before or after))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TunedOptions, bool]]:
    add_commands(monkeypatch, (Entry("tune", "tests.cli.test_groups:tune", "Tune.", "Serve"),), {})
    GIVEN.clear()
    return GIVEN


def test_a_command_gets_one_value(
    netkit: Callable[..., Result], given: list[tuple[TunedOptions, bool]]
) -> None:
    assert netkit("tune").exit_code == 0
    assert netkit("tune", "-l", "5", "--also", "1", "--also", "2", "--after", "--twice").exit_code == 0
    assert given == [
        (TunedOptions(level=3, log=None, names=(), twice=False), False),
        (TunedOptions(level=5, log=None, names=(1, 2), twice=True), True),
    ]


def test_what_contradicts_itself_never_comes_to_the_command(
    netkit: Callable[..., Result], given: list[tuple[TunedOptions, bool]]
) -> None:
    result = netkit("tune", "--twice", "--log", "x")
    assert (result.exit_code, given) == (2, [])
    assert result.stderr.splitlines() == [
        "netkit: tune: --twice and --log exclude each other",
        "hint: choose one of them",
    ]
    result = netkit("tune", "--level", "10")
    assert (result.exit_code, given) == (2, [])
    assert "--level: '10' is out of range" in result.stderr


@pytest.mark.usefixtures("given")
def test_options_stand_where_the_group_stands(netkit: Callable[..., Result]) -> None:
    page = netkit("tune", "--help").stdout
    tuning = page[page.index("\nTuning:\n") :]
    lines = [" ".join(line.split()) for line in tuning.splitlines()]
    assert lines[2:6] == [
        "-l, --level N How much. [default: 3]",
        "--log FILE Where it is noted.",
        "--also N What else.",
        "--twice Do it again.",
    ]
    assert page.index("--before") < page.index("--after") < page.index("Tuning:")


def test_a_group_is_a_value() -> None:
    group = TunedOptions(level=1, log="x", names=(), twice=False)
    assert group == TunedOptions(level=1, log="x", names=(), twice=False)
    assert group.replace(level=2).level == 2
    assert repr(group) == "TunedOptions(level=1, log='x', names=(), twice=False)"
    assert hash(group) == hash(group.replace())
    with pytest.raises(AttributeError, match="level cannot be changed"):
        group.level = 4  # type: ignore[misc]
    with pytest.raises(WrongValue, match="exclude each other"):
        group.replace(twice=True)


def test_a_group_extends_another() -> None:
    names = [option.opts[0] for option in SourceOptions.options("source")]
    assert names == ["-4", "-6", "--source"]
    assert [option.opts[0] for option in FamilyOptions.options("only")] == ["-4", "-6"]


V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
HERE4, HERE6 = IpAddr.parse("127.0.0.1"), IpAddr.parse("::1")


@pytest.mark.parametrize(
    ("given", "family", "source"),
    [
        ({}, 0, None),
        ({"ipv4": True}, V4, None),
        ({"ipv6": True}, V6, None),
        ({"source": HERE4}, V4, SocketAddr.new(HERE4, 0)),
        ({"source": HERE6}, V6, SocketAddr.new(HERE6, 0)),
        ({"ipv6": True, "source": HERE4}, V6, SocketAddr.new(HERE4, 0)),
    ],
)
def test_where_to_connect_from(given: dict[str, Any], family: int, source: SocketAddr | None) -> None:
    options = SourceOptions(**{"ipv4": False, "ipv6": False, "source": None, **given})
    assert options.resolve() == (family, source)


@pytest.mark.parametrize(
    ("group", "given", "said"),
    [
        (ClientTlsOptions, {"alpn": "h2"}, "--alpn is for --tls"),
        (ClientTlsOptions, {"insecure": True}, "--insecure is for --tls"),
        (ClientTlsOptions, {"tls": True, "ca": "x", "insecure": True}, "--ca and --insecure exclude"),
        (ServerTlsOptions, {"write_ca": "x"}, "--write-ca is for --tls"),
        (ClientTlsOptions, {"tls": True, "key": "x"}, "--key is for --cert"),
        (ClientTlsOptions, {"tls": True, "tls12": True, "min_version": "1.2"}, "--tls1.2 and --min-version"),
        (
            ClientTlsOptions,
            {"tls": True, "tls11": True, "tls13": True},
            "--tls1.1 and --tls1.3 leave out TLS 1.2",
        ),
        (ServerTlsOptions, {"tls": True, "key": ("x",)}, "--key is for --cert"),
        (
            ServerTlsOptions,
            {"tls": True, "cert": ("x", "y"), "key": ("x",)},
            "--cert is given 2 times, and --key",
        ),
        (
            ServerTlsOptions,
            {"tls": True, "key": ("x",), "cert": ("x",), "write_ca": "x"},
            "--cert and --write-ca",
        ),
        (ServerTlsOptions, {"tls": True, "client_cert": "optional"}, "--client-cert is for --client-ca"),
        (ServerTlsOptions, {"tls": True, "ocsp_staple": "x"}, "--ocsp-staple is for --cert"),
    ],
)
def test_what_goes_with_tls(group: type[OptionGroup], given: dict[str, Any], said: str) -> None:
    nothing: dict[str, Any] = dict.fromkeys(group.fields)
    with pytest.raises(WrongValue) as caught:
        group(**{**nothing, **given})
    assert caught.value.message.startswith(said)
