"""From the words and options of `netkit http fetch` to its `RequestPlan`s, one for each URL.

    [METHOD] URL... [ITEM...]

A method is a word in capitals before the first URL. Behind that URL, a word is another URL if it has its
scheme, or nothing that an item would have (`netkit.cli.fetch.items.is_url`). The request is the same
for all URLs.

Only what was asked for makes a request with a body: a pipe on standard input does not (`-d @-` and `-T -`
do). A script that runs under cron, in CI or with a closed standard input sends what it sends at a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.fetch.items import Item, ItemError, is_url, parse_item
from netkit.cli.fetch.plan import (
    Body,
    Credentials,
    DataBody,
    DataPiece,
    FileBody,
    FormBody,
    FormPart,
    HeaderLine,
    JsonBody,
    MultipartBody,
    RequestPlan,
    complete_url,
)
from netkit.cli.frame.options import WrongValue, exclude

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.fetch.options import AuthOptions, RequestOptions

#: The form of the command, where something of it is missing.
FORM = "write netkit http fetch [METHOD] URL... [ITEM...]"


#: What people write who are used to HTTPie; a host of such a name needs its scheme.
_METHODS_IN_SMALL = frozenset(("delete", "get", "head", "options", "patch", "post", "put"))


class Words:
    """The words of the command line in their roles: a method, URLs as they were typed, items."""

    def __init__(self, words: Sequence[str]) -> None:
        rest = list(words)
        self.method: str | None = None
        if rest and rest[0].isascii() and rest[0].isalpha() and rest[0].isupper():
            self.method = rest.pop(0)
        self.urls: list[str] = []
        self.items: list[Item] = []
        if rest[1:] and rest[0] in _METHODS_IN_SMALL and is_url(rest[1]):
            raise WrongValue(
                f"{rest[0]} would be a URL here", f"a method is a word in capitals: {rest[0].upper()}"
            )
        for word in rest:
            if not self.urls or is_url(word):
                self.urls.append(word)
            else:
                self.items.append(_item(word))


def _item(word: str) -> Item:
    try:
        return parse_item(word)
    except ItemError as error:
        raise WrongValue(str(error), error.hint) from error


def plan_of(words: Words, request: RequestOptions, auth: AuthOptions) -> RequestPlan:
    """The plan, without its URL. Raises WrongValue for words and options that contradict each other."""
    of_kind: dict[str, list[Item]] = {}
    for item in words.items:
        of_kind.setdefault(item.kind, []).append(item)
    fields = tuple(item for item in words.items if item.kind in ("field", "json", "upload"))
    exclude("METHOD", words.method, "-X", request.method, "-X is the method")
    body = _body(fields, request)
    query: list[Item | DataPiece] = list(of_kind.get("query", ()))
    if request.query:
        if isinstance(body, DataBody):
            query += body.pieces
        elif body is not None:
            raise WrongValue(
                "-G puts data of -d into the query, not this body", "write name==value, or leave -G out"
            )
        body = None
    elif request.head and body is not None:
        raise WrongValue("-I asks for headers, and sends no body", "-G puts the data of -d into the query")
    implied = "HEAD" if request.head else "GET" if body is None else "POST"
    if request.upload is not None:
        implied = "PUT"
    return RequestPlan(
        words.method or request.method or implied,
        "",
        query,
        _headers(request, words.items),
        body,
        credentials_of(auth),
        [text for text in request.cookies if "=" in text],
    )


def plans_of(words: Words, plan: RequestPlan) -> list[tuple[str, RequestPlan]]:
    """Each URL of the command line as it was typed, and the plan for it; `-` stands for a list of others."""
    return [(url, plan.replace(url=complete_url(url))) for url in words.urls if url != "-"]


def _headers(request: RequestOptions, items: Sequence[Item]) -> list[HeaderLine]:
    found: list[HeaderLine] = []
    for name, value in (("User-Agent", request.user_agent), ("Referer", request.referer)):
        if value is not None:
            found.append(_header(name, value))
    if request.referer is not None and request.referer.endswith(";auto"):
        raise WrongValue("-e: no Referer is made from redirects, as curl's ;auto does", "leave ;auto out")
    if request.byte_range is not None:
        found.append(_header("Range", f"bytes={request.byte_range}"))
    found += request.headers
    for item in items:
        if item.kind in ("header", "no header"):
            value = None if item.kind == "no header" else item.value
            found.append(HeaderLine(item.name, value, item.is_file))
    return found


def _header(name: str, value: str) -> HeaderLine:
    """A header from its own option; an empty one takes the header out, as in curl."""
    from netkit.cli.fetch.values import parse_header

    try:
        return parse_header(f"{name}: {value}")
    except ItemError as error:
        raise WrongValue(str(error), error.hint) from error


def _body(fields: tuple[Item, ...], request: RequestOptions) -> Body | None:
    options: list[tuple[str, Body | None]] = [
        ("-d", DataBody(request.data) if request.data else None),
        ("-T", FileBody(request.upload, names_target=True) if request.upload is not None else None),
    ]
    given = [(name, body) for name, body in options if body is not None]
    if fields and given:
        raise WrongValue(
            f"{given[0][0]} is a body, and {_word(fields[0])} would be another", "choose one of them"
        )
    if given:
        exclude(given[0][0], True, "--as", request.items_as, "--as is about items")
        return given[0][1]
    whole = [item for item in fields if item.kind == "upload" and not item.name]
    if whole:
        if len(fields) > 1 or request.parts:
            raise WrongValue(f"{_word(whole[0])} is the whole body", "give an upload a name: photo@FILE")
        return FileBody(whole[0].path, whole[0].content_type or _guessed(whole[0].path))
    return _of_items(fields, request)


def _of_items(fields: tuple[Item, ...], request: RequestOptions) -> Body | None:
    uploads = [item for item in fields if item.kind == "upload"]
    how = request.items_as or ("multipart" if uploads or request.parts else "json")
    if how != "multipart" and (uploads or request.parts):
        named = _word(uploads[0]) if uploads else "-F"
        raise WrongValue(f"{named} needs a multipart form", "leave out --as, or write --as multipart")
    if not fields and not request.parts:
        return None
    if how == "json":
        for item in fields:
            _check_path(item)
        return JsonBody(fields)
    for item in fields:
        if item.kind == "json":
            raise WrongValue(f"{_word(item)} is JSON, which a form cannot hold", f"write {item.name}=VALUE")
    if how == "form":
        return FormBody(fields)
    return MultipartBody((*request.parts, *map(_part, fields)))


def _check_path(item: Item) -> None:
    from netkit.cli.fetch.json_paths import parse_path

    try:
        parse_path(item.name)
    except ItemError as error:
        raise WrongValue(str(error), error.hint) from error


def _part(item: Item) -> FormPart:
    if item.kind == "upload":
        from posixpath import basename

        path = item.path
        return FormPart(item.name, None, path, basename(path) or "-", item.content_type)
    if item.is_file:
        return FormPart(item.name, None, item.value)
    return FormPart(item.name, item.value)


def _guessed(path: str) -> str | None:
    """The media type that a file's name says."""
    from mimetypes import guess_type

    return guess_type(path)[0]


def credentials_of(auth: AuthOptions) -> Credentials | None:
    """What -u or --oauth2-bearer says; None without either."""
    if auth.bearer is not None:
        return Credentials.bearer(auth.bearer)
    if auth.user is None:
        return None
    return Credentials.parse(auth.user, "digest" if auth.digest else "basic" if auth.basic else None)


def _word(item: Item) -> str:
    signs = {"field": "=", "json": ":=", "upload": "@"}
    file = "@" if item.is_file and item.kind != "upload" else ""
    return f"{item.name}{signs[item.kind]}{file}{'' if len(item.value) > 20 else item.value}"
