"""Content codings: undone in pieces of any size, within limits; and what is refused."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from netkit.http import HttpError
from netkit.http.bodies import coding_libraries, codings
from netkit.http.bodies.codings import (
    BodyDecoder,
    BodyEncoder,
    accept_encoding,
    encode,
    parse_content_encoding,
)

pytestmark = pytest.mark.once

TEXT = b"".join(b"line %d of a body, and some more words\n" % number for number in range(4_000))

if sys.version_info >= (3, 14):
    zstd = pytest.importorskip("compression.zstd")
else:
    zstd = pytest.importorskip("backports.zstd")
brotli = pytest.importorskip("brotli")


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return squeezer.compress(data) + squeezer.flush()


#: What foreign encoders make, and the coding that it is.
FOREIGN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "empty members": ("gzip", lambda data: gzip.compress(b"") * 3 + gzip.compress(data) + gzip.compress(b"")),
    "padded": ("gzip", lambda data: gzip.compress(data) + bytes(600)),
    "zlib": ("deflate", zlib.compress),
    "stored": ("deflate", lambda data: zlib.compress(data, 0)),
    "raw": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstd.compress),
    "two frames": ("zstd", lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:])),
    "skippable frame": ("zstd", lambda data: b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstd.compress(data)),
    "none": ("identity", bytes),
    "chain": ("gzip, br", lambda data: brotli.compress(gzip.compress(data), quality=5)),
    "chain of three": (
        "br,Deflate , ,zstd",
        lambda data: zstd.compress(raw_deflate(brotli.compress(data, quality=5))),
    ),
}


def undone(coding: str, data: bytes, step: int | None = None, limit: int = 65_536, **limits: int) -> bytes:
    """The body, from input in steps of `step` octets and output in pieces of `limit`."""
    decoder = BodyDecoder(coding, **{"max_size": None, **limits})
    found = []
    for start in range(0, len(data), step or len(data) or 1):
        for piece in decoder.pieces(data[start : start + (step or len(data))], limit):
            assert 0 < len(piece) <= limit
            found.append(piece)
    assert decoder.needs_input
    decoder.finish()
    body = b"".join(found)
    assert decoder.size == len(body)
    return body


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("body", [b"", b"x", b"some text " * 9, TEXT], ids=len)
def test_what_foreign_encoders_make_is_undone_whole_and_in_pieces(name: str, body: bytes) -> None:
    coding, squeeze = FOREIGN[name]
    data = squeeze(body)
    assert undone(coding, data) == body
    assert undone(coding, data, step=1 if len(data) < 2_000 else 997) == body
    assert undone(coding, data, limit=1 if len(body) < 200 else 1_009) == body


@pytest.mark.parametrize("name", [name for name in FOREIGN if name != "none"])
def test_data_that_ends_early_is_told(name: str) -> None:
    coding, squeeze = FOREIGN[name]
    whole = squeeze(TEXT[:100]).rstrip(b"\0")
    complete = {len(whole)}
    for length in range(1, len(whole)):
        decoder = BodyDecoder(coding, max_size=None)
        got = b"".join(decoder.pieces(whole[:length]))
        assert TEXT.startswith(got)
        try:
            decoder.finish()
        except HttpError.BodyEncoding as error:
            assert "ends in the middle" in str(error)
        else:
            complete.add(length)
    # Only the ends of members and frames are ends.
    assert len(complete) <= {"two members": 2, "two frames": 2, "empty members": 5, "skippable frame": 2}.get(
        name, 1
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br", "identity"])
def test_a_body_without_octets_is_complete(coding: str) -> None:
    BodyDecoder(coding, max_size=0).finish()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"<html>"),
        ("gzip", gzip.compress(TEXT)[:-8] + bytes(8)),  # CRC and length
        ("gzip", gzip.compress(TEXT) + b"\0\0<html>"),
        ("deflate", b"\x78\x9c<html>"),
        ("deflate", b"\xff<html>"),
        ("deflate", zlib.compress(TEXT) + b"\r\n"),
        ("deflate", raw_deflate(TEXT) + b"\r\n"),
        ("deflate", zlib.compress(TEXT)[:-4] + bytes(4)),  # Adler-32
        ("br", b"<html>" * 9),
        ("br", brotli.compress(TEXT) + b"x"),
        ("zstd", b"<html>"),
        ("zstd", zstd.compress(TEXT) + b"<html>"),
        ("zstd", zstd.compress(TEXT, options={zstd.CompressionParameter.checksum_flag: 1})[:-4] + bytes(4)),
        ("gzip, br", brotli.compress(b"<html>")),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_data_that_is_not_in_the_coding(coding: str, data: bytes, step: int | None) -> None:
    with pytest.raises(HttpError.BodyEncoding, match="data is wrong: ") as caught:
        undone(coding, data, step)
    assert caught.value.encoding in coding.split(", ")
    assert caught.value.fault == "peer"
    assert "Error -3" not in str(caught.value)


def test_a_window_over_8_mib_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 24, zstd.CompressionParameter.content_size_flag: 0}
    maker = zstd.ZstdCompressor(options=options)
    data = maker.compress(TEXT) + maker.flush()
    with pytest.raises(HttpError.BodyEncoding, match=r"a window of more than 8388608 octets.*RFC 9659"):
        undone("zstd", data)


BOMBS: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(bytes(24 << 20), 1)),
    "deflate": ("deflate", zlib.compress(bytes(24 << 20), 1)),
    "br": ("br", brotli.compress(bytes(24 << 20), quality=1)),
    "zstd": ("zstd", zstd.compress(bytes(24 << 20))),
    "gzip in gzip": ("gzip, gzip", gzip.compress(gzip.compress(bytes(24 << 20), 1))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_more_is_made_than_is_asked_for(name: str) -> None:
    coding, data = BOMBS[name]
    decoder = BodyDecoder(coding, max_size=None)
    piece = decoder.decode(data, 1_000)
    for _ in range(50):
        assert 0 < len(piece) <= 1_000
        assert not decoder.needs_input
        piece = decoder.decode(b"", 1_000)
    with pytest.raises(RuntimeError, match="before all of the body"):
        decoder.finish()


@pytest.mark.parametrize("name", BOMBS)
def test_the_ratio_is_limited_above_its_floor(name: str) -> None:
    coding, data = BOMBS[name]
    with pytest.raises(HttpError.BodyTooLarge, match=r"\(max_ratio\)") as caught:
        undone(coding, data)
    assert caught.value.limit_name == "max_ratio"
    assert len(undone(coding, data, ratio_floor=24 << 20)) == 24 << 20
    assert len(undone(coding, data, max_ratio=10_000_000)) == 24 << 20


@pytest.mark.parametrize("name", FOREIGN)
def test_the_size_is_limited(name: str) -> None:
    coding, squeeze = FOREIGN[name]
    data = squeeze(TEXT)
    assert undone(coding, data, max_size=len(TEXT)) == TEXT
    decoder = BodyDecoder(coding, max_size=len(TEXT) - 1)
    with pytest.raises(HttpError.BodyTooLarge, match=r"limit of \d+ octets \(max_size\)"):
        for _ in decoder.pieces(data):
            pass
    assert decoder.size < len(TEXT)


def test_what_is_between_two_codings_is_limited_too() -> None:
    """Empty members make no octet of the body, and still cost time."""
    data = gzip.compress(gzip.compress(b"") * 5_000)
    with pytest.raises(HttpError.BodyTooLarge, match="max_size"):
        undone("gzip, gzip", data, max_size=10, ratio_floor=1_000)
    with pytest.raises(HttpError.BodyTooLarge, match="max_ratio"):
        undone("gzip, gzip", data, max_ratio=100, ratio_floor=1_000)
    assert undone("gzip, gzip", data, max_size=10) == b""


def test_many_small_pieces_of_a_large_input_cost_no_copies_of_it() -> None:
    """A library that copies what it has not used yet would copy 8 MiB for each piece here."""
    data = BodyEncoder("gzip", 0)
    octets = data.encode(bytes(8 << 20)) + data.finish()
    decoder = BodyDecoder("gzip", max_size=None)
    decoder.decode(octets, 512)
    for _ in range(2_000):
        decoder.decode(b"", 512)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd"])
def test_encoders_and_decoders_agree(coding: str) -> None:
    assert undone(coding, encode(coding, TEXT)) == TEXT
    assert encode(coding, TEXT) == encode(coding.upper(), memoryview(TEXT))
    encoder = BodyEncoder(coding, 1)
    decoder = BodyDecoder(coding, max_size=None)
    for start in range(0, 1_000, 100):
        sent = encoder.encode(TEXT[start : start + 100]) + encoder.flush()
        assert b"".join(decoder.pieces(sent)) == TEXT[start : start + 100]
    assert b"".join(decoder.pieces(encoder.finish())) == b""
    decoder.finish()


def test_gzip_is_the_same_at_any_time_and_foreign_decoders_read_it() -> None:
    assert encode("gzip", TEXT)[4:8] == bytes(4)
    assert gzip.decompress(encode("gzip", TEXT)) == TEXT
    assert zlib.decompress(encode("deflate", TEXT)) == TEXT
    assert brotli.decompress(encode("br", TEXT)) == TEXT
    assert zstd.decompress(encode("zstd", TEXT[:9_999], 19)) == TEXT[:9_999]


@pytest.mark.parametrize(("coding", "level"), [("gzip", 10), ("deflate", -1), ("br", 12), ("zstd", 20)])
def test_impossible_levels(coding: str, level: int) -> None:
    with pytest.raises(HttpError.InvalidValue, match=f"level: {level} is not "):
        BodyEncoder(coding, level)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("identity", ()),
        ("GZip", ("gzip",)),
        (b"gzip,\tBR ,,x-gzip", ("gzip", "br", "gzip")),
        ("unheard-of", ("unheard-of",)),
    ],
)
def test_content_encoding(value: str, names: tuple[str, ...]) -> None:
    assert parse_content_encoding(value) == names


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("gzip;q=1", "which is no coding"),
        ("gzip br", "which is no coding"),
        ("g\x1b[0m", r"'g\\x1b\[0m', which is no coding"),
        ("gzip," * 4, "4 content codings, more than max_codings = 3"),
        ("," * 2_000, "more than 1024 characters"),
        ("compress", "content coding 'compress' is unknown"),
        ("gzip\u212a", "no coding"),
    ],
)
def test_codings_that_are_refused_at_once(value: str, words: str) -> None:
    with pytest.raises(HttpError.BodyEncoding, match=words):
        BodyDecoder(value, max_size=None)


def test_a_library_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings, "_accepted", None)
    assert accept_encoding() == "gzip, deflate, br, zstd"
    monkeypatch.setattr(codings, "_accepted", None)
    for name in ("brotli", "brotlicffi", zstd.__name__):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "meta_path", [])
    assert accept_encoding() == "gzip, deflate"
    for coding in ("br", "zstd"):
        for kind in (lambda name: BodyDecoder(name, max_size=None), BodyEncoder):
            with pytest.raises(HttpError.BodyEncoding, match=f"{coding} cannot be used") as caught:
                kind(coding)
            assert caught.value.hint == "install netkit-cli[compression]"
            assert caught.value.fault == "local"


def test_a_library_that_cannot_limit_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        error = ValueError

        class Decompressor:
            pass

    monkeypatch.setitem(sys.modules, "brotli", Old)
    with pytest.raises(HttpError.BodyEncoding, match="cannot limit its output") as caught:
        BodyDecoder("br", max_size=None)
    assert "brotli 1.2" in (caught.value.hint or "")


def test_the_other_library_for_br(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("brotlicffi")
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert undone("br", encode("br", TEXT), limit=1_009) == TEXT
    with pytest.raises(HttpError.BodyEncoding):
        undone("br", b"<html>" * 9)


def test_what_can_be_undone_is_known_without_the_libraries() -> None:
    code = (
        "import sys; from netkit.http.bodies.codings import BodyDecoder, accept_encoding; accept_encoding();"
        "BodyDecoder('gzip', max_size=1);"
        "print([name for name in ('brotli', '_brotli', 'backports.zstd', 'compression', 'importlib.util')"
        " if name in sys.modules])"
    )
    # -S: a site may import what it likes; its folders are in the path all the same.
    path = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_libraries_are_found_but_not_imported() -> None:
    for name in list(sys.modules):
        assert coding_libraries.is_installed((name,)), name
    assert coding_libraries.is_installed(("json.decoder",))
    assert coding_libraries.is_installed(("this.is.not.there", "wave"))
    assert not coding_libraries.is_installed(("not_there_at_all", "json.not_there"))


MUTATED = {name: FOREIGN[name][1](TEXT[:300]) for name in ("gzip", "zlib", "raw", "br", "zstd", "chain")}


@given(st.sampled_from(sorted(MUTATED)), st.integers(0, 400), st.binary(max_size=6), st.integers(1, 50))
def test_wrong_octets_are_told_or_undone_to_something_within_the_limit(
    name: str, at: int, octets: bytes, step: int
) -> None:
    whole = MUTATED[name]
    at %= len(whole)
    try:
        body = undone(FOREIGN[name][0], whole[:at] + octets + whole[at + len(octets) :], step, max_size=1_000)
    except (HttpError.BodyEncoding, HttpError.BodyTooLarge):
        return
    assert len(body) <= 1_000
