"""The options of `netkit serve http`: what is served, the limits, the log; and the values of the library that
they become."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import Number, Option, Seconds, Value, WrongValue, exclude
from netkit.cli.payload.bind import UNIX, Bind
from netkit.cli.payload.faults import Size
from netkit.cli.payload.serving import ProcessOptions
from netkit.cli.payload.tls.server import ServerTlsOptions, early_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    import click

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.http.errors import HttpInvalidValue
    from netkit.http.files import BasicCredentials, FilesConfig, UploadConfig
    from netkit.http.server.config import ServerConfig

#: Credentials that begin with this are in a file.
FROM_FILE = "@"


class HttpBind(Bind):
    """Where to listen; a Unix-domain socket's path begins with `unix:`, as a bare path is what is served.

    A word that is none of these is a path: the Python value is the word itself, and `is_bind` says no.
    """

    name = "bind"

    def __init__(self) -> None:
        super().__init__(unix=True)
        self.form = (
            "write ADDR:PORT, [v6]:PORT, or :PORT for all addresses of this machine, as in 127.0.0.1:8080; "
            "or unix:PATH"
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text:
            self.wrong("an empty word is neither a path nor an address", param, ctx)
        return super().convert(value, param, ctx) if is_bind(text) else text


def is_bind(word: str) -> bool:
    """Whether a word is an address to listen at, and no path: `:PORT`, `HOST:PORT`, `unix:PATH`, `@NAME`.

    >>> [is_bind(word) for word in (":80", "[::1]:80", "unix:s", "site", "./a:1", "C:/site")]
    [True, True, True, False, False, False]
    """
    if word.startswith((UNIX, "@")):
        return True
    host, colon, port = word.rpartition(":")
    return bool(colon) and "/" not in word and (port.isalnum() or (not port and not host))


class Log(NamedTuple):
    """A form of the access log, and the file that it goes to; None is standard error."""

    form: str
    path: str | None


class LogTarget(Value[Log]):
    """`common`, `combined` or `json`; with `=FILE` it goes to that file."""

    name = "log"
    metavar = "FORM[=FILE]"
    form = "write common, combined or json; with =FILE, as in combined=access.log, it is written to a file"
    forms = ("common", "combined", "json")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Log:
        if isinstance(value, Log):
            return value
        form, equals, path = str(value).partition("=")
        if form not in self.forms:
            self.wrong(f"{form!r} is no form of an access log", param, ctx)
        if equals and not path:
            self.wrong(f"{value!r} names no file", param, ctx)
        return Log(form, path or None)


class UrlPath(Value[str]):
    """The path of a URL: `/metrics`."""

    name = "path"
    form = "write a path of a URL, as in /metrics"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        plain = text.isascii() and text.isprintable() and not set(text) & set(' "#?<>\\^`{|}')
        if not plain or not text.startswith("/"):
            self.wrong(f"{text!r} is no path of a URL", param, ctx)
        return text


class Credentials(Value[str]):
    """`USER:PASSWORD`, or `@FILE` with such lines."""

    name = "credentials"
    metavar = "USER:PASSWORD|@FILE"
    form = "write USER:PASSWORD, or @FILE for a file with such lines"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text.startswith(FROM_FILE):
            if text == FROM_FILE:
                self.wrong("'@' names no file", param, ctx)
            return text
        name, colon, _ = text.partition(":")
        if not (name and colon):
            self.wrong("no user and password", param, ctx)  # without the text: it may be a password
        return text


def credentials(given: Sequence[str], realm: str) -> BasicCredentials | None:
    """Who may come in, of the values of an option; None for everybody.

    Raises OSError for a file that cannot be read, WrongValue for one with lines of another form.
    """
    from netkit.http.errors import HttpError
    from netkit.http.files import BasicCredentials

    users: list[tuple[str, str]] = []
    for each in given:
        if not each.startswith(FROM_FILE):
            name, _, password = each.partition(":")
            users.append((name, password))
            continue
        path = each.removeprefix(FROM_FILE)
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                text = line.rstrip("\r\n")
                if not text or text.startswith("#"):
                    continue
                name, colon, password = text.partition(":")
                if not (name and colon):
                    raise WrongValue(f"{path}, line {number}: no user and password", Credentials.form)
                users.append((name, password))
    if not given:
        return None
    try:
        return BasicCredentials(tuple(users), realm=realm)
    except HttpError.InvalidValue as error:
        raise WrongValue(str(error), error.hint or Credentials.form) from error


class Text(Value[str]):
    """Any text; the library says what is wrong with it."""

    def __init__(self, name: str, form: str) -> None:
        self.name = name
        self.form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value):
            self.wrong("an empty value", param, ctx)
        return str(value)


class Mounted(NamedTuple):
    """A WebSocket beside what is served: its path, what is done there, and the command of a program."""

    path: str
    mode: str
    command: str


class WsMount(Value[Mounted]):
    """`PATH=echo`, `PATH=broadcast`, `PATH=exec:COMMAND`, `PATH=exec-message:COMMAND`."""

    name = "mount"
    metavar = "PATH=MODE"
    form = "write /PATH=echo, /PATH=broadcast, /PATH=exec:COMMAND or /PATH=exec-message:COMMAND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mounted:
        if isinstance(value, Mounted):
            return value
        path, equals, rest = str(value).partition("=")
        mode, colon, command = rest.partition(":")
        takes_command = mode in ("exec", "exec-message")
        if (
            not equals
            or mode not in ("echo", "broadcast", "exec", "exec-message")
            or bool(colon) != takes_command
        ):
            self.wrong(f"{value!r} is no WebSocket", param, ctx)
        return Mounted(UrlPath().convert(path, param, ctx), mode, command)


_FILE_NAME = Text("name", "write the name of a file, without a directory, as in index.html")
_ORIGIN = Text("origin", "write a scheme, a host and a port, as in http://localhost:3000, or '*' for all")
_HOST = Text("name", "write a name or an address without a port, as in files.example.com, or '*' for any")
_CACHE_CONTROL = Text("text", "write the value of the field, as in max-age=3600 or no-store")

#: What the library calls the values of options: the option, and the form of its value.
_OPTIONS = {
    "index": ("--index", _FILE_NAME),
    "cors": ("--cors", _ORIGIN),
    "allowed_hosts": ("--host", _HOST),
    "host": ("--host", _HOST),
    "header Cache-Control": ("--cache-control", _CACHE_CONTROL),
}


def wrong_value(error: HttpInvalidValue) -> WrongValue:
    """What the library said of a value, with the option that it was given by."""
    option, value = _OPTIONS.get(error.field, (error.field, None))
    hint = error.hint or (value.form if value else None)
    return WrongValue(f"{option}{str(error).removeprefix(error.field)}", hint)


class WhatOptions(OptionGroup):
    """What is served."""

    section = "What is served"

    inspect: bool = flag(
        "--inspect", help="Serve endpoints to test HTTP clients with, as httpbin has them; no files."
    )
    app: str | None = field(
        "--app",
        metavar="MODULE:NAME",
        help="Serve a Python application (ASGI or WSGI), imported from the current directory; no files.",
    )
    threads: int | None = field(
        "--threads",
        type=Number(1, 10_000),
        help="Call a WSGI application in this many threads of each worker; further requests wait.",
        show_default="32",
    )
    host: tuple[str, ...] = field(
        "--host",
        type=_HOST,
        multiple=True,
        help="A name by which clients call this server, beside those of loopback: --inspect and --upload "
        "answer to no other. Several are possible; '*' is every name.",
    )

    ws: tuple[Mounted, ...] = field(
        "--ws",
        type=WsMount(),
        multiple=True,
        help="Beside files, serve a WebSocket at this path, as `netkit ws server` does: /PATH=echo, "
        "/PATH=broadcast, /PATH=exec:COMMAND or /PATH=exec-message:COMMAND. Several are possible; --auth is "
        "asked for there too.",
    )

    def check(self) -> None:
        exclude("--inspect", self.inspect, "--app", self.app)
        if self.app is None:
            self.only_with("--app", "threads")
        for name, value in (("--inspect", self.inspect), ("--app", self.app)):
            exclude(name, value, "--ws", self.ws, "--ws is beside files")


class FileOptions(OptionGroup):
    """How files are served."""

    section = "Files"

    index: tuple[str, ...] = field(
        "--index",
        type=_FILE_NAME,
        multiple=True,
        help="Send this file for a directory, if it has one; several are possible. [default: index.html]",
    )
    no_listing: bool = flag("--no-listing", help="Do not list directories.")
    spa: bool = flag(
        "--spa", help="Send the root's index file for a path that does not exist: for one-page applications."
    )
    hidden: bool = flag("--hidden", help="Also serve names that begin with a dot.")
    follow_symlinks: bool = flag("--follow-symlinks", help="Follow symbolic links that lead out of PATH.")
    no_precompressed: bool = flag(
        "--no-precompressed", help="Do not send FILE.br, FILE.zst or FILE.gz in the place of FILE."
    )
    no_compress: bool = flag("--no-compress", help="Do not compress text while it is sent.")
    cors: tuple[str, ...] = field(
        "--cors",
        type=_ORIGIN,
        multiple=True,
        help="Let scripts of this origin read (CORS), such as http://localhost:3000; '*' for every one.",
    )
    cache_control: str | None = field(
        "--cache-control", type=_CACHE_CONTROL, help="Send this Cache-Control with files: max-age=3600."
    )
    archives: bool = flag("--archives", help="Let clients fetch directories as tar, tar.gz or zip.")
    auth: tuple[str, ...] = field(
        "--auth",
        type=Credentials(),
        multiple=True,
        help="Let in only who knows this name and password (Basic); @FILE has one a line, which `ps` does "
        "not show. Several are possible.",
    )
    upload: bool = flag("--upload", help="Take uploads: PUT to a path, or the form of a listing.")
    upload_auth: tuple[str, ...] = field(
        "--upload-auth", type=Credentials(), multiple=True, help="Let only them upload; as --auth."
    )
    max_upload: int | None = field(
        "--max-upload",
        type=Size(1),
        help="The largest upload, of all files of a form together.",
        show_default="1Gi",
    )
    overwrite: bool = flag("--overwrite", help="Let uploads replace files.")

    def check(self) -> None:
        if not self.upload:
            self.only_with("--upload", "upload_auth", "max_upload", "overwrite")

    def config(self, root: str, hosts: Sequence[str], index: Sequence[str] = ()) -> FilesConfig:
        """The settings for the directory `root`; `index` in the place of --index.

        Raises OSError and WrongValue for what is given wrongly.
        """
        from netkit.http.errors import HttpError
        from netkit.http.files import FilesConfig

        names = tuple(index or self.index or ("index.html",))
        hosts = tuple(hosts)
        try:
            return FilesConfig(
                root,
                index=names,
                listing=not self.no_listing,
                spa=names[0] if self.spa else None,
                hidden=self.hidden,
                follow_symlinks=self.follow_symlinks,
                precompressed=not self.no_precompressed,
                compress=not self.no_compress,
                cors=self.cors or None,
                cache_control=self.cache_control,
                upload=self._upload(),
                archives=self.archives,
                auth=credentials(self.auth, "files"),
                allowed_hosts=None if not hosts or "*" in hosts else hosts,
            )
        except HttpError.InvalidValue as error:
            raise wrong_value(error) from error

    def _upload(self) -> UploadConfig | None:
        if not self.upload:
            return None
        from netkit.http.files import UploadConfig

        auth = credentials(self.upload_auth, "uploads")
        if self.max_upload is None:
            return UploadConfig(overwrite=self.overwrite, auth=auth)
        return UploadConfig(self.max_upload, self.overwrite, auth)


class HttpTlsOptions(ServerTlsOptions):
    """TLS; the application protocols follow from the versions of HTTP that are served."""

    section = "TLS"

    redirect_http: str | None = field(
        "--redirect-http",
        metavar="BIND",
        type=Bind(),
        help="Also listen here without TLS, and send every request to the same place over HTTPS (308).",
    )

    early_data: bool = flag(
        "--early-data",
        help="Take early data (0-RTT), up to 16,384 bytes of a connection. Requests in it are answered when "
        "the handshake is over, and have the field Early-Data.",
    )

    def settings(self, env: Environment) -> dict[str, Any]:
        return super().settings(env) | early_settings(self.early_data, self.tickets)

    @classmethod
    def options(cls, argument: str, **changes: dict[str, Any]) -> list[Option]:
        own = super().options(argument, **changes)
        return [option for option in own if option.name != f"{argument}__alpn"]

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        return super().of(argument, {**given, f"{argument}__alpn": None})


class EarlyTlsOptions(HttpTlsOptions):
    """TLS of who can answer before the client has finished its handshake."""

    half_rtt: bool = flag(
        "--half-rtt",
        help="With --early-data, answer GET, HEAD and OPTIONS at once, before the client has finished the "
        "handshake. Somebody on the path can send such a request in the client's place.",
    )

    def check(self) -> None:
        super().check()
        if not self.early_data:
            self.only_with("--early-data", "half_rtt")

    def settings(self, env: Environment) -> dict[str, Any]:
        return super().settings(env) | early_settings(self.early_data, self.tickets, self.half_rtt)


class HttpLimits(OptionGroup):
    """How long a client is waited for, and how much is taken from it."""

    section = "Limits"

    max_conns: int | None = field(
        "--max-conns",
        type=Number(1, 1_000_000),
        help="Serve this many connections at the same time, over all workers; others wait.",
    )
    head_timeout: float = field(
        "--head-timeout", type=Seconds(), default=10.0, help="How long the head of a request may take."
    )
    body_timeout: float = field(
        "--body-timeout", type=Seconds(), default=30.0, help="How long a pause in a request's body may be."
    )
    idle_timeout: float = field(
        "--idle-timeout", type=Seconds(), default=75.0, help="How long a connection may be idle."
    )
    write_timeout: float = field(
        "--write-timeout",
        type=Seconds(),
        default=60.0,
        help="How long a client may receive nothing of a response.",
    )
    max_body: int | None = field(
        "--max-body",
        type=Size(),
        help="The largest body of a request; for uploads --max-upload counts.",
        show_default="16Mi",
    )
    no_http2: bool = flag("--no-http2", help="Speak HTTP/1.1 only.")

    def config(self) -> ServerConfig:
        """The settings of the server."""
        from netkit.http.server.config import DEFAULT_CONFIG, ServerConfig

        return ServerConfig(
            head_timeout=self.head_timeout,
            body_timeout=self.body_timeout,
            idle_timeout=self.idle_timeout,
            write_timeout=self.write_timeout,
            max_body=DEFAULT_CONFIG.max_body if self.max_body is None else self.max_body,
            max_connections=self.max_conns,
            http2=not self.no_http2,
        )


class HttpProcess(ProcessOptions):
    """Processes, and what they say of their work."""

    access_log: Log | None = field(
        "--access-log",
        type=LogTarget(),
        help="Write a line for each request, common, combined (Apache's forms) or json, to standard error "
        "or to FILE, which SIGHUP opens anew.",
    )
    metrics: str | None = field(
        "--metrics",
        type=UrlPath(),
        help="Show counts there in Prometheus's text format, over all workers, to clients of this machine.",
    )
    metrics_public: bool = flag("--metrics-public", help="Show them to every client.")

    def check(self) -> None:
        super().check()
        if self.metrics is None:
            self.only_with("--metrics", "metrics_public")

    def check_beside(
        self, run: Run[Any], binds: Sequence[str], tls: HttpTlsOptions, most: int | None, *, events: bool
    ) -> None:
        """Raise WrongValue if these options contradict others: BIND, --max-conns (`most`), -q, --events."""
        if self.upgrade and (binds or tls.redirect_http is not None):
            other = "--redirect-http" if tls.redirect_http is not None else "BIND"
            raise WrongValue("--upgrade takes the sockets of the running server", f"leave {other} away")
        self.check_connections(most)
        if events and not run.json:
            raise WrongValue("--events without --json", "add --json, or use -v, which says it in words")
        if self.access_log is not None and self.access_log.path is None and run.env.quiet:
            raise WrongValue(
                "--access-log without a file writes to standard error, where -q leaves nothing",
                f"write --access-log {self.access_log.form}=FILE",
            )


def split_words(words: Sequence[str], *, takes_path: bool) -> tuple[str | None, list[str]]:
    """The PATH and the BINDs of a command line: PATH comes first, if there is one.

    Raises WrongValue for a word that is neither.
    """
    path = None
    rest = list(words)
    if rest and takes_path and not is_bind(rest[0]):
        path = rest.pop(0)
    for word in rest:
        if not is_bind(word):
            if not takes_path:
                raise WrongValue(
                    f"{word!r} is no address to listen at", "no files are served; " + HttpBind().form
                )
            more = "PATH comes first, and there is one" if path is not None else "PATH comes first"
            raise WrongValue(f"{word!r} is no address to listen at", f"{more}; {HttpBind().form}")
    return path, rest


def split_path(path: str) -> tuple[str, str | None]:
    """The directory to serve, and the only file of it that is served, if PATH is a file. Raises OSError."""
    import errno
    import stat

    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if path.isdigit() and isinstance(error, FileNotFoundError):
            raise WrongValue(
                f"there is no file or directory {path}", f"write :{path} to listen at that port"
            ) from error
        raise
    if stat.S_ISDIR(mode):
        return path, None
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "neither a file nor a directory", path)
    folder, name = os.path.split(path)
    return folder or ".", name
