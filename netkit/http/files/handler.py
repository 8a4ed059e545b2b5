"""A handler that serves the files of a directory.

    server = HttpServer(FileHandler(FilesConfig("public")))
    server.run([TcpListener.bind("127.0.0.1:8080")])

RFC 9110 sections 9.3.1 (GET), 9.3.2 (HEAD), 9.3.7 (OPTIONS), 15.4 (redirects). What a request gets is
decided in this order: the host it was sent to, CORS preflight, who it is, its method, its path, the form of
the file, its preconditions, its range. A path that cannot be a file's, or that leads out of the root, is
answered as one that is not there.

Files are read in the thread of the server: a local disk hardly ever makes one wait.
"""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING, Final

from netkit.http.files.coding import SUFFIXES, coding_to_make, wanted_codings
from netkit.http.files.media_types import is_compressible, media_type
from netkit.http.files.query import Query
from netkit.http.files.representation import NOSNIFF, Plan, Representation, plan
from netkit.http.files.sending import send_file
from netkit.http.files.target import Target, encoded
from netkit.http.files.tree import Found, Nothing, Walk
from netkit.http.forms import new_boundary
from netkit.http.types import StatusCode

if TYPE_CHECKING:
    from netkit.http.connection.events import FieldList
    from netkit.http.files.config import FilesConfig
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: What a form beside a file may be older than it, in nanoseconds: programs that compress copy the time, some
#: in whole seconds.
OLDER: Final = 1_000_000_000


