r"""The bodies of forms: application/x-www-form-urlencoded, and multipart/form-data as a stream.

URL Standard section 5.2 (urlencoded serializing); RFC 7578 and RFC 2046 section 5.1.1 (multipart); the HTML
Standard, section "Multipart form data" (how names are escaped).

    >>> encode_form([("q", "a b"), ("é", "1&2")])
    b'q=a+b&%C3%A9=1%262'
    >>> form = MultipartForm([FormPart("q", "a b")], boundary="x")
    >>> form.content_type, form.length
    ('multipart/form-data; boundary=x', 61)
    >>> sum(len(piece) for piece in form.pieces())
    61

A multipart body is never in memory as a whole: it gives piece after piece, and it knows its length before if
the length of each part is known. In names and file names, the quotation mark, CR and LF become %22, %0D and
%0A, and "%" stays, as browsers do it. RFC 7578 section 4.2 leaves this open, and servers know this way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from netkit.http.errors import HttpError, quoted
from netkit.http.headers import Headers
from netkit.http.url import _form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netkit.http.headers import HeadersLike
    from netkit.http.parser.lines import Buffer

#: The Content-Type of what `encode_form` makes.
FORM_TYPE: Final = "application/x-www-form-urlencoded"
#: The most octets that are read of a file at once.
PIECE: Final = 65_536
#: The longest boundary, in characters (RFC 2046 section 5.1.1).
MAX_BOUNDARY: Final = 70

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")
_TOKEN: Final = re.compile(r"[0-9A-Za-z'+_\-.]+")
_ESCAPES: Final = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@runtime_checkable
class ReadableFile(Protocol):
    """A file open for reading in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` octets; `b""` at the end."""


@runtime_checkable
class SeekableFile(Protocol):
    """A file whose position can be asked for and set."""

    def tell(self) -> int: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


def extent_of(file: object) -> tuple[int, int] | None:
    """The position of an open file, and how many octets follow it; None if it only goes forward."""
    if not isinstance(file, SeekableFile):
        return None
    try:
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
    except (OSError, ValueError):  # a pipe, or something else that only goes forward
        return None
    return start, max(0, end - start)


#: What a part may hold: text (sent in UTF-8), octets, an open file from its position on, a path to a file, or
#: octets in pieces.
PartContent: TypeAlias = "str | Buffer | ReadableFile | os.PathLike[str] | Iterable[bytes]"


def encode_form(fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """Names and values as application/x-www-form-urlencoded, in UTF-8 and in order.

    Raises HttpError.InvalidValue for a lone surrogate.
    """
    try:
        return _form(fields).encode("ascii")
    except UnicodeEncodeError as error:
        raise HttpError.InvalidValue("form", "a lone surrogate is no text", offset=error.start) from None


def new_boundary(randomness: Callable[[int], bytes] = os.urandom) -> str:
    """A boundary that is in no content: it has 128 random bits."""
    return f"----netkit-{randomness(16).hex()}"


class FormPart:
    """One part of a form.

    Args:
        name: the name of the field.
        content: what is sent. The file of a path is opened when the body is sent.
        filename: the file's name for the server; None is the last component of a path, else no name.
        content_type: the media type. A part with a file name has the type of its extension, if that is
            known, else `application/octet-stream`; others have none, which means text.
        headers: further header fields of the part.

    `length` is how many octets the content has, None if only its end will tell. Raises OSError for a path
    that leads to no file, and HttpError.InvalidValue for what no header can hold.
    """

    __slots__ = ("_begun", "_start", "content", "head", "length", "name")

    def __init__(
        self,
        name: str,
        content: PartContent,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        headers: HeadersLike = (),
    ) -> None:
        if isinstance(content, os.PathLike) and filename is None:
            filename = os.path.basename(os.fspath(content))
        if content_type is None and filename is not None:
            content_type = _guessed(filename)
        self.name = name
        self.content = _utf_8("form value", content) if isinstance(content, str) else content
        self._begun = False
        #: Where a file that can seek begins.
        self._start: int | None = None
        self.length = self._measured()
        #: The header of the part, with the empty line at its end.
        self.head = _head(name, filename, content_type, headers)

    def __repr__(self) -> str:
        return f"<FormPart {self.name!r}, {'unknown' if self.length is None else self.length} octets>"

    def pieces(self) -> Iterator[bytes]:
        """The content, from the beginning.

        Raises HttpError.InvalidRequest if it can be read only once and was, and if a file has become shorter.
        If a file has become longer, only the length that was announced is sent.
        """
        content = self.content
        begun, self._begun = self._begun, True
        if isinstance(content, (bytes, bytearray, memoryview)):
            yield bytes(content)
        elif isinstance(content, os.PathLike):
            with open(content, "rb") as file:
                yield from self._read(file)
        elif isinstance(content, ReadableFile):
            if self._start is not None and isinstance(content, SeekableFile):
                content.seek(self._start)
            elif begun:
                raise self._only_once()
            yield from self._read(content)
        else:
            if begun and isinstance(content, Iterator):
                raise self._only_once()
            yield from content

    def _read(self, file: ReadableFile) -> Iterator[bytes]:
        left = self.length
        while left is None or left:
            piece = file.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                break
            if left is not None:
                left -= len(piece)
            yield piece
        if left:
            raise HttpError.InvalidRequest(
                f"the file of the form field {quoted(self.name)} has become {left} octets shorter"
            )

    def _measured(self) -> int | None:
        content = self.content
        if isinstance(content, (bytes, bytearray)):
            return len(content)
        if isinstance(content, memoryview):
            return content.nbytes
        if isinstance(content, os.PathLike):
            import stat

            about = os.stat(content)
            return about.st_size if stat.S_ISREG(about.st_mode) else None
        extent = extent_of(content) if isinstance(content, ReadableFile) else None
        if extent is None:
            return None
        self._start, length = extent
        return length

    def _only_once(self) -> HttpError:
        return HttpError.InvalidRequest(
            f"the form field {quoted(self.name)} would have to be sent again, and can be read only once",
            hint="give it as octets, as a path, or as a file that can seek",
        )


class MultipartForm:
    """A multipart/form-data body: `content_type` is for the header, `length` and `pieces` for the body.

    Args:
        parts: the parts, in order.
        boundary: what is between the parts, 1 to 70 characters that RFC 2046 allows; None makes a random one.

    `length` is None if the length of a part is unknown. Raises HttpError.InvalidValue for an impossible
    boundary, and for one that is in the octets of a part.
    """

    __slots__ = ("boundary", "content_type", "length", "parts")

    def __init__(self, parts: Iterable[FormPart], *, boundary: str | None = None) -> None:
        self.boundary = new_boundary() if boundary is None else boundary
        if len(self.boundary) > MAX_BOUNDARY or not _BOUNDARY.fullmatch(self.boundary):
            raise HttpError.InvalidValue(
                "boundary",
                f"it is 1 to {MAX_BOUNDARY} letters, digits and '()+_,-./:=? without a space at the end",
                limit=MAX_BOUNDARY,
            )
        self.parts = tuple(parts)
        token = self.boundary if _TOKEN.fullmatch(self.boundary) else f'"{self.boundary}"'
        self.content_type = f"multipart/form-data; boundary={token}"
        delimiter = f"--{self.boundary}".encode()
        for part in self.parts:
            content = part.content
            if isinstance(content, (bytes, bytearray)) and delimiter in content:
                raise HttpError.InvalidValue("boundary", f"it is in the form field {quoted(part.name)}")
        # "--" boundary CRLF head content CRLF, for each; and at the end "--" boundary "--" CRLF
        length: int | None = len(delimiter) + 4
        for part in self.parts:
            if length is None or part.length is None:
                length = None
                break
            length += len(delimiter) + 2 + len(part.head) + part.length + 2
        self.length = length

    def __repr__(self) -> str:
        return f"<MultipartForm of {len(self.parts)} parts, boundary {self.boundary!r}>"

    def pieces(self) -> Iterator[bytes]:
        """The body, from the beginning. Raises HttpError.InvalidRequest as `FormPart.pieces` does."""
        delimiter = f"--{self.boundary}".encode()
        before = b""
        for part in self.parts:
            yield before + delimiter + b"\r\n" + part.head
            yield from part.pieces()
            before = b"\r\n"
        yield before + delimiter + b"--\r\n"


def _head(name: str, filename: str | None, content_type: str | None, headers: HeadersLike) -> bytes:
    disposition = f"form-data; name={_escaped('form name', name)}"
    if filename is not None:
        disposition += f"; filename={_escaped('file name', filename)}"
    # Names are in UTF-8 (RFC 7578 section 5.1), and a Headers holds octets as characters.
    fields = Headers({"Content-Disposition": _utf_8("form name", disposition)})
    if content_type is not None:
        fields["Content-Type"] = (content_type,)
    fields.extend(headers)
    lines = "".join(f"{field}: {value}\r\n" for field, value in fields.fields)
    return f"{lines}\r\n".encode("latin-1")


def _escaped(what: str, text: str) -> str:
    found = _CONTROL.search(text)
    if found is not None:
        raise HttpError.InvalidValue(what, "a control character cannot stand in it", offset=found.start())
    return f'"{text.translate(_ESCAPES)}"'


def _utf_8(what: str, text: str) -> bytes:
    """Text in UTF-8. Octets of a file's name that were no UTF-8 stay what they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise HttpError.InvalidValue(what, "a lone surrogate is no text", offset=error.start) from None


def _guessed(filename: str) -> str:
    extension = os.path.splitext(filename)[1].lower()
    return _TYPES.get(extension[1:], "application/octet-stream")


#: Media types of extensions, the same on every machine: the tables of systems differ, and take time to read.
_TYPES: Final = {
    "7z": "application/x-7z-compressed",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "css": "text/css",
    "csv": "text/csv",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}
