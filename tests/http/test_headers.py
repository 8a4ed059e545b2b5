"""Headers: names in any case, values in order, and nothing that could break out of a line."""

from __future__ import annotations

import copy
import pickle
import string

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netkit.http import Headers, HttpError

pytestmark = pytest.mark.once


def test_reading():
    headers = Headers([("Accept", "text/html"), ("HOST", "a"), ("accept", "*/*")])
    assert headers["ACCEPT"] == headers.get("Accept") == headers.get_all("accept") == ("text/html", "*/*")
    assert headers.get("Cookie") is None
    assert headers.get_all("Cookie") == ()
    assert headers.get_first("accept") == "text/html"
    assert headers.get_first("Cookie") is None
    assert headers.combined("Accept") == "text/html, */*"
    assert headers.combined("Cookie") is None
    assert list(headers) == ["Accept", "HOST"]
    assert list(headers.iter()) == [("Accept", ("text/html", "*/*")), ("HOST", ("a",))]
    assert (len(headers), len(headers.fields)) == (2, 3)
    assert "host" in headers and headers.contains("Host") and not headers.contains("X")
    assert 3 not in headers
    with pytest.raises(KeyError):
        headers["Cookie"]
    assert headers.to_bytes() == b"Accept: text/html\r\nHOST: a\r\naccept: */*\r\n"


def test_writing():
    headers = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    headers.insert("a", "4")
    assert headers.fields == (("a", "4"), ("B", "2"))
    headers.insert("B", ["5", "6"])
    assert headers.fields == (("a", "4"), ("B", "5"), ("B", "6"))
    headers["C"] = "7"
    headers.append("A", "8")
    assert headers["a"] == ("4", "8")
    assert headers.remove("A") == ("4", "8")
    assert headers.remove("A") == ()
    headers.insert("B", ())
    assert headers.fields == (("C", "7"),)
    del headers["c"]
    with pytest.raises(KeyError):
        del headers["c"]
    headers.update({"X": ("1",)})
    headers.setdefault("x", ("2",))
    assert headers.pop("X") == ("1",)
    headers.extend({"Y": ["1", "2"]})
    headers.extend(Headers({"Y": "3"}))
    assert headers.get_all("y") == ("1", "2", "3")
    headers.clear()
    assert headers.fields == ()
    assert headers == Headers()


def test_lines_of_set_cookie_are_not_joined():
    headers = Headers([("Set-Cookie", "a=b"), ("set-cookie", "c=d; Expires=Sun, 06 Nov 1994 08:49:37 GMT")])
    with pytest.raises(HttpError.InvalidValue):
        headers.combined("SET-COOKIE")
    assert Headers({"Set-Cookie": "a=b"}).combined("set-cookie") == "a=b"


def test_equality():
    one = Headers([("A", "1"), ("B", "2"), ("A", "3")])
    assert one == Headers([("b", "2"), ("a", "1"), ("a", "3")])
    assert one != Headers([("A", "3"), ("B", "2"), ("A", "1")])
    assert one != {"A": ("1", "3"), "B": ("2",)}
    assert hash(one.frozen()) == hash(Headers([("b", "2"), ("a", "1"), ("a", "3")]).frozen())
    with pytest.raises(TypeError):
        hash(one)


def test_frozen():
    headers = Headers({"A": "1"})
    frozen = headers.frozen()
    headers.append("A", "2")
    assert frozen.get_all("a") == ("1",)
    assert frozen.frozen() is frozen
    for change in (
        lambda: frozen.append("A", "1"),
        lambda: frozen.insert("A", "1"),
        lambda: frozen.remove("A"),
        frozen.clear,
        lambda: frozen.update(A="1"),
    ):
        with pytest.raises(TypeError, match="frozen"):
            change()
    thawed = frozen.copy()
    thawed.append("B", "1")
    assert "b" not in frozen


