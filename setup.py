"""Which Rust extensions the wheel has, decided by building each; everything else is in pyproject.toml.

There are three: the twins of hot functions (`netkit._rust`), HTTP/2 (`netkit._h2`), and TLS on rustls
(`netkit._rustls`). Each is worth having, and not worth failing an installation for, and none depends on
another. So before setuptools settles
what kind of wheel this will be, each crate is built alone. Where one works at least, the wheel is
`cp311-abi3-<platform>` with what could be built in it. Where none does (no cargo, one that is too old, no way
to the crates, no linker), the wheel is `py3-none-any`. A note in the package, `netkit/_build_note.py`, lets
`netkit version` say what is absent and why. setuptools-rust's own `optional=True` would build a platform
wheel with nothing in it, and no word about it.

`NETKIT_REQUIRE_RUST=1` makes the absence of either of the first two an error, `NETKIT_REQUIRE_RUSTLS=1` that
of the third: releases and CI set both. The third compiles a library in C, which takes minutes;
`NETKIT_WITHOUT_RUSTLS=1` leaves it out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from glob import glob
from pathlib import Path
from typing import NamedTuple

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.errors import PlatformError
from setuptools_rust import RustExtension

# setuptools has no name of its own for this one; the package is its copy, also from Python 3.12 on.
from distutils.command.install_data import install_data  # isort: skip


class Crate(NamedTuple):
    """The manifest of a crate, what users know it by, and the variables that demand it, leave it out, or name
    features of it beside the usual ones."""

    manifest: str
    what: str
    demanded_by: str = "NETKIT_REQUIRE_RUST"
    left_out_by: str | None = None
    features_by: str | None = None

    @property
    def features(self) -> list[str]:
        """The features that the environment names, separated by commas."""
        named = os.environ.get(self.features_by, "") if self.features_by is not None else ""
        return [feature.strip() for feature in named.split(",") if feature.strip()]


#: The extensions.
CRATES = {
    "netkit._rust": Crate("rust/Cargo.toml", "Rust twin"),
    "netkit._h2": Crate("rust/h2/Cargo.toml", "HTTP/2 in Rust"),
    "netkit._rustls": Crate(
        "rust/rustls/Cargo.toml",
        "TLS on rustls",
        "NETKIT_REQUIRE_RUSTLS",
        "NETKIT_WITHOUT_RUSTLS",
        "NETKIT_RUSTLS_FEATURES",
    ),
}
NOTE = "_build_note.py"


def is_set(variable: str | None) -> bool:
    """Whether an environment variable says yes."""
    return variable is not None and os.environ.get(variable, "0") not in ("", "0")


#: CPython's stable ABI, where this interpreter has it: one wheel then serves every later CPython.
STABLE_ABI = "cp311"
HAS_STABLE_ABI = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


class NoCrate(Exception):
    """The crate cannot be built here; the text says why, in a form fit for a user."""


class settled_bdist_wheel(bdist_wheel):  # noqa: N801 - commands are named like functions
    """A wheel that is of a platform exactly where a crate could be built."""

    settling = False

    def finalize_options(self) -> None:
        self.py_limited_api = STABLE_ABI if HAS_STABLE_ABI else False
        if self.settling:
            # The build of the crate asks for the ABI, which is settled; the rest follows from its outcome.
            return
        # The commands that only write metadata come here too; they are not to start a build.
        if {"bdist_wheel", "editable_wheel"}.intersection(self.distribution.commands):
            self.settling = True
            settle(self.distribution)
            self.settling = False
        if not self.distribution.rust_extensions:
            self.py_limited_api = False
        super().finalize_options()


class noted_build_py(build_py):  # noqa: N801
    """The package, with a note of which extensions it has not, and why."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        # A note in the source tree is about the editable installation there, not about this build.
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if Path(module[2]).name != NOTE]

    def run(self) -> None:
        super().run()
        package = Path("netkit") if self.editable_mode else Path(self.build_lib, "netkit")
        absent: dict[str, str] = getattr(self.distribution, "absent_crates", {})
        if not absent:
            package.joinpath(NOTE).unlink(missing_ok=True)
            return
        # In an editable installation, what an earlier build left is older than the source beside it.
        for name in absent:
            module = name.rpartition(".")[2]
            for file in [*package.glob(f"{module}.*.so"), *package.glob(f"{module}*.pyd")]:
                file.unlink()
        docstring = "Written by the build: which Rust extensions this installation has not, and why."
        note = f'"""{docstring}"""\n\nABSENT = {absent!r}\n'
        package.joinpath(NOTE).write_text(note, encoding="utf-8")


