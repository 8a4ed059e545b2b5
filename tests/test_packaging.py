"""The distribution: what is in it, and what becomes of it where Rust is not to be had.

Each build starts from a copy of the tree, by the backend itself and without isolation, so that nothing is
downloaded. `NETKIT_REQUIRE_RUST=1` makes the tests that need cargo fail where it is absent.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pip
import pytest

from netkit import __version__

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.build, pytest.mark.slow, pytest.mark.timeout(300)]

#: Each Rust extension, and the folder of its crate.
CRATES = {"netkit._rust": "rust", "netkit._h2": "rust/h2", "netkit._rustls": "rust/rustls"}

#: The one that most builds here leave out, because it takes minutes.
SLOW = "netkit._rustls"
LEFT_OUT = "NETKIT_WITHOUT_RUSTLS was set for the build"
QUICK = CRATES.keys() - {SLOW}

#: What is made in a working copy, and belongs to none of its copies.
MADE = shutil.ignore_patterns(
    *(".*", "__pycache__", "build", "dist", "target", "*.egg-info", "*.so", "*.pyd", "_build_note.py"),
    *("corpus", "artifacts"),  # what the fuzzers learn and find
)

#: What no build reads, and nearly half of all files.
UNREAD = {"benchmarks", "docs", "fuzz", "tests"}


@pytest.fixture
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`copied` for one test.

    Each copy is where the last one was: cargo knows a crate by its place, and compiles it again where a file
    is newer than what it made of it.
    """
    copy = copied(tmp_path_factory.getbasetemp() / "tree")
    yield copy
    shutil.rmtree(copy)


def copied(copy: Path) -> Path:
    """A copy of the working tree, as a clone would have it, but for what no build reads."""
    shutil.copytree(
        ROOT, copy, ignore=lambda at, names: MADE(at, names) | (UNREAD if at == str(ROOT) else set())
    )
    for crate in CRATES.values():
        shutil.copy2(ROOT / crate / ".rustfmt.toml", copy / crate)
    return copy


