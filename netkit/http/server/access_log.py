"""The access log of a server: a line for every request, in the forms that log analysers read.

`common` and `combined` are the Common Log Format and Apache's combined one; `as_json` is an object a line.
They are functions of a record. What a client sent (target, Referer, User-Agent, user) is written as it came,
with everything escaped that could end a field, a line, or drive a terminal, in the way of Apache's httpd. So
a secret that a client puts into a URL is in the log. Where the client went before a response began, the
status is 499, as nginx writes it. Times are in UTC, and those of the request's beginning.

    log = LogFile("access.log")
    server = HttpServer(handler, watcher=AccessLog(log.write, combined))
    ...
    log.reopen()        # after the file was moved away
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error, a2b_base64
from functools import lru_cache
from time import gmtime, time
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit._log import Log
from netkit.addr import SocketAddr
from netkit.errors import NetkitError
from netkit.http.connection.events import values_of
from netkit.http.server.refusal import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from netkit.http.server.exchange import Exchange
    from netkit.http.server.request import ConnectionFacts
    from netkit.tls.identities import ShownCertificate

log = Log("netkit.http.server.access_log")

#: The status of a request whose client went before a response began.
CLIENT_GONE = 499

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AccessRecord(NamedTuple):
    """What a log says of one request; of a fault of the client before there was one, if `method` is None.

    `began` is Unix time, `elapsed` in seconds. `peer` is the address with its port, `host` the address alone.
    `received` and `sent` count octets of the bodies. `error` is what went wrong, `note` the handler's remark.
    `certificate` is the one that the client has shown over TLS.
    """

    began: float
    elapsed: float
    connection: int
    peer: str
    host: str
    user: str | None
    method: str | None
    target: str
    version: str
    authority: str
    status: int | None
    received: int
    sent: int
    referer: str | None
    user_agent: str | None
    error: str | None
    note: str | None
    certificate: ShownCertificate | None = None

    @classmethod
    def of(
        cls, exchange: Exchange, elapsed: float, error: Exception | None, *, names_user: bool = False
    ) -> Self:
        """Of an exchange that is over. `names_user`: the name in Basic credentials was checked by the server,
        and is logged, except with a status that says that it was not right."""
        head, facts = exchange.head, exchange.connection
        user = None
        if names_user and exchange.status not in (401, 403):
            credentials = values_of(head.fields, b"authorization")
            user = basic_user(credentials[0]) if credentials else None
        major, minor = exchange.version
        return cls(
            time() - elapsed,
            elapsed,
            facts.number,
            peer_text(facts.peer),
            host_text(facts.peer),
            user,
            head.method.decode("latin-1"),
            (head.target or head.authority).decode("latin-1"),
            f"HTTP/{major}.{minor}",
            head.authority.decode("latin-1"),
            exchange.status,
            exchange.received,
            exchange.sent,
            _first(head.fields, b"referer"),
            _first(head.fields, b"user-agent"),
            None if error is None else error_text(error),
            exchange.note,
            shown_by(facts),
        )

    @classmethod
    def of_fault(cls, facts: ConnectionFacts, error: Exception) -> Self:
        """Of a client that broke the rules before there was a request. The status is None where it cannot
        have got one: its TLS handshake failed."""
        layer = error.layer if isinstance(error, NetkitError) else None
        status = status_of(error) if layer == "http" else None
        peer, host = peer_text(facts.peer), host_text(facts.peer)
        text = error_text(error)
        return cls(
            time(),
            0.0,
            facts.number,
            peer,
            host,
            None,
            None,
            "",
            "",
            "",
            status,
            0,
            0,
            None,
            None,
            text,
            None,
        )

    @property
    def logged_status(self) -> int:
        """The status, or CLIENT_GONE."""
        return CLIENT_GONE if self.status is None else self.status


def shown_by(facts: ConnectionFacts) -> ShownCertificate | None:
    """The certificate that the client of a connection has shown; None without one."""
    certificate = None if facts.tls is None else facts.tls.peer_certificate
    if certificate is None:
        return None
    from netkit.tls.identities import ShownCertificate

    return ShownCertificate.of(certificate)


def common(record: AccessRecord) -> str:
    r"""The Common Log Format: `127.0.0.1 - - [26/Nov/2026:10:49:06 +0000] "GET / HTTP/1.1" 200 1234`.

    `"-"` in the place of the request is a fault of the client before there was one.
    """
    user = "-" if not record.user else escaped(record.user).replace(" ", "\\x20")
    request = (
        "-"
        if record.method is None
        else f"{escaped(record.method)} {escaped(record.target)} {record.version}"
    )
    size = record.sent or "-"
    host = escaped(record.host).replace(" ", "\\x20")
    return f'{host} - {user} [{log_time(int(record.began))}] "{request}" {record.logged_status} {size}'


def combined(record: AccessRecord) -> str:
    """Apache's combined form: `common`, the Referer and the User-Agent."""
    referer = "-" if record.referer is None else escaped(record.referer)
    agent = "-" if record.user_agent is None else escaped(record.user_agent)
    return f'{common(record)} "{referer}" "{agent}"'