#: Where systems look for manual pages and completions, below the prefix, and what goes there.
SHARED = [
    ("share/man/man1", sorted(glob("man/*.1"))),
    ("share/bash-completion/completions", ["completions/bash/netkit"]),
    ("share/zsh/site-functions", ["completions/zsh/_netkit"]),
    ("share/fish/vendor_completions.d", ["completions/fish/netkit.fish"]),
]


class noted_install_data(install_data):  # noqa: N801
    """The shared files, but not of an editable installation: there they would be those of the day it was
    made, and the tree has the current ones."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if "editable_wheel" in self.distribution.commands or sys.platform == "win32":
            self.data_files = []


def settle(distribution: Distribution) -> None:
    """Build each crate; leave out those that fail, or give up if they are required."""
    if getattr(distribution, "settled", False):
        return
    distribution.settled = True
    # What comes after these is a machine without a network, not a slow one.
    os.environ.setdefault("CARGO_NET_RETRY", "1")
    os.environ.setdefault("CARGO_HTTP_TIMEOUT", "15")
    build = distribution.get_command_obj("build_rust")
    build.ensure_finalized()
    absent: dict[str, str] = {}
    # Side by side: each of them keeps one core busy for much of its time.
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(partial(why_absent, distribution), distribution.rust_extensions))
    for extension, reason in zip(distribution.rust_extensions, reasons, strict=True):
        crate = CRATES[extension.name]
        if reason is None:
            continue
        if is_set(crate.demanded_by):
            raise PlatformError(f"{crate.demanded_by} is set, and there is no {crate.what}: {reason}")
        print(f"netkit: no {crate.what}, going on without: {reason}", file=sys.stderr)
        absent[extension.name] = reason
    distribution.absent_crates = absent
    distribution.rust_extensions = [
        extension for extension in distribution.rust_extensions if extension.name not in absent
    ]
    build.extensions = distribution.rust_extensions  # it took the list before any was left out
    if not distribution.rust_extensions:
        distribution.has_ext_modules = lambda: False


def why_absent(distribution: Distribution, extension: RustExtension) -> str | None:
    """Build the crate; why that cannot be, or None."""
    left_out_by = CRATES[extension.name].left_out_by
    if is_set(left_out_by):
        return f"{left_out_by} was set for the build"
    try:
        build_crate(distribution, extension)
    except NoCrate as error:
        return str(error)
    return None


def build_crate(distribution: Distribution, extension: RustExtension) -> None:
    """Compile the crate into cargo's target directory, from where the build proper takes it."""
    manifest = CRATES[extension.name].manifest
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        raise NoCrate("cargo was not found")
    needed = tomllib.loads(Path(manifest).read_text(encoding="utf-8"))["package"]["rust-version"]
    found = output(os.environ.get("RUSTC", "rustc"), "--version", why="rustc does not run")
    version = re.match(r"rustc (\d+)\.(\d+)", found)
    if version is None:
        raise NoCrate(f"rustc's version is not understood: {found.strip()!r}")
    if tuple(map(int, version.groups())) < tuple(map(int, needed.split("."))):
        raise NoCrate(f"{found.split(' (')[0].strip()} is older than the {needed} it needs")
    # Only what this build takes: `cargo fetch` would get the optional providers too, which are large.
    wanted = ["--features", ",".join(extension.features), "--edges", "normal,build"]
    output(
        cargo, "tree", "--locked", "--manifest-path", manifest, *wanted, why="cargo cannot reach its crates"
    )
    try:
        distribution.get_command_obj("build_rust").build_extension(extension)
    except Exception as error:
        raise NoCrate(f"the build failed: {first_error(str(error))}") from error


def output(*command: str, why: str) -> str:
    """What a command prints; raises NoCrate with why, and the command's own first error, if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise NoCrate(f"{why}: {error.strerror}") from error
    if done.returncode:
        raise NoCrate(f"{why}: {first_error(done.stderr)}")
    return done.stdout


def first_error(text: str) -> str:
    """The line of a tool's output that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error")]
    return (errors or lines or ["no reason given"])[0].removeprefix("error: ")


setup(
    cmdclass={
        "bdist_wheel": settled_bdist_wheel,
        "build_py": noted_build_py,
        "install_data": noted_install_data,
    },
    data_files=SHARED,
    rust_extensions=[
        RustExtension(
            name,
            path=crate.manifest,
            cargo_manifest_args=["--locked"],
            features=crate.features,
            # Also in editable installations, where setuptools-rust would take a debug build.
            debug=False,
            quiet=True,
            optional=not is_set(crate.demanded_by),
        )
        for name, crate in CRATES.items()
    ],
)
