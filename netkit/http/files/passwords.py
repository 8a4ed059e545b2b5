"""Passwords as a server keeps them: in clear text, or as the hash of one.

RFC 7914 (scrypt), RFC 8018 section 5.2 (PBKDF2). A hash is one word:

    scrypt$16384$8$1$SALT$HASH          scrypt$ N $ r $ p $ salt $ hash, both in base64
    pbkdf2-sha256$600000$SALT$HASH      pbkdf2-sha256$ iterations $ salt $ hash

Nothing here keeps a password longer than a call. Salt is handed in, so that this is a codec.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from typing import Final

from netkit.http.errors import HttpError

#: The names that a hash begins with; no other text is taken for one.
SCRYPT: Final = "scrypt$"
PBKDF2: Final = "pbkdf2-sha256$"
#: The cost of a hash that is made here: 16 MiB and some 40 ms (RFC 7914 section 2).
SCRYPT_COST: Final = (16_384, 8, 1)
#: The most memory of one check, in octets, and the most iterations: a cost is a setting, not a way to stop
#: the server.
MAX_MEMORY: Final = 256 << 20
MAX_ITERATIONS: Final = 10_000_000
_HASH_SIZE: Final = 32


def is_hashed(password: str) -> bool:
    """Whether it is a hash rather than clear text."""
    return password.startswith((SCRYPT, PBKDF2))


def checked_password(password: str) -> str:
    """The password, or the hash of one, as it is.

    Raises HttpError.InvalidValue for control characters, and for a hash that cannot be read.
    """
    if is_hashed(password):
        _parts(password)
    elif any(ord(char) < 0x20 or ord(char) == 0x7F for char in password):
        raise HttpError.InvalidValue("password", "a control character cannot stand in it")
    return password


def hash_password(password: str, salt: bytes) -> str:
    """What can stand in the place of a password in a configuration.

    `salt`: 16 random octets or more. Raises HttpError.InvalidValue for fewer.
    """
    if len(salt) < 16:
        raise HttpError.InvalidValue("salt", f"{len(salt)} octets are fewer than 16")
    n, r, p = SCRYPT_COST
    found = _scrypt(password.encode(), salt, n, r, p, _HASH_SIZE)
    return f"{SCRYPT}{n}${r}${p}${_text(salt)}${_text(found)}"


def is_right(stored: str, password: bytes) -> bool:
    """Whether `password` (octets, as a client sent it) is the one that is stored. Takes the same time for
    every wrong one of the same length."""
    if not is_hashed(stored):
        return hmac.compare_digest(stored.encode("utf-8", "surrogatepass"), password)
    kind, numbers, salt, expected = _parts(stored)
    if kind == SCRYPT:
        n, r, p = numbers
        found = _scrypt(password, salt, n, r, p, len(expected))
    else:
        found = hashlib.pbkdf2_hmac("sha256", password, salt, numbers[0], len(expected))
    return hmac.compare_digest(found, expected)


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=2 * MAX_MEMORY, dklen=size)


def _parts(stored: str) -> tuple[str, tuple[int, ...], bytes, bytes]:
    """The name, the cost, the salt and the hash. Raises HttpError.InvalidValue."""
    kind = SCRYPT if stored.startswith(SCRYPT) else PBKDF2
    fields = stored[len(kind) :].split("$")
    try:
        numbers = tuple(map(int, fields[:-2]))
        salt, expected = (binascii.a2b_base64(field, strict_mode=True) for field in fields[-2:])
    except ValueError:
        raise HttpError.InvalidValue("password", "its hash cannot be read") from None
    if kind == SCRYPT:
        good = len(numbers) == 3 and _is_cost(*numbers)
    else:
        good = len(numbers) == 1 and 1 <= numbers[0] <= MAX_ITERATIONS
    if not good or not 16 <= len(expected) <= 64:
        raise HttpError.InvalidValue("password", "its hash has an impossible cost or length")
    return kind, numbers, salt, expected


def _is_cost(n: int, r: int, p: int) -> bool:
    return n > 1 and n & (n - 1) == 0 and 1 <= r <= 64 and 1 <= p <= 16 and 128 * n * r <= MAX_MEMORY


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")
