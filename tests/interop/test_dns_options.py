"""EDNS options as BIND's dig prints and sends them, beside netkit's."""

from __future__ import annotations

import subprocess

import pytest

from netkit.dns import Edns, EdnsOption, Message
from netkit.dns.messages.message import make_response
from tests.cli.helpers import run_netkit
from tests.conftest import require_peer
from tests.dns.scripted import Asked, ScriptedServer

pytestmark = pytest.mark.once

O = EdnsOption  # noqa: E741

#: What BIND 9.18 has a text of its own for. It calls option 11 `TCP KEEPALIVE`, newer versions do as netkit.
OPTIONS = [
    O.LongLivedQuery(1, 2, 3, 4, 3600),
    O.Nsid(b"ns1\x1b"),
    O.ClientSubnet("192.0.2.0", 24, 16),
    O.ClientSubnet("2001:db8::", 56, 48),
    O.Expire(),
    O.Expire(1),
    O.Expire(3600),
    O.Expire(694862),
    O.Cookie(b"12345678"),
    O.Cookie(b"12345678", b"abcdefghijklmnop"),
    O.Keepalive(12.3),
    O.Padding(3),
    O.KeyTag([20326, 38696]),
    O.ExtendedError(6),
    O.ExtendedError(15, "on a list"),
    O.ExtendedError(49152, "own"),
    O.Unknown(65001, b"\nA"),
    O.Unknown(65001),
]


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_text(option: EdnsOption) -> None:
    dig = require_peer("dig")

    def script(asked: Asked) -> Message:
        return make_response(asked.message, edns=Edns(options=[option]))

    with ScriptedServer(script) as server:
        at = ["@127.0.0.1", "-p", str(server.addr.port), "a.test", "+nocookie", "+noquestion"]
        theirs = subprocess.run(
            [dig, "-r", *at], capture_output=True, text=True, timeout=20, check=True
        ).stdout.replace("TCP KEEPALIVE", "TCP-KEEPALIVE")
        ours = run_netkit("dig", *at).stdout
    assert options_in(ours) == options_in(theirs) == [f"; {option}"]


def options_in(text: str) -> list[str]:
    """The lines of the OPT pseudo-section behind that of EDNS itself."""
    section = text.partition(";; OPT PSEUDOSECTION:\n")[2].splitlines()[1:]
    end = next((n for n, line in enumerate(section) if not line.startswith("; ")), len(section))
    return section[:end]


@pytest.mark.parametrize(
    "flags",
    [
        ["+ednsopt=3"],
        ["+ednsopt=nsid"],
        ["+ednsopt=65001:00ff41"],
        ["+ednsopt=ECS:00011800c00002"],
        ["+ednsopt=EXPIRE", "+ednsopt=65001:00", "+ednsopt=65001:01"],
        ["+ednsopt=KEEPALIVE"],
        ["+ednsopt=PADDING:000000"],
        ["+ednsopt=KEY-TAG:4f66"],
        ["+ednsopt=65001:00", "+noednsopt", "+nsid"],
        ["+nsid", "+subnet=192.0.2.0/24"],
    ],
    ids=" ".join,
)
def test_what_is_sent(flags: list[str]) -> None:
    dig = require_peer("dig")
    with ScriptedServer(lambda asked: make_response(asked.message)) as server:
        at = ["@127.0.0.1", "-p", str(server.addr.port), "a.test", "+nocookie", *flags]
        subprocess.run([dig, "-r", *at], capture_output=True, timeout=20, check=True)
        run_netkit("dig", *at)
    theirs, ours = [asked.message.edns for asked in server.asked]
    assert theirs is not None
    assert ours is not None
    assert sorted(map(str, ours.options)) == sorted(map(str, theirs.options))
