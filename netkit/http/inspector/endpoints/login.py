"""Authentication: Basic (RFC 7617), Bearer (RFC 6750), Digest (RFC 7616).

As at httpbin, the path says which name and password are right, and cookies carry what a Digest server would
remember of its nonces.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from hmac import compare_digest
from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.endpoints.cookies import cookies_of, set_cookie
from netkit.http.inspector.endpoints.statuses import status_flow

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Authentication", "The path says which credentials are right.")

#: The algorithms of Digest by their names, and those of hashlib. SHA-512 is httpbin's own.
ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256", "SHA-512": "sha512"}

REALM = "netkit"

_PARAMETER = re.compile(r"""([A-Za-z*]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))[ \t]*(?:,|$)[ \t]*""")


def _authorization(call: Call) -> tuple[str, str]:
    """The scheme, in lower case, and the rest of Authorization; empty without it."""
    scheme, _, rest = (call.headers.get_first("Authorization") or "").partition(" ")
    return scheme.lower(), rest.strip(" \t")


def _is_basic(call: Call) -> bool:
    scheme, rest = _authorization(call)
    if scheme != "basic":
        return False
    try:
        given = b64decode(rest, validate=True)
    except ValueError:
        return False
    right = f"{call.variables['user']}:{call.variables['passwd']}".encode()
    return compare_digest(given, right) or compare_digest(given.decode("latin-1").encode(), right)


def _welcome_flow(call: Call, fields: list[tuple[str, str]] | None = None) -> Flow[None]:
    yield from call.json_flow({"authenticated": True, "user": call.variables["user"]}, fields=fields or ())


@GROUP.add(
    "/basic-auth/{user}/{passwd}",
    "asks for Basic, and says 401 until the credentials are right",
    finds="credentials that are encoded wrongly, or sent before or after it was asked for them",
    examples=("/basic-auth/user/passwd",),
)
def basic_auth(call: Call) -> Flow[None]:
    yield from (_welcome_flow(call) if _is_basic(call) else status_flow(call, 401))


@GROUP.add(
    "/hidden-basic-auth/{user}/{passwd}",
    "the same, but says 404 and asks for nothing",
    finds="a client that cannot send credentials before it is asked",
    examples=("/hidden-basic-auth/user/passwd",),
)
def hidden_basic_auth(call: Call) -> Flow[None]:
    yield from (_welcome_flow(call) if _is_basic(call) else status_flow(call, 404))


@GROUP.add("/bearer", "takes any token, and says which; 401 without one", finds="tokens that go elsewhere")
def bearer(call: Call) -> Flow[None]:
    value = call.headers.get_first("Authorization") or ""
    if not value.startswith("Bearer "):
        yield from call.reply_flow(401, content_type=None, fields=[("WWW-Authenticate", "Bearer")])
        return
    yield from call.json_flow({"authenticated": True, "token": value.removeprefix("Bearer ")})


@GROUP.add(
    "/digest-auth/{qop}/{user}/{passwd}/{algorithm}/{stale_after}",
    "the same; after so many requests (`never`) the nonce is called stale",
    finds="a client that does not answer again with the new nonce",
    arguments={"require-cookie": "`1`: only with the cookie of the challenge"},
    examples=("/digest-auth/auth/user/passwd/SHA-256/1",),
)
@GROUP.add(
    "/digest-auth/{qop}/{user}/{passwd}/{algorithm}",
    "the same with that algorithm: MD5, SHA-256, SHA-512-256, each also with `-sess`; SHA-512",
    finds="an algorithm that is missing, or that the weaker one is taken before",
    examples=("/digest-auth/auth-int/user/passwd/SHA-512-256", "/digest-auth/auth/user/passwd/SHA-256-sess"),
)
@GROUP.add(
    "/digest-auth/{qop}/{user}/{passwd}",
    "asks for Digest with MD5; `auth` or `auth-int`, anything else offers both",
    finds="digests that are wrong: of the method, the target, the body, the count",
    examples=("/digest-auth/auth/user/passwd", "/digest-auth/auth-int/user/passwd"),
)
def digest_auth(call: Call) -> Flow[None]:
    algorithm = call.variables.get("algorithm", "MD5")
    if algorithm.removesuffix("-sess") not in ALGORITHMS:
        algorithm = "MD5"
    stale_after = call.variables.get("stale_after", "never")
    scheme, rest = _authorization(call)
    given = _parameters(rest) if scheme == "digest" else {}
    cookies = cookies_of(call)
    wants_cookie = call.argument("require-cookie").lower() in ("1", "t", "true")
    stale_cookie, fake = set_cookie(call, "stale_after", stale_after), set_cookie(call, "fake", "fake_value")
    if not given or (wants_cookie and not cookies):
        yield from _challenge_flow(call, algorithm, [stale_cookie, fake])
        return
    if wants_cookie and cookies.get("fake") != "fake_value":
        yield from call.json_flow({"errors": ["missing cookie set on challenge"]}, 403, [fake])
        return
    nonce = given.get("nonce", "")
    last = set_cookie(call, "last_nonce", nonce)
    held = cookies.get("stale_after")
    if ("last_nonce" in cookies and cookies["last_nonce"] == nonce) or held == "0":
        yield from _challenge_flow(call, algorithm, [stale_cookie, last, fake], is_stale=True)
        return
    body = yield from call.body_flow()
    if not _is_digest(call, given, algorithm, body):
        yield from _challenge_flow(call, algorithm, [stale_cookie, last, fake])
        return
    fields = [fake]
    if held:
        after = str(int(held) - 1) if held.isdigit() and len(held) < 10 else "never"
        fields.append(set_cookie(call, "stale_after", after))
    yield from _welcome_flow(call, fields)


def _parameters(text: str) -> dict[str, str]:
    """The parameters of Digest, names in lower case; empty for what cannot be read."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        one = _PARAMETER.match(text, at)
        if one is None:
            return {}
        value = one[3] if one[2] is None else re.sub(r"\\(.)", r"\1", one[2])
        found[one[1].lower()] = value
        at = one.end()
    return found


