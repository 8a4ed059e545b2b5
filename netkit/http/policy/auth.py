"""HTTP authentication of a client: Basic, Bearer, Digest, and the choice among them.

RFC 7617 (Basic), RFC 6750 section 2.1 (Bearer), RFC 7616 (Digest; servers of RFC 2617 and RFC 2069 too).

    auth = PasswordAuth("user", "password")
    header = auth.first(facts)                  # before the first request: a value for Authorization, or None
    header = auth.answer(challenges, facts)     # after a 401: a value to try again with, or None to give up
    auth.learned(info, facts)                   # after a success: the value of Authentication-Info

The same serves a proxy: the fields are then Proxy-Authorization, Proxy-Authenticate and
Proxy-Authentication-Info, the status is 407, and the origin is the proxy's. The client decides which origin
may get the credentials at all; this module only keeps what it knows of one origin away from the others.

One object may be used by many requests at once, also from several threads. Digest needs randomness: a
function that gives octets is handed in. A password or a token is never in a `repr` or in an error.
"""

from __future__ import annotations

import os
import re
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from netkit.http.challenges import parse_authentication_info
from netkit.http.errors import HttpError
from netkit.http.fields.errors import FieldError
from netkit.http.headers import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from netkit.http.challenges import Challenge

#: How often a request is sent again because the server called its nonce stale.
MAX_STALE: Final = 2
#: The most origins whose nonces are kept.
MAX_ORIGINS: Final = 256
#: The most characters that a Digest challenge may have us send back: realm, nonce and opaque together.
MAX_ECHO: Final = 4_096

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NOT_VISIBLE: Final = re.compile(r"[^\x21-\x7e]")

#: The algorithms of Digest, the strongest first (RFC 7616 section 6.1), and hashlib's names for them.
_ALGORITHMS: Final = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
_STRENGTH: Final = {name: rank for rank, name in enumerate(_ALGORITHMS)}


class RequestFacts(NamedTuple):
    """What an authentication has to know of a request.

    `target` is the request target as it is sent. `origin` is that of the server, or of the proxy. `body` is
    the whole body, or None if it is not known before it is sent. `attempt` counts the answers that this
    request was already sent with: 0 for the first challenge.
    """

    method: str
    target: str
    origin: str
    body: bytes | None = b""
    attempt: int = 0


class Auth(Protocol):
    """How a client proves who it is. Values are for the Authorization field."""

    def first(self, facts: RequestFacts) -> str | None:
        """What to send before the server has asked; None to wait for its challenge."""

    def answer(self, challenges: Sequence[Challenge], facts: RequestFacts) -> str | None:
        """What to send after a challenge; None to give up. Raises HttpError.InvalidValue."""

    def learned(self, info: str, facts: RequestFacts) -> None:
        """Take note of the Authentication-Info of a response; a value that cannot be read is ignored."""


