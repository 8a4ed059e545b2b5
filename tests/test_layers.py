"""The layers of DESIGN.md section 2, held by walking the imports of every module.

    foundation   errors, addr, and the helpers that import nothing else
    codec        bytes to values and back: no socket, no clock, no randomness it was not handed
    io           flows and the drivers that wait
    flow         what to send, what to wait for, when to give up
    net          sockets
    serve        what every server needs, on sockets
    api          the classes people use
    cli          the commands

Imports run one way, from a later line to an earlier one or along the same line; and `io`, `net` and `serve`
import no protocol. A module of a protocol is a codec unless it is named below, so that a new one which waits
for something has to say where it stands.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.once

ORDER = ("foundation", "codec", "io", "flow", "net", "serve", "api", "cli")

#: Where a package or a module stands; the longest prefix decides.
ROOMS = {
    "netkit": "foundation",
    "netkit.__main__": "cli",
    "netkit.addr": "foundation",
    "netkit.cli": "cli",
    "netkit.dns": "codec",
    "netkit.dns.authority.notify_sending": "api",
    "netkit.dns.authority.server": "api",
    "netkit.dns.comparing": "codec",
    "netkit.dns.policy.answer": "flow",
    "netkit.dns.cache": "api",
    "netkit.dns.comparing.asking": "api",
    "netkit.dns.comparing.comparison": "flow",
    "netkit.dns.comparing.heard": "flow",
    "netkit.dns.exchange": "api",
    "netkit.dns.host": "api",
    "netkit.dns.policy.knowledge": "flow",
    "netkit.dns.lookup": "api",
    "netkit.dns.policy.manner": "flow",
    "netkit.dns.policy.plan": "flow",
    "netkit.dns.policy.reloading": "flow",
    "netkit.dns.policy.resolution": "flow",
    "netkit.dns.record_lookups": "api",
    "netkit.dns.resolver": "api",
    "netkit.dns.policy.steps": "flow",
    "netkit.dns.tracing": "flow",
    "netkit.dns.tracing.authorities": "api",
    "netkit.dns.tracing.tracer": "api",
    "netkit.dns.transfers": "codec",
    "netkit.dns.transfers.fetching": "api",
    "netkit.dns.transfers.transfer": "api",
    "netkit.dns.transports": "api",
    "netkit.dns.zones.zone_files": "api",
    "netkit.dns.watching": "codec",
    "netkit.dns.watching.asking": "api",
    "netkit.dns.watching.pace": "flow",
    "netkit.dns.watching.watcher": "flow",
    "netkit.dns.zones.zonefolder": "api",
    "netkit.dns.transports.query": "codec",
    "netkit.dns.transports.reply": "codec",
    "netkit.dns.transports.table": "codec",
    "netkit.doh": "api",
    "netkit.doh_server": "api",
    "netkit.https_records": "api",
    "netkit.errors": "foundation",
    "netkit.http": "codec",
    "netkit.http.bodies.body": "flow",
    "netkit.http.bodies.save": "api",
    "netkit.http.client": "api",
    "netkit.http.client.download_errors": "codec",
    "netkit.http.client.download_plan": "codec",
    "netkit.http.client.download_state": "codec",
    "netkit.http.client.redirect": "codec",
    "netkit.http.cookies.file": "api",
    "netkit.http.cookies.jar": "api",
    "netkit.http.files": "codec",
    "netkit.http.files.archive": "api",
    "netkit.http.files.guard": "api",
    "netkit.http.files.handler": "api",
    "netkit.http.files.listing": "api",
    "netkit.http.files.query": "api",
    "netkit.http.files.replies": "api",
    "netkit.http.files.representation": "api",
    "netkit.http.files.sending": "api",
    "netkit.http.files.tree": "api",
    "netkit.http.files.upload": "api",
    "netkit.http.files.worker": "api",
    "netkit.http.gateway": "api",
    "netkit.http.gateway.errors": "codec",
    "netkit.http.inspector": "api",
    "netkit.http.inspector.config": "codec",
    "netkit.http.protocols": "api",
    "netkit.http.server": "api",
    "netkit.http.server.config": "codec",
    "netkit.http.server.patience": "codec",
    "netkit.http.server.tls_page": "api",
    "netkit.http.state.hsts": "api",
    "netkit.http.state.session_file": "api",
    "netkit.http.state.state_file": "api",
    "netkit.io": "io",
    "netkit.lab": "api",
    "netkit.dns.authority.faults": "codec",
    "netkit.measure": "api",
    "netkit.net": "net",
    "netkit.proxy": "codec",
    "netkit.proxy.connect": "api",
    "netkit.proxy.dialogue": "flow",
    "netkit.serve": "serve",
    "netkit.tls": "codec",
    "netkit.tls.acceptor": "api",
    "netkit.tls.backends": "flow",
    "netkit.tls.connection": "api",
    "netkit.tls.connection.early": "codec",
    "netkit.tls.connector": "api",
    "netkit.tls.kernel.link": "api",
    "netkit.tls.probe": "api",
    "netkit.tls.probe.tap": "flow",
    "netkit.tls.sessions": "api",
    "netkit.tls.starttls": "codec",
    "netkit.tls.starttls.flow": "flow",
    "netkit.tls.stream": "api",
    "netkit.tls.throwaway": "api",
    "netkit.tls.verifying.chain_store": "flow",
    "netkit.tls.verifying.oracle": "api",
    "netkit.tls.verifying.roots": "flow",
    "netkit.tls.verifying.verify": "api",
    "netkit.websocket": "codec",
    "netkit.websocket.client": "api",
    "netkit.websocket.connection": "api",
    "netkit.websocket.keepalive": "api",
    "netkit.websocket.loop": "api",
    "netkit.websocket.place": "api",
    "netkit.websocket.receiving": "api",
    "netkit.websocket.sending": "api",
    "netkit.websocket.server": "api",
    "netkit.websocket.mask_key": "flow",
}

#: What only commands and their tables are made of.
TERMINAL = {"click", "rich"}

#: Sockets, clocks and randomness: a codec is handed what comes of them.
IMPURE = {"asyncio", "random", "secrets", "select", "selectors", "socket", "subprocess", "threading", "time"}

#: An option of a command, and a command, as a text may name them.
OPTION = re.compile(r"(?<![^\s(`'\"])--[a-z]")
COMMAND = re.compile(r"`netkit [a-z]")
#: A rule of a protocol, as a comment refers to it.
RULE = re.compile(r"RFC ?[0-9]|ioctl|SIOC[A-Z]")


class Import(NamedTuple):
    module: str
    """The module imported, such as `netkit.dns.name` or `socket`."""
    line: int


MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "netkit").rglob("*.py"))
    if file.name != "_build_note.py"
}


def room(module: str) -> str:
    """The room that a module stands in."""
    # A package's own __init__ hands on the names of everything in it, lazily.
    if module == "netkit" or (
        module in ROOMS
        and ROOMS[module] in ("codec", "flow", "net")
        and MODULES[module].name == "__init__.py"
    ):
        return "api"
    prefix = module
    while prefix not in ROOMS:
        prefix = prefix.rpartition(".")[0]
    return ROOMS[prefix]


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    """All nodes of a module's tree, its root first. Each module is parsed once, for all that asks for it."""
    return tuple(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Everything that a module imports, at its top, in functions and for its annotations."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[Import]:
    for node in nodes(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are written out in full"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                known = name in MODULES or node.module == "netkit"  # `_rust` is there only when built
                yield Import(name if known else node.module, node.lineno)


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without those that only a type checker sees."""
    yield node
    below: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        below = node.orelse
    for child in below:
        yield from at_run_time(child)


def needed(module: str) -> set[str]:
    """The modules that a module imports when it runs, at its top and in functions.

    A package that hands on names lazily imports none of their modules; who asks it for a name does.
    """
    found = set()
    for node in at_run_time(nodes(module)[0]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in MODULES else HANDED_ON.get(name, node.module))
    return found & MODULES.keys() - {module}


def _handed_on() -> Iterator[tuple[str, str]]:
    for package, file in MODULES.items():
        if file.name == "__init__.py":
            for node in nodes(package):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    for alias in node.names:
                        if alias.asname == alias.name:
                            yield f"{package}.{alias.name}", node.module


#: The names that packages hand on lazily, each with the module that has it.
HANDED_ON = dict(_handed_on())


def of_each(modules: Iterable[str]) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Make one test of a check of a module: it fails with what the check says of each that breaks it."""

    def made(check: Callable[[str], None]) -> Callable[[], None]:
        def test() -> None:
            broken = []
            for module in modules:
                try:
                    check(module)
                except AssertionError as error:
                    broken.append(f"{module}: {error}")
            assert not broken, "\n".join(broken)

        test.__doc__ = check.__doc__
        return test

    return made


def within(module: str, packages: set[str]) -> bool:
    return module.partition(".")[0] in packages


@of_each(MODULES)
def test_imports_run_one_way(module: str) -> None:
    here = room(module)
    upward = [
        f"line {imported.line}: {module} ({here}) imports {imported.module} ({room(imported.module)})"
        for imported in imports(module)
        if within(imported.module, {"netkit"}) and not allowed(here, room(imported.module))
    ]
    assert not upward, "\n".join(upward)


def allowed(importer: str, imported: str) -> bool:
    if importer in ("io", "net", "serve") and imported in ("codec", "flow"):
        return False
    return ORDER.index(imported) <= ORDER.index(importer)


def test_no_module_needs_itself() -> None:
    """Imports make no circle, those in functions included: each module can be read, tested and moved with
    what stands below it. What only annotations name does not count."""
    try:
        TopologicalSorter({module: needed(module) for module in MODULES}).prepare()
    except CycleError as error:
        circle = " <- ".join(error.args[1])
        raise AssertionError(f"modules that import each other: {circle}") from None


@of_each([module for module in MODULES if room(module) != "cli"])
def test_only_the_command_line_knows_a_terminal(module: str) -> None:
    found = [imported for imported in imports(module) if within(imported.module, TERMINAL)]
    assert not found, f"{module} imports {found}"


@of_each([module for module in MODULES if room(module) == "codec"])
def test_a_codec_is_pure(module: str) -> None:
    found = [imported for imported in imports(module) if within(imported.module, IMPURE)]
    assert not found, f"{module} imports {found}"
    clocks = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in nodes(module)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith((".now", ".today", ".utcnow", ".urandom"))
    ]
    assert not clocks, f"{module} asks for what it should be handed: {clocks}"


@of_each([module for module in MODULES if module != "netkit._twins"])
def test_one_place_chooses_the_twin(module: str) -> None:
    assert not [
        i for i in imports(module) if i.module == "netkit._rust" or i.module.startswith("netkit._rust.")
    ]


@of_each(MODULES)
def test_the_root_is_for_users(module: str) -> None:
    """Inside the package, a name comes from the module that has it, not from the lazy root."""
    of_root = {
        alias.name
        for node in nodes(module)
        if isinstance(node, ast.ImportFrom) and node.module == "netkit"
        for alias in node.names
        if f"netkit.{alias.name}" not in MODULES
    }
    assert of_root <= {"_rust", "_rustls"}
    assert "netkit" not in {imported.module for imported in imports(module)}, "the root, imported whole"


@of_each([module for module in MODULES if room(module) != "cli"])
def test_the_library_names_no_option(module: str) -> None:
    """Whoever uses it as a library has no command line: a hint says what to do, the CLI what to type."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        ast.get_docstring(node, clean=False) for node in nodes(module) if isinstance(node, documented)
    }
    texts = [
        (node.lineno, node.value)
        for node in nodes(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    found = [
        f"line {line}: {text}"
        for line, text in texts
        if OPTION.search(text) or (COMMAND.search(text) and text not in docstrings)
    ]
    assert not found, f"{module} names an option of a command, or a command: {found}"


@of_each([module for module in MODULES if room(module) == "cli"])
def test_a_rule_of_a_protocol_is_in_no_command(module: str) -> None:
    """A help text may name an RFC to the user; code that has to explain itself by one stands elsewhere."""
    with MODULES[module].open("rb") as file:
        tokens = [(token.start[0], token.type, token.string) for token in tokenize.tokenize(file.readline)]
    found = [
        f"line {line}: {text}"
        for line, kind, text in tokens
        if (kind == tokenize.COMMENT and RULE.search(text)) or text in ("ioctl", "setsockopt")
    ]
    assert not found, f"{module}: {found}"


def test_every_room_is_there() -> None:
    """The table above names nothing that has moved or gone."""
    assert not set(ROOMS) - set(MODULES)


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = {
        re.split(r"[^\w.-]", requirement)[0].lower() for requirement in [*project["dependencies"], *extras]
    }
    homes = packages_distributions()
    undeclared = {
        (module, imported.module)
        for module in MODULES
        for imported in imports(module)
        if (top := imported.module.partition(".")[0]) not in sys.stdlib_module_names | {"netkit", "_typeshed"}
        and declared.isdisjoint(home.lower() for home in homes.get(top, [top]))
    }
    assert not undeclared
