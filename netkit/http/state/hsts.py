"""HTTP Strict Transport Security: which hosts are asked over TLS only, because they said so.

RFC 6797 section 6.1 (the field), 8.1 (what is noted), 8.2 and 8.3 (known hosts, and what becomes of a URL).

A policy protects only if it was heard over a connection that nobody could change. So the caller says whether
the certificate was verified, and a policy from http, or from a server whose certificate was not verified, is
passed over. The file has the format of curl's: both programs can use the same one. It has one line for a
host, `.example.com "20270131 08:00:00"`; the dot in front stands for includeSubDomains, the time is UTC.

The clock is handed in: `now` is in seconds since 1970, as `time.time()` gives it.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, ClassVar, NoReturn

from netkit._value import Value, assign
from netkit.http.errors import HttpError
from netkit.http.headers import TOKEN_CHARACTERS, named
from netkit.http.hosts import canonical_host, is_address, with_parents
from netkit.http.state.state_file import MAX_FILE, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.http.url import Url

#: Hosts that a store remembers.
MAX_HOSTS = 10_000
#: The longest that a policy is kept, in seconds (about 68 years); more is cut down to it.
MAX_AGE = 2**31 - 1
#: Octets of one Strict-Transport-Security field, and octets of a line of the file.
MAX_FIELD = 4096
MAX_LINE = 1024

_SECURE_SCHEMES = {"http": "https", "ws": "wss"}
_DIGITS = frozenset("0123456789")
_UNLIMITED = "unlimited"
_TITLE = "# HSTS hosts, in the format of curl: https://curl.se/docs/hsts.html\n"


class HstsPolicy(Value):
    """What a Strict-Transport-Security field says: `max-age=31536000; includeSubDomains`.

    `max_age` is in seconds; 0 ends a policy.
    """

    __slots__ = ("include_subdomains", "max_age")
    __match_args__: ClassVar[tuple[str, ...]] = ("max_age", "include_subdomains")

    max_age: int
    include_subdomains: bool

    def __init__(self, max_age: int, include_subdomains: bool = False) -> None:
        if max_age < 0:
            raise HttpError.InvalidValue("max_age", f"{max_age} is less than 0")
        assign(self, "max_age", min(max_age, MAX_AGE))
        assign(self, "include_subdomains", include_subdomains)

    @classmethod
    def parse(cls, text: str) -> HstsPolicy:
        """Read the value of the field (section 6.1).

        Names of directives have any case, a value may be quoted, unknown directives are passed over. Raises
        HttpError.InvalidValue, with the offset, for what the grammar does not allow, for a directive that
        occurs twice (an unknown one too), and if there is no max-age.

            >>> HstsPolicy.parse('includeSubDomains; MAX-AGE="31536000"; preload')
            HstsPolicy(max_age=31536000, include_subdomains=True)
        """
        if len(text) > MAX_FIELD:
            raise HttpError.InvalidValue(
                _FIELD, f"more than {MAX_FIELD} octets", limit=MAX_FIELD, fault="peer"
            )
        found: dict[str, str | None] = {}
        at = 0
        while True:
            at = _after_spaces(text, at)
            start = at
            while at < len(text) and text[at] in TOKEN_CHARACTERS:
                at += 1
            name = text[start:at].lower()
            if name:
                at, value = _value(text, _after_spaces(text, at))
                if name in found:
                    _wrong(f"the directive {name[:40]} occurs twice", start)
                if name == "max-age" and (not value or not _DIGITS.issuperset(value)):
                    _wrong("max-age is not a number of seconds", start)
                if name == "includesubdomains" and value is not None:
                    _wrong("includeSubDomains has no value", start)
                found[name] = value
                at = _after_spaces(text, at)
            if at == len(text):
                break
            if text[at] != ";":
                _wrong(f"{named(text[at])} cannot stand there", at)
            at += 1
        seconds = found.get("max-age")
        if seconds is None:
            _wrong("there is no max-age", None)
        digits = seconds.lstrip("0")  # compared by length first: a number of thousands of digits is not made
        max_age = MAX_AGE if len(digits) > 10 else int(digits or "0")
        return cls(max_age, "includesubdomains" in found)

    def __str__(self) -> str:
        return f"max-age={self.max_age}{'; includeSubDomains' if self.include_subdomains else ''}"


_FIELD = "header Strict-Transport-Security"


def _wrong(reason: str, offset: int | None) -> NoReturn:
    raise HttpError.InvalidValue(_FIELD, reason, offset=offset, fault="peer")


def _after_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _value(text: str, at: int) -> tuple[int, str | None]:
    """Where a directive ends, and its value: None without `=`; a token, or what is quoted."""
    if text[at : at + 1] != "=":
        return at, None
    start = at = _after_spaces(text, at + 1)
    if text[at : at + 1] != '"':
        while at < len(text) and text[at] in TOKEN_CHARACTERS:
            at += 1
        if at == start:
            _wrong("a directive has no value after its =", at)
        return at, text[start:at]
    value: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        value.append(text[at : at + 1])
        at += 1
    if at >= len(text):
        _wrong("the closing quote is missing", start)
    return at + 1, "".join(value)


class HstsHost(Value):
    """A host that is asked over TLS only, until `expires` (seconds since 1970). `host` is canonical."""

    __slots__ = ("expires", "host", "include_subdomains")
    __match_args__: ClassVar[tuple[str, ...]] = ("host", "expires", "include_subdomains")

    host: str
    expires: float
    include_subdomains: bool

    def __init__(self, host: str, expires: float, include_subdomains: bool = False) -> None:
        name = canonical_host(host)
        if name is None or is_address(name):
            raise HttpError.InvalidValue("HSTS host", "it is not the name of a host")
        assign(self, "host", name)
        assign(self, "expires", float(expires))
        assign(self, "include_subdomains", include_subdomains)


class HstsStore:
    """The hosts that asked for TLS, from any thread.

        >>> from netkit.http import Url
        >>> store = HstsStore()
        >>> store.note(Url.parse("https://example.com/"), ["max-age=60"], now=0)
        True
        >>> str(store.upgrade(Url.parse("http://example.com:80/x"), now=1))
        'https://example.com/x'

    `max_hosts` limits how many are kept. Over the limit, hosts whose time is over go first, then the one
    that was not noted or asked for the longest time.
    """

    def __init__(self, hosts: Iterable[HstsHost] = (), *, max_hosts: int = MAX_HOSTS) -> None:
        if max_hosts < 1:
            raise HttpError.InvalidValue("max_hosts", f"{max_hosts} is less than 1")
        self.max_hosts = max_hosts
        self._lock = Lock()
        #: In the order of use: the first was not used for the longest time.
        self._hosts: dict[str, HstsHost] = {}
        for host in hosts:
            self.add(host)

    def note(self, url: Url, values: Iterable[str], now: float, *, is_verified: bool = True) -> bool:
        """Note what the response from `url` says: the values of its Strict-Transport-Security fields.

        Returns whether a policy was noted, changed or ended. Only the first field counts (section 8.1). It is
        passed over if it breaks the grammar, if the URL is not secure, if its host is an address, and if the
        server's certificate was not verified (`is_verified`).
        """
        host = canonical_host(url.host or "")
        if not url.is_secure or not is_verified or host is None or is_address(host):
            return False
        first = next(iter(values), None)
        if first is None:
            return False
        try:
            policy = HstsPolicy.parse(first)
        except HttpError.InvalidValue:
            return False
        with self._lock:
            if policy.max_age == 0:
                return self._hosts.pop(host, None) is not None
            self._put(HstsHost(host, now + policy.max_age, policy.include_subdomains), now)
        return True

    def add(self, host: HstsHost) -> None:
        """Add a host that did not come from a response: from a file, or from the user."""
        with self._lock:
            self._put(host, None)

    def _put(self, host: HstsHost, now: float | None) -> None:
        self._hosts.pop(host.host, None)
        self._hosts[host.host] = host
        if len(self._hosts) > self.max_hosts:
            if now is not None:
                self._drop_expired(now)
            while len(self._hosts) > self.max_hosts:
                del self._hosts[next(iter(self._hosts))]

    def _drop_expired(self, now: float) -> int:
        gone = [name for name, host in self._hosts.items() if host.expires <= now]
        for name in gone:
            del self._hosts[name]
        return len(gone)

    def find(self, host: str, now: float) -> HstsHost | None:
        """The noted host because of which `host` is asked over TLS only: itself, or a domain that it is in
        with includeSubDomains (section 8.2). None if there is none."""
        name = canonical_host(host)
        if name is None or is_address(name):
            return None
        with self._lock:
            for domain in with_parents(name):
                found = self._hosts.get(domain)
                if found is None or (domain != name and not found.include_subdomains):
                    continue
                del self._hosts[domain]
                if found.expires > now:
                    self._hosts[domain] = found  # now the last one to be dropped
                    return found
        return None

    def upgrade(self, url: Url, now: float) -> Url:
        """The URL to ask: with https (or wss) if the host is known, otherwise `url` itself (section 8.3).

        Port 80 becomes 443, any other port that is written stays.
        """
        scheme = _SECURE_SCHEMES.get(url.scheme)
        if scheme is None or url.host is None or self.find(url.host, now) is None:
            return url
        if url.port in (None, 80):
            return url.replace(port=None).replace(scheme=scheme)
        return url.replace(scheme=scheme)

    def __iter__(self) -> Iterator[HstsHost]:
        """All hosts as they are now, sorted by name."""
        with self._lock:
            return iter(sorted(self._hosts.values(), key=lambda host: host.host))

    def __len__(self) -> int:
        return len(self._hosts)

    def remove(self, host: str) -> bool:
        """Forget exactly this host. Returns whether it was known."""
        with self._lock:
            return self._hosts.pop(canonical_host(host) or "", None) is not None

    def clear(self) -> None:
        """Forget all hosts."""
        with self._lock:
            self._hosts.clear()

    def remove_expired(self, now: float) -> int:
        """Forget the hosts whose time is over. Returns how many."""
        with self._lock:
            return self._drop_expired(now)

    def __repr__(self) -> str:
        return f"<HstsStore with {len(self._hosts)} hosts>"


# The file.


def format_hsts_file(hosts: Iterable[HstsHost]) -> str:
    """The text of a file with these hosts, in curl's format."""
    return _TITLE + "".join([_line(host) for host in hosts])


