"""Cookies in a file: the format of Netscape, as curl, wget and browsers' exports have it.

A line is one cookie: seven fields between tabs.

    #HttpOnly_.example.com  TRUE  /  TRUE  1830000000  id  31d4
    domain, whether it is for subdomains too, path, whether it is Secure, end, name, value

The end is in seconds since 1970, 0 for a cookie of one session. Before the domain, `#HttpOnly_` stands for
HttpOnly; any other line that begins with # is a comment. The format has no SameSite: a cookie comes back
without it, and is then sent as if it had Lax. A program reads the octets of a value as they are, so the text
here is ISO 8859-1, as it is in a header.

A line that is wrong is an error with its number, not passed over as curl does: a cookie that is silently
missing looks like a server that forgot the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.cookies.jar import MAX_COOKIES, CookieJar
from netkit.http.cookies.stored import StoredCookie
from netkit.http.errors import HttpError
from netkit.http.state.state_file import MAX_FILE, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters of a line: the longest cookie, domain and path, and what is around them.
MAX_LINE = 8192

_TITLE = "# Netscape HTTP Cookie File\n# Cookies are secrets: keep this file to yourself.\n\n"
_HTTP_ONLY = "#HttpOnly_"
_WORDS = {"TRUE": True, "FALSE": False}
_DIGITS = frozenset("0123456789")


def parse_cookie_file(text: str, now: float, *, max_cookies: int = MAX_COOKIES) -> list[StoredCookie]:
    """The cookies of a file, in its order; those whose time is over at `now` are left out.

    Raises HttpError.InvalidValue, with the number of the line, for a line that is no cookie and for more than
    `max_cookies` cookies.
    """
    found: list[StoredCookie] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        http_only = line.startswith(_HTTP_ONLY)
        if http_only:
            line = line[len(_HTTP_ONLY) :]
        if not line.strip(" \t") or line.startswith("#"):
            continue
        if len(line) > MAX_LINE:
            raise _bad_line(number, f"more than {MAX_LINE} characters", limit=MAX_LINE)
        try:
            cookie = _cookie(line, http_only, now)
        except HttpError.InvalidValue as error:
            raise _bad_line(number, f"{error.field}: {error.reason}", hint=error.hint) from None
        if cookie.is_expired(now):
            continue
        if len(found) >= max_cookies:
            raise _bad_line(number, f"more than {max_cookies} cookies", limit=max_cookies)
        found.append(cookie)
    return found


def _cookie(line: str, http_only: bool, now: float) -> StoredCookie:
    fields = line.split("\t")
    if len(fields) == 6:  # an editor took away the tab before an empty value
        fields.append("")
    if len(fields) != 7:
        hint = "a line is domain, subdomains, path, secure, end, name and value, with tabs between them"
        raise HttpError.InvalidValue("cookie", f"{len(fields)} fields instead of 7", hint=hint)
    domain, subdomains, path, secure, end, name, value = fields
    flags = []
    for field, word in (("subdomains", subdomains), ("secure", secure)):
        flag = _WORDS.get(word.upper())
        if flag is None:
            raise HttpError.InvalidValue(field, "it is neither TRUE nor FALSE")
        flags.append(flag)
    return StoredCookie(
        name,
        value,
        domain.removeprefix("."),
        path,
        not flags[0],
        flags[1],
        http_only,
        None,
        _end(end),
        now,
    )


def _end(text: str) -> float | None:
    """The time in seconds since 1970; some programs write a fraction, and -1 for what is over."""
    whole, dot, fraction = text.partition(".")
    digits = whole.removeprefix("-")
    if not digits or len(text) > 24 or not _DIGITS.issuperset(digits + fraction) or (dot and not fraction):
        raise HttpError.InvalidValue("end", "it is not a number of seconds")
    return float(text) or None


def _bad_line(
    number: int, reason: str, *, limit: int | None = None, hint: str | None = None
) -> HttpError.InvalidValue:
    return HttpError.InvalidValue(
        "cookie file", f"line {number}: {reason}", limit=limit, fault="local", hint=hint
    )


def format_cookie_file(cookies: Iterable[StoredCookie]) -> tuple[str, list[StoredCookie]]:
    """The text of a file with these cookies, and those that the format cannot hold: with a tab in them."""
    lines, left_out = [_TITLE], []
    for cookie in cookies:
        fields = (
            f"{'' if cookie.host_only else '.'}{cookie.domain}",
            "FALSE" if cookie.host_only else "TRUE",
            cookie.path,
            "TRUE" if cookie.secure else "FALSE",
            _seconds(cookie.expires),
            cookie.name,
            cookie.value,
        )
        if any("\t" in field for field in fields):
            left_out.append(cookie)
        else:
            lines.append(f"{_HTTP_ONLY if cookie.http_only else ''}{chr(9).join(fields)}\n")
    return "".join(lines), left_out


def _seconds(expires: float | None) -> str:
    if expires is None:
        return "0"
    # 0 would be a session, so what ended in 1970 ends in its first second; the last is what curl can hold.
    return str(int(min(max(expires, 1.0), 2.0**53)))


def load_cookies(
    path: str, now: float, *, max_cookies: int = MAX_COOKIES, max_size: int = MAX_FILE
) -> CookieJar:
    """The jar with the cookies of the file at `path`.

    Raises OSError (FileNotFoundError if there is no file yet) and HttpError.InvalidValue.
    """
    text = read_state(path, max_size=max_size).decode("latin-1")
    return CookieJar(parse_cookie_file(text, now, max_cookies=max_cookies), max_cookies=max_cookies)


def save_cookies(jar: CookieJar, path: str, now: float, *, with_session: bool = True) -> list[StoredCookie]:
    """Replace the file at `path` by one with the cookies of `jar` whose time is not over; mode 0600.

    `with_session`: also the cookies that have no end time, as curl does. Returns the cookies that the format
    cannot hold. Raises OSError.
    """
    kept = [
        cookie
        for cookie in jar
        if not cookie.is_expired(now) and (with_session or cookie.expires is not None)
    ]
    text, left_out = format_cookie_file(kept)
    write_state(path, text.encode("latin-1"))
    return left_out
