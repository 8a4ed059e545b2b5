"""Names: text and labels, limits, order, reverse names, IDNA."""

from __future__ import annotations

import copy
import ipaddress
import pickle
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from netkit.addr import AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError
from netkit.dns.name import Name

from .strategies import labels, names

pytestmark = pytest.mark.once

N = Name.parse

TEXTS = [
    # text, labels, text again
    (".", (), "."),
    ("@", (), "."),
    ("com", (b"com",), "com."),
    ("www.example.com.", (b"www", b"example", b"com"), "www.example.com."),
    ("WWW.Example.COM", (b"WWW", b"Example", b"COM"), "WWW.Example.COM."),
    ("_sip._tcp.example", (b"_sip", b"_tcp", b"example"), "_sip._tcp.example."),
    ("*.example", (b"*", b"example"), "*.example."),
    (r"a\.b.example", (b"a.b", b"example"), r"a\.b.example."),
    (r"a\\b", (b"a\\b",), r"a\\b."),
    (r"\000\032\200\255.x", (b"\0 \xc8\xff", b"x"), r"\000\032\200\255.x."),
    (r"\097\046", (b"a.",), r"a\.."),
    (r"\@", (b"@",), r"\@."),
    (r"\"$();@", (b'"$();@',), r"\"\$\(\)\;\@."),
    (r"it's/a+b=c,d~!#%&:<>?[]^`{|}", (b"it's/a+b=c,d~!#%&:<>?[]^`{|}",), r"it's/a+b=c,d~!#%&:<>?[]^`{|}."),
    ("a" * 63, (b"a" * 63,), "a" * 63 + "."),
    (".".join(["a"] * 127), (b"a",) * 127, "a." * 127),
    ("bücher.example", (b"xn--bcher-kva", b"example"), "xn--bcher-kva.example."),
    ("BÜCHER.example", (b"xn--bcher-kva", b"example"), "xn--bcher-kva.example."),
    ("faß.de", (b"xn--fa-hia", b"de"), "xn--fa-hia.de."),
    ("例え。テスト", (b"xn--r8jz45g", b"xn--zckzah"), "xn--r8jz45g.xn--zckzah."),
    ("_dmarc.bücher.example.", (b"_dmarc", b"xn--bcher-kva", b"example"), "_dmarc.xn--bcher-kva.example."),
]


@pytest.mark.parametrize(("text", "expected", "again"), TEXTS)
def test_text(text: str, expected: tuple[bytes, ...], again: str) -> None:
    name = N(text)
    assert name.labels == expected
    assert str(name) == name.to_text() == again
    assert name.is_absolute
    assert name == Name(expected)
    assert N(again) == name
    if expected:
        assert name.to_text(omit_final_dot=True) == again[:-1]


BAD_TEXTS = [
    # text, index, limit, words of the reason
    ("", 0, None, "nothing is there"),
    ("..", 0, None, "an empty label"),
    (".com", 0, None, "an empty label"),
    ("a..b", 2, None, "an empty label"),
    ("a.b..", 4, None, "an empty label"),
    ("a" * 64, 0, 63, "a label of 64 octets, longer than 63"),
    ("www." + "a" * 70 + ".com", 4, 63, "a label of 70 octets"),
    (r"\065" * 64, 0, 63, "a label of 64 octets"),
    ("a." * 128, 254, 255, "longer than 255 octets"),
    (("b" * 62 + ".") * 4 + "ccc", 252, 255, "longer than 255 octets"),
    ("a b", 1, None, r"a space must be written \032"),
    ("example.com ", 11, None, r"a space must be written \032"),
    ("a\tb", 1, None, r"a tab must be written \009"),
    ("a\nb", 1, None, r"a line feed must be written \010"),
    ("a\x1b[1m", 1, None, r"a control character must be written \027"),
    ("a\x7f", 1, None, r"must be written \127"),
    ("a\\", 1, None, "a backslash with nothing after it"),
    (r"a\25", 1, None, "three digits up to 255"),
    (r"ab\256", 2, None, "three digits up to 255"),
    (r"a\2x5", 1, None, "three digits up to 255"),
    ("a\\é", 1, None, "a backslash before a character beyond ASCII"),
    ("a\\1\u0662\u0663", 1, None, "three digits"),
    (r"ü\.", 1, None, "an escape in a label beyond ASCII"),
    ("a.☃", 2, None, "not an IDNA2008 label"),
    ("a._ü", 2, None, "not an IDNA2008 label"),
    ("é" * 300, 0, 63, "a label too long for IDNA"),
    ("a.\udcff", 2, None, "octets that are not UTF-8"),
]


