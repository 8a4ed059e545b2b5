"""The settings of a file server: what is served, to whom, and what may be changed.

Nothing is opened here: whether the root is a directory shows when a handler is made of the settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from netkit._value import Value, assign
from netkit.addr import AddrParseError, IpAddr
from netkit.http.config import checked_count
from netkit.http.errors import HttpError, quoted
from netkit.http.files.passwords import checked_password
from netkit.http.headers import checked_value
from netkit.http.hosts import canonical_host

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The most entries of a directory that a listing shows.
MAX_ENTRIES: Final = 10_000
#: The smallest file that is compressed while it is sent, in octets: below, the fields cost what it saves.
COMPRESS_FROM: Final = 1_024
#: The most octets of one request that uploads.
MAX_UPLOAD: Final = 1 << 30
#: The most files of one form.
MAX_FILES: Final = 1_000
#: Which origins may read, and write: every one.
ANY_ORIGIN: Final = "*"


class BasicCredentials(Value):
    """The users that may come in, by name and password (RFC 7617).

        >>> BasicCredentials({"ann": "open sesame"})
        BasicCredentials(users=<1 users>, realm='files')

    `users` maps names to passwords. A password is clear text, or what `passwords.hash_password` makes of one.
    `realm` is what a browser shows when it asks. Raises HttpError.InvalidValue for a name with a colon, for
    control characters, and for a hash that cannot be read.
    """

    __slots__ = ("realm", "users")
    __match_args__: ClassVar[tuple[str, ...]] = ("users", "realm")

    users: tuple[tuple[str, str], ...]
    realm: str

    def __init__(self, users: Mapping[str, str] | Iterable[tuple[str, str]], realm: str = "files") -> None:
        pairs = users.items() if isinstance(users, Mapping) else users
        known: dict[str, str] = {}
        for name, password in pairs:
            if ":" in name or not name.isprintable():
                raise HttpError.InvalidValue("user name", "no colon or control character can stand in it")
            known[name] = checked_password(password)
        if not known:
            raise HttpError.InvalidValue("users", "there are none, so that nobody could come in")
        assign(self, "users", tuple(known.items()))
        assign(self, "realm", checked_value("realm", realm))

    def __repr__(self) -> str:
        return f"BasicCredentials(users=<{len(self.users)} users>, realm={self.realm!r})"


class UploadConfig(Value):
    """What clients may upload, with PUT to a path or with a form to a directory.

    `max_size`: the most octets of one request. `overwrite`: a file that is there is replaced; otherwise only
    a request with If-Match may do that, and any other gets 409. `auth`: who may upload; they may read too.
    With None, who may read may upload. `directories`: directories that are missing are made, and names of a
    form may have directories. `durable`: each file is on the disk before the answer (fsync). `max_files`: the
    most files of one form.
    """

    __slots__ = ("auth", "directories", "durable", "max_files", "max_size", "overwrite")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "max_size",
        "overwrite",
        "auth",
        "directories",
        "durable",
        "max_files",
    )

    max_size: int
    overwrite: bool
    auth: BasicCredentials | None
    directories: bool
    durable: bool
    max_files: int

    def __init__(
        self,
        max_size: int = MAX_UPLOAD,
        overwrite: bool = False,
        auth: BasicCredentials | None = None,
        directories: bool = False,
        durable: bool = False,
        max_files: int = MAX_FILES,
    ) -> None:
        assign(self, "max_size", checked_count("max_size", max_size, 1, 2**53))
        assign(self, "overwrite", bool(overwrite))
        assign(self, "auth", auth)
        assign(self, "directories", bool(directories))
        assign(self, "durable", bool(durable))
        assign(self, "max_files", checked_count("max_files", max_files, 1, 1_000_000))


class FilesConfig(Value):
    """What is served of a directory, and how.

    `root`: the directory. `index`: files that are sent for a directory, the first that is there. `listing`:
    a directory without an index is listed. `spa`: a file of the root that is sent for a path that is not
    there, for applications that make their pages in the browser. `not_found`: a file of the root that is the
    body of a 404. `hidden`: names that begin with a dot are served. `follow_symlinks`: also symbolic links
    that lead out of the root are followed; those that stay inside always are.

    `precompressed`: `name.br`, `name.zst` or `name.gz` beside a file is sent in its place to clients that can
    read it, if it is not older than the file. `compress`: text of `compress_from` octets and more is
    compressed while it is sent. `cors`: origins whose scripts may read (and upload, if anybody may): a
    sequence, or `"*"` for reading by all. `cache_control`: the field of that name, for files.

    `upload`: what may be uploaded; None for nothing. `archives`: a directory may be fetched as an archive,
    with `?archive=tar`, `tar.gz` or `zip`. `auth`: who may come in; None for everybody. `allowed_hosts`: the
    names under which the server is reached. With None, uploads are taken under the names of the loopback
    interface and the address that the connection came to: a page of another site whose name was made to lead
    here would have another. If they are given, they count for every request. `max_entries`: how many entries
    of a directory a listing shows. Raises HttpError.InvalidValue for an impossible setting.
    """

    __slots__ = (
        "allowed_hosts",
        "archives",
        "auth",
        "cache_control",
        "compress",
        "compress_from",
        "cors",
        "follow_symlinks",
        "hidden",
        "index",
        "listing",
        "max_entries",
        "not_found",
        "precompressed",
        "root",
        "spa",
        "upload",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "root",
        "index",
        "listing",
        "spa",
        "not_found",
        "hidden",
        "follow_symlinks",
        "precompressed",
        "compress",
        "compress_from",
        "cors",
        "cache_control",
        "upload",
        "archives",
        "auth",
        "allowed_hosts",
        "max_entries",
    )

    root: str
    index: tuple[str, ...]
    listing: bool
    spa: str | None
    not_found: str | None
    hidden: bool
    follow_symlinks: bool
    precompressed: bool
    compress: bool
    compress_from: int
    cors: tuple[str, ...] | None
    cache_control: str | None
    upload: UploadConfig | None
    archives: bool
    auth: BasicCredentials | None
    allowed_hosts: tuple[str, ...] | None
    max_entries: int

    def __init__(
        self,
        root: str | os.PathLike[str],
        index: str | Iterable[str] = ("index.html",),
        listing: bool = True,
        spa: str | None = None,
        not_found: str | None = "404.html",
        hidden: bool = False,
        follow_symlinks: bool = False,
        precompressed: bool = True,
        compress: bool = True,
        compress_from: int = COMPRESS_FROM,
        cors: str | Iterable[str] | None = None,
        cache_control: str | None = None,
        upload: UploadConfig | None = None,
        archives: bool = False,
        auth: BasicCredentials | None = None,
        allowed_hosts: Iterable[str] | None = None,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        names = (index,) if isinstance(index, str) else tuple(index)
        assign(self, "root", os.fspath(root))
        assign(self, "index", tuple([_checked_name("index", name) for name in names]))
        assign(self, "listing", bool(listing))
        assign(self, "spa", None if spa is None else _checked_name("spa", spa))
        assign(self, "not_found", None if not_found is None else _checked_name("not_found", not_found))
        assign(self, "hidden", bool(hidden))
        assign(self, "follow_symlinks", bool(follow_symlinks))
        assign(self, "precompressed", bool(precompressed))
        assign(self, "compress", bool(compress))
        assign(self, "compress_from", checked_count("compress_from", compress_from, 0, 2**53))
        origins = None if cors is None else (cors,) if isinstance(cors, str) else tuple(cors)
        assign(self, "cors", None if origins is None else tuple(map(_checked_origin, origins)))
        if cache_control is not None:
            cache_control = checked_value("Cache-Control", cache_control)
        assign(self, "cache_control", cache_control)
        assign(self, "upload", upload)
        assign(self, "archives", bool(archives))
        assign(self, "auth", auth)
        hosts = None if allowed_hosts is None else tuple(map(_checked_host, allowed_hosts))
        assign(self, "allowed_hosts", hosts)
        assign(self, "max_entries", checked_count("max_entries", max_entries, 1))


def _checked_name(field: str, name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise HttpError.InvalidValue(field, f"{quoted(name)} is no name of a file")
    return name


def _checked_origin(origin: str) -> str:
    """An origin as a browser writes it (RFC 6454 section 6.2), or `*`."""
    if origin == ANY_ORIGIN:
        return origin
    scheme, separator, rest = origin.partition("://")
    if not (scheme and separator and rest) or not origin.isascii() or set(rest) & set("/?#@, \t"):
        raise HttpError.InvalidValue(
            "cors", f"{quoted(origin)} is no origin", hint="an origin is a scheme, a host and a port"
        )
    return origin.lower()


def _checked_host(host: str) -> str:
    found = canonical_host(host.strip("[]") if host.startswith("[") else host)
    if found is None or (":" in found and not _is_ip(found)):
        raise HttpError.InvalidValue("allowed_hosts", f"{quoted(host)} is no name of a host, or has a port")
    return found


def _is_ip(text: str) -> bool:
    try:
        IpAddr.parse(text)
    except AddrParseError:
        return False
    return True