class FileHandler:
    """Serves a directory. Raises OSError for a root that cannot be opened, or is no directory."""

    __slots__ = ("config",)

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        Walk(config.root).close()

    @property
    def methods(self) -> str:
        """The value of Allow."""
        return "GET, HEAD, OPTIONS"

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer a request."""
        query = Query(exchange)
        if not query.reads:
            if query.method == "OPTIONS":
                exchange.begin(204, [(b"allow", self.methods.encode())], end=True)
                yield from exchange.flush_flow()
            else:
                yield from self._refuse(exchange, query, 405, [(b"allow", self.methods.encode())])
            return
        with Walk(self.config.root, self.config.follow_symlinks) as walk:
            yield from self._read(exchange, query, walk)

    def _read(self, exchange: Exchange, query: Query, walk: Walk) -> Flow[None]:
        """Flow: answer GET or HEAD."""
        target = Target.parse(query.path)
        if target is None or not target.is_served(self.config.hidden):
            yield from self._not_found(exchange, query, walk)
            return
        found = walk.find(target.names)
        if isinstance(found, Nothing):
            yield from self._nothing(exchange, query, walk, found, target)
        elif not found.is_directory:
            if target.is_directory:
                yield from self._not_found(exchange, query, walk)
            else:
                yield from self._send(exchange, query, walk, found, target.names[-1])
        elif not target.is_directory and target.names:
            yield from self._redirect(exchange, query, target)
        else:
            yield from self._directory(exchange, query, walk, found, target)

    def _directory(
        self, exchange: Exchange, query: Query, walk: Walk, found: Found, target: Target
    ) -> Flow[None]:
        """Flow: send the index of a directory, or its listing."""
        for name in map(os.fsencode, self.config.index):
            index = walk.find((name,), found.place)
            if isinstance(index, Found) and not index.is_directory:
                yield from self._send(exchange, query, walk, index, name)
                return
        yield from self._nothing(exchange, query, walk, Nothing.MISSING, target)

    def _nothing(
        self, exchange: Exchange, query: Query, walk: Walk, why: Nothing, target: Target
    ) -> Flow[None]:
        """Flow: the answer where nothing was found."""
        if why is Nothing.FORBIDDEN:
            yield from self._refuse(exchange, query, 403)
        elif why is Nothing.MISSING and self.config.spa is not None and _is_a_page(query, target):
            name = os.fsencode(self.config.spa)
            found = walk.find((name,))
            if isinstance(found, Found) and not found.is_directory:
                yield from self._send(exchange, query, walk, found, name)
            else:
                yield from self._not_found(exchange, query, walk)
        else:
            yield from self._not_found(exchange, query, walk)

    def _not_found(self, exchange: Exchange, query: Query, walk: Walk) -> Flow[None]:
        """Flow: 404, with the body that the root has for it."""
        if self.config.not_found is not None:
            name = os.fsencode(self.config.not_found)
            found = walk.find((name,))
            if isinstance(found, Found) and not found.is_directory:
                form = Representation(found.info.st_size, found.info.st_mtime_ns, media_type(name))
                fields = [(b"content-type", form.content_type.encode()), NOSNIFF]
                answer = Plan(404, fields, length=form.size)
                yield from self._answer(exchange, query, answer, form, found.fd)
                return
        yield from self._refuse(exchange, query, 404)

    def _redirect(self, exchange: Exchange, query: Query, target: Target) -> Flow[None]:
        """Flow: send a client from the name of a directory to the directory.

        The reference is relative, so that it holds behind a proxy that has taken a part of the path away; and
        it begins with "./", so that a name is never taken for a scheme or a host.
        """
        location = f"./{encoded(target.names[-1])}/"
        if query.search:
            location += f"?{query.search}"
        yield from self._refuse(exchange, query, 308, [(b"location", location.encode("latin-1"))])

    # One file

    def _send(self, exchange: Exchange, query: Query, walk: Walk, found: Found, name: bytes) -> Flow[None]:
        """Flow: send a file, in the form that fits the request."""
        form, fd = self._form(query, walk, found, name)
        answer = plan(
            form,
            query,
            now=int(time()),
            boundary=new_boundary() if query.octets(b"range") is not None else "",
            cache_control=self.config.cache_control,
        )
        yield from self._answer(exchange, query, answer, form, fd)

    def _form(self, query: Query, walk: Walk, found: Found, name: bytes) -> tuple[Representation, int]:
        """The form of the file that the client likes best, and its descriptor."""
        config = self.config
        content_type = media_type(name)
        info = found.info
        form = Representation(info.st_size, info.st_mtime_ns, content_type)
        if not (config.precompressed or config.compress) or not is_compressible(content_type):
            return form, found.fd
        form = form._replace(varies=True)
        accepted = query.octets(b"accept-encoding")
        if config.precompressed:
            for coding in wanted_codings(accepted):
                beside = walk.find((name + SUFFIXES[coding],), found.place)
                if isinstance(beside, Found) and not beside.is_directory:
                    its = beside.info
                    if its.st_mtime_ns + OLDER > info.st_mtime_ns:
                        return form._replace(
                            size=its.st_size, changed=its.st_mtime_ns, coding=coding
                        ), beside.fd
        if config.compress and info.st_size >= config.compress_from:
            made = coding_to_make(accepted)
            if made is not None:
                return form._replace(coding=made, is_made=True), found.fd
        return form, found.fd

    def _answer(
        self, exchange: Exchange, query: Query, answer: Plan, form: Representation, fd: int
    ) -> Flow[None]:
        """Flow: send what was decided."""
        if answer.status in (412, 416):
            yield from self._refuse(exchange, query, answer.status, answer.fields)
            return
        if answer.status == 304 or query.method == "HEAD" or answer.length == 0:
            length = None if answer.status == 304 else answer.length
            exchange.begin(answer.status, answer.fields, length=length, end=True)
            yield from exchange.flush_flow()
            return
        exchange.begin(answer.status, answer.fields, length=answer.length)
        yield from send_file(exchange, answer, form, fd)

    def _refuse(
        self, exchange: Exchange, query: Query, status: int, fields: FieldList | None = None
    ) -> Flow[None]:
        """Flow: a short answer that says no more than its status."""
        text = f"{status} {StatusCode(status).reason_phrase}\n".encode()
        own = [] if fields is None else [each for each in fields if each[0] != b"content-type"]
        own += [(b"content-type", b"text/plain; charset=utf-8"), NOSNIFF]
        if query.method == "HEAD":
            exchange.begin(status, own, length=len(text), end=True)
            yield from exchange.flush_flow()
        else:
            exchange.begin(status, own, length=len(text))
            yield from exchange.send_flow(text, end=True)


def _is_a_page(query: Query, target: Target) -> bool:
    """Whether the path is one of an application's pages, not of a file that it needs: a browser asks for HTML
    by name when it goes to a page, and the path of a page has no extension."""
    accept = query.field("accept") or ""
    return "text/html" in accept.lower() or not target.names or b"." not in target.names[-1]
