"""An endpoint with its documentation, and the paths that lead to it.

    GROUP = Group("Redirects")

    @GROUP.get("/redirect/{n:int}", "redirects n times", finds="a client that counts redirects wrongly",
               examples=("/redirect/2",))
    def redirect(call: Call) -> Flow[None]: ...

What stands beside a function is all there is to say of its endpoint. The index page, /endpoints.json and the
page of the documentation are made of it, and the tests go through it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.http.inspector.call import Call
    from netkit.io import Flow

    #: What answers a request to an endpoint.
    Answer: TypeAlias = Callable[[Call], Flow[None]]

#: The methods of endpoints that take any. A response to HEAD is that to GET without its body.
ANY_METHOD = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")

#: What a variable of a path stands for.
_KINDS = {"": r"([^/]+)", "int": r"([0-9]{1,15})", "path": r"(.*)"}
_VARIABLE = re.compile(r"\{([a-z_]+)(?::(int|path))?\}")


class Endpoint:
    """One endpoint: its path, what it does, and which fault of a client it finds.

    `path` has variables in braces. `arguments` are those of the query, by their names, each with what it is
    for. `examples` are paths that lead to it, which a test may ask for. `finds` is the fault of a client that
    it finds, empty where it only shows a request. `is_raw`: its response is written octet by octet, so that
    there is one in HTTP/1.1 only. `only_http2`: it has a meaning in HTTP/2 only.
    """

    __slots__ = (
        "_pattern",
        "_variables",
        "answer",
        "arguments",
        "examples",
        "finds",
        "group",
        "is_raw",
        "methods",
        "only_http2",
        "path",
        "what",
    )

    def __init__(
        self,
        group: str,
        path: str,
        methods: tuple[str, ...],
        what: str,
        answer: Answer,
        *,
        finds: str = "",
        arguments: dict[str, str] | None = None,
        examples: tuple[str, ...] = (),
        is_raw: bool = False,
        only_http2: bool = False,
    ) -> None:
        self.group = group
        self.path = path
        self.methods = methods
        self.what = what
        self.answer = answer
        self.finds = finds
        self.arguments = arguments or {}
        self.examples = examples or ((path,) if "{" not in path else ())
        self.is_raw = is_raw
        self.only_http2 = only_http2
        self._variables = [name for name, _ in _VARIABLE.findall(path)]
        pattern, at = "", 0
        for found in _VARIABLE.finditer(path):
            pattern += re.escape(path[at : found.start()]) + _KINDS[found[2] or ""]
            at = found.end()
        self._pattern = re.compile(pattern + re.escape(path[at:]))

    def match(self, path: str) -> dict[str, str] | None:
        """The variables of a path as it was sent, decoded; None if it leads elsewhere."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(text) for name, text in zip(self._variables, found.groups(), strict=True)}

    @property
    def allowed(self) -> tuple[str, ...]:
        """All methods that are answered."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return (*self.methods, *head, "OPTIONS")

    def __repr__(self) -> str:
        return f"<Endpoint {self.path}>"


class Group:
    """Endpoints that belong together, in their order."""

    def __init__(self, title: str, about: str = "") -> None:
        self.title = title
        self.about = about
        self.endpoints: list[Endpoint] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints)

    def add(
        self,
        path: str,
        what: str,
        *,
        methods: tuple[str, ...] = ("GET",),
        finds: str = "",
        arguments: dict[str, str] | None = None,
        examples: tuple[str, ...] = (),
        is_raw: bool = False,
        only_http2: bool = False,
    ) -> Callable[[Answer], Answer]:
        """A decorator that makes an endpoint of a function; see `Endpoint`."""

        def added(answer: Answer) -> Answer:
            self.endpoints.append(
                Endpoint(
                    self.title,
                    path,
                    methods,
                    what,
                    answer,
                    finds=finds,
                    arguments=arguments,
                    examples=examples,
                    is_raw=is_raw,
                    only_http2=only_http2,
                )
            )
            return answer

        return added


class Routes:
    """Finds the endpoint of a path, by its first segment."""

    def __init__(self, endpoints: Iterator[Endpoint]) -> None:
        self._by_segment: dict[str, list[Endpoint]] = {}
        for each in endpoints:
            self._by_segment.setdefault(_first_segment(each.path), []).append(each)

    def find(self, path: str) -> list[tuple[Endpoint, dict[str, str]]]:
        """The endpoints of a path as it was sent, with the variables in it: there may be one a method."""
        found = []
        for each in self._by_segment.get(_first_segment(path), ()):
            variables = each.match(path)
            if variables is not None:
                found.append((each, variables))
        return found


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]
