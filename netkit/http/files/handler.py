"""A handler that serves the files of a directory.

    server = HttpServer(FileHandler(FilesConfig("public")))
    server.run([TcpListener.bind("127.0.0.1:8080")])

RFC 9110 sections 9.3 (methods), 15.4 (redirects), 15.5 (refusals). What a request gets is decided in this
order: the host it was sent to, CORS preflight, who it is, its method, its path; then what it wants is found,
the form of the file is chosen, and its preconditions and its range decide. A path that cannot be a file's, or
that leads out of the root, is answered as one that is not there.

Files are read in the thread of the server: a local disk hardly ever makes one wait. What goes on for long (an
archive, compressing) gives others their turn.
"""

from __future__ import annotations

import errno
import os
from time import time
from typing import TYPE_CHECKING, Final

from netkit.addr import SocketAddr
from netkit.http.bodies.forms import new_boundary
from netkit.http.files.coding import SUFFIXES, coding_to_make, wanted_codings
from netkit.http.files.guard import Guard
from netkit.http.files.media_types import is_compressible, media_type
from netkit.http.files.origins import is_ours, may_change, preflight, shared_with
from netkit.http.files.query import Query
from netkit.http.files.replies import reply
from netkit.http.files.representation import NOSNIFF, Plan, Representation, plan
from netkit.http.files.sending import send_encoded, send_file
from netkit.http.files.target import Target, encoded
from netkit.http.files.tree import Found, Nothing, Walk
from netkit.http.files.worker import Worker

if TYPE_CHECKING:
    from netkit.http.files.config import FilesConfig
    from netkit.http.files.upload import Stored, Uploader
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: What a form beside a file may be older than it, in nanoseconds: programs that compress copy the time, some
#: in whole seconds.
OLDER: Final = 1_000_000_000


