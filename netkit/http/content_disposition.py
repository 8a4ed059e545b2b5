r"""The Content-Disposition header, and a name under which a file from a peer can be saved.

RFC 6266 (the field), RFC 8187 (`filename*`).

    >>> parse('attachment; filename="EURO rates"; filename*=utf-8\'\'%e2%82%ac%20rates').filename
    '€ rates'
    >>> safe_filename("../../.bashrc"), safe_filename("C:\\aux.txt"), safe_filename("\u202etxt.exe")
    ('bashrc', '_aux.txt', '_txt.exe')

Many servers break the grammar, so the reading is lenient where browsers agree: a name without quotes may hold
spaces, and one in UTF-8 is read as such. A name is only a suggestion of the peer (RFC 6266 section 4.3).
`safe_filename` makes of it one component of a path that no system takes for something else. It changes equal
names to equal names on all systems, because files move between them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import TOKEN, Cursor, lower_ascii
from netkit.http.link_header import decode_ext_value, encode_ext_value

if TYPE_CHECKING:
    from netkit.http.url import Url

#: The longest value, in characters.
MAX_LENGTH: Final = 16_384
#: The most parameters.
MAX_PARAMS: Final = 32
#: The longest component of a path, in octets, on the file systems of today.
MAX_NAME: Final = 255

_BARE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f;]*+")
_NAME: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]++)[ \t]*+=[ \t]*+")


class ContentDisposition(NamedTuple):
    """The type (`inline`, `attachment`, `form-data`) and the parameters, both names in lower case."""

    type: str
    params: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The first parameter of that name; None if there is none."""
        for each, value in self.params:
            if each == name:
                return value
        return None

    @property
    def filename(self) -> str | None:
        """The name that the peer suggests, as it is: `filename*` if it can be decoded, else `filename`.

        It is not safe: use `safe_filename`.
        """
        extended = self.get("filename*")
        decoded = None if extended is None else decode_ext_value(extended)
        if decoded is not None:
            return decoded.text
        plain = self.get("filename")
        if plain is None or plain.isascii():
            return plain
        # A field is ISO 8859-1 for us, but many servers write UTF-8; hardly any other text is valid UTF-8.
        try:
            return plain.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return plain

    @property
    def is_attachment(self) -> bool:
        """Whether to save rather than to show. RFC 6266 section 4.2: an unknown type is an attachment."""
        return self.type != "inline"


def parse(
    value: str | bytes, *, max_length: int = MAX_LENGTH, max_params: int = MAX_PARAMS
) -> ContentDisposition:
    """The value of a Content-Disposition field.

    Of a parameter that is there twice, the first counts. Without a type it is an attachment. Raises
    InvalidField with the offset where it cannot be read; FieldLimitExceeded over a limit.
    """
    cursor = Cursor(value, "Content-Disposition", max_length)
    cursor.skip()
    kind = "attachment"
    if _NAME.match(cursor.text, cursor.at) is None:
        kind = lower_ascii(cursor.token("a type"))
        cursor.skip()
        if cursor.at < cursor.end and not cursor.take(";"):
            cursor.expected("a semicolon")
    params: dict[str, str] = {}
    count = 0
    while True:
        cursor.skip()
        if cursor.at == cursor.end:
            return ContentDisposition(kind, tuple(params.items()))
        if cursor.take(";"):
            continue
        count += 1
        if count > max_params:
            raise FieldLimitExceeded(cursor.field, "max_params", max_params, cursor.at)
        name = cursor.match(_NAME)
        if name is None:
            cursor.expected("a parameter's name and '='")
        content = cursor.quoted() if cursor.here == '"' else _bare(cursor)
        cursor.skip()
        if cursor.at < cursor.end and not cursor.take(";"):
            cursor.expected("a semicolon")
        params.setdefault(lower_ascii(name[1]), content)


