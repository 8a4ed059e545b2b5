"""What `netkit http fetch` was asked to send, as one immutable value: the `RequestPlan`.

HTTPie's items and curl's options become the same plan, and whatever needs a request begins with it: the
exchange itself, `--offline`, `--curl`. A plan names files, but holds nothing of them; `settle` reads them
through the function that it is handed, so that all of this runs without a disk.

A URL without a scheme is completed. curl and HTTPie take http for all. Here https is for names of the
internet, and http for what is nearly always a server of one's own: `:8080/x`, localhost, an address, a name
without a dot, and port 80.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

from netkit._value import Value, assign
from netkit.cli.fetch.items import Item, ItemError, has_scheme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from netkit.http.bodies.forms import MultipartForm
    from netkit.http.url import Url

#: Reads a whole file; `-` is standard input.
Read: TypeAlias = "Callable[[str], bytes]"

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
JSON_ACCEPT = "application/json, */*;q=0.5"


class HeaderLine(NamedTuple):
    """A header that was asked for. `value` None: a default one is not sent. `is_file`: a file holds it."""

    name: str
    value: str | None
    is_file: bool = False


class DataPiece(NamedTuple):
    """One of curl's -d options; pieces are joined with `&`.

    `how` is which option: `data` takes line ends out of a file (`@file`), `binary` does not, in `raw` an `@`
    means nothing, `urlencode` encodes (`content`, `=content`, `name=content`, `@file`, `name@file`).
    """

    how: Literal["data", "raw", "binary", "urlencode"]
    text: str

    @property
    def path(self) -> str | None:
        """The file that it names."""
        if self.how == "urlencode":
            mark = re.search("[=@]", self.text)
            return self.text[mark.end() :] if mark is not None and mark[0] == "@" else None
        return self.text[1:] if self.how != "raw" and self.text.startswith("@") else None


class FormPart(NamedTuple):
    """A part of a multipart body: text, or a file.

    A file is uploaded under its `filename`; without one it is a field, whose text the file holds (curl's
    `name=<file`).
    """

    name: str
    text: str | None = None
    path: str | None = None
    filename: str | None = None
    content_type: str | None = None


class JsonBody(NamedTuple):
    """Fields of a JSON body."""

    items: tuple[Item, ...]


class FormBody(NamedTuple):
    """Fields of an urlencoded form."""

    items: tuple[Item, ...]


class DataBody(NamedTuple):
    """curl's -d."""

    pieces: tuple[DataPiece, ...]


class MultipartBody(NamedTuple):
    """Parts, with a boundary between them (RFC 7578)."""

    parts: tuple[FormPart, ...]


class FileBody(NamedTuple):
    """A file as it is, `-` for standard input; it is sent piece by piece.

    `names_target`: as for curl's -T, a URL that ends in a slash is completed by the file's name.
    """

    path: str
    content_type: str | None = None
    names_target: bool = False


#: A body that can be sent.
SettledBody: TypeAlias = "bytes | FileBody | MultipartForm | None"

Body: TypeAlias = JsonBody | FormBody | DataBody | MultipartBody | FileBody


class Credentials(Value):
    """Who asks: a user with a password (None: it has to be asked for), or a bearer's token.

    `scheme` None: whichever the server wants. `repr` shows no secret.
    """

    __slots__ = ("password", "scheme", "user")
    __match_args__: ClassVar[tuple[str, ...]] = ("user", "password", "scheme")

    user: str
    password: str | None
    scheme: Literal["basic", "digest", "bearer"] | None

    def __init__(
        self,
        user: str,
        password: str | None,
        scheme: Literal["basic", "digest", "bearer"] | None = None,
    ) -> None:
        assign(self, "user", user)
        assign(self, "password", password)
        assign(self, "scheme", scheme)

    @classmethod
    def parse(cls, text: str, scheme: Literal["basic", "digest"] | None = None) -> Credentials:
        """What `-u USER:PASSWORD` says; the first colon ends the user's name (RFC 7617 section 2)."""
        user, colon, password = text.partition(":")
        return cls(user, password if colon else None, scheme)

    @classmethod
    def bearer(cls, token: str) -> Credentials:
        """A bearer's token (RFC 6750)."""
        return cls("", token, "bearer")

    def __repr__(self) -> str:
        return f"Credentials({self.user!r}, ***, {self.scheme!r})"


