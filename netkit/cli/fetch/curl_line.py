"""curl's command line: read from what a browser or a colleague copied, and written for one.

`netkit http fetch` has curl's options under curl's names, so reading is mostly a check: each word of the
command becomes the same word here. What differs is in the tables below, and an option that is in none of
them is an error with its name: a request without what it asked for is another request.

Writing goes the other way, from a settled request (all files read) and the options given beside it.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from netkit.cli.fetch.plan import FORM_TYPE, FileBody, MultipartBody
from netkit.cli.fetch.shell_words import ShellError, split_words
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.tls.options import is_of_13, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.cli.fetch.plan import RequestPlan, SettledRequest

_FLAGS = """
    basic compressed create-dirs digest fail fail-with-body get head http1.1 http2 http2-prior-knowledge
    include insecure ipv4 ipv6 location location-trusted netrc no-buffer raw
    remote-header-name remote-name show-error show-headers silent tls-earlydata verbose
"""
_VALUES = """
    cacert cert ciphers connect-timeout connect-to continue-at cookie cookie-jar crlfile curves data
    data-ascii data-binary data-raw data-urlencode form form-string header interface key limit-rate
    max-redirs max-time netrc-file noproxy oauth2-bearer output output-dir proxy range referer request
    resolve retry retry-delay sigalgs tls-max unix-socket upload-file user user-agent
"""
#: Options that mean the same here, by curl's long names: without a value, and with one.
FLAGS = frozenset(_FLAGS.split())
VALUES = frozenset(_VALUES.split())
#: Options that change nothing here, and why not.
PASSED_OVER = {
    "disable": "netkit reads no .curlrc",
    "globoff": "brackets in a URL are never expanded",
    "no-keepalive": "a connection is used for this request",
    "no-progress-meter": "progress is shown for downloads only",
    "path-as-is": "a URL is sent as browsers read it",
    "progress-bar": "progress is shown for downloads",
    "remote-name-all": "-O is for all URLs here",
    "ssl-no-revoke": "only Windows' TLS asks about that",
    "tcp-nodelay": "it is always so",
    "tlsv1": "nothing older than TLS 1.2 is spoken unless it is asked for",
    "tlsv1.2": "it is the least that is spoken",
    "styled-output": "headers are coloured on a terminal",
}
_NEGATABLE = frozenset(("buffer", "keepalive", "progress-meter", "styled-output"))
#: curl's letters.
LETTERS = {
    "0": "http1.0",
    "4": "ipv4",
    "6": "ipv6",
    "#": "progress-bar",
    "A": "user-agent",
    "b": "cookie",
    "c": "cookie-jar",
    "C": "continue-at",
    "d": "data",
    "e": "referer",
    "E": "cert",
    "f": "fail",
    "F": "form",
    "g": "globoff",
    "G": "get",
    "H": "header",
    "i": "include",
    "I": "head",
    "J": "remote-header-name",
    "k": "insecure",
    "L": "location",
    "m": "max-time",
    "n": "netrc",
    "N": "no-buffer",
    "o": "output",
    "O": "remote-name",
    "q": "disable",
    "r": "range",
    "s": "silent",
    "S": "show-error",
    "T": "upload-file",
    "u": "user",
    "U": "proxy-user",
    "v": "verbose",
    "w": "write-out",
    "x": "proxy",
    "X": "request",
}
#: curl's names that are others here.
_HERE = {
    "ipv4": ["-4"],
    "ipv6": ["-6"],
    "tlsv1.0": ["--min-version", "1.0"],
    "tlsv1.1": ["--min-version", "1.1"],
    "tlsv1.3": ["--min-version", "1.3"],
}
#: The same, of options with a value.
_VALUES_HERE = {"tls13-ciphers": "--cipher"}
#: What helps instead of an option that is not there.
_INSTEAD = {
    "config": "write its options on the command line",
    "retry-max-time": "--max-time is for all tries together",
    "next": "give one request at a time",
    "pass": "--password-file FILE has the password of a key, which a command line would show",
    "proxy-user": "user and password are part of the proxy's URL",
    "socks5": "write --proxy socks5://HOST:PORT",
    "socks5-hostname": "write --proxy socks5h://HOST:PORT",
    "write-out": "--timing shows times, --json everything",
}


def from_curl(text: str) -> list[str]:
    """The words for `netkit http fetch` that do what a curl command line does.

    Its URLs get the scheme that curl would take. Raises WrongValue, which names what cannot be done.
    """
    try:
        words = split_words(text)
    except ShellError as error:
        raise WrongValue(
            f"--from-curl: {error}", "copy it as for bash, not as for cmd or PowerShell"
        ) from error
    if not words or words[0].rpartition("/")[2].removesuffix(".exe") != "curl":
        raise WrongValue(
            "--from-curl: this is no curl command", "write --from-curl 'curl https://example.com'"
        )
    found: list[str] = []
    urls: list[str] = []
    rest = list(reversed(words[1:]))
    while rest:
        word = rest.pop()
        if word == "--":
            urls += reversed(rest)
            break
        if word.startswith("--"):
            _option(word[2:], None, rest, found, urls)
        elif word.startswith("-") and len(word) > 1:
            _letters(word, rest, found, urls)
        else:
            urls.append(word)
    if not urls:
        raise WrongValue("--from-curl: the command has no URL", "add the URL, in quotes")
    return [*found, *(url if "://" in url else f"http://{url}" for url in urls)]


def _letters(word: str, rest: list[str], found: list[str], urls: list[str]) -> None:
    for at, letter in enumerate(word[1:], 1):
        name = LETTERS.get(letter)
        if name is None:
            raise _unknown(f"-{letter}", None)
        if name in VALUES or name in _INSTEAD:
            _option(name, word[at + 1 :] or None, rest, found, urls)
            return
        _option(name, None, rest, found, urls)


def _option(name: str, value: str | None, rest: list[str], found: list[str], urls: list[str]) -> None:
    """One option of curl's, by its long name; `value` is what stood in the same word."""
    if name in _INSTEAD:
        raise _unknown(f"--{name}", _INSTEAD[name])
    if name in VALUES or name in _VALUES_HERE or name in ("json", "url"):
        if value is None:
            if not rest:
                raise WrongValue(f"--from-curl: --{name} has no value", None)
            value = rest.pop()
        if name == "url":
            urls.append(value)
        elif name == "json":
            if "--data-binary" in found:
                raise WrongValue("--from-curl: --json stands beside another body", "join the bodies")
            found[:0] = ["-H", "Content-Type: application/json", "-H", "Accept: application/json"]
            found += ["--data-binary", value]
        else:
            found += [_VALUES_HERE.get(name, f"--{name}"), value]
    elif name in FLAGS or name in _HERE:
        found += _HERE.get(name, [f"--{name}"])
    elif name not in PASSED_OVER and not (name.startswith("no-") and name[3:] in _NEGATABLE):
        raise _unknown(f"--{name}", None)