def basic_credentials(username: str, password: str) -> str:
    """The value of Authorization for Basic, in UTF-8 (RFC 7617 section 2).

    Raises HttpError.InvalidValue for a user name with a colon, and for control characters.

    >>> basic_credentials("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    from binascii import b2a_base64

    colon = username.find(":")
    if colon >= 0:
        raise HttpError.InvalidValue(
            "user name", "no colon can stand in it (RFC 7617 section 2)", offset=colon
        )
    _refuse("user name", username, _CONTROL)
    _refuse("password", password, _CONTROL)
    pair = _octets("user name", username) + b":" + _octets("password", password)
    return f"Basic {b2a_base64(pair, newline=False).decode('ascii')}"


class BasicAuth:
    """A user name and a password, in clear text (RFC 7617): only TLS keeps them secret.

    They are sent with the first request already, unless `preemptive` is False. Raises HttpError.InvalidValue
    for a user name with a colon, and for control characters.
    """

    __slots__ = ("_credentials", "preemptive", "username")

    def __init__(self, username: str, password: str, *, preemptive: bool = True) -> None:
        self.username = username
        self.preemptive = preemptive
        self._credentials = basic_credentials(username, password)

    def __repr__(self) -> str:
        return f"BasicAuth({self.username!r}, ***)"

    def first(self, facts: RequestFacts) -> str | None:  # noqa: ARG002 - of the protocol
        """The credentials, unless they wait for a challenge."""
        return self._credentials if self.preemptive else None

    def answer(self, challenges: Sequence[Challenge], facts: RequestFacts) -> str | None:
        """The credentials, if a challenge asks for them and they were not sent yet."""
        if self.preemptive or facts.attempt or not any(each.scheme == "basic" for each in challenges):
            return None
        return self._credentials

    def learned(self, info: str, facts: RequestFacts) -> None:
        """Nothing: Basic has no state."""


class BearerAuth:
    """A token (RFC 6750 section 2.1), sent with every request. Who reads it can use it: use TLS.

    Any visible ASCII characters are accepted, more than the RFC allows: some servers give out tokens with a
    "|" in them. Raises HttpError.InvalidValue for others, and for an empty token.
    """

    __slots__ = ("_credentials",)

    def __init__(self, token: str) -> None:
        if not token:
            raise HttpError.InvalidValue("token", "it is empty")
        _refuse("token", token, _NOT_VISIBLE)
        self._credentials = f"Bearer {token}"

    def __repr__(self) -> str:
        return "BearerAuth(***)"

    def first(self, facts: RequestFacts) -> str | None:  # noqa: ARG002 - of the protocol
        """The token."""
        return self._credentials

    def answer(self, challenges: Sequence[Challenge], facts: RequestFacts) -> str | None:  # noqa: ARG002
        """None: the token was already refused."""
        return None

    def learned(self, info: str, facts: RequestFacts) -> None:
        """Nothing: a token has no state."""


class DigestAuth:
    """A user name and a password that proves itself without being sent (RFC 7616).

    Of several challenges, the one with the strongest algorithm is answered; of equals, the first. `auth` is
    preferred to `auth-int`, which needs a body that is known before it is sent. After one success, the nonce
    is used again, so that later requests are not refused first.

    Args:
        username: any text without control characters.
        password: any text.
        randomness: gives that many random octets, for the client's nonce.

    Raises HttpError.InvalidValue for a user name or a password that cannot be sent.
    """

    __slots__ = ("_name", "_password", "_randomness", "_sessions", "username")

    def __init__(
        self, username: str, password: str, *, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        _refuse("user name", username, _CONTROL)
        self.username = username
        self._name = _octets("user name", username)
        self._password = _octets("password", password)
        self._randomness = randomness
        #: What is known of each origin, the oldest first.
        self._sessions: dict[str, _Session] = {}

    def __repr__(self) -> str:
        return f"DigestAuth({self.username!r}, ***)"

    def first(self, facts: RequestFacts) -> str | None:
        """The answer to the last challenge of this origin, with the next nonce count."""
        session = self._sessions.get(facts.origin)
        if session is None or not session.has_fit(facts):
            return None
        return self._header(session, facts)

    def answer(self, challenges: Sequence[Challenge], facts: RequestFacts) -> str | None:
        """The answer to the strongest challenge that can be answered.

        None if there is none, or if the last answer was refused although its nonce was not stale: the
        password is wrong then (RFC 7616 section 3.3).
        """
        session = min(_sessions(challenges, facts), key=lambda each: each.rank, default=None)
        if session is None or (facts.attempt and not (session.is_stale and facts.attempt <= MAX_STALE)):
            self._sessions.pop(facts.origin, None)
            return None
        self._keep(facts.origin, session)
        return self._header(session, facts)

    def learned(self, info: str, facts: RequestFacts) -> None:
        """Use the nonce that the server wants next, if it says one (RFC 7616 section 3.5)."""
        session = self._sessions.get(facts.origin)
        if session is None:
            return
        try:
            following = parse_authentication_info(info).get("nextnonce")
        except FieldError:
            return
        if following and len(following) + len(session.realm) + len(session.opaque or "") <= MAX_ECHO:
            self._keep(facts.origin, session.renewed(following))

    def _keep(self, origin: str, session: _Session) -> None:
        session.cnonce = self._randomness(16).hex()
        self._sessions.pop(origin, None)
        self._sessions[origin] = session
        while len(self._sessions) > MAX_ORIGINS:
            # Another thread may have dropped the oldest one already.
            self._sessions.pop(next(iter(list(self._sessions))), None)

    def _header(self, session: _Session, facts: RequestFacts) -> str:
        """RFC 7616 sections 3.4 to 3.4.4; without qop, RFC 2617 section 3.2.2.1."""
        hashed = session.hashed
        realm = _field_octets(session.realm)
        nonce = _field_octets(session.nonce)
        secret = hashed(self._name + b":" + realm + b":" + self._password)
        nonce_count = b"%08x" % next(session.counter)
        # The key of a session has the client's nonce of its first request, so that nonce stays.
        cnonce = session.cnonce if session.is_session else self._randomness(16).hex()
        if session.is_session:
            secret = hashed(b"%b:%b:%b" % (secret, nonce, cnonce.encode()))
        request = facts.method.encode() + b":" + _field_octets(facts.target)
        qop = session.qop(facts)
        if qop == "auth-int":
            assert facts.body is not None  # else it is not offered
            request += b":" + hashed(facts.body)
        middle = b"" if qop is None else b"%b:%b:%b:" % (nonce_count, cnonce.encode(), qop.encode())
        response = hashed(secret + b":" + nonce + b":" + middle + hashed(request)).decode("ascii")

        parts = [
            self._username(session),
            f"realm={_quoted(session.realm)}",
            f"nonce={_quoted(session.nonce)}",
            f"uri={_quoted(facts.target)}",
            f'response="{response}"',
        ]
        if session.algorithm is not None:
            parts.append(f"algorithm={session.algorithm}")
        if session.opaque is not None:
            parts.append(f"opaque={_quoted(session.opaque)}")
        if qop is not None:
            parts += [f"qop={qop}", f"nc={nonce_count.decode()}", f'cnonce="{cnonce}"']
        elif session.is_session:
            parts.append(f'cnonce="{cnonce}"')
        if session.has_userhash:
            parts.append("userhash=true")
        return f"Digest {', '.join(parts)}"

    def _username(self, session: _Session) -> str:
        if session.has_userhash:
            name = session.hashed(self._name + b":" + _field_octets(session.realm)).decode("ascii")
            return f'username="{name}"'
        if self.username.isascii() or not session.is_utf8:
            # A server that does not say which charset it reads gets the octets that are hashed.
            return f"username={_quoted(self._name.decode('latin-1'))}"
        from netkit.http.link_header import encode_ext_value

        try:
            return f"username*={encode_ext_value(self.username)}"
        except FieldError:
            raise HttpError.InvalidValue("user name", "it is not text") from None


class PasswordAuth:
    """A user name and a password, proved in the strongest way that the server offers: Digest, else Basic.

    Nothing is sent before the first challenge of an origin. A Digest answer that was refused is not followed
    by Basic, because that would give the password to whoever refused it. Without `allow_basic`, the password
    is never sent in clear text. Raises HttpError.InvalidValue for what cannot be sent.
    """

    __slots__ = ("_basic", "_digest", "username")

    def __init__(
        self,
        username: str,
        password: str,
        *,
        allow_basic: bool = True,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.username = username
        self._digest = DigestAuth(username, password, randomness=randomness)
        self._basic = BasicAuth(username, password, preemptive=False) if allow_basic else None

    def __repr__(self) -> str:
        return f"PasswordAuth({self.username!r}, ***)"

    def first(self, facts: RequestFacts) -> str | None:
        """A Digest answer, if the origin has asked for one before."""
        return self._digest.first(facts)

    def answer(self, challenges: Sequence[Challenge], facts: RequestFacts) -> str | None:
        """The strongest answer that is possible."""
        found = self._digest.answer(challenges, facts)
        if found is None and self._basic is not None:
            return self._basic.answer(challenges, facts)
        return found

    def learned(self, info: str, facts: RequestFacts) -> None:
        """As Digest does."""
        self._digest.learned(info, facts)


class _Session:
    """A Digest challenge that can be answered, and how often its nonce was used."""

    __slots__ = (
        "algorithm",
        "cnonce",
        "counter",
        "digest_name",
        "has_userhash",
        "is_session",
        "is_stale",
        "is_utf8",
        "nonce",
        "opaque",
        "qops",
        "rank",
        "realm",
    )

    def __init__(self, challenge: Challenge, realm: str, nonce: str, base: str) -> None:
        self.realm = realm
        self.nonce = nonce
        self.opaque = challenge.get("opaque")
        #: As the server wrote it; None if it did not, because old servers do not know the parameter.
        self.algorithm = challenge.get("algorithm")
        self.digest_name = _ALGORITHMS[base]
        self.rank = _STRENGTH[base]
        self.is_session = (self.algorithm or "").upper().endswith("-SESS")
        self.is_stale = (challenge.get("stale") or "").lower() == "true"
        self.is_utf8 = (challenge.get("charset") or "").lower() == "utf-8"
        self.has_userhash = (challenge.get("userhash") or "").lower() == "true"
        self.qops = frozenset((challenge.get("qop") or "").lower().replace(",", " ").split())
        #: Shared by all threads: `next` is atomic.
        self.counter: Iterator[int] = count(1)
        self.cnonce = ""

    def renewed(self, nonce: str) -> _Session:
        """The same with another nonce, whose count begins again."""
        new = _Session.__new__(_Session)
        for name in self.__slots__:
            setattr(new, name, getattr(self, name))
        new.nonce = nonce
        new.counter = count(1)
        return new

    def qop(self, facts: RequestFacts) -> str | None:
        """The quality of protection for this request; None for a server of RFC 2069, which knows none."""
        if not self.qops:
            return None
        return "auth" if "auth" in self.qops or facts.body is None else "auth-int"

    def has_fit(self, facts: RequestFacts) -> bool:
        """Whether one of the qualities offered is possible for this request."""
        return not self.qops or "auth" in self.qops or ("auth-int" in self.qops and facts.body is not None)

    def hashed(self, data: bytes) -> bytes:
        """The digest of `data` in hexadecimal."""
        from hashlib import new

        return new(self.digest_name, data, usedforsecurity=False).hexdigest().encode()


def _sessions(challenges: Iterable[Challenge], facts: RequestFacts) -> Iterator[_Session]:
    """The Digest challenges that can be answered. RFC 7616 section 3.3: others are ignored."""
    for challenge in challenges:
        realm, nonce = challenge.realm, challenge.get("nonce")
        if challenge.scheme != "digest" or realm is None or nonce is None:
            continue
        if len(realm) + len(nonce) + len(challenge.get("opaque") or "") > MAX_ECHO:
            continue
        base = (challenge.get("algorithm") or "MD5").upper().removesuffix("-SESS")
        if base not in _ALGORITHMS or not _is_available(base):
            continue
        session = _Session(challenge, realm, nonce, base)
        if session.has_fit(facts):
            yield session


def _is_available(algorithm: str) -> bool:
    """Whether this machine's library has it: SHA-512-256 is OpenSSL's, and a strict one has no MD5."""
    from hashlib import new

    try:
        new(_ALGORITHMS[algorithm], usedforsecurity=False)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    """A quoted string. RFC 7616 wants quotes also around what is a token."""
    _refuse("Digest parameter", text, _CONTROL)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _field_octets(text: str) -> bytes:
    """A field's text as the octets that it is on the wire; text that is not of a field, in UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _octets("Digest parameter", text)


def _octets(what: str, text: str) -> bytes:
    """Text in UTF-8. Octets that were no UTF-8, as the system hands them to a program, stay what they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise HttpError.InvalidValue(what, "a lone surrogate is no text", offset=error.start) from None


def _refuse(what: str, text: str, pattern: re.Pattern[str]) -> None:
    """Raise HttpError.InvalidValue if the text has a character of `pattern`; it says which, and where."""
    found = pattern.search(text)
    if found is not None:
        char = found[0]
        word = "a control character" if char < " " or char == "\x7f" else named(char)
        raise HttpError.InvalidValue(what, f"{word} cannot stand in it", offset=found.start())
