"""`netkit version`: what is running, for a bug report and for "why is it slow here?"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from netkit._version import __version__
from netkit.cli.frame.cells import Mark
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What netkit needs, by the name it is installed under, and what it uses where it is there.
LIBRARIES = ("click", "rich", "cryptography", "truststore", "idna")
OPTIONAL = ("pyOpenSSL", "ada-url", "h2", "aioquic", "brotli", "backports.zstd", "uvloop")


class VersionRow(TypedDict):
    """What netkit is made of here."""

    netkit: Annotated[str, "The version of netkit"]
    python: Annotated[str, "The version of Python"]
    python_implementation: Annotated[str, "CPython, PyPy, ..."]
    platform: Annotated[str, "The operating system and the kind of machine"]
    twins: Annotated[Literal["rust", "python"], "What the hot functions are made of"]
    twins_reason: Annotated[str | None, "Why the Rust twins are not in use; null where they are"]
    openssl: Annotated[str | None, "The OpenSSL of the standard ssl module; null where Python has none"]
    libraries: Annotated[dict[str, str | None], "The libraries in use; null where one is not installed"]


class VersionView(View[VersionRow]):
    """Names and versions, one a line."""

    schema = VersionRow
    has_input = False

    def facts(self, result: VersionRow) -> Iterable[tuple[str, object]]:
        yield "netkit", result["netkit"]
        yield "python", f"{result['python']} ({result['python_implementation']})"
        yield "platform", result["platform"]
        reason = result["twins_reason"]
        yield "twins", Mark("good", "rust") if reason is None else Mark("warn", f"python, slower ({reason})")
        yield "openssl", result["openssl"] or "absent"
        yield from [(name, version or "absent") for name, version in result["libraries"].items()]

    def short(self, result: VersionRow) -> Iterable[str]:
        yield result["netkit"]


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
    import platform

    from netkit import _twins

    row: VersionRow = {
        "netkit": __version__,
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.machine()}",
        "twins": _twins.implementation,
        "twins_reason": _twins.reason,
        "openssl": _openssl(),
        "libraries": dict(_library_versions()),
    }
    run.result(row)


def _openssl() -> str | None:
    try:
        import ssl
    except ImportError:
        return None  # a Python that was built without it
    return ssl.OPENSSL_VERSION


def _library_versions() -> Iterable[tuple[str, str | None]]:
    """Versions as installed, without importing the libraries; optional ones only where they are there."""
    from importlib.metadata import PackageNotFoundError, version as installed

    for name in LIBRARIES + OPTIONAL:
        try:
            yield name, installed(name)
        except PackageNotFoundError:
            if name not in OPTIONAL:
                yield name, None
