"""permessage-deflate (RFC 7692): every rule of the negotiation, and every kind of compressed message."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given, strategies as st

from netkit.websocket import DeflateConfig, DeflateParameters, WebSocketError
from netkit.websocket.deflate import MAX_FINAL_BLOCKS, Deflater, Inflater
from netkit.websocket.deflate_offer import accept, answer, offer
from netkit.websocket.extensions import Extension, parse_extensions

E = WebSocketError
P = "permessage-deflate"


def answered(offers: str, config: DeflateConfig | None = None) -> str | None:
    taken = answer(parse_extensions([offers]), config or DeflateConfig())
    return None if taken is None else str(taken[0])


# RFC 6455 section 9.1


def test_the_grammar_of_extensions() -> None:
    assert parse_extensions(["foo", 'bar; baz=2 ; q = "a" , foo;x']) == [
        Extension("foo"),
        Extension("bar", [("baz", "2"), ("q", "a")]),
        Extension("foo", [("x", None)]),
    ]
    assert parse_extensions([]) == []
    assert str(Extension("bar", [("baz", "2"), ("q", None)])) == "bar; baz=2; q"


@pytest.mark.parametrize(
    "value",
    ["", " , ", ";", "foo bar", "foo;", "foo; ;x", "foo;=1", "foo;x=", 'foo;x="', 'foo;x=""', 'foo;x="a b"',
     "foo;x=a b", "f\x00o", "foo=1", 'foo;x="a\\', ", ".join(["foo"] * 33), "foo" + ";x" * 33],
)  # fmt: skip
def test_what_is_no_list_of_extensions(value: str) -> None:
    """A quoted value must be a token when it is unquoted."""
    with pytest.raises(E.InvalidHandshake, match="Sec-WebSocket-Extensions") as caught:
        parse_extensions([value])
    assert caught.value.status == 400


def test_extensions_are_limited_over_all_fields() -> None:
    assert len(parse_extensions(["a, b"] * 16)) == 32
    with pytest.raises(E.InvalidHandshake):
        parse_extensions(["a, b"] * 17)


# The server's answer (section 7.1)


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        (P, P),
        ("foo, " + P, P),
        ("foo", None),
        (f"{P}; server_no_context_takeover", f"{P}; server_no_context_takeover"),
        (f"{P}; client_no_context_takeover", f"{P}; client_no_context_takeover"),
        (f"{P}; server_max_window_bits=10", f"{P}; server_max_window_bits=10"),
        (f"{P}; server_max_window_bits=15", f"{P}; server_max_window_bits=12"),
        (f"{P}; server_max_window_bits=8", f"{P}; server_max_window_bits=8"),
        (f'{P}; server_max_window_bits="10"', f"{P}; server_max_window_bits=10"),
        (f"{P}; client_max_window_bits", f"{P}; client_max_window_bits=12"),
        (f"{P}; client_max_window_bits=15", f"{P}; client_max_window_bits=12"),
        (f"{P}; client_max_window_bits=9", f"{P}; client_max_window_bits=9"),
        (f"{P}; client_max_window_bits=8", f"{P}; client_max_window_bits=8"),
        # The first offer that can be taken (section 5.1); a wrong one is declined (7.1), the next looked at.
        (f"{P}; server_max_window_bits=9, {P}", f"{P}; server_max_window_bits=9"),
        (f"{P}; foo, {P}", P),
    ],
)
def test_answers(offers: str, expected: str | None) -> None:
    assert answered(offers) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        "foo",  # 7.1: a parameter that is not defined
        "server_no_context_takeover; server_no_context_takeover",  # more than once
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover=1",  # 7.1.1.1: no value
        "client_no_context_takeover=true",  # 7.1.1.2
        "server_max_window_bits",  # 7.1.2.1: a value
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",  # without leading zeros
        "server_max_window_bits=+10",
        "client_max_window_bits=7",  # 7.1.2.2
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=1.0",
        "Client_max_window_bits=10",
    ],
)
def test_offers_that_are_declined(parameters: str) -> None:
    assert answered(f"{P}; {parameters}") is None


def test_what_a_server_wants() -> None:
    config = DeflateConfig(no_context_takeover=True, peer_no_context_takeover=True, peer_window_bits=10)
    taken = answer(parse_extensions([f"{P}; client_max_window_bits"]), config)
    assert taken is not None
    extension, agreed = taken
    assert str(extension) == (
        f"{P}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10"
    )
    assert agreed == DeflateParameters(True, True, 15, 10)
    # A client that does not offer the parameter is not asked for a smaller window (section 7.1.2.2).
    taken = answer(parse_extensions([P]), DeflateConfig(peer_window_bits=10))
    assert taken == (Extension(P), DeflateParameters())


# The client's offer, and what it makes of the answer


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (DeflateConfig(), f"{P}; client_max_window_bits"),
        (DeflateConfig(peer_window_bits=10), f"{P}; server_max_window_bits=10; client_max_window_bits"),
        (
            DeflateConfig(no_context_takeover=True, peer_no_context_takeover=True, peer_window_bits=15),
            f"{P}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_offers(config: DeflateConfig, expected: str) -> None:
    assert str(offer(config)) == expected


@pytest.mark.parametrize(
    ("config", "parameters", "agreed"),
    [
        (DeflateConfig(), "", DeflateParameters()),
        (DeflateConfig(), "; client_max_window_bits=8", DeflateParameters(False, False, 15, 8)),
        # 7.1.1.1, 7.1.1.2 and 7.1.2.1: a server may say these though they were not offered.
        (DeflateConfig(), "; server_no_context_takeover", DeflateParameters(True)),
        (DeflateConfig(), "; client_no_context_takeover", DeflateParameters(False, True)),
        (DeflateConfig(), "; server_max_window_bits=9", DeflateParameters(False, False, 9)),
        (
            DeflateConfig(peer_window_bits=10),
            "; server_max_window_bits=9",
            DeflateParameters(False, False, 9),
        ),
        (
            DeflateConfig(peer_no_context_takeover=True),
            "; server_no_context_takeover",
            DeflateParameters(True),
        ),
    ],
)
def test_answers_that_are_accepted(config: DeflateConfig, parameters: str, agreed: DeflateParameters) -> None:
    (extension,) = parse_extensions([P + parameters])
    assert accept(extension, config) == agreed


@pytest.mark.parametrize(
    ("config", "parameters", "words"),
    [
        (DeflateConfig(), "client_max_window_bits", "client_max_window_bits is not 8 to 15"),  # 7.1.2.2
        (DeflateConfig(), "server_max_window_bits", "server_max_window_bits is not 8 to 15"),
        (DeflateConfig(), "server_max_window_bits=16", "server_max_window_bits is not 8 to 15"),
        (DeflateConfig(), "foo=1", "a parameter that permessage-deflate does not have"),
        (DeflateConfig(), "client_no_context_takeover; client_no_context_takeover", "twice"),
        (DeflateConfig(), "server_no_context_takeover=1", "with a value"),
        (DeflateConfig(peer_window_bits=10), "server_max_window_bits=11", "11 is more than 10"),
        (DeflateConfig(peer_window_bits=10), "client_max_window_bits=10", "15 is more than 10"),
        (DeflateConfig(peer_no_context_takeover=True), "server_max_window_bits=9", "is not answered"),
    ],
)
def test_answers_that_fail_the_connection(config: DeflateConfig, parameters: str, words: str) -> None:
    """Section 7.1: a client fails the connection for an answer that its offer does not allow."""
    (extension,) = parse_extensions([f"{P}; {parameters}"])
    with pytest.raises(E.InvalidHandshake, match=words):
        accept(extension, config)


@pytest.mark.parametrize("setting", ["window_bits", "level", "mem_level", "min_size", "peer_window_bits"])
def test_settings_have_limits(setting: str) -> None:
    with pytest.raises(E.InvalidValue, match=setting):
        DeflateConfig(**{setting: -1})


# Messages


def inflated(inflater: Inflater, data: bytes, piece: int = 1 << 30) -> bytes:
    out = bytearray()
    for at in range(0, len(data), piece):
        inflater.inflate(data[at : at + piece], out, 7, end=at + piece >= len(data))
    return bytes(out)


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        ("f248cdc9c90700", b"Hello"),  # 7.2.3.1
        ("000500faff48656c6c6f00", b"Hello"),  # 7.2.3.3: a block without compression
        ("f348cdc9c9070000", b"Hello"),  # 7.2.3.4: a final block
        ("f24805000000ffffcac9c90700", b"Hello"),  # 7.2.3.5: two blocks
        ("00", b""),  # 7.2.3.6
    ],
)
def test_the_examples_of_section_7_2_3(packed: str, plain: bytes) -> None:
    for piece in range(1, len(packed) // 2 + 1):
        assert inflated(Inflater(), bytes.fromhex(packed), piece) == plain


def test_the_example_of_a_shared_window() -> None:
    """Section 7.2.3.2: the second Hello refers to the first; without takeover it is as long."""
    deflater, inflater = Deflater(), Inflater()
    first, second = deflater.compress(b"Hello"), deflater.compress(b"Hello")
    assert (first.hex(), second.hex()) == ("f248cdc9c90700", "f200110000")
    assert (inflated(inflater, first), inflated(inflater, second)) == (b"Hello", b"Hello")
    deflater = Deflater(keeps_context=False)
    assert {deflater.compress(b"Hello").hex() for _ in range(3)} == {"f248cdc9c90700"}
    with pytest.raises(E.InvalidDeflate):
        inflated(Inflater(keeps_context=False), second)


def test_an_empty_message_is_one_octet() -> None:
    """Section 7.2.3.6, also where nothing is new to flush."""
    deflater = Deflater()
    assert [deflater.compress(b"") for _ in range(3)] == [b"\0"] * 3
    packed = deflater.compress(b"text")
    assert deflater.compress(b"") == b"\0"
    inflater = Inflater()
    assert inflated(inflater, packed) == b"text"
    assert inflated(inflater, b"\0") == b""


plain = st.binary(max_size=300) | st.text(max_size=50).map(lambda text: text.encode() * 5)


@given(
    messages=st.lists(st.lists(plain, min_size=1, max_size=4), min_size=1, max_size=5),
    bits=st.integers(8, 15),
    keeps=st.booleans(),
    level=st.integers(1, 9),
    mem_level=st.integers(1, 9),
    piece=st.integers(1, 400),
)
def test_round_trip(
    messages: list[list[bytes]], bits: int, keeps: bool, level: int, mem_level: int, piece: int
) -> None:
    """Any messages in any fragments, with every window: also that of 8 bits, and for a strict peer."""
    deflater = Deflater(bits, keeps_context=keeps, level=level, mem_level=mem_level)
    inflater = Inflater(bits, keeps_context=keeps)
    strict = zlib.decompressobj(-bits)
    for fragments in messages:
        packed = b"".join(
            deflater.compress(each, end=at == len(fragments) - 1) for at, each in enumerate(fragments)
        )
        assert not packed.endswith(b"\x00\x00\xff\xff")  # 7.2.1: the tail is removed
        assert inflated(inflater, packed, piece) == b"".join(fragments)
        if not keeps:
            strict = zlib.decompressobj(-bits)
        assert strict.decompress(packed + b"\x00\x00\xff\xff") == b"".join(fragments)


def test_a_window_of_8_bits_is_kept() -> None:
    """Section 7.1.2: no distance above 256, which zlib cannot promise by itself."""
    rng = random.Random(1)
    unit = rng.randbytes(300)
    packed = Deflater(8).compress(unit + unit + b"a" * 1000)
    assert zlib.decompressobj(-8).decompress(packed + b"\x00\x00\xff\xff") == unit + unit + b"a" * 1000
    assert len(packed) < 700  # repeated octets are still compressed


def test_a_peer_that_uses_9_bits_for_8_is_read() -> None:
    unit = random.Random(1).randbytes(300)
    compressor = zlib.compressobj(6, zlib.DEFLATED, -9)
    packed = (compressor.compress(unit * 2) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert inflated(Inflater(8), packed) == unit * 2


def test_a_distance_outside_the_window_is_refused() -> None:
    unit = random.Random(1).randbytes(5000)
    packed = Deflater(15).compress(unit * 2)
    assert inflated(Inflater(15), packed) == unit * 2
    # zlib looks no further back than its window into what it made in an earlier call.
    with pytest.raises(E.InvalidDeflate, match="its octets are not DEFLATE at octet 7"):
        inflated(Inflater(10), packed, 500)


@pytest.mark.parametrize(
    "packed",
    [b"\xff\xff\xff", b"\x06\x00\x00", b"\x00\x05\x00\x00\x00Hello"],
    ids=["reserved block", "a distance to nowhere", "bad stored length"],
)
def test_what_is_not_deflate(packed: bytes) -> None:
    """Never an exception of zlib."""
    with pytest.raises(E.InvalidDeflate) as caught:
        inflated(Inflater(), packed)
    assert caught.value.close_code == 1007


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_octets_inflate_or_are_refused(packed: bytes, piece: int) -> None:
    inflater = Inflater(max_message=10_000)
    try:
        made = inflated(inflater, packed, piece)
    except (E.InvalidDeflate, E.LimitExceeded):
        return
    assert len(made) <= 10_000


# Limits


@pytest.mark.parametrize("piece", [1 << 30, 100])
def test_a_bomb_makes_at_most_one_octet_more(piece: int) -> None:
    packed = Deflater().compress(bytes(50 << 20))
    assert len(packed) < 60_000
    inflater, out = Inflater(max_message=100_000), bytearray()

    def inflate() -> None:
        for at in range(0, len(packed), piece):
            inflater.inflate(packed[at : at + piece], out, at, end=False)

    with pytest.raises(E.LimitExceeded, match="message of more than 100000 octets") as caught:
        inflate()
    assert caught.value.setting == "max_message"
    assert caught.value.close_code == 1009
    assert len(out) == 100_001


@pytest.mark.parametrize("keeps", [True, False])
def test_the_limit_is_inclusive_and_cuts_nothing(keeps: bool) -> None:
    deflater, inflater = (
        Deflater(keeps_context=keeps),
        Inflater(max_message=1000, keeps_context=keeps),
    )
    for size in (1000, 1000, 0, 999, 1000):
        assert inflated(inflater, deflater.compress(b"x" * size)) == b"x" * size
    with pytest.raises(E.LimitExceeded):
        inflated(inflater, deflater.compress(b"x" * 1001))


def test_the_ratio_is_limited() -> None:
    packed = Deflater().compress(bytes(4 << 20))
    assert len(inflated(Inflater(), packed)) == 4 << 20
    with pytest.raises(E.LimitExceeded, match="inflated to more than 100 times its size") as caught:
        inflated(Inflater(max_ratio=100), packed)
    assert (caught.value.setting, caught.value.limit) == ("max_ratio", 100)
    # Up to a mebibyte it does not matter.
    assert len(inflated(Inflater(max_ratio=100), Deflater().compress(bytes(1 << 20)))) == 1 << 20


def test_final_blocks_are_limited() -> None:
    """Each would be a new stream: a mebibyte of them would take minutes."""
    final = bytes.fromhex("f348cdc9c90700")
    assert inflated(Inflater(), final * MAX_FINAL_BLOCKS + b"\0") == b"Hello" * MAX_FINAL_BLOCKS
    for flood in (final * (MAX_FINAL_BLOCKS + 1), b"\x03\x00" * (1 << 19)):
        with pytest.raises(E.InvalidDeflate, match="more than 16 final blocks"):
            inflated(Inflater(), flood)


def test_what_follows_a_final_block_may_refer_to_the_message() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    final = compressor.compress(b"Hello, Hello") + compressor.flush()
    later = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=b"Hello, Hello")
    packed = final + (later.compress(b"Hello, Hello") + later.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert inflated(Inflater(), packed) == b"Hello, Hello" * 2