@pytest.mark.parametrize(("text", "offset", "limit", "reason"), BAD_TEXTS)
def test_bad_text(text: str, offset: int, limit: int | None, reason: str) -> None:
    with pytest.raises(DnsError.InvalidName) as caught:
        N(text)
    error = caught.value
    assert (error.text, error.offset, error.limit) == (text, offset, limit)
    assert reason in error.reason
    assert isinstance(error, ValueError)
    assert error.fault == "caller"
    assert error.kind == "InvalidName"
    shown = str(error)
    assert shown.startswith("not a domain name: '")
    assert f"(at offset {offset})" in shown
    assert shown.isprintable()


def test_relative_names() -> None:
    www = N("www", relative=True)
    assert not www.is_absolute
    assert str(www) == "www"
    assert www != N("www")
    assert www.concatenate(N("example.com")) == N("www.example.com")
    assert www.concatenate(N("a", relative=True)) == N("www.a", relative=True)
    assert N("www", N("example.com")) == N("www.example.com")
    assert N("www.", N("example.com")) == N("www.")
    assert N("@", N("example.com")) == N("example.com")
    assert N("a.b.", relative=True) == N("a.b")
    empty = N("@", relative=True)
    assert (empty.labels, str(empty), empty.is_absolute) == ((), "@", False)
    assert empty.concatenate(N("example.com")) == N("example.com")
    assert N("WWW.example.COM").relativize(N("example.com")) == www
    assert N("example.com").relativize(N("example.com")) == empty
    assert N("example.net").relativize(N("example.com")) == N("example.net")


def test_too_long_with_the_origin() -> None:
    origin = Name([b"o" * 63] * 3)
    assert len(N("a" * 61, origin).to_wire()) == 255
    for make in (lambda: N("a" * 62, origin), lambda: N("a" * 62, relative=True).concatenate(origin)):
        with pytest.raises(DnsError.InvalidName, match="longer than 255 octets") as caught:
            make()
        assert caught.value.limit == 255
    with pytest.raises(DnsError.InvalidName, match="nothing can follow its root"):
        N("a.").concatenate(origin)


@pytest.mark.parametrize(
    ("given_labels", "reason"),
    [
        ([b""], "an empty label"),
        ([b"a", b""], "an empty label"),
        ([b"a" * 64], "longer than 63"),
        ([b"a"] * 128, "longer than 255"),
    ],
)
@pytest.mark.parametrize("absolute", [True, False])
def test_bad_labels(given_labels: list[bytes], reason: str, absolute: bool) -> None:
    with pytest.raises(DnsError.InvalidName, match=reason):
        Name(given_labels, absolute)


def test_equality_sees_no_case_and_no_text() -> None:
    one, other = N("www.Example.com"), N("WWW.eXample.COM.")
    assert one == other
    assert hash(one) == hash(other)
    assert {one: 1}[other] == 1
    assert not one.is_identical(other)
    assert one.is_identical(N("www.Example.com."))
    assert one != N("www.example.co")
    assert one != "www.Example.com."
    # Only ASCII letters have case (RFC 4343 section 3).
    assert Name([b"\xc0"]) != Name([b"\xe0"])
    assert Name([b"["]) != Name([b"{"])
    assert Name([b"\x01a"]) != Name([b"a"])


def test_a_dot_in_a_label_is_not_a_dot_between_two() -> None:
    assert N(r"a\.b") != N("a.b")
    assert not N(r"x\.example.com").is_subdomain_of(N("example.com"))