def _unknown(name: str, instead: str | None) -> WrongValue:
    hint = instead or "leave it out, if it does not matter"
    return WrongValue(f"--from-curl: netkit does not have curl's {name}", hint)


# -- the other way

#: What curl sends by itself, and would send beside ours.
_CURL_SENDS = ("User-Agent", "Accept")
#: Options given beside the request: netkit's longest name, and curl's.
_BESIDE = {
    "--output": "-o",
    "--location": "-L",
    "--insecure": "-k",
    "--proxy": "-x",
    "--ca": "--cacert",
    "--cacert": "--cacert",
    "--show-headers": "-i",
    "--head": "-I",
    "--fail": "-f",
    "--remote-name": "-O",
    "--remote-header-name": "-J",
    "--netrc": "-n",
    "--cookie-jar": "-c",
    "--continue-at": "-C",
    "--verbose": "-v",
    "-4": "-4",
    "-6": "-6",
}


#: Options of TLS that are other words of curl's: from their value to these words.
_TLS_BESIDE: dict[str, Callable[[str], list[str]]] = {
    "--min-version": lambda version: [f"--tlsv{version}"],
    "--max-version": lambda version: ["--tls-max", version],
    "--ciphers": lambda names: [
        word
        for option, of_13 in (("--ciphers", False), ("--tls13-ciphers", True))
        if (chosen := [name for name in listed(names) if is_of_13(name) is of_13])
        for word in (option, ":".join(chosen))
    ],
    **{
        f"--tls{version}": lambda _, version=version: [f"--tlsv{version}", "--tls-max", version]  # type: ignore[misc]
        for version in ("1.0", "1.1", "1.2", "1.3")
    },
}


