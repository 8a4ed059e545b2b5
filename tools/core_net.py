"""docs/core-net.toml: the names of core-net.txt, and where each of them lives in netkit.

    python tools/core_net.py            how much is done, and what still has to be
    python tools/core_net.py land       rewrite `deferred` entries whose `place` exists by now into `at`
    python tools/core_net.py missing    names of ../shared/core-net.txt that the table does not have

The table has one TOML table for each heading of the text, in the text's order (`"TLS > Streams"`), and one
line for each name, the first time it means something:

    "TcpStream.connect" = { at = "netkit.net:TcpStream.connect" }
    "UdpSocket.peek" = { deferred = "sockets" }
    "TlsConnector" = { deferred = "foundation", place = "netkit.tls:TlsConnector" }
    "Context" = { departed = "the flow under a method needs no handle to be woken by" }

`at` is `module`, `module:attribute.attribute`, or with a parameter `module:function(parameter)`. `deferred`
names the work that brings it, `departed` says why it will not come. `note` says what is different.

The text is a web page saved as plain text: its code has lost its fences, the cells of its tables run into
each other. So `names_in` is a list of rules, each for one way in which the text writes a name; what they
find and the table lacks is an error, what is no name of ours has its line in the table too.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "core-net.toml"
TEXT = ROOT.parent / "shared" / "core-net.txt"

#: The works that bring what is not there yet.
WORKS = ("foundation", "sockets", "dns", "tls", "http", "websocket")
#: A table whose title begins so is not a heading of the text.
ASIDE = "("


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    name: str
    section: str
    at: str | None = None
    deferred: str | None = None
    place: str | None = None
    departed: str | None = None
    note: str | None = None

    @property
    def state(self) -> str:
        """`at`, `deferred` or `departed`."""
        return next(state for state in ("at", "deferred", "departed") if getattr(self, state) is not None)

    @property
    def last(self) -> str:
        """The name without what it belongs to."""
        return self.name.rpartition(".")[2]


def load(table: Path = TABLE) -> list[Entry]:
    """Every entry, in order. Raises ValueError for a line that says nothing, or two things at once."""
    entries: list[Entry] = []
    for section, lines in tomllib.loads(table.read_text("utf-8")).items():
        for name, fields in lines.items():
            entry = Entry(name, section, **fields)
            if sum(state is not None for state in (entry.at, entry.deferred, entry.departed)) != 1:
                raise ValueError(f"{section}: {name}: give exactly one of at, deferred, departed")
            if entry.place is not None and entry.deferred is None:
                raise ValueError(f"{section}: {name}: place goes with deferred")
            if entry.deferred is not None and entry.deferred not in WORKS:
                raise ValueError(f"{section}: {name}: no work is called {entry.deferred!r}")
            if any(name == other.name for other in entries):
                raise ValueError(f"{section}: {name}: is there already")
            entries.append(entry)
    return entries


def resolve(location: str) -> Any:
    """The object at a location. Raises ImportError, AttributeError or LookupError where there is none."""
    module, _, path = location.partition(":")
    found: Any = importlib.import_module(module)
    path, _, parameter = path.removesuffix(")").partition("(")
    for attribute in path.split(".") if path else ():
        found = _attribute(found, attribute)
    if parameter and parameter not in inspect.signature(found).parameters:
        raise LookupError(f"{module}:{path} takes no {parameter!r}")
    return found


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        # A field that has no default and no slot is declared all the same.
        for base in inspect.getmro(owner) if isinstance(owner, type) else ():
            if name in inspect.get_annotations(base):
                return inspect.get_annotations(base)[name]
        raise


def exists(location: str) -> bool:
    """Whether something is there."""
    try:
        resolve(location)
    except (ImportError, AttributeError, LookupError):
        return False
    return True


def sections(entries: list[Entry]) -> list[str]:
    """The titles of the tables that stand for headings, in order."""
    titles = dict.fromkeys(entry.section for entry in entries)
    return [title for title in titles if not title.startswith(ASIDE)]


# The text.

# Where cells run together, and lists that only a reader sees: what is printed, what is meant.
_MEANT = {
    "OpcodeContinuation / Textual / Binary / Close / Ping / Pong / Reserved": (
        "Opcode.Continuation Opcode.Textual Opcode.Binary Opcode.Close"
        " Opcode.Ping Opcode.Pong Opcode.Reserved"
    ),
    "CloseCode1000 NORMAL / 1001 GOING_AWAY / 1002 PROTOCOL_ERROR": (
        "CloseCode.NORMAL CloseCode.GOING_AWAY CloseCode.PROTOCOL_ERROR"
    ),
    "Frame{ fin, rsv1/2/3, opcode, payload }": "Frame { fin, rsv1, rsv2, rsv3, opcode, payload }",
    "Frame.text/binary/ping/pong/close(...)": "Frame.text Frame.binary Frame.ping Frame.pong Frame.close ",
    "ShutdownKind.Read|Write|Both": "ShutdownKind.Read ShutdownKind.Write ShutdownKind.Both",
    "in {Tls12, Tls13}": "",
    "-> DecodeResultParse one frame; NeedMore / Decoded / Err": (
        "-> DecodeResult; DecodeResult.NeedMore DecodeResult.Decoded DecodeResult.Err"
    ),
    "FileWhat's in it": "",
    "LimitDefaultError variant": "",
    "BackendWhen to useStatus": "",
    "net-framework.md": "",
    "Security.framework": "",
}
_GLUED = re.compile(r"MAX_[A-Z_]+(?=\d)|\d+ (?:Ki)?B(?=[A-Z])|128(?=[A-Z])|\)(?=[A-Z][a-z])")

# What a variable stands for, by section and where that is not enough by what the section begins with.
_VARIABLES: dict[str, dict[str, str]] = {
    "IP addresses > Ipv4Addr": {"a": "Ipv4Addr"},
    "IP addresses > Ipv6Addr": {"a": "Ipv6Addr"},
    "IP addresses > IpAddr": {"a": "IpAddr"},
    "IP addresses > SocketAddr": {"s": "SocketAddr"},
    "TCP > TcpStream": {"s": "TcpStream"},
    "TCP > Async I/O protocol": {"stream": "TcpStream"},
    "TCP > TcpListener": {"l": "TcpListener"},
    "TCP": {"listener": "TcpListener", "stream": "TcpStream"},
    "UDP": {"s": "UdpSocket"},
    "DNS": {"resolver": "Resolver"},
    "HTTP > Method": {"m": "Method"},
    "HTTP > StatusCode": {"s": "StatusCode"},
    "HTTP > Headers": {"h": "Headers"},
    "HTTP > Request / Response": {"req": "Request", "resp": "Response"},
    "HTTP > Url": {"u": "Url", "c": "Cookie"},
    "HTTP/1.1": {
        "parser": "HttpParser",
        "hv": "HeaderView",
        "dec": "ChunkedDecoder",
        "tcp": "TcpStream",
        "sink": "Write",
    },
    "WebSocket": {"request": "Request", "stream": "TcpStream"},
    "Graceful shutdown": {"shutdown": "GracefulShutdown", "listener": "TcpListener"},
    "Unix-domain": {
        "s": "UnixStream",
        "stream": "UnixStream",
        "l": "UnixListener",
        "listener": "UnixListener",
    },
    "TLS > Versions": {"v": "TlsVersion"},
    "TLS > Certificates and keys": {"cert": "Certificate", "key": "PrivateKey"},
    "TLS > Streams": {"s": "TlsStream"},
    "TLS > High-level builders": {"connector": "TlsConnector", "acceptor": "TlsAcceptor"},
    "TLS > End-to-end HTTPS example": {
        "parsed": "Url",
        "tls": "TlsStream",
        "buf": "List",
        "text": "Text",
        "req": "Text",
        "body": "Text",
    },
    "HTTP helper modules": {"entry": "LinkEntry"},
}
# What a call at the beginning of a line, or after a closing bracket, is made on, where the line does not say.
_CHAINS: dict[str, str] = {
    "TCP > Example": "Result",
    "DNS > Resolver": "Resolver",
    "HTTP > Url": "Cookie",
    "HTTP/1.1": "List",
    "TLS > Configuration": "TlsConfig",
    "TLS > End-to-end HTTPS example": "Maybe",
    "Graceful shutdown": "Stream",
}
_KEYWORDS = frozenset(
    (
        *(
            "as",
            "async",
            "await",
            "break",
            "const",
            "continue",
            "else",
            "fn",
            "for",
            "if",
            "impl",
            "in",
            "let",
        ),
        *(
            "loop",
            "match",
            "mount",
            "move",
            "mut",
            "protocol",
            "pub",
            "return",
            "self",
            "Self",
            "spawn",
            "type",
        ),
        *("is", "while"),
    )
)
# Variables of the examples, and words of the prose that look like names.
_NOT_NAMES = frozenset(
    (
        *(
            "body_buf",
            "body_hdr",
            "peer_path",
            "total_length",
            "server_name",
            "client_key",
            "cfg",
            "intrinsic",
        ),
        *("ActivityPub", "ClientHello", "DoS", "Filesystem", "Full", "GitHub", "KiB", "OpenSSL", "SChannel"),
        *("WebSocket", "x86_64"),
    )
)

_STRING = re.compile(r'"[^"\n]*"')
_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED = re.compile(rf"(?<![\w.\"]){_WORD}(?:\.{_WORD})+")
_CHAINED = re.compile(rf"(?:(?<=[)\]?])|^)\s*(?:\.await\??)?\.({_WORD})(?=\()")
_CHAIN_OWNER = re.compile(r"([A-Z]\w+)\.\w+\((?:[^()]|\([^()]*\))*\)$")
_CALL = re.compile(rf"(?<![\w.])({_WORD})(?=\(|<A: )")
_SNAKE = re.compile(r"(?<![\w.])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w.])")
_CAPITALS = re.compile(r"(?<![\w.])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)")
_CAMEL = re.compile(r"(?<![\w.])(?=[A-Z]\w*[A-Z])(?=\w*[a-z])[A-Z][A-Za-z0-9]+(?!\w)")
_PATTERN = re.compile(rf"({_WORD}(?:\.{_WORD})*) \{{ ([a-z][a-z0-9_, .]*) \}}")
_TYPE = re.compile(rf"(?<=\btype )({_WORD})(?= is\b|;)")
_IN_TYPE_POSITION = re.compile(r"(?:->|[<&:]|&mut|\bas) ?([A-Z]\w+)")
_IMPLEMENTS = re.compile(r"\bImplements:? ([A-Z]\w*(?:, [A-Z]\w*)+)")


@dataclass(frozen=True)
class Found:
    """A name in the text: `qualified` ones must be in the table as they are, others by their last part."""

    name: str
    section: str
    line: int
    qualified: bool = True
    here: bool = False  # and in the table of this very section


def names_in(text: str, titles: list[str]) -> list[Found]:
    """Every name in the text, each time it stands there."""
    found: list[Found] = []
    for title, start, lines in _split(_as_meant(text), titles):
        body = "\n".join(lines)
        for number, name, qualified, here in _names_of_section(title, body):
            if not _KEYWORDS.intersection(name.split(".")) and name not in _NOT_NAMES:
                found.append(Found(name, title, start + number, qualified, here))
    return found


def _as_meant(text: str) -> str:
    for printed, meant in _MEANT.items():
        text = text.replace(printed, meant)
    return _GLUED.sub(r"\g<0> ", text)


def _split(text: str, titles: list[str]) -> list[tuple[str, int, list[str]]]:
    """The text by headings: title, number of its first line, lines. Raises ValueError for one not there."""
    lines = text.split("\n")
    marks: list[tuple[str, int]] = []
    at = 0
    for title in titles:
        heading = title.rpartition(" > ")[2]
        try:
            at = lines.index(heading, at)
        except ValueError:
            raise ValueError(f"the text has no heading {heading!r} after line {at}") from None
        marks.append((title, at))
        at += 1
    end = next(number for number, line in enumerate(lines) if line.startswith("See also"))
    ends = [mark for _, mark in marks[1:]] + [end]
    return [(title, mark + 1, lines[mark:stop]) for (title, mark), stop in zip(marks, ends, strict=True)]


def _names_of_section(title: str, body: str) -> list[tuple[int, str, bool, bool]]:
    names: list[tuple[int, str, bool, bool]] = []
    variables = {
        variable: owner
        for prefix, table in _VARIABLES.items()
        if title.startswith(prefix)
        for variable, owner in table.items()
    }
    chain = next((owner for prefix, owner in _CHAINS.items() if title.startswith(prefix)), "?")

    def add(number: int, name: str, *, qualified: bool = True, here: bool = False) -> None:
        names.append((number, name, qualified, here))
        owner = name.rpartition(".")[0]
        if qualified and owner[:1].isupper():
            names.append((number, owner, True, False))

    def line_of(match: re.Match[str]) -> int:
        return body.count("\n", 0, match.start())

    for match in _TYPE.finditer(body):
        for name in _type_names(match[1], body[match.end() :]):
            add(line_of(match), name)
    for match in re.finditer(r"mount ([\w.]+)\.\{([^}]*)\}", body):
        add(line_of(match), match[1])
        for name in re.findall(_WORD, match[2]):
            add(line_of(match), name, qualified=False, here=True)
    for match in re.finditer(r"^([a-z]+\.vr)(.*)$", body, re.MULTILINE):
        add(line_of(match), match[1])
        for name in re.findall(_WORD, re.sub(r"\(.*\)", "", match[2])):
            add(line_of(match), name)
    for match in _IMPLEMENTS.finditer(body):
        for name in match[1].split(", "):
            add(line_of(match), name, qualified=False)

    for number, line in enumerate(_STRING.sub('""', body).split("\n")):
        owner = ""
        for match in sorted((*_DOTTED.finditer(line), *_CALL.finditer(line)), key=lambda m: m.start()):
            parts = [part for part in match[0].split(".") if part != "await"]
            if len(parts) > 1 or "." in match[0]:
                if parts[0] == "core":  # a module, and perhaps a type in it
                    inside = next((i for i, part in enumerate(parts) if part[0].isupper()), len(parts))
                    add(number, ".".join(parts[:inside]))
                    if inside < len(parts):
                        add(number, ".".join(parts[inside:]))
                    continue
                if parts[1].startswith("vr"):
                    continue
                owner = parts[0] if parts[0][0].isupper() else variables.get(parts[0], f"?{parts[0]}")
                if len(parts) > 1:
                    add(number, ".".join([owner, *parts[1:]]))
            elif owner and re.search(r"/ *$", line[: match.start()]):
                add(number, f"{owner}.{match[0]}")  # a.is_loopback() / is_unspecified()
            else:
                add(number, match[0], qualified=False)
        for match in _CHAINED.finditer(line):
            if match[1] != "await":
                on = _CHAIN_OWNER.search(line[: match.start()])
                add(number, f"{on[1] if on else chain}.{match[1]}")
        for match in _PATTERN.finditer(line):
            for field in re.findall(r"[a-z]\w*", match[2]):
                add(number, f"{match[1]}.{field}", qualified="." in match[1] or field != "limit")
        for rule in (_SNAKE, _CAPITALS, _CAMEL):
            for match in rule.finditer(line):
                add(number, match[0], qualified=False)
        if any(mark in line for mark in ("(", "->", "{", "<")) or re.match(r"\w+: [A-Z]", line):
            for match in _IN_TYPE_POSITION.finditer(line):
                add(number, match[1], qualified=False)
    return names


def _type_names(owner: str, rest: str) -> list[str]:
    """The names that a `type` declaration gives: the type, its variants, fields, functions and types."""
    names = [owner]
    if not re.match(r"\s*is\b", rest):
        return names
    declared = _until_end(re.sub(r"//[^\n]*", "", rest).lstrip()[2:])
    if declared.lstrip().startswith("protocol"):
        return names + [f"{owner}.{name}" for name in re.findall(r"(?:fn|type) (\w+)", declared)]
    if declared.lstrip().startswith("{"):
        return names + [f"{owner}.{name}" for name in _fields(declared)]
    for variant in re.split(r"\|", declared):
        name = re.match(r"\s*(\w+)", variant)
        if name is not None:
            names.append(f"{owner}.{name[1]}")
            names += [f"{owner}.{name[1]}.{field}" for field in _fields(variant)]
    return names


def _fields(text: str) -> list[str]:
    return re.findall(r"[{,]\s*(\w+)\s*:", text)


def _until_end(text: str) -> str:
    """Up to the semicolon, or to the end of the braces where there is none."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "{(<") - (character in "})>" and text[index - 1] != "-")
        if character == ";" and depth == 0:
            return text[:index]
        if character == "}" and depth == 0 and "|" not in text[:index]:
            return text[: index + 1]
    return text