def test_copies_are_their_own():
    headers = Headers([("A", "1")], max_count=2)
    for other in (copy.copy(headers), copy.deepcopy(headers), pickle.loads(pickle.dumps(headers))):
        assert other == headers
        other.append("A", "2")
        assert headers.get_all("A") == ("1",)
        with pytest.raises(HttpError.InvalidValue):
            other.append("A", "3")


@pytest.mark.parametrize("char", [*map(chr, range(0x20)), "\x7f"])
def test_control_characters_are_refused(char):
    value = f"a{char}b"
    if char == "\t":
        assert Headers({"X": value}).get_first("x") == value
    else:
        with pytest.raises(HttpError.InvalidValue) as caught:
            Headers({"X-Name": value})
        assert caught.value.offset == 1
        assert "X-Name" in str(caught.value)
        assert char not in str(caught.value)
    with pytest.raises(HttpError.InvalidValue) as caught:
        Headers({f"a{char}b": "x"})
    assert caught.value.offset == 1


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", ":authority", "é", "a\u2028b", "(", "a,b", '"a"', "a/b"]
)
def test_what_is_no_name(name):
    headers = Headers()
    for put in (headers.append, headers.insert):
        with pytest.raises(HttpError.InvalidValue) as caught:
            put(name, "x")
        assert caught.value.field == "header name"
    assert not headers.fields


def test_every_token_is_a_name():
    for char in "!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits:
        assert Headers({char: "x"}).get_first(char) == "x"


def test_what_a_value_may_be():
    assert Headers({"X": " \t a b \t"}).get_first("X") == "a b"
    assert Headers({"X": ""}).to_bytes() == b"X: \r\n"
    assert Headers({b"X": b"caf\xe9"}).get_first("x") == "café"
    assert Headers({"X": "café"}).to_bytes() == b"X: caf\xe9\r\n"
    with pytest.raises(HttpError.InvalidValue) as caught:
        Headers({"X": "€"})
    assert caught.value.hint is not None and "RFC 8187" in caught.value.hint
    for wrong in (1, None, 1.5):
        with pytest.raises(TypeError):
            Headers().append("X", wrong)


@given(st.text(), st.text())
def test_one_line_in_is_one_line_out(name, value):
    """Whatever is taken stays one line, with the colon where it belongs."""
    headers = Headers()
    try:
        headers.append(name, value)
    except HttpError.InvalidValue:
        assert headers.fields == ()
        return
    line = headers.to_bytes()
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == line.count(b"\r") == 1
    assert b"\0" not in line
    found, _, rest = line.partition(b":")
    assert (found.decode(), rest.strip(b" \t\r\n")) == (name, value.strip(" \t").encode("latin-1"))


@given(st.lists(st.tuples(st.sampled_from(["A", "a", "B", "Set-Cookie"]), st.text("xyz ,;", max_size=5))))
def test_lines_come_back_in_order(lines):
    headers = Headers(lines)
    assert headers.fields == tuple((name, value.strip()) for name, value in lines)
    assert pickle.loads(pickle.dumps(headers)).fields == headers.fields


@pytest.mark.parametrize(
    ("limits", "limit"), [({"max_count": 2}, 2), ({"max_line": 6}, 6), ({"max_total": 20}, 20)]
)
def test_limits(limits, limit):
    headers = Headers([("A", "1"), ("B", "2")], **limits)
    before = headers.fields
    for put in (headers.append, headers.insert):
        with pytest.raises(HttpError.InvalidValue) as caught:
            put("C", "3456789")
        assert caught.value.limit == limit
        assert str(limit) in str(caught.value)
    assert headers.fields == before
    assert headers.get_first("C") is None
    headers.insert("A", "9")  # what is replaced makes room
    assert headers.get_first("a") == "9"


def test_default_limits():
    for fields in (
        [("A", "1")] * 129,
        [("A", "x" * 16384)],
        [("A", "x" * 16000)] * 5,
    ):
        with pytest.raises(HttpError.InvalidValue):
            Headers(fields)
        Headers(fields, max_count=None, max_line=None, max_total=None)


