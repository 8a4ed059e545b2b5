"""docs/core-net.toml: every name of core-net.txt has its line there, and every line tells the truth."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("core_net", ROOT / "tools" / "core_net.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["core_net"] = module  # where dataclasses looks their module up
    spec.loader.exec_module(module)
    return module


core_net = _tool()
ENTRIES = core_net.load()

beside = pytest.mark.skipif(
    not core_net.TEXT.exists(), reason="core-net.txt stands beside the repository only where netkit is built"
)


def names(entries) -> list[str]:
    return [entry.name for entry in entries]


# The table against netkit


def test_counts(capsys):
    states = [entry.state for entry in ENTRIES]
    assert set(states) <= {"at", "deferred", "departed"}
    line = core_net.counts(ENTRIES)
    assert f"{len(ENTRIES)} names" in line
    assert f"{states.count('departed')} departed" in line
    with capsys.disabled():
        print(f"\n{line}")


def test_every_location_is_there():
    problems = []
    for entry in ENTRIES:
        if entry.at is not None:
            try:
                core_net.resolve(entry.at)
            except (ImportError, AttributeError, LookupError) as error:
                problems.append(f"{entry.name}: {entry.at}: {error}")
    assert not problems, "\n".join(problems)


def test_nothing_that_is_there_is_called_deferred():
    there = [entry for entry in ENTRIES if entry.place is not None and core_net.exists(entry.place)]
    assert not there, f"run `python tools/core_net.py land`: {', '.join(names(there))}"


# The table against the text


@beside
def test_every_name_of_the_text_is_in_the_table():
    found = core_net.names_in(core_net.TEXT.read_text("utf-8"), core_net.sections(ENTRIES))
    assert len({name.name for name in found}) > 700  # that the rules still find what they found
    gaps = core_net.missing(found, ENTRIES)
    assert not gaps, "\n".join(f"core-net.txt:{gap.line}: {gap.name} ({gap.section})" for gap in gaps)


@beside
def test_every_name_of_the_table_is_in_the_text():
    assert names(core_net.unfounded(core_net.TEXT.read_text("utf-8"), ENTRIES)) == []


@beside
def test_the_table_follows_the_order_of_the_text():
    titles = core_net.sections(ENTRIES)
    swapped = [titles[1], titles[0], *titles[2:]]
    core_net.names_in(core_net.TEXT.read_text("utf-8"), titles)
    with pytest.raises(ValueError, match="no heading"):
        core_net.names_in(core_net.TEXT.read_text("utf-8"), swapped)


# The rules, each on the way of writing it is for


SAMPLE = """\
Birds

mount core.net.aviary.{ parse_song, Perch };

type Bird is Robin | Wren { weight: Int, nest: Maybe<Nest> };
type Cage is {
door: Text,
lock_count: Int,
};
type Singer is protocol {
type Note: Iterator<Item = Song>;
fn sing(&self, loud: Bool) -> Result<Song, SongError>;
}
const MAX_EGGS: UInt16 = 5;

Bird.hatch(egg) -> Bird // and b.fledge() / moult() -> Bool
Cage.new()
.with_perch(&"quoted.name(x)")
fly_away(&flock, altitude: 3)
match next { Flight.Landed { height, wind_speed } => rest(), }
Implements Feather, Beak.
A prose sentence about soft_landing and the HardLanding.

Trees

Bird.perch() lives elsewhere

See also