def _challenge_flow(
    call: Call, algorithm: str, fields: list[tuple[str, str]], *, is_stale: bool = False
) -> Flow[None]:
    qop = call.variables["qop"]
    offered = qop if qop in ("auth", "auth-int") else "auth, auth-int"
    value = (
        f'Digest realm="{REALM}", nonce="{call.secrets.token()}", qop="{offered}", '
        f'opaque="{call.secrets.token()}", algorithm={algorithm}, stale={"TRUE" if is_stale else "FALSE"}'
    )
    yield from call.reply_flow(401, content_type=None, fields=[("WWW-Authenticate", value), *fields])


def _is_digest(call: Call, given: dict[str, str], algorithm: str, body: bytes) -> bool:
    """Whether the answer to a challenge is right (RFC 7616 section 3.4)."""
    name = ALGORITHMS[algorithm.removesuffix("-sess")]

    def hashed(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    target = call.exchange.head.target.decode("latin-1")
    if given.get("uri") != target or given.get("username") != call.variables["user"]:
        return False
    nonce, cnonce, qop = given.get("nonce", ""), given.get("cnonce", ""), given.get("qop")
    secret = hashed(call.variables["user"], given.get("realm", ""), call.variables["passwd"])
    if algorithm.endswith("-sess"):
        secret = hashed(secret, nonce, cnonce)
    asked = [call.method, target]
    if qop == "auth-int":
        asked.append(hashlib.new(name, body, usedforsecurity=False).hexdigest())
    elif qop not in (None, "auth"):
        return False
    if call.variables["qop"] in ("auth", "auth-int") and qop not in (None, call.variables["qop"]):
        return False
    middle = [] if qop is None else [given.get("nc", ""), cnonce, qop]
    right = hashed(secret, nonce, *middle, hashed(*asked))
    return compare_digest(right.encode(), given.get("response", "").encode("utf-8", "replace"))