def test_secrets_are_not_shown():
    headers = Headers(
        {"Authorization": "Bearer s3cret", "COOKIE": "s3cret", "Set-Cookie": "s3cret", "X": "seen"}
    )
    assert "s3cret" not in repr(headers)
    assert "seen" in repr(headers)


NAMES = st.sampled_from(["A", "a", "B", "b", "C"])


class Model(RuleBasedStateMachine):
    """Headers beside a plain list of lines."""

    def __init__(self):
        super().__init__()
        self.headers = Headers(max_count=None)
        self.lines: list[tuple[str, str]] = []

    @rule(name=NAMES, value=st.text("xy", max_size=3))
    def append(self, name, value):
        self.headers.append(name, value)
        self.lines.append((name, value))

    @rule(name=NAMES, values=st.lists(st.text("xy", max_size=3), max_size=3))
    def insert(self, name, values):
        self.headers.insert(name, values)
        same = [at for at, line in enumerate(self.lines) if line[0].lower() == name.lower()]
        place = same[0] if same else len(self.lines)
        rest = [line for at, line in enumerate(self.lines) if at not in same]
        self.lines = rest[:place] + [(name, value) for value in values] + rest[place:]

    @rule(name=NAMES)
    def remove(self, name):
        gone = tuple(value for other, value in self.lines if other.lower() == name.lower())
        assert self.headers.remove(name) == gone
        self.lines = [line for line in self.lines if line[0].lower() != name.lower()]

    @invariant()
    def the_same(self):
        assert self.headers.fields == tuple(self.lines)
        # A limit on the octets of all fields counts those that `to_bytes` gives.
        limited = self.headers.copy()
        limited.max_total = len(self.headers.to_bytes()) + len("n: v\r\n")
        with pytest.raises(HttpError.InvalidValue):
            limited.append("n", "vv")
        limited.append("n", "v")
        for name in "abc":
            found = tuple(value for other, value in self.lines if other.lower() == name)
            assert self.headers.get_all(name) == found
            assert (name in self.headers) == bool(found)


TestModel = Model.TestCase


# What was received

#: Lines as a parser hands them over.
received_lines = st.lists(
    st.tuples(
        st.sampled_from([b"A", b"a", b"B", b"Set-Cookie", b"set-cookie", b"X-~!"]),
        st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)) | st.just("\t"), max_size=5).map(
            lambda text: text.encode("latin-1")
        ),
    ),
    max_size=8,
)

#: Everything that can be asked, each by a function that takes headers.
QUESTIONS = {
    "getitem": lambda headers: [headers[name] for name in headers],
    "missing": lambda headers: outcome(lambda: headers["nothing"]),
    "get": lambda headers: [headers.get(name) for name in ("a", "B", "x-~!", "nothing", "€", "\ud800")],
    "get_first": lambda headers: [
        headers.get_first(name) for name in ("a", "B", "SET-COOKIE", "nothing", "€")
    ],
    "get_all": lambda headers: [
        headers.get_all(name) for name in ("a", "B", "SET-COOKIE", "nothing", "\ud800")
    ],
    "combined": lambda headers: [headers.combined(name) for name in ("a", "B", "nothing")],
    "cookies": lambda headers: outcome(lambda: headers.combined("Set-Cookie")),
    "contains": lambda headers: [headers.contains(name) for name in ("a", "B", "nothing")],
    "in": lambda headers: [name in headers for name in ("a", "B", "nothing", b"a", 3)],
    "iter": list,
    "keys": lambda headers: list(headers.keys()),
    "values": lambda headers: list(headers.values()),
    "items": lambda headers: list(headers.iter()),
    "len": len,
    "bool": bool,
    "fields": lambda headers: headers.fields,
    "to_bytes": lambda headers: headers.to_bytes(),
    "hash": hash,
    "repr": repr,
    "limits": lambda headers: (headers.max_count, headers.max_line, headers.max_total),
    "is_frozen": lambda headers: headers.is_frozen,
    "copy": lambda headers: (headers.copy().fields, headers.copy().is_frozen),
    "frozen": lambda headers: headers.frozen() is headers,
    "copy.copy": lambda headers: copy.copy(headers) is headers,
    "pickle": pickle.dumps,
    "unpickled": lambda headers: pickle.loads(pickle.dumps(headers)) == headers,
    "changed": lambda headers: outcome(lambda: headers.append("A", "1")),
    "extended": lambda headers: Headers(headers).fields,
}


