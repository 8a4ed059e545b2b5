"""The libraries behind the content codings, each behind the same two protocols.

RFC 9110 section 8.4.1 (gzip, deflate), RFC 1952 section 2.2 (several members), RFC 1950, RFC 1951,
RFC 7932 (br), RFC 8878 and RFC 9659 (zstd, and the window that HTTP allows).

The libraries differ in how they limit output, in what they do after the end, and in their errors.
`Decompressor` and `Compressor` hide this. A decompressor never gives more octets than it is asked for, so one
octet of input cannot fill the memory. The third-party libraries are imported when a coding is first used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

#: The largest window of zstd, as a power of two: 8 MiB (RFC 9659 section 3).
ZSTD_WINDOW_LOG: Final = 23
#: zlib's argument for the gzip format, for the zlib format, and for DEFLATE alone.
_GZIP, _ZLIB, _RAW = 31, 15, -15

_INSTALL: Final = "install netkit-cli[compression]"


class Corrupt(Exception):
    """The octets are not in the coding; the text says why."""


class Unavailable(Exception):
    """The library is absent or too old; the text says which."""


class Decompressor(Protocol):
    """Undoes one coding, piece by piece. Octets are given to it only while `needs_input` is true."""

    needs_input: bool

    @property
    def is_complete(self) -> bool:
        """Whether the data may end here."""

    def decompress(self, data: bytes, limit: int) -> bytes:
        """The next octets, at most `limit` (1 or more). Raises Corrupt."""


class Compressor(Protocol):
    """Applies one coding, piece by piece."""

    def compress(self, data: bytes) -> bytes:
        """What `data` makes ready to be sent; often nothing."""

    def flush(self) -> bytes:
        """All that was given so far, so that the peer can read it."""

    def finish(self) -> bytes:
        """The rest, and the end."""


class Coding(NamedTuple):
    """One coding: how to undo it, how to apply it, and which levels of compression it has."""

    decompressor: Callable[[], Decompressor]
    compressor: Callable[[int], Compressor]
    levels: range
    default_level: int
    #: Modules of which one must be there.
    libraries: tuple[str, ...] = ()


class _ZlibObject(Protocol):
    """What is used of zlib's decompression object."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """gzip: one member after another (RFC 1952 section 2.2), each checked by its CRC and its length.

    Zeros after a member are passed over, as gzip(1) does, because some servers pad with them.
    """

    __slots__ = ("_any", "_left", "_member", "needs_input")

    def __init__(self) -> None:
        self._any = False
        self._left = b""
        self._member: _ZlibObject | None = None
        self.needs_input = True

    @property
    def is_complete(self) -> bool:
        return self._any and self._member is None

    def decompress(self, data: bytes, limit: int) -> bytes:
        data = self._left + data if self._left else data
        while True:
            if self._member is None:
                data = data.lstrip(b"\0") if self._any else data
                if not data:
                    self._left = b""
                    self.needs_input = True
                    return b""
                self._member = _zlib_object(_GZIP)
                self._any = True
            out = _inflated(self._member, data, limit)
            if not self._member.eof:
                self._left = self._member.unconsumed_tail
                self.needs_input = not self._left and len(out) < limit  # a full piece: there may be more
                return out
            data = self._left = self._member.unused_data
            self._member = None
            self.needs_input = not data
            if out:
                return out


class _Deflate:
    """deflate: the zlib format (RFC 9110 section 8.4.1.2), or DEFLATE without it, which some servers send.

    The first two octets tell which it is. As the beginning of plain DEFLATE, the header of the zlib format
    would be a stored block with nonzero bits of padding, which no encoder writes.
    """

    __slots__ = ("_left", "_object", "needs_input")

    def __init__(self) -> None:
        self._left = b""
        self._object: _ZlibObject | None = None
        self.needs_input = True

    @property
    def is_complete(self) -> bool:
        return self._object is not None and self._object.eof

    def decompress(self, data: bytes, limit: int) -> bytes:
        data = self._left + data if self._left else data
        if self._object is None:
            if len(data) < 2:
                self._left = data
                return b""
            has_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._object = _zlib_object(_ZLIB if has_header else _RAW)
        elif self._object.eof and data:
            raise Corrupt("octets after its end")
        out = _inflated(self._object, data, limit)
        if self._object.unused_data:
            raise Corrupt("octets after its end")
        self._left = self._object.unconsumed_tail
        self.needs_input = self._object.eof or (not self._left and len(out) < limit)
        return out


class _ZlibCompressor:
    """gzip and deflate. zlib writes no name and no time into gzip's header: equal data gives equal octets."""

    __slots__ = ("_flush", "_object", "compress")

    def __init__(self, data_format: int, level: int) -> None:
        import zlib

        deflater = zlib.compressobj(level, zlib.DEFLATED, data_format)
        self.compress: Callable[[bytes], bytes] = deflater.compress
        self._flush: Callable[[int], bytes] = deflater.flush

    def flush(self) -> bytes:
        import zlib

        return self._flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        import zlib

        return self._flush(zlib.Z_FINISH)


