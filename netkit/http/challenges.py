"""Read the fields of HTTP authentication: challenges, and what a server says after a success.

RFC 9110 sections 11.3 (challenges), 11.4 (credentials), 11.6.1 (WWW-Authenticate), 11.6.3
(Authentication-Info), 11.7 (the same of a proxy).

    >>> for challenge in parse_challenges('Newauth realm="apps", type=1, Basic realm="x, y", Negotiate YQ=='):
    ...     print(challenge.scheme, challenge.params, challenge.token68)
    newauth (('realm', 'apps'), ('type', '1')) None
    basic (('realm', 'x, y'),) None
    negotiate () YQ==

A comma separates both the challenges and the parameters of one challenge. A name is a parameter if "="
follows it, and a scheme otherwise. A value without quotes may contain characters that a token may not,
because some servers send such nonces. Every other violation of the grammar is an error with its offset.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import MAX_LENGTH, Cursor, lower_ascii

if TYPE_CHECKING:
    from netkit.http.headers import Headers

#: The most challenges of one message.
MAX_CHALLENGES: Final = 16
#: The most parameters of one challenge.
MAX_PARAMS: Final = 32

#: RFC 9110 section 11.2. What follows must be the end of the challenge; else it was a parameter's name.
_TOKEN68: Final = re.compile(r"([A-Za-z0-9\-._~+/]++=*+)(?=[ \t]*+(?:,|\Z))")
_PARAM_NAME: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]++)[ \t]*+=[ \t]*+")
_BARE: Final = re.compile(r'[^\x00-\x20\x7f,"\\]++')
#: Commas between members, also those with nothing between them (RFC 9110 section 5.6.1.2).
_COMMAS: Final = re.compile(r"[ \t,]*+")


class Challenge(NamedTuple):
    """One challenge: its scheme and the names of its parameters in lower case.

    A challenge has either parameters or a token68, or neither.
    """

    scheme: str
    params: tuple[tuple[str, str], ...] = ()
    token68: str | None = None

    def get(self, name: str) -> str | None:
        """The parameter of that name (in lower case); None if there is none."""
        for each, value in self.params:
            if each == name:
                return value
        return None

    @property
    def realm(self) -> str | None:
        """The protection space (RFC 9110 section 11.5), as the server calls it."""
        return self.get("realm")


def parse_challenges(
    value: str | bytes,
    *,
    field: str = "WWW-Authenticate",
    max_challenges: int = MAX_CHALLENGES,
    max_params: int = MAX_PARAMS,
    max_length: int = MAX_LENGTH,
) -> list[Challenge]:
    """The challenges of a WWW-Authenticate or Proxy-Authenticate field, in order.

    Several fields are joined with a comma first. Raises InvalidField with the offset where it breaks the
    grammar, also for a parameter that is there twice; FieldLimitExceeded over a limit.
    """
    cursor = Cursor(value, field, max_length)
    found: list[Challenge] = []
    cursor.match(_COMMAS)
    while cursor.at < cursor.end:
        if len(found) == max_challenges:
            raise FieldLimitExceeded(field, "max_challenges", max_challenges, cursor.at)
        found.append(_challenge(cursor, max_params))
    return found


def parse_authentication_info(
    value: str | bytes,
    *,
    field: str = "Authentication-Info",
    max_params: int = MAX_PARAMS,
    max_length: int = MAX_LENGTH,
) -> dict[str, str]:
    """The parameters of an Authentication-Info or Proxy-Authentication-Info field, names in lower case.

    Raises as `parse_challenges` does.
    """
    cursor = Cursor(value, field, max_length)
    cursor.match(_COMMAS)
    found = _params(cursor, max_params)
    if cursor.at < cursor.end:
        cursor.expected("a parameter's name and '='")
    return dict(found)


def challenges_in(headers: Headers, *, is_proxy: bool = False) -> list[Challenge]:
    """The challenges of a response of status 401, or 407 with `is_proxy`.

    If they cannot be read together, each field is read alone, and those that break the grammar are left out:
    one that is wrong must not hide the others. Of more than `MAX_CHALLENGES`, none is read.
    """
    field = "Proxy-Authenticate" if is_proxy else "WWW-Authenticate"
    lines = headers.get_all(field)
    try:
        return parse_challenges(", ".join(lines), field=field)
    except FieldLimitExceeded:
        return []
    except InvalidField:
        found: list[Challenge] = []
        for line in lines:
            try:
                found += parse_challenges(line, field=field)
            except InvalidField:
                continue
        return found


def _challenge(cursor: Cursor, max_params: int) -> Challenge:
    scheme = lower_ascii(cursor.token("an authentication scheme"))
    begun = cursor.at
    cursor.skip()
    if cursor.at == begun or cursor.here in ("", ","):
        _end_member(cursor)
        return Challenge(scheme)
    found = cursor.match(_TOKEN68)
    if found is not None:
        _end_member(cursor)
        return Challenge(scheme, (), found[1])
    params = _params(cursor, max_params)
    if not params:
        cursor.expected("a parameter's name and '='")
    return Challenge(scheme, params)


def _params(cursor: Cursor, max_params: int) -> tuple[tuple[str, str], ...]:
    """The parameters up to the next scheme, and the comma after each."""
    found: dict[str, str] = {}
    while True:
        begun = cursor.at
        name = cursor.match(_PARAM_NAME)
        if name is None:
            return tuple(found.items())
        key = lower_ascii(name[1])
        if key in found:
            cursor.fail(f"the parameter {key[:40]!r} twice", begun)
        if len(found) == max_params:
            raise FieldLimitExceeded(cursor.field, "max_params", max_params, begun)
        if cursor.here == '"':
            found[key] = cursor.quoted()
        else:
            bare = cursor.match(_BARE)
            if bare is None:
                cursor.expected("a parameter's value")
            found[key] = bare[0]
        _end_member(cursor)


def _end_member(cursor: Cursor) -> None:
    """Go to the next member: past the comma, and empty members."""
    cursor.end_member()
    cursor.match(_COMMAS)