def outcome(question):
    """The answer, or the error, in a form that compares."""
    try:
        return question()
    except (HttpError.InvalidValue, KeyError, TypeError) as error:
        return type(error), str(error)


@given(lines=received_lines, order=st.permutations(sorted(QUESTIONS)))
def test_what_was_received_answers_as_what_was_made(lines, order):
    """In any order of questions: one that is asked before the index exists, and one after."""
    made = Headers(lines).frozen()
    received = Headers.from_received(list(lines))
    for question in order:
        assert QUESTIONS[question](received) == QUESTIONS[question](made), question
        assert QUESTIONS[question](Headers.from_received(list(lines))) == QUESTIONS[question](made), question


@given(lines=received_lines, others=received_lines)
def test_equality_of_what_was_received(lines, others):
    one, other = Headers.from_received(list(lines)), Headers.from_received(list(others))
    expected = Headers(lines) == Headers(others)
    assert (one == other) == (one == Headers(others)) == (Headers(lines) == other) == expected
    assert Headers.from_received(list(lines)) == Headers(lines)


def test_limits_do_not_apply_to_what_was_received():
    lines = [(b"A", b"x" * 20000)] * 200
    received = Headers.from_received(lines)
    assert len(received.fields) == len(pickle.loads(pickle.dumps(received)).fields) == 200
    changed = received.copy()
    assert len(changed.fields) == 200
    with pytest.raises(HttpError.InvalidValue) as caught:
        changed.append("B", "1")
    assert caught.value.limit == Headers.DEFAULT_MAX_COUNT
    assert changed.remove("a")
    changed.append("B", "1")
    assert changed.to_bytes() == b"B: 1\r\n"


def test_received_octets_are_handed_on():
    lines = [(b"A", b"1"), (b"b", b"\xe9")]
    assert Headers.from_received(lines).to_items() is lines
    made = Headers(lines)
    assert made.to_items() == lines
    frozen = made.frozen()
    assert frozen.to_items() is frozen.to_items()
    made.append("C", "3")
    assert made.to_items() == [*lines, (b"C", b"3")]
    assert frozen.to_items() == lines
    thawed = frozen.copy()
    thawed.append("C", "3")
    assert thawed.to_items() == [*lines, (b"C", b"3")]


def test_frozen_from():
    assert Headers.frozen_from(()) is Headers.frozen_from(())
    frozen = Headers({"A": "1"}).frozen()
    assert Headers.frozen_from(frozen) is frozen
    changing = Headers({"A": "1"})
    for given_ in (changing, {"A": "1"}, [("A", "1")], (("A", "1"),), iter([("A", "1")])):
        made = Headers.frozen_from(given_)
        assert made == frozen
        assert made.is_frozen
    changing.append("A", "2")
    assert made.get_all("A") == ("1",)
    with pytest.raises(HttpError.InvalidValue):
        Headers.frozen_from({"A": "1\n2"})


def test_lines_before_a_wrong_one_stay():
    headers = Headers([("A", "1")])
    for wrong in ([("B", "2"), ("C", "3\n")], [("B", "2"), ("C D", "3")], [("B", "2"), ("C", "x" * 20000)]):
        with pytest.raises(HttpError.InvalidValue):
            headers.extend(wrong)
        assert headers.to_bytes() == b"A: 1\r\nB: 2\r\n"
        assert headers.remove("B") == ("2",)
    headers.extend(headers)
    assert headers.get_all("a") == ("1", "1")