class RequestPlan(Value):
    """A request as it was asked for, before a file was read.

    `method` is as it will be sent; `url` has its scheme. `query` is what is added to the URL: items (`q==1`),
    or the pieces of -d where -G moves them there. `headers` come in the order in which they were given, and
    have the last word over defaults. `cookies` are the texts of -b that hold cookies.
    """

    __slots__ = ("auth", "body", "cookies", "headers", "method", "query", "url")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "method",
        "url",
        "query",
        "headers",
        "body",
        "auth",
        "cookies",
    )

    method: str
    url: str
    query: tuple[Item | DataPiece, ...]
    headers: tuple[HeaderLine, ...]
    body: Body | None
    auth: Credentials | None
    cookies: tuple[str, ...]

    def __init__(
        self,
        method: str,
        url: str,
        query: Iterable[Item | DataPiece] = (),
        headers: Iterable[HeaderLine] = (),
        body: Body | None = None,
        auth: Credentials | None = None,
        cookies: Iterable[str] = (),
    ) -> None:
        assign(self, "method", method)
        assign(self, "url", url)
        assign(self, "query", tuple(query))
        assign(self, "headers", tuple(headers))
        assign(self, "body", body)
        assign(self, "auth", auth)
        assign(self, "cookies", tuple(cookies))

    def header(self, name: str) -> HeaderLine | None:
        """The last header of that name that was asked for."""
        lower = name.lower()
        return next((each for each in reversed(self.headers) if each.name.lower() == lower), None)

    def settle(self, read: Read, defaults: Mapping[str, str]) -> SettledRequest:
        """Read the files that it names, and put everything together.

        `defaults` are headers that are sent unless the plan has them, or takes them out. Raises ItemError for
        text that is no JSON, what `read` raises, and HttpError.InvalidUri.
        """
        from netkit.http.url import Url

        body, content_type = settled_body(self.body, read)
        fields = dict(defaults)
        if isinstance(self.body, JsonBody) and "Accept" in fields:
            fields["Accept"] = JSON_ACCEPT
        if content_type is not None:
            fields["Content-Type"] = content_type
        if self.cookies:
            fields["Cookie"] = "; ".join(each.strip().rstrip(";") for each in self.cookies)
        lines = [(name, value) for name, value in fields.items() if self.header(name) is None]
        for name, value, is_file in self.headers:
            if value is not None:
                lines.append((name, _line_of(read(value)) if is_file else value))
        return SettledRequest(self.method, Url.parse(self._whole_url(read)), tuple(lines), body)

    def _whole_url(self, read: Read) -> str:
        added = []
        for each in self.query:
            if isinstance(each, DataPiece):
                added.append(_piece(each, read).decode("utf-8", "surrogateescape"))
            else:
                value = _text(read(each.value)) if each.is_file else each.value
                added.append(f"{_encoded(each.name)}={_encoded(value)}")
        url = self.url
        if isinstance(self.body, FileBody) and self.body.names_target and self.body.path != "-":
            url = _completed(url, self.body.path)
        if not added:
            return url
        before, mark, fragment = url.partition("#")
        separator = "" if before.endswith(("?", "&")) else "&" if "?" in before else "?"
        return f"{before}{separator}{'&'.join(added)}{mark}{fragment}"


class SettledRequest(NamedTuple):
    """A request whose files were read: all that a client needs.

    A body that is a file still names it, and a multipart form opens its files when it is sent.
    """

    method: str
    url: Url
    fields: tuple[tuple[str, str], ...]
    body: SettledBody


# -- URLs


