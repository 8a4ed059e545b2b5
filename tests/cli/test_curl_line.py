"""Shell words as bash reads them, and curl's command line in both directions."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, strategies as st

from netkit.cli.fetch.curl_line import from_curl, quote
from netkit.cli.fetch.shell_words import MAX_LENGTH, ShellError, split_words
from netkit.cli.frame.options import WrongValue
from tests.conftest import require_peer

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "text",
    [
        "curl 'a b' \"c d\" e\\ f",
        r"""curl 'it'\''s' "a\"b\\c\d" \'x""",
        r"curl $'a\nb\t\\\'\"\x41\101\u00e9\U0001F600\e[0m\q'",
        r"curl $'\xc3\xa9\303\251'",
        "curl \\\n  -H 'a: b' \\\n  'url'",
        'curl "a\\\nb"',
        "curl a#b # the rest is a comment",
        "curl a''b\"\"c ''",
        'curl "$" a$ "100$ "',
        "curl a=b@c:d,e/f?g%20h~i+j",
        "curl *.txt?"[:-6] + "x",
        "  \t curl\ta\n",
    ],
)
def test_words_are_those_of_bash(text: str) -> None:
    bash = require_peer("bash")
    done = subprocess.run(
        [bash, "-c", f"printf '%s\\0' {text}\n"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert split_words(text) == done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("curl 'a", "a quote ' is not closed"),
        ('curl "a', 'a quote " is not closed'),
        ("curl $'a", "a quote $' is not closed"),
        ("curl a\\", "nothing follows the last backslash"),
        ("curl $TOKEN", "$TOKEN is a variable"),
        ('curl "x $TOKEN"', "$TOKEN is a variable"),
        ("curl ${A}", "${A} is a variable"),
        ("curl $(cat x)", "the output of a command"),
        ("curl `cat x`", "the output of a command"),
        ("curl a | jq", "| is a pipe"),
        ("curl http://a/?b=1&c=2", "& is a command in the background"),
        ("curl a > b", "> is a redirection"),
        ("curl a; rm b", "; is a second command"),
        (r"curl $'\U7fffffff'", "a character that there is not"),
        ("x" * (MAX_LENGTH + 1), "longer than 16,777,216 characters"),
    ],
)
def test_what_only_a_shell_can_do(text: str, said: str) -> None:
    with pytest.raises(ShellError) as caught:
        split_words(text)
    assert said in str(caught.value)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)))
def test_what_is_quoted_is_read_again(words: list[str]) -> None:
    assert split_words(" ".join(map(quote, words))) == words


def test_octets_that_are_no_utf8_are_read_again() -> None:
    assert split_words(quote("a\udcff\udc80é")) == ["a\udcff\udc80é"]


# -- from curl

COPIED = r"""curl 'https://a.example/api' \
  -H 'accept: */*' \
  -b 's=1; t=2' \
  --data-raw $'{"a":"it\'s"}' \
  --compressed
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("curl example.com", ["http://example.com"]),
        ("/usr/bin/curl https://a.example/x", ["https://a.example/x"]),
        ("curl -sSL https://a.example", ["--silent", "--show-error", "--location", "https://a.example"]),
        ("curl -XPOST -d@f a", ["--request", "POST", "--data", "@f", "http://a"]),
        ("curl -4 --http2 -o x --url a", ["-4", "--http2", "--output", "x", "http://a"]),
        ("curl -sXPUT a", ["--silent", "--request", "PUT", "http://a"]),
        (
            "curl --json @f a",
            [
                *("-H", "Content-Type: application/json", "-H", "Accept: application/json"),
                *("--data-binary", "@f", "http://a"),
            ],
        ),
        ("curl -- a b", ["http://a", "http://b"]),
        ("curl -H 'A: b' a --compressed", ["--header", "A: b", "--compressed", "http://a"]),
        ("curl -g --no-progress-meter --no-keepalive -# a", ["http://a"]),
        ("curl -C - -O a", ["--continue-at", "-", "--remote-name", "http://a"]),
        # as Firefox and Chrome copy it
        (
            COPIED,
            [
                *("--header", "accept: */*", "--cookie", "s=1; t=2"),
                *("--data-raw", '{"a":"it\'s"}', "--compressed", "https://a.example/api"),
            ],
        ),
    ],
)
def test_a_curl_command_in_words_of_ours(line: str, words: list[str]) -> None:
    assert from_curl(line) == words


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("wget a", "this is no curl command", "--from-curl 'curl"),
        ("", "this is no curl command", "curl"),
        ("curl", "the command has no URL", "add the URL"),
        ("curl -w '%{http_code}' a", "curl's --write-out", "--timing"),
        ("curl --json '{}' --json x a", "--json stands beside another body", "join"),
        ("curl a --next b", "curl's --next", "one request at a time"),
        ("curl --tftp-blksize 5 a", "curl's --tftp-blksize", "leave it out"),
        ("curl -sZ a", "curl's -Z", "leave it out"),
        ("curl a -H", "--header has no value", None),
        ("curl 'a", "a quote ' is not closed", "as for bash"),
    ],
)
def test_what_cannot_be_taken_over_is_named(line: str, said: str, hint: str | None) -> None:
    with pytest.raises(WrongValue) as caught:
        from_curl(line)
    assert said in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")