def _zlib_object(data_format: int) -> _ZlibObject:
    import zlib

    return zlib.decompressobj(data_format)


def _inflated(member: _ZlibObject, data: bytes, limit: int) -> bytes:
    import zlib

    try:
        return member.decompress(data, limit)
    except zlib.error as error:
        # "Error -3 while decompressing data: invalid block type"
        raise Corrupt(str(error).rpartition(": ")[2]) from None


class _BrotliDecoder(Protocol):
    def process(self, data: bytes, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...
    def can_accept_more_data(self) -> bool: ...


class _BrotliEncoder(Protocol):
    def process(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _BrotliModule(Protocol):
    error: type[Exception]

    def Decompressor(self) -> _BrotliDecoder: ...  # noqa: N802 - the library's name
    def Compressor(self, *, quality: int) -> _BrotliEncoder: ...  # noqa: N802 - as above


class _Brotli:
    """br. The library grows its output in blocks and may go over the limit; the surplus waits here."""

    __slots__ = ("_decoder", "_error", "_is_drained", "_surplus", "needs_input")

    def __init__(self) -> None:
        library = _brotli()
        self._decoder = library.Decompressor()
        self._error = library.error
        self._surplus = b""
        self._is_drained = True
        self.needs_input = True
        if getattr(self._decoder, "can_accept_more_data", None) is None:
            raise Unavailable(f"its library cannot limit its output: {_INSTALL}, which has brotli 1.2")

    @property
    def is_complete(self) -> bool:
        return not self._surplus and self._decoder.is_finished()

    def decompress(self, data: bytes, limit: int) -> bytes:
        decoder = self._decoder
        out = self._surplus
        if not out:
            if data and decoder.is_finished():
                raise Corrupt("octets after its end")
            try:
                out = decoder.process(data, output_buffer_limit=limit)
            except self._error:
                raise Corrupt("octets that are not brotli data") from None  # the libraries say no more
            # brotli can accept more as soon as its input is used up, also if it still holds output.
            self._is_drained = len(out) < limit and decoder.can_accept_more_data()
        self._surplus = out[limit:]
        self.needs_input = not self._surplus and (self._is_drained or decoder.is_finished())
        return out[:limit]


class _BrotliCompressor:
    __slots__ = ("compress", "finish", "flush")

    def __init__(self, level: int) -> None:
        encoder = _brotli().Compressor(quality=level)
        self.compress: Callable[[bytes], bytes] = encoder.process
        self.flush: Callable[[], bytes] = encoder.flush
        self.finish: Callable[[], bytes] = encoder.finish


class _ZstdDecoder(Protocol):
    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _ZstdEncoder(Protocol):
    def compress(self, data: bytes, mode: int = 0) -> bytes: ...
    def flush(self, mode: int) -> bytes: ...


class _ZstdParameters(Protocol):
    window_log_max: int


class _ZstdModule(Protocol):
    ZstdError: type[Exception]
    DecompressionParameter: _ZstdParameters

    def ZstdDecompressor(self, *, options: dict[int, int]) -> _ZstdDecoder: ...  # noqa: N802
    def ZstdCompressor(self, level: int) -> _ZstdEncoder: ...  # noqa: N802


class _Zstd:
    """zstd: one frame after another, also skippable ones (RFC 8878 section 3.1)."""

    __slots__ = ("_any", "_frame", "_left", "_library", "needs_input")

    def __init__(self) -> None:
        self._library = _zstd()
        self._frame: _ZstdDecoder | None = None
        self._any = False
        self._left = b""
        self.needs_input = True

    @property
    def is_complete(self) -> bool:
        return self._any and self._frame is None

    def decompress(self, data: bytes, limit: int) -> bytes:
        library = self._library
        data = self._left + data if self._left else data
        self._left = b""
        while True:
            if self._frame is None:
                if not data:
                    self.needs_input = True
                    return b""
                options = {library.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
                self._frame = library.ZstdDecompressor(options=options)
                self._any = True
            try:
                out = self._frame.decompress(data, limit)
            except library.ZstdError as error:
                raise Corrupt(_zstd_words(error)) from None
            if not self._frame.eof:
                self.needs_input = self._frame.needs_input
                return out
            data = self._frame.unused_data
            self._frame = None
            if out:
                self._left = data
                self.needs_input = not data
                return out


class _ZstdCompressor:
    #: The library's modes: end a block, end a frame.
    _FLUSH_BLOCK, _FLUSH_FRAME = 1, 2

    __slots__ = ("_encoder",)

    def __init__(self, level: int) -> None:
        self._encoder = _zstd().ZstdCompressor(level)

    def compress(self, data: bytes) -> bytes:
        return self._encoder.compress(data)

    def flush(self) -> bytes:
        return self._encoder.flush(self._FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._encoder.flush(self._FLUSH_FRAME)


def _zstd_words(error: Exception) -> str:
    words = str(error).rpartition(": ")[2]
    if "too much memory" in words:
        return f"a window of more than {1 << ZSTD_WINDOW_LOG} octets, which RFC 9659 forbids"
    return words[:1].lower() + words[1:]


#: The modules that can do it, the preferred one first.
_BROTLI: Final = ("brotli", "brotlicffi")
_ZSTD: Final = ("compression.zstd",) if sys.version_info >= (3, 14) else ("backports.zstd",)


def _brotli() -> _BrotliModule:
    return cast("_BrotliModule", _loaded(_BROTLI))


def _zstd() -> _ZstdModule:
    return cast("_ZstdModule", _loaded(_ZSTD))


def _loaded(names: tuple[str, ...]) -> ModuleType:
    """The first of these modules that can be imported. Raises Unavailable."""
    from importlib import import_module

    for name in names:
        try:
            return import_module(name)
        except ImportError:
            pass
    raise Unavailable(f"its library is not installed: {_INSTALL}")


def is_installed(names: tuple[str, ...]) -> bool:
    """Whether one of the modules is there, without importing it.

    This asks the finders themselves, because `importlib.util` alone takes 3 ms to import, and this takes 0.2.
    """
    return any(_is_found(name) for name in names)


def _is_found(name: str) -> bool:
    if sys.modules.get(name) is not None:
        return True
    path = None
    whole = ""
    for part in name.split("."):
        whole = f"{whole}.{part}" if whole else part
        for finder in sys.meta_path:
            spec = finder.find_spec(whole, path)
            if spec is not None:
                break
        else:
            return False
        path = spec.submodule_search_locations
    return True


#: The content codings by their names, in the order in which a client names them. RFC 9110 section 8.4.1.3:
#: a recipient takes x-gzip for gzip.
CODINGS: Final[dict[str, Coding]] = {
    "gzip": Coding(_Gzip, lambda level: _ZlibCompressor(_GZIP, level), range(10), 6),
    "deflate": Coding(_Deflate, lambda level: _ZlibCompressor(_ZLIB, level), range(10), 6),
    "br": Coding(_Brotli, _BrotliCompressor, range(12), 5, _BROTLI),
    # Higher levels make windows that RFC 9659 forbids.
    "zstd": Coding(_Zstd, _ZstdCompressor, range(1, 20), 3, _ZSTD),
}
ALIASES: Final = {"x-gzip": "gzip"}
