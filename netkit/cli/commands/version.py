"""`netkit version`: what is running, for a bug report and for "why is it slow here?"."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit._version import __version__
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.view import Line


class VersionRow(TypedDict):
    """What netkit is made of here."""

    type: Literal["version"]
    netkit: Annotated[str, "The version of netkit"]
    python: Annotated[str, "The version of Python"]
    python_implementation: Annotated[str, "CPython, PyPy, ..."]
    platform: Annotated[str, "The operating system and the kind of machine"]
    twins: Annotated[Literal["rust", "python"], "What the hot functions are made of"]
    twins_reason: Annotated[str | None, "Why the Rust twins are not in use; null where they are"]
    openssl: Annotated[str | None, "The OpenSSL of the standard ssl module; null where Python has none"]
    libraries: Annotated[dict[str, str | None], "The libraries in use; null where one is not installed"]


#: What netkit needs, by the name it is installed under, and what it uses where it is there.
LIBRARIES = ("click", "rich", "cryptography", "truststore", "idna")
OPTIONAL = ("pyOpenSSL", "ada-url", "h2", "aioquic", "brotli", "backports.zstd", "uvloop")


class VersionView(View[VersionRow]):
    """Names and versions, one a line."""

    type = "version"
    schema = VersionRow
    has_input = False

    def to_json(self, result: VersionRow) -> VersionRow:
        return result

    def plain(self, result: VersionRow) -> Iterable[Line]:
        for name, value in _facts(result):
            yield name, value
        for name, version in result["libraries"].items():
            yield name, version or "absent"

    def short(self, result: VersionRow) -> Iterable[Line]:
        yield result["netkit"]

    def table(self, result: VersionRow, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, mark

        pairs: list[tuple[str, object]] = list(_facts(result))
        pairs[3] = ("twins", mark("good" if result["twins"] == "rust" else "warn", pairs[3][1], env))
        pairs += [(name, version or "absent") for name, version in result["libraries"].items()]
        yield facts(pairs)


def _facts(result: VersionRow) -> list[tuple[str, str]]:
    twins = result["twins"]
    if result["twins_reason"] is not None:
        twins = f"python, slower ({result['twins_reason']})"  # type: ignore[assignment]  # words, no longer a key
    return [
        ("netkit", result["netkit"]),
        ("python", f"{result['python']} ({result['python_implementation']})"),
        ("platform", result["platform"]),
        ("twins", twins),
        ("openssl", result["openssl"] or "absent"),
    ]


@command("version", view=VersionView())
def version(run: Run[VersionRow]) -> None:
    """Show the versions of netkit and of what it runs on.

    "twins" says whether the hot functions are the Rust ones, or their Python equals, which do the same
    more slowly; and if so, why. NETKIT_PURE=1 asks for the Python ones.

    `netkit --version` prints the version of netkit alone, and is the fastest way to see that it is there.

    Examples:

        $ netkit version
        $ netkit version --short
        $ netkit version --json | jq -r .twins
    """
    run.result(versions())


def versions() -> VersionRow:
    """What netkit is made of in this process."""
    import os

    from netkit import _twins

    machine = os.uname() if hasattr(os, "uname") else None
    names = {"cpython": "CPython", "pypy": "PyPy"}
    return {
        "type": "version",
        "netkit": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "python_implementation": names.get(sys.implementation.name, sys.implementation.name),
        "platform": f"{machine.sysname} {machine.machine}" if machine is not None else sys.platform,
        "twins": _twins.implementation,
        "twins_reason": _twins.reason,
        "openssl": _openssl(),
        "libraries": _library_versions(),
    }


def _openssl() -> str | None:
    try:
        import ssl
    except ImportError:
        return None  # a Python that was built without it
    return ssl.OPENSSL_VERSION


def _library_versions() -> dict[str, str | None]:
    """Versions as installed, without importing the libraries; optional ones only where they are there."""
    from importlib.metadata import PackageNotFoundError, version as installed

    found: dict[str, str | None] = {}
    for name in LIBRARIES + OPTIONAL:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            if name not in OPTIONAL:
                found[name] = None
    return found