def test_canonical_order() -> None:
    # The example of RFC 4034 section 6.1.
    expected = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ]
    assert [str(name) for name in sorted(map(N, reversed(expected)))] == [f"{text}." for text in expected]
    assert N("a.example") < N("z.example") <= N("Z.example")
    assert Name.root < N("a")
    assert N("b.a") > N("a")
    with pytest.raises(TypeError):
        N("a") < "b"  # type: ignore[operator]  # noqa: B015


@given(st.lists(names(), max_size=8))
def test_order_agrees_with_equality(some: list[Name]) -> None:
    ordered = sorted(some)
    for one, other in pairwise(ordered):
        assert one <= other
        assert (one < other) is (one != other)
        assert (one >= other) is (one == other)


def test_family() -> None:
    name = N("a.b.example.com")
    assert name.parent == N("b.example.com")
    assert [str(above) for above in name.ancestors()] == [
        "a.b.example.com.",
        "b.example.com.",
        "example.com.",
        "com.",
        ".",
    ]
    assert name.is_subdomain_of(name)
    assert name.is_subdomain_of(N("EXAMPLE.com"))
    assert name.is_subdomain_of(Name.root)
    assert not name.is_subdomain_of(N("a.example.com"))
    assert not N("example.com").is_subdomain_of(name)
    assert not N("badexample.com").is_subdomain_of(N("example.com"))
    assert not N("a", relative=True).is_subdomain_of(Name.root)
    # The octets of one name at the end of another, but not at the border of a label.
    assert not Name([b"\x01a"]).is_subdomain_of(Name([b"a"]))
    assert [str(name.suffix(count)) for count in (0, 1, 3, 4, 9)] == [
        ".",
        "com.",
        "b.example.com.",
        "a.b.example.com.",
        "a.b.example.com.",
    ]
    with pytest.raises(DnsError.InvalidName, match="has no parent"):
        Name.root.parent  # noqa: B018


@given(names(), names())
def test_subdomains_are_what_their_labels_say(name: Name, other: Name) -> None:
    lower = [label.lower() for label in name.labels]
    above = [label.lower() for label in other.labels]
    assert name.is_subdomain_of(other) is (lower[len(lower) - len(above) :] == above)


REVERSE = [
    ("192.0.2.1", "1.2.0.192.in-addr.arpa."),
    ("0.0.0.0", "0.0.0.0.in-addr.arpa."),
    ("255.254.253.252", "252.253.254.255.in-addr.arpa."),
    # The example of RFC 3596 section 2.5.
    (
        "4321:0:1:2:3:4:567:89ab",
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa.",
    ),
    ("::", "0." * 32 + "ip6.arpa."),
]


@pytest.mark.parametrize(("text", "expected"), REVERSE)
def test_reverse(text: str, expected: str) -> None:
    address = IpAddr.parse(text)
    for given_address in (text, address, ipaddress.ip_address(text)):
        assert str(Name.reverse(given_address)) == expected  # type: ignore[arg-type]
    assert N(expected.upper()).to_address() == address
    assert isinstance(N(expected).to_address(), Ipv4Addr | Ipv6Addr)


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "arpa",
        "in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "1.1.2.0.192.in-addr.arpa",
        "256.2.0.192.in-addr.arpa",
        "01.2.0.192.in-addr.arpa",
        "x.2.0.192.in-addr.arpa",
        "-1.2.0.192.in-addr.arpa",
        r"\178.2.0.192.in-addr.arpa",
        "1.2.0.192.in-addr.arpa.example",
        "1.2.0.192.ip6.arpa",
        "0." * 31 + "ip6.arpa",
        "0." * 33 + "ip6.arpa",
        "0." * 31 + "g.ip6.arpa",
        "0." * 31 + "00.ip6.arpa",
    ],
)
def test_names_of_no_address(text: str) -> None:
    with pytest.raises(DnsError.InvalidName, match="not the reverse name of an address"):
        N(text).to_address()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", "10.in-addr.arpa."),
        ("10.2", "2.10.in-addr.arpa."),
        ("192.0.2.", "2.0.192.in-addr.arpa."),
    ],
)
def test_reverse_of_a_network(text: str, expected: str) -> None:
    assert str(Name.reverse_network(text)) == expected