Ignored.after_the_end()
"""


@pytest.fixture
def sample(monkeypatch):
    """What is found in the sample, by section."""
    monkeypatch.setattr(core_net, "_VARIABLES", {"Birds": {"b": "Bird"}})
    monkeypatch.setattr(core_net, "_CHAINS", {"Birds": "Cage"})
    return core_net.names_in(SAMPLE, ["Birds", "Trees"])


@pytest.mark.parametrize(
    "name",
    [
        *("core.net.aviary", "Bird", "Bird.Robin", "Bird.Wren", "Bird.Wren.weight", "Bird.Wren.nest"),
        *("Cage", "Cage.door", "Cage.lock_count", "Singer", "Singer.Note", "Singer.sing"),
        *("Bird.hatch", "Bird.fledge", "Bird.moult", "Cage.new", "Cage.with_perch"),
        *("Flight", "Flight.Landed", "Flight.Landed.height", "Flight.Landed.wind_speed"),
    ],
)
def test_rules_find_qualified_names(sample, name):
    assert any(found.name == name and found.qualified for found in sample)


@pytest.mark.parametrize(
    "name",
    [
        *("parse_song", "Perch", "MAX_EGGS", "UInt16", "fly_away", "rest", "soft_landing", "HardLanding"),
        *("Feather", "Beak", "Song", "SongError", "Maybe", "Nest", "Text"),
    ],
)
def test_rules_find_names_alone(sample, name):
    assert any(found.name == name for found in sample)


def test_rules_find_nothing_else(sample):
    found = {name.name for name in sample}
    assert not {"quoted.name", "name", "prose", "Ignored", "after_the_end", "match", "fn", "type"} & found


def test_a_name_is_found_in_its_section_and_line(sample):
    by_name = {name.name: name for name in sample}
    assert (by_name["Bird.perch"].section, by_name["Bird.perch"].line) == ("Trees", 26)
    assert (by_name["Bird.hatch"].section, by_name["Bird.hatch"].line) == ("Birds", 16)
    assert (by_name["Cage.lock_count"].section, by_name["fly_away"].line) == ("Birds", 19)


def test_missing_names_are_reported(sample):
    entries = [
        core_net.Entry(name.name, name.section, departed="a sample")
        for name in sample
        if name.name != "Bird.fledge"
    ]
    assert [gap.name for gap in core_net.missing(sample, entries)] == ["Bird.fledge"]
    # A name of a mount list has to be in that section's table: elsewhere the word may mean another thing.
    elsewhere = [
        core_net.Entry(entry.name, "Trees" if entry.name == "Perch" else entry.section, departed="a sample")
        for entry in entries
    ]
    assert {gap.name for gap in core_net.missing(sample, elsewhere)} == {"Bird.fledge", "Perch"}


def test_names_that_are_not_in_the_text_are_reported():
    entries = [core_net.Entry("Bird.hatch", "Birds", at="x"), core_net.Entry("Bird.hath", "Birds", at="x")]
    assert names(core_net.unfounded(SAMPLE.replace("hatch", "hatch "), entries)) == ["Bird.hath"]


# The table's own form


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"X" = {}', "exactly one of"),
        ('"X" = { at = "a", departed = "b" }', "exactly one of"),
        ('"X" = { departed = "b", place = "a" }', "place goes with deferred"),
        ('"X" = { deferred = "some day" }', "no work is called 'some day'"),
        ('"X" = { at = "a" }\n["other"]\n"X" = { at = "a" }', "is there already"),
    ],
)
def test_a_line_that_says_nothing_is_refused(tmp_path, line, problem):
    table = tmp_path / "table.toml"
    table.write_text(f'["heading"]\n{line}\n', "utf-8")
    with pytest.raises(ValueError, match=problem):
        core_net.load(table)


def test_every_line_is_on_its_own_line():
    """So that a change to one name is a change of one line, and `land` finds it."""
    lines = core_net.TABLE.read_text("utf-8").splitlines()
    assert [line for line in lines if line and line[0] not in '#["'] == []
    assert len([line for line in lines if line.startswith('"')]) == len(ENTRIES)


@pytest.mark.parametrize(
    "location",
    [
        "netkit",
        "netkit.addr",
        "netkit.addr:Ipv4Addr",
        "netkit.addr:Ipv4Addr.localhost",
        "netkit.addr:HostPort.parse(default_port)",
        "dataclasses:Field.name",
    ],
)
def test_locations_that_are_there(location):
    assert core_net.exists(location)


@pytest.mark.parametrize(
    "location",
    [
        "netkit.nothing",
        "netkit.addr:Ipv5Addr",
        "netkit.addr:Ipv4Addr.nowhere",
        "netkit.addr:HostPort.parse(nothing)",
        "netkit.addr:Ipv4Addr.octets.more",
    ],
)
def test_locations_that_are_not(location):
    assert not core_net.exists(location)


def test_land(tmp_path, monkeypatch):
    table = tmp_path / "table.toml"
    table.write_text(
        '["heading"]\n'
        '"Ipv4Addr" = { deferred = "dns", place = "netkit.addr:Ipv4Addr", note = "as it was" }\n'
        '"Ipv5Addr" = { deferred = "dns", place = "netkit.addr:Ipv5Addr" }\n',
        "utf-8",
    )
    monkeypatch.setattr(core_net, "TABLE", table)
    monkeypatch.setattr(core_net.load, "__defaults__", (table,))
    assert core_net.land() == ["Ipv4Addr"]
    assert table.read_text("utf-8") == (
        '["heading"]\n'
        '"Ipv4Addr" = { at = "netkit.addr:Ipv4Addr", note = "as it was" }\n'
        '"Ipv5Addr" = { deferred = "dns", place = "netkit.addr:Ipv5Addr" }\n'
    )
    assert core_net.land() == []


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["what"], 2)])
def test_the_command(arguments, code, capsys):
    assert core_net.main(arguments) == code
    out, err = capsys.readouterr()
    assert (core_net.counts(ENTRIES) in out) == (code == 0)
    assert ("python tools/core_net.py land" in err) == (code == 2)