class FileHandler:
    """Serves a directory. Raises OSError for a root that cannot be opened, or is no directory."""

    __slots__ = ("_methods", "_readers", "_uploader", "_worker", "_writers", "config")

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self._worker = Worker()
        Walk(config.root).close()
        upload = config.upload
        more = () if upload is None or upload.auth is None else (upload.auth,)
        self._readers = None if config.auth is None else Guard(config.auth, self._worker, *more)
        self._writers = Guard(more[0], self._worker) if more else self._readers
        self._uploader: Uploader | None = None
        self._methods = "GET, HEAD, OPTIONS"
        if upload is not None:
            from netkit.http.files.upload import Uploader

            self._uploader = Uploader(upload, config.hidden, self._worker)
            self._methods += ", PUT, POST"

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer a request."""
        query = Query(exchange)
        config = self.config
        if config.cors is not None:
            query.fields = shared_with(config.cors, query.field("origin"))
        if config.allowed_hosts is not None and not is_ours(query.authority, None, config.allowed_hosts):
            yield from reply(exchange, query, 421)
            return
        if query.method == "OPTIONS":
            yield from self._options(exchange, query)
            return
        if not query.reads and (self._uploader is None or query.method not in ("PUT", "POST")):
            yield from reply(exchange, query, 405, [(b"allow", self._methods.encode())])
            return
        guard = self._readers if query.reads else self._writers
        if guard is not None:
            user = yield from guard.check_flow(query.octets(b"authorization"))
            if user is None:
                yield from reply(exchange, query, 401, [(b"www-authenticate", guard.challenge)])
                return
        try:
            with Walk(config.root, config.follow_symlinks) as walk:
                if query.reads:
                    yield from self._read(exchange, query, walk)
                else:
                    yield from self._write(exchange, query, walk)
        except OSError as error:
            # Too many files are open; nothing is wrong with the request.
            if exchange.status is not None or error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            yield from reply(exchange, query, 503)

    def _options(self, exchange: Exchange, query: Query) -> Flow[None]:
        """Flow: which methods there are; to a browser, which of them a script may use."""
        origin = query.field("origin")
        fields = [(b"allow", self._methods.encode())]
        if origin is not None and query.field("access-control-request-method") is not None:
            wanted = query.field("access-control-request-headers")
            query.fields = preflight(self.config.cors, origin, self._methods, wanted)
        yield from reply(exchange, query, 204, fields)

    # Reading

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
        """Flow: send an archive of a directory, its index, or its listing."""
        config = self.config
        if config.archives and (kind := query.parameters().get("archive")) is not None:
            yield from self._archive(exchange, query, walk, found, target, kind)
            return
        for name in map(os.fsencode, config.index):
            index = walk.find((name,), found.place)
            if isinstance(index, Found) and not index.is_directory:
                yield from self._send(exchange, query, walk, index, name)
                return
        if config.listing:
            from netkit.http.files.listing import send_listing

            yield from send_listing(exchange, query, config, walk, found, target.names)
            return
        yield from self._nothing(exchange, query, walk, Nothing.MISSING, target)

    def _archive(
        self, exchange: Exchange, query: Query, walk: Walk, found: Found, target: Target, kind: str
    ) -> Flow[None]:
        """Flow: send a directory as an archive."""
        from netkit.http.content_disposition import format as disposition
        from netkit.http.files.archive import MEDIA_TYPES, pieces_of
        from netkit.http.files.entries import shown

        media = MEDIA_TYPES.get(kind)
        if media is None:
            yield from reply(exchange, query, 400, text=f"an archive is {', '.join(MEDIA_TYPES)}")
            return
        name = target.names[-1] if target.names else b"files"
        fields = [
            (b"content-type", media.encode()),
            NOSNIFF,
            (b"content-disposition", disposition("attachment", f"{shown(name)}.{kind}").encode("latin-1")),
            (b"cache-control", b"no-cache"),
            (b"accept-ranges", b"none"),
            *query.fields,
        ]
        if query.method == "HEAD":
            exchange.begin(200, fields, end=True)
            yield from exchange.flush_flow()
            return
        exchange.begin(200, fields)
        pieces = pieces_of(kind, walk, found, name, self.config.hidden)
        yield from send_encoded(exchange, pieces, "gzip" if kind == "tar.gz" else None)

    def _nothing(
        self, exchange: Exchange, query: Query, walk: Walk, why: Nothing, target: Target
    ) -> Flow[None]:
        """Flow: the answer where nothing was found."""
        if why is Nothing.FORBIDDEN:
            yield from reply(exchange, query, 403)
            return
        if why is Nothing.MISSING and self.config.spa is not None and _is_a_page(query, target):
            name = os.fsencode(self.config.spa)
            found = walk.find((name,))
            if isinstance(found, Found) and not found.is_directory:
                yield from self._send(exchange, query, walk, found, name)
                return
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
        yield from reply(exchange, query, 404)

    def _redirect(self, exchange: Exchange, query: Query, target: Target) -> Flow[None]:
        """Flow: send a client from the name of a directory to the directory.

        The reference is relative, so that it holds behind a proxy that has taken a part of the path away; and
        it begins with "./", so that a name is never taken for a scheme or a host.
        """
        location = f"./{encoded(target.names[-1])}/"
        if query.search:
            location += f"?{query.search}"
        yield from reply(exchange, query, 308, [(b"location", location.encode("latin-1"))])

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
                if not walk.is_there(name + SUFFIXES[coding], found.place):
                    continue
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
            yield from reply(exchange, query, answer.status, answer.fields)
            return
        fields = [*answer.fields, *query.fields] if query.fields else answer.fields
        if answer.status == 304 or query.method == "HEAD" or answer.length == 0:
            length = None if answer.status == 304 else answer.length
            exchange.begin(answer.status, fields, length=length, end=True)
            yield from exchange.flush_flow()
            return
        exchange.begin(answer.status, fields, length=answer.length)
        yield from send_file(exchange, answer, form, fd)

    # Uploads

    def _write(self, exchange: Exchange, query: Query, walk: Walk) -> Flow[None]:
        """Flow: answer PUT or POST."""
        from netkit.http.files.upload import Refused, status_of

        config = self.config
        local = exchange.connection.local
        host = str(local.ip) if isinstance(local, SocketAddr) else None
        if config.allowed_hosts is None and not is_ours(query.authority, host, None):
            text = "421 Misdirected Request: this server does not know that name"
            yield from reply(exchange, query, 421, text=text)
            return
        site = query.field("sec-fetch-site")
        if not may_change(config.cors, query.field("origin"), query.authority, site):
            yield from reply(exchange, query, 403, text="403 Forbidden: the page is of another site")
            return
        target = Target.parse(query.path)
        try:
            if target is None or not target.is_served(config.hidden):
                raise Refused(404)
            if query.method == "PUT":
                yield from self._put(exchange, query, walk, target)
            else:
                yield from self._post(exchange, query, walk, target)
        except Refused as refused:
            if exchange.status is not None:
                raise
            yield from reply(exchange, query, refused.status, text=refused.text)
        except OSError as error:
            status = status_of(error)
            if status is None or exchange.status is not None:
                raise
            yield from reply(exchange, query, status)

    def _put(self, exchange: Exchange, query: Query, walk: Walk, target: Target) -> Flow[None]:
        """Flow: store a file under the path of the request (RFC 9110 section 9.3.4)."""
        from netkit.http.files.upload import Refused

        assert self._uploader is not None
        if target.is_directory or not target.names:
            raise Refused(409, "that is the path of a directory")
        is_new, etag = yield from self._uploader.put_flow(exchange, query, walk, target.names)
        fields = [(b"etag", etag.encode())]
        if is_new:
            yield from reply(exchange, query, 201, [(b"location", target.path.encode()), *fields])
        else:
            yield from reply(exchange, query, 204, fields)

    def _post(self, exchange: Exchange, query: Query, walk: Walk, target: Target) -> Flow[None]:
        """Flow: store the files of a form in the directory of the request."""
        from netkit.http.files.upload import Refused
        from netkit.http.multipart import MultipartParser, boundary_of

        assert self._uploader is not None
        found = walk.find(target.names)
        if not isinstance(found, Found):
            raise Refused(403 if found is Nothing.FORBIDDEN else 404)
        if not found.is_directory:
            fields = [(b"allow", b"GET, HEAD, OPTIONS, PUT")]
            yield from reply(exchange, query, 405, fields)
            return
        boundary = boundary_of(query.field("content-type"))
        if boundary is None:
            raise Refused(415, "files come as multipart/form-data")
        stored = yield from self._uploader.form_flow(exchange, walk, found.place, MultipartParser(boundary))
        yield from self._stored(exchange, query, target, stored)

    def _stored(self, exchange: Exchange, query: Query, target: Target, stored: list[Stored]) -> Flow[None]:
        """Flow: say what was stored; a browser is sent back to the listing (303)."""
        if "text/html" in (query.field("accept") or "").lower():
            back = "./" if target.is_directory or not target.names else f"./{encoded(target.names[-1])}/"
            yield from reply(exchange, query, 303, [(b"location", back.encode())])
            return
        paths = [Target((*target.names, *each.names), False).path for each in stored]
        status = 201 if any(each.is_new for each in stored) else 200
        fields = [(b"location", paths[0].encode())] if status == 201 else []
        yield from reply(exchange, query, status, fields, "\n".join(paths))


def _is_a_page(query: Query, target: Target) -> bool:
    """Whether the path is one of an application's pages, not of a file that it needs: a browser asks for HTML
    by name when it goes to a page, and the path of a page has no extension."""
    accept = query.field("accept") or ""
    return "text/html" in accept.lower() or not target.names or b"." not in target.names[-1]