@pytest.mark.parametrize("text", ["", "256", "1.2.3.4", "a", "1..2", "١", "2001:db8"])
def test_reverse_of_what_is_no_network(text: str) -> None:
    with pytest.raises(DnsError.InvalidName, match="first octets"):
        Name.reverse_network(text)


def test_reverse_of_what_is_no_address() -> None:
    with pytest.raises(AddrParseError):
        Name.reverse("192.0.2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xn--bcher-kva.example", "bücher.example."),
        ("XN--BCHER-KVA.Example", "bücher.Example."),
        ("www.example.com", "www.example.com."),
        # Not what its sender says it is: it stays as it came, and nothing is raised.
        ("xn--0.example", "xn--0.example."),
        ("xn--.example", "xn--.example."),
        (r"xn--\200.example", r"xn--\200.example."),
        ("xn--n3h.com", "xn--n3h.com."),
    ],
)
def test_unicode(text: str, expected: str) -> None:
    assert N(text).to_unicode() == expected
    assert N(text).to_unicode(omit_final_dot=True) == expected[:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", True),
        ("a-b.c3.x", True),
        ("3com.example", True),
        ("xn--bcher-kva.example", True),
        (".", False),
        ("_tcp.example", False),
        ("-a.example", False),
        ("a-.example", False),
        ("*.example", False),
        (r"a\.b", False),
        (r"a\032", False),
    ],
)
def test_is_hostname(text: str, expected: bool) -> None:
    assert N(text).is_hostname is expected


def test_small_questions() -> None:
    assert Name.root.is_root
    assert not N("a").is_root
    assert N("*.a").is_wildcard
    assert not N("a.*").is_wildcard
    assert not N("**.a").is_wildcard
    assert Name.of("a.b") == N("a.b")
    assert Name.of(name := N("a")) is name
    assert N("a.B").to_wire() == b"\1a\1B\0"
    with pytest.raises(DnsError.InvalidName, match="it needs an origin"):
        N("a", relative=True).to_wire()


@given(names(), st.integers(0, 2**260))
def test_case_follows_the_bits(name: Name, bits: int) -> None:
    cased = name.with_case(bits)
    assert cased == name
    letters = [octet for octet in b"".join(cased.labels) if chr(octet).isascii() and chr(octet).isalpha()]
    assert [chr(octet).isupper() for octet in letters] == [bool(bits >> at & 1) for at in range(len(letters))]


@given(st.lists(labels, max_size=5).map(tuple))
def test_labels_survive_text(given_labels: tuple[bytes, ...]) -> None:
    if sum(len(label) + 1 for label in given_labels) >= 255:
        return
    for absolute in (True, False):
        name = Name(given_labels, absolute)
        text = str(name)
        assert text.isascii()
        assert text.isprintable()
        again = N(text, relative=True)
        assert again.labels == given_labels
        assert again.is_absolute is absolute
        assert again.is_identical(name)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_invalid(text: str) -> None:
    try:
        name = N(text)
    except DnsError.InvalidName as error:
        assert error.offset is None or 0 <= error.offset <= len(text)
        return
    assert N(str(name)) == name
    assert len(name.to_wire()) <= 255


def test_a_name_is_a_value() -> None:
    name = N(r"www.Ex\.ample.com")
    for again in (pickle.loads(pickle.dumps(name)), copy.deepcopy(name)):
        assert again == name
        assert again.is_identical(name)
    assert repr(name) == r"<Name www.Ex\.ample.com.>"
    with pytest.raises(AttributeError):
        name.labels = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        name.other = ()  # type: ignore[attr-defined]


def test_plain_names_need_no_idna() -> None:
    code = "Name.parse('www.example.com').to_unicode(); print('idna' in sys.modules)"
    code = f"import sys; from netkit.dns.name import Name; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
