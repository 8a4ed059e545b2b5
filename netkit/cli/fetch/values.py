"""The values of the options of `netkit http fetch`: data, parts of a form, headers, sizes, checksums.

Their grammar is curl's, where curl has the option.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netkit.cli.fetch.items import ItemError, header_octets
from netkit.cli.fetch.plan import DataPiece, FormPart, HeaderLine
from netkit.cli.frame.options import Number, Value
from netkit.http.errors import HttpError
from netkit.http.headers import checked_name, checked_value

if TYPE_CHECKING:
    import click


class Data(Value[DataPiece]):
    """The value of -d and its sisters."""

    name = "data"
    form = "write it as in a=1, @FILE or @- (standard input)"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DataPiece:
        if isinstance(value, DataPiece):
            return value
        how, mark, text = str(value).partition("\0")
        piece = DataPiece(how, text) if mark else DataPiece("data", str(value))  # type: ignore[arg-type]
        if piece.path == "":
            self.wrong("the path of a file is missing behind @", param, ctx)
        return piece


class Part(Value[FormPart]):
    """The value of -F: `name=text`, `name=@file;type=image/png;filename=a.png`, `name=<file`."""

    name = "part"
    metavar = "NAME=CONTENT"
    form = "write name=text, name=@FILE (with ;type=TYPE and ;filename=NAME), or name=<FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> FormPart:
        if isinstance(value, FormPart):
            return value
        text = str(value)
        is_string = text.startswith("string\0")
        name, equals, content = text.removeprefix("string\0").partition("=")
        if not equals or not name:
            self.wrong(f"{text.removeprefix('string' + chr(0))!r} is no part of a form", param, ctx)
        if is_string:
            return FormPart(name, content)
        try:
            return parse_part(name, content)
        except ItemError as error:
            self.wrong(str(error), param, ctx)


_NAMES = "type|filename|headers|encoder"
_PARAMETER = rf';\s*({_NAMES})=("(?:[^"\\]|\\.)*"|(?:[^;]|;(?!\s*(?:{_NAMES})=))*)'


def parse_part(name: str, content: str) -> FormPart:
    """A part as curl's -F has it. Raises ItemError."""
    parameter = re.compile(_PARAMETER)  # here, where few come: a pattern takes a millisecond
    parameters: dict[str, str] = {}
    quoted = re.match(r'([@<]?)"((?:[^"\\]|\\.)*)"', content)
    begin = quoted.end() if quoted is not None else len(content)
    if quoted is None:
        first = parameter.search(content)
        begin = first.start() if first is not None else begin
    for found in parameter.finditer(content, begin):
        value = found[2]
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        parameters[found[1]] = re.sub(r"\\(.)", r"\1", value[1:-1]) if is_quoted else value.strip()
    for unknown in parameters.keys() - {"type", "filename"}:
        raise ItemError(f"{unknown}= is not there; a part has type= and filename=", None)
    sign = content[:1] if content[:1] in ("@", "<") else ""
    text = re.sub(r"\\(.)", r"\1", quoted[2]) if quoted is not None else content[len(sign) : begin]
    media_type, filename = parameters.get("type"), parameters.get("filename")
    if not sign:
        return FormPart(name, text, None, filename, media_type)
    if not text:
        raise ItemError(f"{name}: the path of a file is missing behind {sign}", None)
    if sign == "@" and filename is None:
        from posixpath import basename

        filename = basename(text) or "-"
    return FormPart(name, None, text, filename, media_type)


class HeaderText(Value[HeaderLine]):
    """The value of -H: `Name: value`, `Name:` (not sent), `Name;` (sent empty)."""

    name = "header"
    metavar = "LINE"
    form = "write 'Name: value', 'Name:' to send none, 'Name;' to send an empty one"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> HeaderLine:
        if isinstance(value, HeaderLine):
            return value
        try:
            return parse_header(str(value))
        except ItemError as error:
            self.wrong(str(error), param, ctx, error.hint)


def parse_header(line: str) -> HeaderLine:
    """A header as curl's -H has it. Raises ItemError."""
    name, colon, value = line.partition(":")
    if not colon:
        if not line.endswith(";"):
            raise ItemError(f"{line!r} is no header", HeaderText.form)
        name = line[:-1]
    try:
        name, value = checked_name(name.strip(" \t")), checked_value(name, header_octets(value))
    except HttpError.InvalidValue as error:
        raise ItemError(str(error), error.hint or HeaderText.form) from error
    return HeaderLine(name, value if value or not colon else None)


class ByteRanges(Value[str]):
    """Ranges of octets: `0-499`, `500-`, `-500`, and several with commas (RFC 9110 section 14.1.2)."""

    name = "range"
    form = "write it as in 0-499, 500- or -500"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"(?:\d+-\d*|-\d+)(?:,(?:\d+-\d*|-\d+))*", str(value)):
            self.wrong(f"{value!r} is no range", param, ctx)
        return str(value)


class MethodName(Value[str]):
    """A method: a token (RFC 9110 section 9.1)."""

    name = "method"
    form = "write it as in GET or POST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.http.headers import is_token

        if not is_token(str(value)):
            self.wrong(f"{value!r} is not a method", param, ctx)
        return str(value)


class Size(Value[int]):
    """Octets: `100`, `64k`, `1.5M`, `2G`, as curl has them (1024 each)."""

    name = "size"
    form = "write octets, as in 500, 64k, 10M or 1G"
    units = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}  # noqa: RUF012 - a constant

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)b?", str(value).lower())
        size = 0 if found is None else int(float(found[1]) * self.units.get(found[2], 1))
        if size <= 0:
            self.wrong(f"{value!r} is not a size above 0", param, ctx)
        return size


class Checksum(Value[tuple[str, str]]):
    """What a file's octets must add up to: `sha256:9f86d0...`."""

    name = "checksum"
    metavar = "HASH:HEX"
    form = (
        "write it as in sha256:9f86d081...; there are sha224, sha256, sha384, sha512, sha1, md5 and blake2b"
    )
    sizes = {  # noqa: RUF012 - a constant
        "sha224": 56,
        "sha256": 64,
        "sha384": 96,
        "sha512": 128,
        "sha1": 40,
        "md5": 32,
        "blake2b": 128,
    }

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, _, digits = str(value).lower().replace("-", "").partition(":")
        size = self.sizes.get(name)
        if size is None:
            self.wrong(f"{name!r} is not a hash", param, ctx)
        if not re.fullmatch(f"[0-9a-f]{{{size}}}", digits):
            self.wrong(f"a {name} has {size} hexadecimal digits", param, ctx)
        return name, digits


class Offset(Value[int]):
    """Where to go on: an offset, or `-` for where the file ends (-1)."""

    name = "offset"
    metavar = "OFFSET|-"
    form = "write - to go on where the file ends, or an offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return -1 if value in ("-", -1) else Number(0).convert(value, param, ctx)