def format(kind: str, filename: str | None = None) -> str:  # noqa: A001 - as link_header.format
    """A Content-Disposition with a name: in ASCII as well, for readers that do not know `filename*`.

    RFC 6266 section 4.3 and appendix D. Raises InvalidField, with `fault` "caller", for a type that is no
    token and a name with control characters.

    >>> format("attachment", "Rates in €.txt")
    'attachment; filename="Rates in _.txt"; filename*=UTF-8\\'\\'Rates%20in%20%E2%82%AC.txt'
    """
    if not TOKEN.fullmatch(kind):
        raise InvalidField("Content-Disposition", f"{kind[:40]!r} is no token", fault="caller")
    if filename is None:
        return kind
    if found := _CONTROL.search(filename):
        raise InvalidField(
            "Content-Disposition", "a control character in a name", found.start(), fault="caller"
        )
    # Some readers undo "%" or take "\" for a separator: the plain form has neither.
    plain = re.sub(r'[^ !#$&-\[\]-~]|[%"\\]', "_", filename)
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    return f'{kind}; filename="{plain}"; filename*={encode_ext_value(filename)}'


def _bare(cursor: Cursor) -> str:
    found = cursor.match(_BARE)
    assert found is not None  # it may be empty
    content = found[0].rstrip(" \t")
    if not content:
        cursor.expected("a parameter's value")
    return content


# Names of files

_SEPARATOR: Final = re.compile(r"[/\\]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: What a name must not have: control characters, characters that change the direction of text or begin a
#: line (a name can look like another one), halves of characters, and what Windows does not allow. A colon
#: opens a stream of another file there.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\uffff"
    '\ud800-\udfff<>:"|?*]'
)
#: Dots and spaces of all kinds, at both ends. One character before the last ones, so that it is linear.
_ENDS: Final = re.compile(r"\A[\s.]++|(?<![\s.])[\s.]++\Z")
#: Windows opens a device for these, with any extension.
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)[ ]*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
#: What is kept of a name that is cut: its extension, or two of them for an archive.
_EXTENSION: Final = re.compile(r"(?:\.tar)?\.[^. ]{1,16}\Z", re.IGNORECASE)


def safe_filename(
    name: str | None, *, url: Url | None = None, default: str = "download", max_octets: int = MAX_NAME
) -> str:
    """A name for a file that a peer sent: one component of a path, never empty, never hidden.

    Only what follows the last "/" or "\\" is used. Dots and spaces at both ends go, so that no dot file and
    no `..` is left. What is unsafe in a name becomes "_": control characters, characters that change the
    direction of text, and what Windows does not allow. "_" goes before a device name of Windows, and in the
    place of a "-" that begins a name, which commands would take for an option. A long name is cut before its
    extension.

    Args:
        name: what the peer suggests, such as `ContentDisposition.filename`.
        url: where it came from. If nothing is left of `name`, the last segment of the path is used.
        default: the name if nothing is left of that either.
        max_octets: the most octets of the name in UTF-8, 32 or more.
    """
    if max_octets < 32:
        raise ValueError(f"max_octets is 32 or more, not {max_octets}")
    for candidate in (name, None if url is None else _last_segment(url), default):
        cleaned = _cleaned(candidate, max_octets) if candidate else ""
        if cleaned:
            return cleaned
    return "download"


def shortened(name: str, max_octets: int = MAX_NAME) -> str:
    """A name of at most `max_octets` octets in UTF-8; what is cut is before the extension."""
    if len(name.encode()) <= max_octets:
        return name
    found = _EXTENSION.search(name)
    extension = found[0] if found and found.start() and len(found[0].encode()) < max_octets // 2 else ""
    stem = name[: len(name) - len(extension)]
    room = max_octets - len(extension.encode())
    cut = _ENDS.sub("", stem.encode()[:room].decode(errors="ignore"))
    return _ENDS.sub("", cut + extension)


def _last_segment(url: Url) -> str:
    from urllib.parse import unquote_to_bytes

    segment = url.path.rpartition("/")[2]
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return segment


def _cleaned(name: str, max_octets: int) -> str:
    # The end is what counts, and it is found without work on megabytes.
    name = _SEPARATOR.split(name[-4 * MAX_LENGTH :])[-1]
    name = _ENDS.sub("", _UNSAFE.sub("_", name))
    if not name.strip("_-"):
        return ""
    if name.startswith("-"):
        name = f"_{name[1:]}"
    if _DEVICE.fullmatch(name):
        name = f"_{name}"
    return shortened(name, max_octets)