def missing(found: list[Found], entries: list[Entry]) -> list[Found]:
    """What stands in the text and not in the table."""
    full = {entry.name for entry in entries}
    last = {entry.last for entry in entries}
    in_section = {(entry.section, entry.last) for entry in entries}

    def known(name: Found) -> bool:
        if name.here:
            return (name.section, name.name) in in_section
        return (
            name.name in full if name.qualified else name.name in full or name.name.rpartition(".")[2] in last
        )

    unknown = {name.name: name for name in reversed(found) if not known(name)}
    return sorted(unknown.values(), key=lambda name: name.line)


def unfounded(text: str, entries: list[Entry]) -> list[Entry]:
    """Entries whose name does not stand in the text."""
    meant = _as_meant(text)
    return [entry for entry in entries if entry.last not in meant]


# The commands.


def counts(entries: list[Entry]) -> str:
    """`712 names: 40 at, 600 deferred (sockets 60, ...), 72 departed`."""
    states = Counter(entry.state for entry in entries)
    works = Counter(entry.deferred for entry in entries if entry.deferred)
    waiting = ", ".join(f"{work} {works[work]}" for work in WORKS if works[work])
    return (
        f"{len(entries)} names of core-net.txt: {states['at']} at, {states['deferred']} deferred"
        f" ({waiting}), {states['departed']} departed"
    )


def land() -> list[str]:
    """Turn `deferred` with a `place` that exists by now into `at`; returns the names."""
    landed = {entry.name for entry in load() if entry.place is not None and exists(entry.place)}
    text = TABLE.read_text("utf-8")
    for name in landed:
        line = re.compile(rf'^("{re.escape(name)}" = {{ )deferred = "\w+", place = ', re.MULTILINE)
        text = line.sub(r"\1at = ", text)
    TABLE.write_text(text, "utf-8")
    return sorted(landed)


def main(arguments: list[str]) -> int:
    """Run one of the commands; returns the exit code."""
    sys.path.insert(0, str(ROOT))
    if arguments == ["land"]:
        print(*land(), sep="\n")
    elif arguments == ["missing"]:
        entries = load()
        gaps = missing(names_in(TEXT.read_text("utf-8"), sections(entries)), entries)
        for gap in gaps:
            print(f"core-net.txt:{gap.line}: {gap.name}  ({gap.section})")
        return 1 if gaps else 0
    elif not arguments:
        entries = load()
        for entry in entries:
            if entry.deferred is not None:
                print(f"{entry.deferred:12} {entry.name}  {entry.place or ''}".rstrip())
        print(counts(entries))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