def complete_url(text: str) -> str:
    """The URL that was meant: with its scheme, and for `:PORT` and `/path` with this machine as its host.

    >>> [complete_url(text) for text in (":8080/x", "example.com/x", "db", "[::1]:443")]
    ['http://localhost:8080/x', 'https://example.com/x', 'http://db', 'https://[::1]:443']
    """
    if has_scheme(text):
        return text
    text = text.removeprefix("//")
    if text.startswith(("/", ":/")) or (text.startswith(":") and text[1:2].isdigit()):
        text = f"localhost{text.removeprefix(':') if text.startswith(':/') else text}"
    authority = re.split("[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    bracketed = authority.startswith("[")
    host, _, port = authority.partition("]" if bracketed else ":")
    port = port.removeprefix(":")
    own = bracketed or "." not in host.rstrip(".") or re.fullmatch(r"[\d.]+|.*\.localhost\.?", host.lower())
    secure = port == "443" or not (own or port == "80")
    return f"{'https' if secure else 'http'}://{text}"


def _completed(url: str, path: str) -> str:
    """A URL whose path ends in a slash, or is empty, with the name of the file that is sent there.

    >>> _completed("http://a/in/?x=1", "/tmp/b c.txt"), _completed("http://a/d", "b")
    ('http://a/in/b%20c.txt?x=1', 'http://a/d')
    """
    from posixpath import basename
    from urllib.parse import quote

    scheme, slashes, rest = url.partition("://")
    end = re.search("[?#]|$", rest)
    at = end.start() if end is not None else len(rest)
    if "/" in rest[:at] and not rest[:at].endswith("/"):
        return url
    separator = "" if rest[:at].endswith("/") else "/"
    name = quote(basename(path).encode("utf-8", "surrogateescape"))
    return f"{scheme}{slashes}{rest[:at]}{separator}{name}{rest[at:]}"


# -- bodies


def settled_body(body: Body | None, read: Read) -> tuple[SettledBody, str | None]:
    """The octets of a body (or what will give them), and its media type where the body decides it."""
    match body:
        case JsonBody(items):
            return json_octets(items, read), JSON_TYPE
        case FormBody(items):
            pairs = [(item.name, _field_text(item, read)) for item in items]
            return "&".join(f"{_encoded(n)}={_encoded(v)}" for n, v in pairs).encode(), FORM_TYPE
        case DataBody(pieces):
            return b"&".join(_piece(each, read) for each in pieces), FORM_TYPE
        case FileBody(_, content_type):
            return body, content_type
        case MultipartBody(parts):
            form = _multipart(parts, read)
            return form, form.content_type
    return None, None


def json_octets(items: Iterable[Item], read: Read) -> bytes:
    """The JSON of items. Raises ItemError for a value that is none, and for names that contradict."""
    from json import dumps

    from netkit.cli.fetch.json_paths import JsonBuilder

    made = JsonBuilder()
    for item in items:
        text = _text(read(item.value)) if item.is_file else item.value
        made.put(item.name, text if item.kind == "field" else _json(item, text))
    try:
        return dumps(made.value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ItemError("JSON is UTF-8, which one of these values is not", None) from None


def _json(item: Item, text: str) -> object:
    from json import loads

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not in JSON")

    try:
        return loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        where = f" in {item.value}" if item.is_file else ""
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        hint = f"{item.name}=VALUE is text; JSON's own strings have double quotes"
        raise ItemError(f"{item.name}: this is no JSON{where}: {reason}", hint) from error


def _field_text(item: Item, read: Read) -> str:
    return _text(read(item.value)) if item.is_file else item.value


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _line_of(octets: bytes) -> str:
    """A header's value out of a file: without the line end at its end."""
    return octets.rstrip(b"\r\n").decode("latin-1")


def _encoded(text: str) -> str:
    """Text as a form has it (URL Standard section 5.1), a space as `+`."""
    from urllib.parse import quote_plus

    return quote_plus(text.encode("utf-8", "surrogateescape"), safe="*")


def _piece(piece: DataPiece, read: Read) -> bytes:
    """The octets of one -d, with the file that it names."""
    text, path = piece.text, piece.path
    if piece.how == "urlencode":
        from urllib.parse import quote_plus

        mark = re.search("[=@]", text)
        name = text[: mark.start()] if mark is not None else ""
        content = text if mark is None else text[mark.end() :]
        octets = content.encode("utf-8", "surrogateescape") if path is None else read(path)
        return (f"{name}=" if name else "").encode() + quote_plus(octets).encode()
    if path is None:
        return text.encode("utf-8", "surrogateescape")
    octets = read(path)
    return octets if piece.how == "binary" else octets.translate(None, b"\r\n\0")


def _multipart(parts: Iterable[FormPart], read: Read) -> MultipartForm:
    """The form; its files are opened when they are sent, but those that are the text of a field are read.

    Raises OSError for a file that is not there, and HttpError.InvalidValue.
    """
    from pathlib import Path

    from netkit.http.bodies.forms import FormPart as Part, MultipartForm

    def content(part: FormPart) -> bytes | Path:
        if part.path is None:
            return (part.text or "").encode("utf-8", "surrogateescape")
        return read(part.path) if part.path == "-" or part.filename is None else Path(part.path)

    return MultipartForm(
        Part(part.name, content(part), filename=part.filename, content_type=_type_of(part)) for part in parts
    )


def _type_of(part: FormPart) -> str | None:
    """The media type that was given, or that the file's own name says where its other name does not."""
    if part.content_type is not None or part.path is None or part.filename is None:
        return part.content_type
    from mimetypes import guess_type

    return None if guess_type(part.filename)[0] is not None else guess_type(part.path)[0]