def as_json(record: AccessRecord) -> str:
    """An object a line, with all that is known. Only ASCII is written."""
    import json

    return json.dumps(json_row(record))


def json_row(record: AccessRecord) -> dict[str, Any]:
    """The object of `as_json`."""
    row: dict[str, Any] = {
        "happened_at": rfc3339(record.began),
        "connection": record.connection,
        "peer": record.peer,
    }
    if record.method is not None:
        row |= {
            "user": record.user,
            "method": record.method,
            "target": record.target,
            "http_version": record.version.removeprefix("HTTP/").replace("2.0", "2"),
            "addressed_to": record.authority,
            "bytes_received": record.received,
            "bytes_sent": record.sent,
            "referer": record.referer,
            "user_agent": record.user_agent,
            "elapsed_s": round(record.elapsed, 6),
            "client_certificate": None if record.certificate is None else record.certificate._asdict(),
        }
    return {**row, "status": record.status, "failure": record.error, "note": record.note}


#: The forms by their names.
FORMS: dict[str, Callable[[AccessRecord], str]] = {"common": common, "combined": combined, "json": as_json}


class AccessLog:
    """A Watcher that writes a line for each request: `write` gets it without its line end, made by `form`.

    `names_users` is for servers that check Basic credentials; see `AccessRecord.of`.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        form: Callable[[AccessRecord], str] = combined,
        *,
        names_users: bool = False,
    ) -> None:
        self._write = write
        self._form = form
        self._names_users = names_users

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request was answered, or was not."""
        self._write(self._form(AccessRecord.of(exchange, elapsed, error, names_user=self._names_users)))

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules. Of a TLS handshake that failed only JSON says something: the other forms
        have no place for what is no request."""
        record = AccessRecord.of_fault(connection, error)
        if record.status is not None or self._form is as_json:
            self._write(self._form(record))


class LogFile:
    """A file that lines are appended to. Several processes may write to it: each line is one write(2).

    An error of writing (a full disk) does not end the server: it is logged once, and counted in `lost`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lost = 0
        self._fd = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        return os.open(self.path, flags, 0o666)

    def write(self, line: str) -> None:
        """Append a line."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            if not self.lost:
                log.warning("%s: a line was not written: %s", self.path, error)
            self.lost += 1

    def reopen(self) -> None:
        """Open the path anew, after the file was moved away. Raises OSError; then the old file goes on."""
        fd = self._open()
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


# -- fields


def escaped(text: str) -> str:
    r"""Text of a client, as Apache's httpd logs it: `"` and the backslash with a backslash before them, and
    every octet that is not printable ASCII as `\xhh`, or as C writes it.

        >>> print(escaped('a"b\n\x1b[2J\xe9'))
        a\"b\n\x1b[2J\xe9
    """
    return text if text.isascii() and text.isprintable() and not _QUOTED & {*text} else _escaped(text)


_QUOTED = frozenset('"\\')
_NAMED = {"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", '"': '\\"', "\\": "\\\\"}


def _escaped(text: str) -> str:
    pieces = []
    for character in text:
        if character in _NAMED:
            pieces.append(_NAMED[character])
        elif " " <= character <= "~":
            pieces.append(character)
        else:
            octets = character.encode("latin-1" if character <= "\xff" else "utf-8", "surrogatepass")
            pieces += [f"\\x{octet:02x}" for octet in octets]
    return "".join(pieces)


@lru_cache(maxsize=4)
def log_time(seconds: int) -> str:
    """A moment as the log forms of httpd write it, in UTC.

    >>> log_time(0)
    '01/Jan/1970:00:00:00 +0000'
    """
    at = gmtime(seconds)
    day = f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}"
    return f"{day}:{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def rfc3339(moment: float) -> str:
    """A moment of Unix time, to the millisecond (RFC 3339).

    >>> rfc3339(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    at = gmtime(moment)
    day = f"{at.tm_year:04}-{at.tm_mon:02}-{at.tm_mday:02}"
    return f"{day}T{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}.{int(moment * 1000) % 1000:03}Z"


def _first(fields: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    values = values_of(fields, name)
    return values[0].decode("latin-1") if values else None


def peer_text(peer: object) -> str:
    """A client with its port; `unix:` for one at a Unix-domain socket, and its path if it has one."""
    return str(peer) if isinstance(peer, SocketAddr) else f"unix:{peer}"


def host_text(peer: object) -> str:
    """A client's address without its port."""
    return str(peer.ip) if isinstance(peer, SocketAddr) else f"unix:{peer}"


def error_text(error: Exception) -> str:
    """What went wrong, on one line, with its kind: `ParseError.InvalidHeaderName: ...`."""
    return f"{type(error).__qualname__}: {error}" if str(error) else type(error).__qualname__


def basic_user(value: bytes) -> str | None:
    """The name in the credentials of the scheme Basic (RFC 7617 section 2); None if there is none."""
    scheme, _, credentials = value.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = a2b_base64(credentials.strip())
    except (Base64Error, ValueError):
        return None
    name, colon, _ = decoded.partition(b":")
    return name.decode("utf-8", "backslashreplace") if colon and name else None