def _line(host: HstsHost) -> str:
    from datetime import UTC, datetime, timedelta

    dot = "." if host.include_subdomains else ""
    # The year 9999 is the last that the format and datetime have.
    if host.expires >= 253402300800:
        return f'{dot}{host.host} "{_UNLIMITED}"\n'
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(max(0.0, host.expires)))
    date, time = f"{at.year:04}{at.month:02}{at.day:02}", f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return f'{dot}{host.host} "{date} {time}"\n'


def parse_hsts_file(text: str, *, max_hosts: int = MAX_HOSTS) -> list[HstsHost]:
    """The hosts of a file in curl's format; empty lines and comments (`#`) are passed over.

    Raises HttpError.InvalidValue, with the number of the line, for anything else and for more than
    `max_hosts`.
    """
    found: list[HstsHost] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        if len(line) > MAX_LINE:
            raise _bad_line(number, f"more than {MAX_LINE} characters", MAX_LINE)
        if len(found) >= max_hosts:
            raise _bad_line(number, f"more than {max_hosts} hosts", max_hosts)
        name, _, when = line.partition(" ")
        when = when.strip(" \t")
        if len(when) < 2 or when[0] != '"' or when[-1] != '"':
            raise _bad_line(number, 'it is not HOST "YYYYMMDD HH:MM:SS"')
        expires = _moment(when[1:-1])
        if expires is None:
            raise _bad_line(number, "the time is not YYYYMMDD HH:MM:SS")
        try:
            found.append(HstsHost(name.removeprefix("."), expires, name.startswith(".")))
        except HttpError.InvalidValue as error:
            raise _bad_line(number, f"the host: {error.reason}") from None
    return found


