"""One request to an endpoint, and how endpoints answer.

Arguments are those of httpbin, so they come from paths and queries; one that cannot be read is answered with
400 and words. Counts, sizes and times are cut to the limits of the configuration, as httpbin does it.
"""

from __future__ import annotations

import json
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from netkit.http.errors import HttpError
from netkit.io import OPERATIONS_PER_TURN, PAUSE, sleep_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.http.headers import Headers
    from netkit.http.inspector.config import InspectorConfig
    from netkit.http.inspector.endpoint import Endpoint
    from netkit.http.inspector.secrets import Secrets
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.request import ServerRequest
    from netkit.io import Flow

#: Fields as they are sent.
Fields = list[tuple[bytes, bytes]]

#: The most arguments of a query, and fields of a form, that are read.
MAX_ARGUMENTS = 1000

JSON = "application/json"
OCTETS = "application/octet-stream"

#: Characters of JSON that a browser could take for HTML, should it ever show the JSON as such.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Call:
    """A request, the variables of its path, its arguments; and the answers to it.

    `common` are the fields that every response here has (CORS). `waited` is how long this request has been
    held up on purpose, in seconds.
    """

    __slots__ = (
        "_body",
        "_turns",
        "arguments",
        "common",
        "config",
        "endpoint",
        "exchange",
        "request",
        "secrets",
        "variables",
        "waited",
    )

    def __init__(
        self,
        exchange: Exchange,
        endpoint: Endpoint,
        variables: dict[str, str],
        config: InspectorConfig,
        secrets: Secrets,
        common: Fields,
    ) -> None:
        self.exchange = exchange
        self.request: ServerRequest = exchange.request
        self.endpoint = endpoint
        self.variables = variables
        self.config = config
        self.secrets = secrets
        self.common = common
        self.waited = 0.0
        self.arguments = parsed_query(self.request.query)
        self._body: bytes | None = None
        self._turns = 0

    # What was asked.

    @property
    def headers(self) -> Headers:
        """The fields of the request, Host among them."""
        return self.request.headers

    @property
    def method(self) -> str:
        """The method."""
        return str(self.request.method)

    @property
    def origin(self) -> str:
        """The scheme, name and port that the client used for this server."""
        return f"{self.exchange.connection.scheme}://{self.request.authority or 'localhost'}"

    def body_flow(self) -> Flow[bytes]:
        """Flow: the whole body of the request."""
        if self._body is None:
            self._body = yield from self.exchange.read_all_flow()
        return self._body

    def argument(self, name: str, default: str = "") -> str:
        """An argument of the query, whose name is compared without case; the first counts."""
        for each, value in self.arguments:
            if each.lower() == name:
                return value
        return default

    def has(self, name: str) -> bool:
        """Whether the query has that argument."""
        return any(each.lower() == name for each, _ in self.arguments)

    def number(self, name: str, default: int, most: int, least: int = 0) -> int:
        """An argument of the query, or a variable of the path, as a whole number of at most `most`.

        Raises HttpError.InvalidValue for one that is none, or below `least`.
        """
        text = self.variables.get(name) or self.argument(name) or str(default)
        if not (text.removeprefix("-").isdigit() and text.isascii()) or len(text) > 16:
            raise HttpError.InvalidValue(name, "it is no whole number")
        value = int(text)
        if value < least:
            raise HttpError.InvalidValue(name, f"it is less than {least}")
        return min(value, most)

    def count(self, default: int, name: str = "count") -> int:
        """How many of something; see `number`."""
        return self.number(name, default, self.config.max_count)

    def size(self, default: int, name: str = "size") -> int:
        """How many octets; see `number`."""
        return self.number(name, default, self.config.max_size)

    def seconds(self, name: str, default: float) -> float:
        """A time, cut to `max_delay`. Raises HttpError.InvalidValue for what is no number of seconds."""
        text = self.variables.get(name) or self.argument(name) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not isfinite(value) or value < 0 or len(text) > 40:
            raise HttpError.InvalidValue(name, "it is no number of seconds")
        return min(value, self.config.max_delay)

    def wait_flow(self, seconds: float) -> Flow[None]:
        """Flow: hold the client up, all in all no longer than `max_delay`."""
        seconds = min(seconds, self.config.max_delay - self.waited)
        if seconds > 0:
            self.waited += seconds
            yield from sleep_until(monotonic() + seconds)

    # The answer.

    def begin(
        self,
        status: int,
        content_type: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin a response whose body is sent piece by piece."""
        self.exchange.begin(status, self.fields(content_type, fields), length=length, end=end)

    def send_flow(self, data: bytes) -> Flow[None]:
        """Flow: a piece of the body. Many of them leave other connections their turn."""
        yield from self.exchange.send_flow(data)
        self._turns += 1
        if self._turns % OPERATIONS_PER_TURN == 0:
            yield PAUSE

    def fields(self, content_type: str | None, fields: Iterable[tuple[str, str]] = ()) -> Fields:
        """The fields of a response as octets, with the common ones."""
        sent = [*self.common]
        if content_type is not None:
            sent.append((b"Content-Type", content_type.encode("latin-1")))
        sent += [(name.encode("latin-1", "replace"), octets(value)) for name, value in fields]
        return sent

    def reply_flow(
        self,
        status: int,
        body: bytes | str = b"",
        content_type: str | None = "text/plain; charset=utf-8",
        fields: Iterable[tuple[str, str]] = (),
    ) -> Flow[None]:
        """Flow: a whole response."""
        data = body.encode() if isinstance(body, str) else body
        if not data:
            length = 0 if status != 304 else None
            self.begin(status, content_type if status != 304 else None, fields, length=length)
            yield from self.exchange.end_flow()
            return
        self.begin(status, content_type, fields, length=len(data))
        yield from self.exchange.send_flow(data, end=True)

    def json_flow(self, data: Any, status: int = 200, fields: Iterable[tuple[str, str]] = ()) -> Flow[None]:
        """Flow: a response of JSON."""
        yield from self.reply_flow(status, json_octets(data), JSON, fields)

    def html_flow(self, text: str, status: int = 200, fields: Iterable[tuple[str, str]] = ()) -> Flow[None]:
        """Flow: a page of HTML. What is not ours in it has to be escaped by the caller."""
        policy = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        yield from self.reply_flow(status, text, "text/html; charset=utf-8", [*fields, policy])

    def redirect_flow(
        self, location: str, status: int = 302, fields: Iterable[tuple[str, str]] = ()
    ) -> Flow[None]:
        """Flow: a redirect, with a line of text for a person."""
        yield from self.reply_flow(status, f"See {location}\n", fields=[("Location", location), *fields])


def parsed_query(query: str) -> list[tuple[str, str]]:
    """The arguments of a query, in order. Raises HttpError.InvalidValue for more than `MAX_ARGUMENTS`."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError:
        raise HttpError.InvalidValue(
            "query", f"more than {MAX_ARGUMENTS} arguments", limit=MAX_ARGUMENTS
        ) from None


def json_octets(data: Any) -> bytes:
    """JSON as httpbin writes it: indented, sorted, ASCII; and without what could pass for HTML.

    >>> json_octets({"a": "<b>"})
    b'{\\n  "a": "\\\\u003cb\\\\u003e"\\n}\\n'
    """
    return json.dumps(data, indent=2, sort_keys=True).translate(_ESCAPES).encode() + b"\n"


def octets(value: str) -> bytes:
    """A field's value as octets: UTF-8. Raises HttpError.InvalidValue for what cannot stand in a field."""
    for char in value:
        if (char < " " and char != "\t") or char == "\x7f":
            raise HttpError.InvalidValue("field value", "a control character cannot stand in it")
    return value.encode("utf-8", "replace").strip(b" \t")


def lists(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as httpbin shows them: one value, or a list where a name occurs more than once.

    >>> lists([("a", "1"), ("b", "2"), ("a", "3")])
    {'a': ['1', '3'], 'b': '2'}
    """
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}
