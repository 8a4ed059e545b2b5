"""Content codings: undo the Content-Encoding of a body, piece by piece, and apply one.

RFC 9110 sections 8.4 and 8.4.1 (the field, gzip, deflate), 12.5.3 (Accept-Encoding); `coding_libraries` has
the formats.

    decoder = BodyDecoder("gzip", max_size=10_000_000)
    for data in received:
        for piece in decoder.pieces(data):
            sink.write(piece)
    decoder.finish()

A few octets can expand to gigabytes. So the decoder gives no more than it is asked for at once, and it stops
at two limits: the size of the body, and the ratio of the body to the octets received. The ratio matters only
above a floor, because short bodies may compress very well. In a chain of codings, both limits also hold for
what is between two codings: that may be large where the body is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.http.bodies.coding_libraries import (
    ALIASES,
    CODINGS,
    Corrupt,
    Unavailable,
    is_installed,
)
from netkit.http.errors import HttpError, quoted
from netkit.http.headers import is_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.http.bodies.coding_libraries import Coding, Decompressor
    from netkit.http.parser.lines import Buffer

#: The most octets that a decoder gives at once, if it is not told otherwise.
PIECE: Final = 65_536
#: The most codings of one body.
MAX_CODINGS: Final = 3
#: How many octets of body one received octet may make. DEFLATE can do 1,032, and honest bodies do less.
MAX_RATIO: Final = 200
#: Up to this size of a body (16 MiB) its ratio does not matter.
RATIO_FLOOR: Final = 16 << 20
#: The longest Content-Encoding, in characters.
_MAX_FIELD: Final = 1_024

_accepted: str | None = None


def accept_encoding() -> str:
    """The Accept-Encoding that names what this installation can undo: `gzip, deflate, br, zstd`.

    It looks for the libraries once, and does not import them.
    """
    global _accepted
    if _accepted is None:
        there = [
            name for name, coding in CODINGS.items() if not coding.libraries or is_installed(coding.libraries)
        ]
        _accepted = ", ".join(there)
    return _accepted


def parse_content_encoding(value: str | bytes, *, max_codings: int = MAX_CODINGS) -> tuple[str, ...]:
    """The codings of a Content-Encoding, in the order in which they were applied, in lower case.

    `identity` is left out, because it changes nothing. Raises HttpError.BodyEncoding for a value that is no
    list of tokens, and for more than `max_codings`.
    """
    text = value if isinstance(value, str) else str(value, "latin-1")
    if len(text) > _MAX_FIELD:
        raise HttpError.BodyEncoding(f"the Content-Encoding has more than {_MAX_FIELD} characters")
    found: list[str] = []
    for member in text.split(","):
        name = member.strip(" \t")
        if name and not is_token(name):
            raise HttpError.BodyEncoding(f"the Content-Encoding has {quoted(name)}, which is no coding")
        name = name.lower()
        if name and name != "identity":
            found.append(ALIASES.get(name, name))
    if len(found) > max_codings:
        raise HttpError.BodyEncoding(
            f"it has {len(found)} content codings, more than max_codings = {max_codings}"
        )
    return tuple(found)


class BodyDecoder:
    """Undoes the codings of one body.

    Args:
        codings: the value of Content-Encoding, or the codings in the order in which they were applied.
        max_size: the most octets of the body; None is no limit.
        max_ratio: the most octets of the body for each octet received; None is no limit.
        ratio_floor: up to this many octets the ratio does not matter.
        max_codings: the most codings in a chain.

    Raises HttpError.BodyEncoding for a coding that is unknown, or whose library is not installed.

        >>> decoder = BodyDecoder("gzip", max_size=1000)
        >>> decoder.decode(encode("gzip", b"hello"))
        b'hello'
        >>> decoder.finish()
    """

    __slots__ = (
        "_fed",
        "_finished",
        "_pending",
        "_stages",
        "codings",
        "max_ratio",
        "max_size",
        "ratio_floor",
    )

    def __init__(
        self,
        codings: str | bytes | Iterable[str],
        *,
        max_size: int | None,
        max_ratio: int | None = MAX_RATIO,
        ratio_floor: int = RATIO_FLOOR,
        max_codings: int = MAX_CODINGS,
    ) -> None:
        if not isinstance(codings, (str, bytes)):
            codings = ", ".join(codings)
        #: The codings in the order in which they were applied.
        self.codings = parse_content_encoding(codings, max_codings=max_codings)
        self.max_size = max_size
        self.max_ratio = max_ratio
        self.ratio_floor = ratio_floor
        self._fed = 0
        self._pending: list[bytes | memoryview] = []
        #: The last one applied comes first. Without a coding one stage remains, which counts.
        self._stages = [_Stage(name, _library(name)) for name in reversed(self.codings)]
        if not self._stages:
            self._stages.append(_Stage("identity", _Identity()))

    @property
    def size(self) -> int:
        """How many octets of the body were given so far."""
        return self._stages[-1].produced

    @property
    def needs_input(self) -> bool:
        """Whether all that could be made of the octets received so far was given."""
        if self._pending:
            return False
        for stage in self._stages:  # noqa: SIM110 - all() takes three times as long
            if not stage.library.needs_input:
                return False
        return True

    def decode(self, data: Buffer = b"", limit: int = PIECE) -> bytes:
        """The next octets of the body, at most `limit` and often fewer.

        `data` is what was received since the last call. While `needs_input` is False, call it again without
        data. The result is empty only if more input is needed. Raises HttpError.BodyEncoding for octets that
        are not in the coding, and HttpError.BodyTooLarge over a limit.
        """
        if limit < 1:
            raise ValueError(f"limit is 1 or more, not {limit}")
        if data:
            octets = bytes(data)
            self._fed += len(octets)
            self._pending.append(octets if len(octets) <= PIECE else memoryview(octets))
        return self._pull(len(self._stages) - 1, limit)

    def pieces(self, data: Buffer, limit: int = PIECE) -> Iterator[bytes]:
        """All that can be made of `data`, in pieces of at most `limit` octets. Raises as `decode` does."""
        piece = self.decode(data, limit)
        while piece:
            yield piece
            piece = b"" if self.needs_input else self.decode(b"", limit)

    def finish(self) -> None:
        """The body has ended. Raises HttpError.BodyEncoding if the coded data has not.

        A body without any octet is complete: servers name a coding there too. Raises RuntimeError if
        `needs_input` is False, because then there is more to be had.
        """
        if not self.needs_input:
            raise RuntimeError("finish() before all of the body was taken from decode()")
        for stage in self._stages:
            if stage.begun and not stage.library.is_complete:
                raise HttpError.BodyEncoding(
                    f"it ends in the middle of its {stage.coding} data", stage.coding, offset=self._fed
                )

    def _pull(self, index: int, limit: int) -> bytes:
        """The next octets after stage `index`; none if more input is needed."""
        stage = self._stages[index]
        library = stage.library
        while True:
            data = b""
            if library.needs_input:
                data = self._pull(index - 1, PIECE) if index else self._received()
                if not data:
                    return b""
                stage.begun = True
            most = self._most(index)
            try:
                # One octet over the limit shows that there is more.
                out = library.decompress(data, min(limit, most - stage.produced + 1))
            except Corrupt as error:
                raise HttpError.BodyEncoding(
                    f"its {stage.coding} data is wrong: {error}", stage.coding
                ) from None
            if out:
                stage.produced += len(out)
                if stage.produced > most:
                    stage.produced = most
                    by_ratio = most < self._most_by_size(index)
                    raise HttpError.BodyTooLarge(most, limit_name="max_ratio" if by_ratio else "max_size")
                return out

    def _received(self) -> bytes:
        """The next octets received, few enough that a library may copy what it has not used."""
        if not self._pending:
            return b""
        first = self._pending[0]
        if len(first) <= PIECE:
            del self._pending[0]
            return bytes(first)
        self._pending[0] = first[PIECE:]
        return bytes(first[:PIECE])

    def _most(self, index: int) -> int:
        """How many octets may come out of a stage in all."""
        most = self._most_by_size(index)
        if self.max_ratio is not None and most > self.ratio_floor:
            most = min(most, max(self.ratio_floor, self.max_ratio * self._fed))
        return most

    def _most_by_size(self, index: int) -> int:
        most = _ENDLESS if self.max_size is None else self.max_size
        # Between two codings a small body may be larger than it is.
        return most if index == len(self._stages) - 1 else max(most, self.ratio_floor)


_ENDLESS: Final = 1 << 62


class _Stage:
    """One coding of a chain."""

    __slots__ = ("begun", "coding", "library", "produced")

    def __init__(self, coding: str, library: Decompressor) -> None:
        self.coding = coding
        self.library = library
        self.produced = 0
        self.begun = False


class _Identity:
    """No coding: what comes in goes out, within the limit."""

    __slots__ = ("_left", "needs_input")

    is_complete = True

    def __init__(self) -> None:
        self._left = memoryview(b"")
        self.needs_input = True

    def decompress(self, data: bytes, limit: int) -> bytes:
        left = memoryview(data) if data else self._left
        self._left = left[limit:]
        self.needs_input = not self._left
        return bytes(left[:limit])


class BodyEncoder:
    """Applies one coding to a body, piece by piece.

    Args:
        coding: `gzip`, `deflate`, `br` or `zstd`.
        level: 0 to 9 for gzip and deflate, 0 to 11 for br, 1 to 19 for zstd; None is the coding's default.

    Equal data gives equal octets: gzip has no time in its header. Raises HttpError.BodyEncoding for a coding
    that is unknown, or whose library is not installed, and HttpError.InvalidValue for an impossible level.
    """

    __slots__ = ("_compressor", "coding")

    def __init__(self, coding: str, level: int | None = None) -> None:
        self.coding = ALIASES.get(coding.lower(), coding.lower())
        found = _coding(self.coding)
        if level is None:
            level = found.default_level
        if level not in found.levels:
            raise HttpError.InvalidValue(
                "level", f"{level} is not {found.levels[0]} to {found.levels[-1]}, as {self.coding} has them"
            )
        try:
            self._compressor = found.compressor(level)
        except Unavailable as error:
            raise _unavailable(self.coding, error) from None

    def encode(self, data: Buffer) -> bytes:
        """What can be sent after `data` came; often nothing yet."""
        return self._compressor.compress(bytes(data))

    def flush(self) -> bytes:
        """What makes all data so far readable for the peer. It costs size: use it where the peer waits."""
        return self._compressor.flush()

    def finish(self) -> bytes:
        """The last octets. The encoder cannot be used again."""
        return self._compressor.finish()


def encode(coding: str, data: Buffer, level: int | None = None) -> bytes:
    """A whole body in a coding. Raises as `BodyEncoder` does.

    >>> len(encode("gzip", bytes(1000))) < 50
    True
    """
    encoder = BodyEncoder(coding, level)
    return encoder.encode(data) + encoder.finish()


def _coding(name: str) -> Coding:
    found = CODINGS.get(name)
    if found is None:
        known = ", ".join(CODINGS)
        raise HttpError.BodyEncoding(
            f"the content coding {quoted(name)} is unknown", name, hint=f"known codings are {known}"
        )
    return found


def _library(name: str) -> Decompressor:
    try:
        return _coding(name).decompressor()
    except Unavailable as error:
        raise _unavailable(name, error) from None


def _unavailable(name: str, error: Unavailable) -> HttpError:
    reason, _, hint = str(error).partition(": ")
    return HttpError.BodyEncoding(
        f"the content coding {name} cannot be used: {reason}", name, fault="local", hint=hint
    )