def _moment(text: str) -> float | None:
    """Seconds since 1970 of `20270131 08:00:00` in UTC."""
    if text == _UNLIMITED:
        return float("inf")
    digits = text[:8] + text[9:11] + text[12:14] + text[15:]
    if len(text) != 17 or not _DIGITS.issuperset(digits) or text[8] + text[11] + text[14] != " ::":
        return None
    from datetime import UTC, datetime

    year, month, day, rest = int(digits[:4]), int(digits[4:6]), int(digits[6:8]), digits[8:]
    try:
        return datetime(
            year, month, day, int(rest[:2]), int(rest[2:4]), int(rest[4:]), tzinfo=UTC
        ).timestamp()
    except ValueError:
        return None


def _bad_line(number: int, reason: str, limit: int | None = None) -> HttpError.InvalidValue:
    return HttpError.InvalidValue("HSTS file", f"line {number}: {reason}", limit=limit, fault="local")


def load_hsts(path: str, now: float, *, max_hosts: int = MAX_HOSTS, max_size: int = MAX_FILE) -> HstsStore:
    """The store of the file at `path`, without hosts whose time is over.

    Raises OSError (FileNotFoundError if there is no file yet) and HttpError.InvalidValue.
    """
    text = read_state(path, max_size=max_size).decode("utf-8", "replace")
    hosts = parse_hsts_file(text, max_hosts=max_hosts)
    return HstsStore([host for host in hosts if host.expires > now], max_hosts=max_hosts)


def save_hsts(store: HstsStore, path: str, now: float) -> None:
    """Replace the file at `path` by one with the hosts of `store` whose time is not over; mode 0600.

    Raises OSError.
    """
    write_state(path, format_hsts_file([host for host in store if host.expires > now]).encode())