def build(tree: Path, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a hook of the build backend (`build_wheel`, ...); what it makes goes to `dist` in the tree."""
    program = f"import os, setuptools.build_meta as b; os.makedirs('dist', exist_ok=True); b.{what}('dist')"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NETKIT_", "PYTHON")) and name not in ("CARGO", "RUSTC")
    }
    return subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tree,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def wheel(tree: Path, what: str = "build_wheel", **environment: str) -> Path:
    done = build(tree, what, **environment)
    assert done.returncode == 0, done.stderr
    [path] = (tree / "dist").glob("*.whl")
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(files: dict[str, bytes], name: str) -> Message:
    [content] = (data for path, data in files.items() if path.endswith(f".dist-info/{name}"))
    return email.message_from_bytes(content)


def without_cargo(tmp_path: Path) -> str:
    """A PATH on which there is nothing."""
    empty = tmp_path / "empty"
    empty.mkdir(exist_ok=True)
    return str(empty)


def require_cargo() -> None:
    if shutil.which("cargo") is None:
        if os.environ.get("NETKIT_REQUIRE_RUST", "0") not in ("", "0"):
            pytest.fail("cargo was not found, and NETKIT_REQUIRE_RUST is set", pytrace=False)
        pytest.skip("cargo was not found")


def the_note(files: dict[str, bytes]) -> dict[str, str]:
    """Why each extension that is absent is."""
    scope: dict[str, dict[str, str]] = {}
    exec(files["netkit/_build_note.py"], scope)
    return scope["ABSENT"]


def all_of_them(reason: str) -> dict[str, str]:
    return dict.fromkeys(CRATES, reason)


def extensions(files: dict[str, bytes]) -> set[str]:
    """The extensions that a wheel has."""
    return {name.partition(".")[0].replace("/", ".") for name in files if name.endswith((".so", ".pyd"))}


def targets(tree: Path) -> dict[str, str]:
    """The environment of a build that need not compile again what the working copy has: with its builds.

    They are copies, because a crate that does not compile would spoil them.
    """
    for name in QUICK:
        crate = CRATES[name]
        if (built := ROOT / crate / "target" / "release").is_dir():
            shutil.copytree(built, tree / crate / "target" / "release", dirs_exist_ok=True)
    return {"CARGO_NET_OFFLINE": "true", "NETKIT_WITHOUT_RUSTLS": "1"}


@pytest.fixture(scope="module")
def pure_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built without cargo."""
    tree = copied(tmp_path_factory.mktemp("pure") / "tree")
    # What earlier builds left in the tree must not get into this one.
    for stale in ("_rust.abi3.so", "_h2.abi3.so", "_rustls.abi3.so"):
        (tree / "netkit" / stale).write_bytes(b"stale")
    return wheel(tree, PATH=without_cargo(tree.parent))


def test_without_cargo_the_wheel_is_pure_and_says_why(pure_wheel: Path) -> None:
    assert pure_wheel.name == f"netkit_cli-{__version__}-py3-none-any.whl"
    files = contents(pure_wheel)
    assert metadata(files, "WHEEL")["Tag"] == "py3-none-any"
    assert metadata(files, "WHEEL")["Root-Is-Purelib"] == "true"
    assert the_note(files) == all_of_them("cargo was not found")
    assert not [name for name in files if name.endswith((".so", ".pyd"))]

    sources = {file.relative_to(ROOT).as_posix() for file in (ROOT / "netkit").rglob("*")}
    sources = {name for name in sources if name.endswith((".py", ".pyi", "/py.typed"))}
    assert {name for name in files if name.startswith("netkit/")} == sources | {"netkit/_build_note.py"}


def test_the_metadata(pure_wheel: Path) -> None:
    files = contents(pure_wheel)
    about = metadata(files, "METADATA")
    assert (about["Name"], about["Version"]) == ("netkit-cli", __version__)
    assert (about["License-Expression"], about["Requires-Python"]) == ("MIT", ">=3.11")
    assert set(about.get_all("Provides-Extra", [])) == {"quic", "compression", "uvloop", "repl", "full"}
    [entry_points] = (data for name, data in files.items() if name.endswith("entry_points.txt"))
    assert b"netkit = netkit.cli.main:main" in entry_points


def shared() -> dict[str, bytes]:
    """What an installation has below its prefix for the system: manual pages and completions."""
    found = {f"share/man/man1/{page.name}": page.read_bytes() for page in (ROOT / "man").glob("*.1")}
    for place, file in (
        ("share/bash-completion/completions/netkit", "bash/netkit"),
        ("share/zsh/site-functions/_netkit", "zsh/_netkit"),
        ("share/fish/vendor_completions.d/netkit.fish", "fish/netkit.fish"),
    ):
        found[place] = (ROOT / "completions" / file).read_bytes()
    return found


def test_the_wheel_has_pages_where_the_system_looks_for_them(pure_wheel: Path) -> None:
    files = contents(pure_wheel)
    data = f"netkit_cli-{__version__}.data/data/"
    assert {name.removeprefix(data): text for name, text in files.items() if data in name} == shared()
    assert "share/man/man1/netkit.1" in shared()


def test_an_editable_installation_has_the_pages_of_the_tree_only(tree: Path, tmp_path: Path) -> None:
    files = contents(wheel(tree, "build_editable", PATH=without_cargo(tmp_path)))
    assert not [name for name in files if "/share/" in name]


def test_make_install(tree: Path, tmp_path: Path) -> None:
    """Everything is below PREFIX, and the command runs from there."""
    prefix = tmp_path / "prefix"
    home = prefix / "lib" / "netkit"
    # The environment is there, so that nothing is downloaded: it finds the dependencies of the tests' own.
    venv.create(home, with_pip=False)
    [site] = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.copytree(Path(pip.__file__).parent, site / "pip")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("NETKIT_", "MAKE", "PIP_"))
    }
    done = subprocess.run(
        ["make", "install", f"PREFIX={prefix}", "PIP=--no-index --no-deps --no-build-isolation --no-compile"],
        cwd=tree,
        env={**kept, "CARGO": "/nonexistent/cargo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {
        file.relative_to(prefix).as_posix(): file.read_bytes()
        for file in (prefix / "share").rglob("*")
        if file.is_file()
    } == shared()
    ran = subprocess.run(
        [prefix / "bin" / "netkit", "--version"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"netkit {__version__}\n"


def test_the_pure_wheel_installs_and_runs(pure_wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps"]
    # Two commands are run from it: it is not worth compiling all of it.
    options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*install, *options, str(pure_wheel)], check=True)
    # Its dependencies are those of the environment that the tests run in, behind the installed netkit.
    [site] = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    show = "from netkit import _twins; print(_twins.__file__, _twins.implementation, _twins.reason, sep='|')"
    done = subprocess.run(
        [python, "-P", "-c", show], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    file, *state = done.stdout.strip().split("|")
    assert Path(file).is_relative_to(home)
    assert state == ["python", "built without it: cargo was not found"]
    done = subprocess.run(
        [home / "bin" / "netkit", "version"], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert "cargo was not found" in done.stdout


@pytest.mark.parametrize("what", ["build_wheel", "build_editable"])
def test_required_and_absent_is_an_error(tree: Path, tmp_path: Path, what: str) -> None:
    done = build(tree, what, PATH=without_cargo(tmp_path), NETKIT_REQUIRE_RUST="1")
    assert done.returncode != 0
    assert "NETKIT_REQUIRE_RUST is set, and there is no Rust twin: cargo was not found" in done.stderr
    assert not list((tree / "dist").glob("*.whl"))


def test_cargo_too_old(tree: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cargo", "rustc"):
        script = tools / name
        script.write_text(f"#!/bin/sh\necho '{name} 1.40.0 (73528e339 2019-12-16)'\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    path = wheel(tree, PATH=str(tools))
    needed = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())["package"]["rust-version"]
    assert path.name.endswith("-py3-none-any.whl")
    assert the_note(contents(path)) == all_of_them(f"rustc 1.40.0 is older than the {needed} it needs")


def test_crates_out_of_reach(tree: Path, tmp_path: Path) -> None:
    require_cargo()
    # The toolchain may be rustup's, which keeps it in a folder of its own.
    path = wheel(tree, CARGO_HOME=str(tmp_path / "cargo"), CARGO_NET_OFFLINE="true")
    assert path.name.endswith("-py3-none-any.whl")
    note = the_note(contents(path))
    assert note.keys() == CRATES.keys()
    assert all(reason.startswith("cargo cannot reach its crates: ") for reason in note.values())


@pytest.mark.parametrize("broken", sorted(QUICK))
def test_a_crate_that_cannot_be_built_costs_only_itself(tree: Path, tmp_path: Path, broken: str) -> None:
    require_cargo()
    (tree / CRATES[broken] / "src" / "lib.rs").write_text('compile_error!("not on this machine");\n')
    path = wheel(tree, **targets(tree))
    files = contents(path)
    assert path.name.startswith(f"netkit_cli-{__version__}-cp311-abi3-")
    assert extensions(files) == QUICK - {broken}
    assert the_note(files) == {broken: "the build failed: not on this machine", SLOW: LEFT_OUT}


def test_no_crate_can_be_built(tree: Path, tmp_path: Path) -> None:
    require_cargo()
    for crate in CRATES.values():
        (tree / crate / "src" / "lib.rs").write_text('compile_error!("not on this machine");\n')
    path = wheel(tree, **targets(tree))
    assert path.name.endswith("-py3-none-any.whl")
    failed = all_of_them("the build failed: not on this machine")
    assert the_note(contents(path)) == failed | {SLOW: LEFT_OUT}


@pytest.mark.parametrize("broken", sorted(QUICK))
def test_each_crate_is_required_where_rust_is(tree: Path, broken: str) -> None:
    require_cargo()
    (tree / CRATES[broken] / "src" / "lib.rs").write_text('compile_error!("not on this machine");\n')
    done = build(tree, "build_wheel", NETKIT_REQUIRE_RUST="1", **targets(tree))
    assert done.returncode != 0
    what = {"netkit._rust": "Rust twin", "netkit._h2": "HTTP/2 in Rust"}[broken]
    assert f"NETKIT_REQUIRE_RUST is set, and there is no {what}: the build failed: not on" in done.stderr


def test_with_cargo_the_wheel_has_the_twin(tree: Path, tmp_path: Path) -> None:
    require_cargo()
    # A note from an earlier build without cargo must not get into this one.
    (tree / "netkit" / "_build_note.py").write_text("ABSENT = {'netkit._rust': 'stale'}\n")
    path = wheel(tree, **{**targets(tree), "NETKIT_REQUIRE_RUST": "1", "CARGO_NET_OFFLINE": "false"})
    assert path.name.startswith(f"netkit_cli-{__version__}-cp311-abi3-")
    files = contents(path)
    assert metadata(files, "WHEEL")["Root-Is-Purelib"] == "false"
    assert {"netkit/_rust.pyi", "netkit/_h2.pyi"} < files.keys()
    assert the_note(files) == {SLOW: LEFT_OUT}
    assert extensions(files) == QUICK

    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(unpacked)
    show = "from netkit import _twins; from netkit.http.connection import h2; h2.h2_client();"
    show += "print(_twins.__file__, _twins.implementation, h2.implementation()[0], sep='|')"
    done = subprocess.run(
        [sys.executable, "-c", show], cwd=unpacked, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{unpacked / 'netkit' / '_twins.py'}|rust|rust"


def test_editable_without_cargo_leaves_no_stale_twin(tree: Path, tmp_path: Path) -> None:
    stale = [tree / "netkit" / name for name in ("_rust.abi3.so", "_h2.abi3.so", "_rustls.abi3.so")]
    for file in stale:
        file.write_bytes(b"stale")
    files = contents(wheel(tree, "build_editable", PATH=without_cargo(tmp_path)))
    assert not any(file.exists() for file in stale)
    assert "cargo was not found" in (tree / "netkit" / "_build_note.py").read_text()
    # A line in a .pth file; an import hook would cost every interpreter of the environment time.
    assert [name for name in files if name.endswith(".py")] == []
    assert [name for name in files if name.endswith(".pth")]


def test_the_source_distribution_builds_with_and_without_rust(tree: Path, tmp_path: Path) -> None:
    (tree / "netkit" / "_rust.abi3.so").write_bytes(b"stale")
    (tree / "netkit" / "_build_note.py").write_text("ABSENT = {'netkit._rust': 'stale'}\n")
    done = build(tree, "build_sdist", PATH=without_cargo(tmp_path))
    assert done.returncode == 0, done.stderr
    [path] = (tree / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        # An attribute, because the argument came with 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    source = tmp_path / f"netkit_cli-{__version__}"
    assert not list(source.rglob("*.so"))
    assert not (source / "netkit" / "_build_note.py").exists()
    for file in (
        "rust/Cargo.toml",
        "rust/Cargo.lock",
        "rust/src/lib.rs",
        "rust/src/python/masking.rs",
        "rust/h2/Cargo.toml",
        "rust/h2/Cargo.lock",
        "rust/h2/src/lib.rs",
        "LICENSE",
    ):
        assert (source / file).read_bytes() == (ROOT / file).read_bytes()
    assert wheel(source, PATH=without_cargo(tmp_path)).name.endswith("-py3-none-any.whl")


@pytest.mark.parametrize("crate", CRATES.values())
def test_versions_and_sources_agree(crate: str) -> None:
    """One version on both sides, and crates from nowhere but the default registry."""
    manifest = tomllib.loads((ROOT / crate / "Cargo.toml").read_text())
    lock = tomllib.loads((ROOT / crate / "Cargo.lock").read_text())
    assert manifest["package"]["version"] == __version__
    sources = {package["source"] for package in lock["package"] if "source" in package}
    assert sources == {"registry+https://github.com/rust-lang/crates.io-index"}
    [own] = (package for package in lock["package"] if package["name"] == manifest["package"]["name"])
    assert own["version"] == __version__


def test_the_h2_crate_is_new_enough() -> None:
    """RUSTSEC-2026-0258."""
    lock = tomllib.loads((ROOT / "rust" / "h2" / "Cargo.lock").read_text())
    [version] = (package["version"] for package in lock["package"] if package["name"] == "h2")
    assert tuple(map(int, version.split("."))) >= (0, 4, 18)


def test_a_change_in_any_crate_is_installed() -> None:
    """What `make` compares with the environment, so that a pulled change is not left out of it."""
    told = subprocess.run(
        ["make", "--question", "--print-data-base"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    compared = re.search(r"^installed_from := (.*)$", told.stdout, re.MULTILINE)
    assert compared is not None
    sources = {
        str(path.relative_to(ROOT))
        for crate in CRATES.values()
        for kind in ("Cargo.*", "src/**/*.rs")
        for path in (ROOT / crate).glob(kind)
    }
    assert {"pyproject.toml", "setup.py", *sources} == set(compared[1].split())


def test_rustls_can_be_demanded_and_left_out(tree: Path, tmp_path: Path) -> None:
    both = {"NETKIT_REQUIRE_RUSTLS": "1", "NETKIT_WITHOUT_RUSTLS": "1"}
    done = build(tree, "build_wheel", PATH=without_cargo(tmp_path), **both)
    assert done.returncode != 0
    assert f"NETKIT_REQUIRE_RUSTLS is set, and there is no TLS on rustls: {LEFT_OUT}" in done.stderr