def to_curl(plan: RequestPlan, settled: SettledRequest, beside: Iterable[tuple[str, object]]) -> str:
    """The curl command that sends the same, for a POSIX shell.

    `beside` are the options that were given and are not about the request: their longest names, and their
    values (True for a flag).
    """
    words = ["curl"]
    for name, value in beside:
        if name in _TLS_BESIDE:
            words += _TLS_BESIDE[name](str(value).removeprefix("TLS "))
            continue
        known = _BESIDE.get(name, name if name[2:] in FLAGS | VALUES else None)
        if known is None:
            continue
        words += [known] if value is True else [known, _written(value)]
    words += _body(plan, settled)
    with_body = settled.body is not None
    implied = "POST" if with_body else "GET"
    if isinstance(settled.body, FileBody) and settled.body.names_target:
        implied = "PUT"
    if settled.method == "HEAD" and "-I" not in words:
        words.append("-I")
    elif settled.method not in (implied, "HEAD"):
        words += ["-X", settled.method]
    words += _headers(plan, settled)
    auth = plan.auth
    if auth is not None and auth.scheme == "bearer":
        words += ["--oauth2-bearer", auth.password or ""]
    elif auth is not None:
        words += ["--digest"] if auth.scheme == "digest" else []
        words += ["-u", auth.user if auth.password is None else f"{auth.user}:{auth.password}"]
    if re.search(r"[][{}]", str(settled.url)):
        words.append("-g")  # curl would expand them
    words.append(str(settled.url))
    return " ".join(quote(word) for word in words)


def _written(value: object) -> str:
    return "-" if value == -1 else f"{value:g}" if isinstance(value, float) else str(value)


def _headers(plan: RequestPlan, settled: SettledRequest) -> list[str]:
    words: list[str] = []
    names = {name.lower() for name, _ in settled.fields}
    for name, value in settled.fields:
        lower = name.lower()
        own = plan.header(name) is None
        if own and (lower == "user-agent" or (lower == "accept" and value == "*/*")):
            continue  # curl has its own of these
        if own and lower == "accept-encoding":
            words += [] if value == "identity" else ["--compressed"]
        elif lower == "content-type" and own and (value == FORM_TYPE or isinstance(plan.body, MultipartBody)):
            continue  # curl sends it with such a body
        else:
            text = value.encode("latin-1").decode("utf-8", "surrogateescape")
            words += ["-H", f"{name}: {text}" if value else f"{name};"]
    for name in (*_CURL_SENDS, "Content-Type"):
        asked = plan.header(name)
        is_left_out = asked is not None and asked.value is None
        if name == "Content-Type" and isinstance(settled.body, FileBody) and not settled.body.names_target:
            is_left_out = True  # --data-binary would be a form
        if is_left_out and name.lower() not in names:
            words += ["-H", f"{name}:"]
    return words


def _body(plan: RequestPlan, settled: SettledRequest) -> list[str]:
    if isinstance(plan.body, MultipartBody):
        words: list[str] = []
        for part in plan.body.parts:
            if part.path is None and part.filename is None and part.content_type is None:
                words += ["--form-string", f"{part.name}={part.text}"]
                continue
            content = f'"{_escaped(part.text or "")}"'
            if part.path is not None:
                content = f'{"<" if part.filename is None else "@"}"{_escaped(part.path)}"'
            content += f";type={part.content_type}" if part.content_type else ""
            content += f';filename="{_escaped(part.filename)}"' if part.filename else ""
            words += ["-F", f"{part.name}={content}"]
        return words
    match settled.body:
        case FileBody(path, _, names_target):
            # -T would complete a URL that ends in a slash.
            return ["-T", path] if names_target else ["--data-binary", f"@{path}"]
        case bytes(octets):
            return [
                "--data-raw" if octets.startswith(b"@") else "-d",
                octets.decode("utf-8", "surrogateescape"),
            ]
    return []


def _escaped(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def quote(word: str) -> str:
    r"""A word as a shell reads it again: in quotes where it needs them, `$'...'` for control characters.

    >>> print(quote("a b"), quote("it's"), quote("a\nb"))
    'a b' 'it'"'"'s' $'a\nb'
    """
    if all(character.isprintable() for character in word):
        return shlex.quote(word)
    made = "".join(_ansi(character) for character in word)
    return f"$'{made}'"


_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def _ansi(character: str) -> str:
    if character in _NAMED or character.isprintable():
        return _NAMED.get(character, character)
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an octet that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"


def without_counterpart(given: Sequence[tuple[str, object]]) -> list[str]:
    """The given options that curl has no counterpart of."""
    return [
        name
        for name, _ in given
        if name not in _BESIDE and name not in _TLS_BESIDE and name[2:] not in FLAGS | VALUES
    ]
