"""`netkit version`: versions, for a bug report, and whether the fast Rust code is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from netkit._version import __version__
from netkit.cli.frame.cells import Mark
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The libraries that netkit needs, and the optional ones, by the names of their packages.
LIBRARIES = ("click", "rich", "cryptography", "truststore", "idna", "h2")
OPTIONAL = ("pyOpenSSL", "ada-url", "aioquic", "brotli", "backports.zstd", "uvloop", "prompt_toolkit")


class TlsBackendRow(TypedDict):
    """A library that TLS can be done by; `--backend` of the commands chooses one."""

    name: Annotated[str, "What --backend takes"]
    library: Annotated[str | None, "The library with its version; null if it is absent"]
    reason: Annotated[str | None, "Why it cannot be used here; null if it can"]


class VersionRow(TypedDict):
    """The versions of netkit, of Python and of the libraries."""

    netkit: Annotated[str, "The version of netkit"]
    python: Annotated[str, "The version of Python"]
    python_implementation: Annotated[str, "CPython, PyPy, ..."]
    platform: Annotated[str, "The operating system and the kind of machine"]
    twins: Annotated[
        Literal["rust", "python"], "Which version of the performance-critical functions is in use"
    ]
    twins_reason: Annotated[str | None, "Why the Rust twins are not in use; null if they are"]
    http2: Annotated[
        Literal["rust", "python"], "Which library HTTP/2 is done by: the Rust crate h2, or python-hyper"
    ]
    http2_reason: Annotated[str | None, "Why HTTP/2 is not done by the Rust crate; null if it is"]
    openssl: Annotated[str | None, "The OpenSSL of the standard ssl module; null if Python has none"]
    tls_backends: Annotated[list[TlsBackendRow], "In the order in which they are tried"]
    libraries: Annotated[dict[str, str | None], "The libraries in use; null for one that is not installed"]


class VersionView(View[VersionRow]):
    """Names and versions, one a line."""

    schema = VersionRow
    has_input = False

    def facts(self, result: VersionRow) -> Iterable[tuple[str, object]]:
        yield "netkit", result["netkit"]
        yield "python", f"{result['python']} ({result['python_implementation']})"
        yield "platform", result["platform"]
        for name, reason in (("twins", result["twins_reason"]), ("http2", result["http2_reason"])):
            yield name, Mark("good", "rust") if reason is None else Mark("warn", f"python, slower ({reason})")
        yield "openssl", result["openssl"] or "absent"
        for backend in result["tls_backends"]:
            shown = backend["library"] or f"absent ({backend['reason']})"
            yield f"TLS {backend['name']}", shown
        yield from [(name, version or "absent") for name, version in result["libraries"].items()]

    def short(self, result: VersionRow) -> Iterable[str]:
        yield result["netkit"]


@command("version", view=VersionView())
def version(run: Run[VersionRow]) -> None:
    """Show the versions of netkit, of Python and of the libraries.

    netkit has two versions of its performance-critical functions, one in Rust and one in Python, with the
    same results: the twins. "twins" says which of them is in use; if it is the slower Python one, also why.
    "http2" says the same of the library for HTTP/2. NETKIT_PURE=1 chooses Python for both. Each line of
    "TLS" is a library that --backend of the other commands may name, or why it cannot be used here. Each
    provider of cryptography that rustls may have is a line of its own.

    `netkit --version` prints only the version of netkit, and starts faster.

    Examples:

        $ netkit version
        $ netkit version --short
        $ netkit version --json | jq -r .twins
    """
    import platform

    from netkit import _twins
    from netkit.http.connection import h2

    http2, http2_reason = h2.implementation()
    row: VersionRow = {
        "netkit": __version__,
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.machine()}",
        "twins": _twins.implementation,
        "twins_reason": _twins.reason,
        "http2": http2,
        "http2_reason": http2_reason,
        "openssl": _openssl(),
        "tls_backends": list(_tls_backends()),
        "libraries": dict(_library_versions()),
    }
    run.result(row)


def _openssl() -> str | None:
    try:
        import ssl
    except ImportError:
        return None  # a Python that was built without it
    return ssl.OPENSSL_VERSION


def _tls_backends() -> Iterable[TlsBackendRow]:
    try:
        from netkit.tls.backends import find_backend, names, why_absent
    except ImportError:
        return  # a Python that was built without ssl
    for name in names():
        reason = why_absent(name)
        version = find_backend(name).version if reason is None else None
        yield {"name": name, "library": version, "reason": reason}


def _library_versions() -> Iterable[tuple[str, str | None]]:
    """The installed versions, without importing the libraries; an optional library only if it is
    installed."""
    from importlib.metadata import PackageNotFoundError, version as installed

    for name in LIBRARIES + OPTIONAL:
        try:
            yield name, installed(name)
        except PackageNotFoundError:
            if name not in OPTIONAL:
                yield name, None
