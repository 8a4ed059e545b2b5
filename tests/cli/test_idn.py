"""Names in Unicode: what is shown, and what would deceive (`netkit.cli.payload.dns.idn`), and in `dig`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netkit.cli.payload.dns.idn import safe_unicode
from netkit.dns import Name
from tests.cli.helpers import Result
from tests.dns.scripted import ScriptedServer, answer

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bücher.example", "bücher.example."),
        ("пример.example", "пример.example."),
        ("例え.example", "例え.example."),
        ("カタカナ漢字.example", "カタカナ漢字.example."),
        ("한국漢.example", "한국漢.example."),
        ("www.example", None),
        ("\u0430pple.example", None),  # a Cyrillic letter among Latin ones
        ("\u0430\u0440\u0435.example", None),  # nothing but Cyrillic letters that look like Latin ones
        ("עברית.example", None),  # from right to left
        ("例a.example", None),
    ],
)
def test_what_is_shown(text: str, shown: str | None) -> None:
    assert safe_unicode(Name.parse(text)) == shown


def test_a_terminal_without_the_letters() -> None:
    name = Name.parse("bücher.пример")
    assert safe_unicode(name, "latin-1") == f"bücher.{str(name).split('.')[1]}."
    assert safe_unicode(name, "ascii") is None


def test_what_is_no_idna_stays() -> None:
    assert safe_unicode(Name.parse("xn--ls8h.example")) is None  # no letter, so none of IDNA2008
    assert safe_unicode(Name.parse("xn--.example")) is None


def test_dig(netkit: Netkit) -> None:
    a_label = str(Name.parse("bücher.example."))
    records = [f"{a_label} 60 MX 5 mail.{a_label}", f"{a_label} 60 TXT {a_label}"]
    with ScriptedServer(lambda asked: answer(asked, *records)) as server:
        words = ["dig", f"@{server.addr}", "bücher.example", "ANY"]
        plain = netkit(*words)
        assert f"{a_label}\t60\tIN\tMX\t5 mail.{a_label}" in plain.lines
        assert "ü" not in plain.stdout
        shown = netkit(*words, "+idnout", "+noall", "+answer")
        assert "bücher.example.\t\t60\tIN\tMX\t5 mail.bücher.example." in shown.lines
        assert f'bücher.example.\t\t60\tIN\tTXT\t"{a_label}"' in shown.lines  # text is no name
        table = netkit(*words, tty=True, width=120)
        assert f"bücher.example. IN ANY ({a_label})" in table.stdout
        assert "5 mail.bücher.example." in table.stdout
        assert "ü" not in netkit(*words, "+noidnout", tty=True, width=120).stdout
        assert "ü" not in netkit(*words, tty=True, width=120, encoding="ascii").stdout
        (row,) = netkit(*words, "--json").json
        assert (row["question"]["name"], row["question"]["name_unicode"]) == (a_label, "bücher.example.")
        assert row["answer"][0]["name_unicode"] == "bücher.example."
    assert {str(asked.message.question[0].name) for asked in server.asked} == {a_label}
