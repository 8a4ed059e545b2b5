"""Completions for bash, zsh and fish, made from what the commands declare.

They are static scripts, so pressing TAB does not start Python. Everything that they complete is known
beforehand: commands, options, the choices of an option, files, host names, and after a host's colon the
names of services. `netkit help` may stand before every command, so the scripts skip that word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from netkit.cli.frame.command import NetkitCommand, option_metavar
from netkit.cli.frame.options import ENDPOINT, FILE, HOST, Argument, services
from netkit.cli.frame.root import LazyGroup, load, root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.table import Entry

#: What may stand before the name of a command, or in a group.
HELP = "help"

_NOTICE = "# Made from the commands' own declarations by `make docs`: do not edit."


class Value(NamedTuple):
    """An option as a shell sees it. `takes` is None (a flag), "", FILE, HOST, ENDPOINT, or words."""

    names: list[str]
    text: str
    metavar: str
    takes: str | tuple[str, ...] | None
    repeats: bool


class Node(NamedTuple):
    """A place in the grammar: the words typed so far, and what may follow.

    `positional` is FILE, HOST, ENDPOINT or None; `words` are arguments that are known by themselves.
    """

    path: str
    children: list[tuple[str, str]]
    options: list[Value]
    words: list[tuple[str, str]]
    positional: str | None


def nodes(entries: tuple[Entry, ...]) -> list[Node]:
    """Every place in the grammar: netkit itself, its groups, its commands."""
    made = []
    groups = [root()]
    while groups:
        group = groups.pop(0)
        context = click.Context(group, info_name="netkit", obj=None)
        children = []
        for name, entry in group.entries():
            found = group.get_command(context, name)
            assert found is not None
            children.append((name, (entry.help if entry else found.help or "").rstrip(".")))
            if isinstance(found, LazyGroup):
                groups.append(found)
        children.append((HELP, "Show the help page of a command"))
        made.append(Node(group.prefix.strip(), children, list(_options(group, context)), [], None))
    made += [_command_node(load(entry)) for entry in entries]
    return made


def _command_node(command: NetkitCommand) -> Node:
    context = click.Context(command, info_name=command.path)
    words: list[tuple[str, str]] = []
    for section in command.sections:
        if section.complete:
            for term, text in section.rows:
                words += ((word, _first_sentence(text)) for word in _expand(term))
    positional = None
    for param in command.params:
        if isinstance(param, Argument):
            choices = getattr(param.type, "choices", ())
            known = param.complete() if callable(param.complete) else ()
            more = param.words() if param.words is not None else ()
            words += ((str(word), "") for word in (*choices, *known, *more))
            if isinstance(param.complete, str):
                positional = positional or param.complete
    return Node(command.path, [], list(_options(command, context)), words, positional)


def _expand(term: str) -> Iterator[str]:
    """The words that a term stands for: `+[no]recurse` is two, `+tries=N` is typed up to its sign.

    `+[no]edns[=N]` is three: a value may follow, and none is needed; after `no` none is possible.
    """
    for word in term.replace(",", " ").split():
        if not word[:1].isalnum() and len(word) > 1:
            name, sign, _ = word.replace("[no]", "").partition("=")
            if name.endswith("["):
                yield name[:-1]
            yield name.removesuffix("[") + sign
            if "[no]" in word:
                yield f"{name[0]}no{name[1:].removesuffix('[')}"


def _options(command: click.Command, context: click.Context) -> Iterator[Value]:
    for param in command.get_params(context):
        if isinstance(param, click.Option) and not param.hidden:
            metavar = option_metavar(param)
            takes: str | tuple[str, ...] | None = None
            if metavar is not None and not metavar.startswith("[="):  # a value that may be left out joins it
                kind = getattr(param, "complete", None) or ""
                choices = getattr(param.type, "choices", None) or (kind() if callable(kind) else ())
                takes = tuple(map(str, choices)) or kind
            yield Value(
                [*param.opts, *param.secondary_opts],
                _first_sentence(param.help or ""),
                metavar or "",
                takes,
                bool(param.count or param.multiple),
            )


def _first_sentence(text: str) -> str:
    """The first sentence without its parentheses, because a menu has one line for it."""
    bare = re.sub(r"\s*\([^)]*\)", "", " ".join(text.split()))
    return re.split(r"[.;:](?:\s|$)", bare)[0].replace("`", "")


def _steps(places: list[Node]) -> list[str]:
    """What leads from one place to the next: `tls/probe`. The word `help` leads nowhere."""
    return [f"{node.path}/{name}" for node in places for name, _ in node.children if name != HELP]


def _place(node: Node, name: str) -> str:
    """Where a word leads."""
    return node.path if name == HELP else f"{node.path} {name}".strip()


# -- bash


def bash(places: list[Node]) -> str:
    """The script for bash; it does not need the bash-completion package."""
    parents = " | ".join(_bash_quote(step) for step in _steps(places))
    lines = [
        "# bash completion for netkit",
        _NOTICE,
        "",
        "_netkit() {",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}",
        "    local place= options= words= positional= takes=none colon= i IFS=$' \\t\\n'",
        f"    local services={_bash_quote(' '.join(services()))}",
        "    # `--color=al` arrives as three words, and so does `localhost:ht`.",
        "    if [[ $cur == = ]]; then",
        "        cur=",
        "    elif [[ $prev == = && COMP_CWORD -gt 1 ]]; then",
        "        prev=${COMP_WORDS[COMP_CWORD - 2]}",
        "    elif [[ $cur == : ]]; then",
        "        cur= colon=1",
        "    elif [[ $prev == : ]]; then",
        "        colon=1",
        "    fi",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        '        case "$place/${COMP_WORDS[i]}" in',
        f'            {parents}) place="${{place:+$place }}${{COMP_WORDS[i]}}" ;;',
        "        esac",
        "    done",
        "    case $place in",
    ]
    for node in places:
        lines += [f"        {_bash_quote(node.path)})"]
        options = " ".join(name for value in node.options for name in value.names)
        lines.append(f"            options={_bash_quote(options)}")
        words = " ".join(name for name, _ in node.children + node.words)
        if words:
            lines.append(f"            words={_bash_quote(words)}")
        if node.positional:
            lines.append(f"            positional={node.positional}")
        cases: dict[str, list[str]] = {}
        for value in node.options:
            if value.takes is not None:
                kind = " ".join(value.takes) if isinstance(value.takes, tuple) else value.takes
                key = _bash_quote(f"words {kind}" if isinstance(value.takes, tuple) else kind or "value")
                cases.setdefault(key, []).extend(value.names)
        if cases:
            lines.append("            case $prev in")
            lines += [f"                {' | '.join(names)}) takes={key} ;;" for key, names in cases.items()]
            lines.append("            esac")
        lines.append("            ;;")
    lines += [
        "    esac",
        "    COMPREPLY=()",
        "    case $takes in",
        "        value) return ;;",
        '        file) _netkit_files "$cur" ;;',
        '        host) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;',
        '        endpoint) _netkit_endpoint "$cur" "$colon" ;;',
        '        words*) COMPREPLY=($(compgen -W "${takes#words }" -- "$cur")) ;;',
        "        *)",
        "            if [[ $cur == -* ]]; then",
        '                COMPREPLY=($(compgen -W "$options" -- "$cur"))',
        "                return",
        "            fi",
        '            COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "            if [[ $positional == file && ${#COMPREPLY[@]} -eq 0 ]]; then",
        '                _netkit_files "$cur"',
        "            elif [[ $positional == endpoint ]]; then",
        '                _netkit_endpoint "$cur" "$colon"',
        "            elif [[ $positional == host && $cur != [+@]* ]]; then",
        '                COMPREPLY+=($(compgen -A hostname -- "$cur"))',
        "            fi",
        "            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null",
        "            ;;",
        "    esac",
        "    return 0",
        "}",
        "",
        "# A host, or after its colon a service; `services` is the caller's.",
        "_netkit_endpoint() {",
        "    if [[ -n $2 ]]; then",
        '        COMPREPLY=($(compgen -W "$services" -- "$1"))',
        "    elif [[ $1 == *:* ]]; then",
        '        COMPREPLY=($(compgen -P "${1%:*}:" -W "$services" -- "${1##*:}"))',
        "    else",
        '        COMPREPLY=($(compgen -A hostname -- "$1"))',
        "    fi",
        "}",
        "",
        "_netkit_files() {",
        "    local IFS=$'\\n'",
        "    compopt -o filenames 2>/dev/null",
        '    COMPREPLY=($(compgen -f -- "$1"))',
        "}",
        "",
        "complete -F _netkit netkit",
    ]
    return "\n".join(lines) + "\n"


def _bash_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- zsh


def zsh(places: list[Node]) -> str:
    """The script for zsh: a function for each place, on _arguments."""
    lines = ["#compdef netkit", _NOTICE, ""]
    for node in places:
        lines += [f"{_zsh_function(node.path)}() {{"]
        lines += _zsh_group(node) if node.children else _zsh_command(node)
        lines += ["}", ""]
    lines += [
        "_netkit_endpoint() {",
        "    if compset -P '*:'; then",
        f"        compadd -- {' '.join(services())}",
        "    else",
        "        _hosts",
        "    fi",
        "}",
        "",
        "if [[ ${funcstack[1]} == _netkit ]]; then",
        '    _netkit "$@"',
        "else",
        "    compdef _netkit netkit",
        "fi",
    ]
    return "\n".join(lines) + "\n"


_ZSH_HELPERS = {FILE: "_files", HOST: "_hosts", ENDPOINT: "_netkit_endpoint"}


def _zsh_function(path: str) -> str:
    return "_netkit" if not path else f"_netkit_{path.replace(' ', '_').replace('-', '_')}"


def _zsh_group(node: Node) -> list[str]:
    lines = [
        "    local state ret=1",
        "    local -a commands",
        "    _arguments -C \\",
        *(f"        {spec} \\" for spec in _zsh_options(node)),
        "        '1: :->command' '*:: :->rest' && ret=0",
        "    case $state in",
        "        command)",
        "            commands=(",
    ]
    for name, text in node.children:
        escaped = text.replace("\\", "\\\\").replace(":", "\\:")
        lines.append(f"                {_bash_quote(f'{name}:{escaped}')}")
    lines += [
        "            )",
        "            _describe -t commands command commands && ret=0",
        "            ;;",
        "        rest)",
        "            case $words[1] in",
    ]
    lines += [
        f"                {name}) {_zsh_function(_place(node, name))} && ret=0 ;;"
        for name, _ in node.children
    ]
    return [*lines, "            esac", "            ;;", "    esac", "    return ret"]


def _zsh_command(node: Node) -> list[str]:
    specs = list(_zsh_options(node))
    helper = _ZSH_HELPERS.get(node.positional or "", "")
    lines = []
    if node.words:
        lines += ["    local state ret=1", "    local -a flags"]
        specs.append("'*: :->argument'")
    else:  # even if nothing is known of the arguments, because options may follow them
        specs.append(f"'*: :{helper or ' '}'")
    indented = " \\\n".join(f"        {spec}" for spec in specs)
    if not node.words:
        return [*lines, f"    _arguments -s -S \\\n{indented}"]
    lines += [f"    _arguments -s -S \\\n{indented} && ret=0", "    if [[ $state == argument ]]; then"]
    lines.append("        flags=(")
    for word, text in node.words:
        # No blank after an equals sign, because the value follows.
        parts = (word, text) if text else (word,)
        pair = ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
        lines.append(f"            {_bash_quote(pair)}")
    lines += ["        )", "        _describe -t flags flag flags && ret=0"]
    if helper:
        lines.append(f"        {helper} && ret=0")
    return [*lines, "    fi", "    return ret"]


def _zsh_options(node: Node) -> Iterator[str]:
    for value in node.options:
        text = re.sub(r"([\[\]\\:])", r"\\\1", value.text)
        action = ""
        if value.takes is not None:
            words = f"({' '.join(value.takes)})" if isinstance(value.takes, tuple) else ""
            helper = words or _ZSH_HELPERS.get(str(value.takes), " ")
            label = re.sub(r"([\[\]\\:])", r"\\\1", value.metavar)
            action = f":{label}:{helper}"
        rest = _bash_quote(f"[{text}]{action}")
        names = value.names
        # A long option with a value may be written `--name=value` as well.
        shown = [f"{name}=" if name.startswith("--") and value.takes is not None else name for name in names]
        if value.repeats:
            yield from (f"'*'{name}{rest}" for name in shown)
        elif len(names) == 1:
            yield f"{shown[0]}{rest}"
        else:
            yield f"'({' '.join(names)})'{{{','.join(shown)}}}{rest}"


# -- fish

_FISH_HELPERS = {HOST: "__fish_print_hostnames", ENDPOINT: "__netkit_endpoints"}


def fish(places: list[Node]) -> str:
    """The script for fish."""
    lines = [
        "# fish completion for netkit",
        _NOTICE,
        "",
        "function __netkit_at --description 'Whether the words typed so far lead to this place'",
        "    set -l place",
        "    for word in (commandline -opc)[2..]",
        '        switch "$place/$word"',
        f"            case {' '.join(_fish_quote(step) for step in _steps(places))}",
        '                set place (string trim -- "$place $word")',
        "        end",
        "    end",
        '    test "$place" = "$argv[1]"',
        "end",
        "",
        "function __netkit_endpoints --description 'Hosts, or after a colon services'",
        "    set -l host (string match -r '^.*:' -- (commandline -ct))",
        '    if test -n "$host"',
        f"        string join \\n -- $host{{{','.join(services())}}}",
        "    else",
        "        __fish_print_hostnames",
        "    end",
        "end",
        "",
        "complete -c netkit -f",
    ]
    for node in places:
        at = f"complete -c netkit -n {_fish_quote('__netkit_at ' + _fish_quote(node.path))}"
        for name, text in node.children + node.words:
            lines.append(f"{at} -a {_fish_quote(name)}" + (f" -d {_fish_quote(text)}" if text else ""))
        if node.positional in _FISH_HELPERS:
            lines.append(f"{at} -a '({_FISH_HELPERS[node.positional]})'")
        elif node.positional == FILE:
            lines.append(f"{at} -F")
        for value in node.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in value.names
            )
            takes = ""
            if isinstance(value.takes, tuple):
                takes = f" -x -a {_fish_quote(' '.join(value.takes))}"
            elif value.takes == FILE:
                takes = " -r -F"
            elif value.takes in _FISH_HELPERS:
                takes = f" -x -a '({_FISH_HELPERS[value.takes]})'"
            elif value.takes is not None:
                takes = " -x"
            lines.append(f"{at} {names}{takes} -d {_fish_quote(value.text)}")
    return "\n".join(lines) + "\n"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
