"""Whether a request comes from somebody who is known: RFC 7617 (Basic), RFC 9110 section 11.6.1.

Names and passwords are compared in a time that does not depend on where they differ. A password that is
stored as a hash takes a while to check, on purpose; so the credentials that were right once are kept, as a
keyed hash with a key that no other process has.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final

from netkit.http.fields.syntax import quote
from netkit.http.files.passwords import is_hashed, is_right

if TYPE_CHECKING:
    from netkit.http.files.config import BasicCredentials
    from netkit.http.files.worker import Worker
    from netkit.io import Flow

#: How many credentials that were right are kept.
MAX_KNOWN: Final = 1_024
#: The longest value of Authorization that is looked at, in octets.
MAX_FIELD: Final = 4_096


class Guard:
    """Checks the Authorization of requests against the users of a configuration."""

    __slots__ = ("_key", "_known", "_users", "_worker", "challenge")

    def __init__(self, credentials: BasicCredentials, worker: Worker, *more: BasicCredentials) -> None:
        """`more` are users who may come in too; the realm is that of the first."""
        self._users = [
            (name.encode("utf-8", "surrogatepass"), password)
            for each in (credentials, *more)
            for name, password in each.users
        ]
        self._worker = worker
        self._key = os.urandom(32)
        self._known: set[bytes] = set()
        realm = quote(credentials.realm, "realm")
        realm = realm if realm.startswith('"') else f'"{realm}"'
        #: The value of WWW-Authenticate.
        self.challenge = f'Basic realm={realm}, charset="UTF-8"'.encode("latin-1")

    def check_flow(self, authorization: bytes | None) -> Flow[str | None]:
        """Flow: the name of the user whose credentials these are, None if they are nobody's."""
        pair = None if authorization is None else pair_of(authorization)
        if pair is None:
            return None
        name, password = pair
        stored = self._stored(name)
        if not is_hashed(stored[1]):
            good = is_right(stored[1], password)
        else:
            mark = hashlib.blake2b(name + b"\0" + password, key=self._key, digest_size=32).digest()
            good = mark in self._known
            if not good:
                good = yield from self._worker.call(lambda: is_right(stored[1], password))
                if good and stored[0]:
                    if len(self._known) >= MAX_KNOWN:
                        self._known.clear()
                    self._known.add(mark)
        return name.decode("utf-8", "replace") if good and stored[0] else None

    def _stored(self, name: bytes) -> tuple[bool, str]:
        """Whether there is a user of that name, and a password to compare: of the first user if not, so that
        an unknown name takes as long as a known one."""
        found = (False, self._users[0][1])
        for known, password in self._users:
            if hmac.compare_digest(known, name):
                found = (True, password)
        return found


def pair_of(authorization: bytes) -> tuple[bytes, bytes] | None:
    """The name and the password in a value of Authorization; None if it is not Basic, or no such pair.

    >>> pair_of(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    (b'Aladdin', b'open sesame')
    """
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"basic" or len(authorization) > MAX_FIELD:
        return None
    try:
        pair = binascii.a2b_base64(token.strip(b" "), strict_mode=True)
    except binascii.Error:
        return None
    name, colon, password = pair.partition(b":")
    return (name, password) if colon else None
