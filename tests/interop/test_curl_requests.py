"""`netkit http fetch` with curl's options, beside curl itself: both ask one server, which keeps what it got.

A line of options is given to curl, to `netkit http fetch`, and as a whole command to `--from-curl`. What the
server received must be the same. What netkit does otherwise on purpose is in a table of its own, with the
reason. The other way round, what `--curl` writes is run by a shell, and sends what the line itself sends.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pytest

from tests.cli.helpers import Result, address_of, run_netkit
from tests.conftest import require_peer

# None of this is about a twin.
pytestmark = pytest.mark.once

WAIT = 10.0


class Sent(NamedTuple):
    """A request as the server got it: the parts in which two clients are compared."""

    line: str
    fields: dict[str, list[str]]
    body: bytes


class Recorder:
    """A server that keeps each request. `/STATUS` redirects to `/there`; `/digest` asks for a digest."""

    def __init__(self, listener: socket.socket) -> None:
        self.address = address_of(listener)
        self.got: list[Sent] = []
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(WAIT)
            with connection, connection.makefile("rwb") as file:
                try:
                    while self._answer(file):  # type: ignore[arg-type]
                        pass
                except OSError:
                    pass

    def _answer(self, file: BinaryIO) -> bool:
        line = file.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        fields: dict[str, list[str]] = {}
        while (field := file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = field.partition(":")
            fields.setdefault(name.lower(), []).append(value.strip())
        if "expect" in fields:
            file.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            file.flush()
        body = file.read(int(fields.get("content-length", ["0"])[0]))
        if "transfer-encoding" in fields:
            while size := int(file.readline(), 16):
                body += file.read(size)
                file.readline()
            file.readline()
        self.got.append(Sent(line, fields, body))
        path = line.split(" ")[1].rpartition("/")[2]
        more = ""
        status = "200"
        if path in ("301", "302", "303", "307", "308"):
            status, more = path, "Location: /there\r\n"
        elif path == "digest" and "Digest" not in "".join(fields.get("authorization", [])):
            status, more = (
                "401",
                'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n',
            )
        file.write(f"HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\n\r\n".encode())
        file.flush()
        return True

    def take(self) -> list[Sent]:
        """What came since the last call, in a form that two clients have in common."""
        got, self.got = self.got, []
        return [_comparable(each) for each in got]


#: Fields that each client has in its own way, or that are of the connection.
OWN_FIELDS = ("accept-encoding", "expect", "proxy-connection")


def _comparable(sent: Sent) -> Sent:
    line, fields, body = sent
    fields = {name: values for name, values in fields.items() if name not in OWN_FIELDS}
    if line.startswith("PUT"):
        # curl cannot know how long a pipe is; here it is a file in memory.
        fields.pop("content-length", None)
        fields.pop("transfer-encoding", None)
    agents = fields.get("user-agent", [])
    if agents and re.match("(curl|netkit)/", agents[0]):
        fields["user-agent"] = ["the client's"]
    content_type = fields.get("content-type", [""])[0]
    boundary = re.search('boundary="?([^";]+)', content_type)
    if boundary is not None:
        fields["content-type"] = [content_type.replace(boundary[1], "B").replace('"', "")]
        body = body.replace(boundary[1].encode(), b"B")
        fields.pop("content-length", None)
    authorization = fields.get("authorization", [""])[0]
    if authorization.startswith("Digest"):
        words = sorted(authorization.removeprefix("Digest").replace('"', "").split(","))
        fields["authorization"] = [re.sub("(cnonce|response)=[^,]*", r"\1", ",".join(words))]
    return Sent(line, fields, body)


@pytest.fixture(scope="module")
def running() -> Iterator[Recorder]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Recorder(listener)
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def recorder(running: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "f.json").write_bytes(b'{"a": 1}')
    (tmp_path / "p.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "bare").write_bytes(b"x")
    (tmp_path / "jar").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tck\tcv\n")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login joe password pw\n")
    (tmp_path / "netrc").chmod(0o600)
    running.take()
    return running


def _shell_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "HOME": str(home)}


def by_curl(line: str, home: Path, stdin: bytes = b"") -> None:
    """Run a line of curl's in a shell."""
    require_peer("curl")
    done = subprocess.run(
        [require_peer("bash"), "-c", line.replace("curl ", "curl -q -s ", 1)],
        input=stdin,
        capture_output=True,
        check=False,
        env=_shell_environment(home),
        timeout=WAIT,
    )
    assert done.returncode == 0, done


def by_netkit(*words: str, stdin: bytes = b"") -> Result:
    done = run_netkit("http", "fetch", *words, stdin=stdin)
    assert done.exit_code == 0, done
    return done


#: Lines of options, `U` for the server; behind `<<` is standard input.
SAME = r"""
U
U/a/../b
U/x?q=a+b&c=%20#part
U/x U/y
-i U
-d a=b U
-d a=b -d c=d U
-d @f.txt U
-d @- U << from a pipe
-d @- U
-d '' U
-da=b U
--data @f.txt U
--data-ascii @f.txt U
--data-binary @f.txt U
--data-binary @- U << two
--data-raw @f.txt U
--data-urlencode 'a=b c&d' U
--data-urlencode 'b c&d/é~*' U
--data-urlencode '=b c' U
--data-urlencode n@f.txt U
--data-urlencode @f.txt U
-d a=b --data-urlencode 'c=d e' --data-binary @p.png U
-G -d a=b -d c=d U
-G -d a=b U/?x=1
-G --data-urlencode 'q=a b' U/#part
-I U
-IG -d a=b U
-X DELETE U
-X PUT -d x U
-XPATCH -d x U
-X OPTIONS U
-H 'X-A: b' -H 'X-A:c' U
-HX-A:b U
-H Accept: U
-H User-Agent: U
-H 'X-Empty;' U
-H X-Empty: U
-H 'Host: other.example' U
-H 'Content-Type: application/json' -d '{"a":1}' U
-H Content-Type: -d x U
-H 'content-type: text/plain' -d x U
-H 'X-Spaces:   some   ' U
-H 'Transfer-Encoding: chunked' -d abc U
-H 'Transfer-Encoding: chunked' -F a=b U
-H 'X-Text: é€' U
-H 'Authorization: Bearer x' U
-H 'Cookie: a=b' U
-A me U
-A '' U
-e http://from/ U
-e '' U
-b 'a=b; c=d' U
-b jar U
-u joe:pw U
-u joe: U
-u 'jöe:p:w' U
-u joe:pw --digest U/digest
--oauth2-bearer token U
--netrc-file netrc U
--netrc-file netrc -u a:b U
-F a=b U
-F a=b -F c=@f.txt U
-F c=@p.png U
-F c=@bare U
-F 'c=@p.png;type=image/x-mine;filename=x.png' U
-F 'c=@f.txt;filename="a;b.txt"' U
-F 'c=<f.txt' U
-F 'c=<-' U << from a pipe
-F 'c=text;type=text/html' U
-F 'n"ame=v' U
-F 'é=ü' U
-F a= U
--form-string 'a=@x;type=y' U
-T f.txt U
-T f.txt U/dir/
-T f.txt U/dir/?x=1
-T f.txt U/name
-T f.txt -X POST U/name
-T - U/name << from a pipe
-T - U/name
-r 0-99 U
-r -5 U
-r 0-1,4-5 U
-L U/301
-L U/307
-L -d a=b U/301
-L -d a=b U/302
-L -d a=b U/303
-L -d a=b U/307
-L -d a=b U/308
-L -F a=b U/307
-L -T f.txt U/307
-L -I U/302
-L -X DELETE U/302
-L -u joe:pw U/302
-x U http://target.example/path?q
-x U -u joe:pw http://target.example/
-x U -d a=b http://target.example/
-x http://us:pa@N http://target.example/
--resolve target.example:P:127.0.0.1 http://target.example:P/
--connect-to target.example:80:N http://target.example/
--connect-to ::N http://target.example/
--http1.1 --no-buffer -k -4 U
--compressed U
--max-time 5 --connect-timeout 5 --retry 1 --max-redirs 3 U
"""

#: Lines where netkit sends something else, what is not the same, and why that is so.
OTHERWISE = [
    ("-X POST U", {"content-length"}, "RFC 9110 section 8.6: a POST without a body says Content-Length: 0"),
    ("-H Host: U", {"host"}, "RFC 9112 section 3.2: a request of HTTP/1.1 has a Host"),
    ("U/x?q=é", {"line"}, "a URL is sent as browsers read it: no octet beyond ASCII in a target"),
    ("-b a=b -b c=d U", {"cookie"}, "RFC 6265bis section 4.2.1: a space behind the semicolon"),
    ("-u joe:pw --digest -d a=b U/digest", {"body", "content-length"}, "curl holds the body back at first"),
    ("-F c=@f.json U", {"body"}, "more kinds of files are known by their names"),
    ("-L -X PUT -d a=b U/302", {"body", "content-type"}, "curl drops the body"),
    ("-L -X POST U/302", {"line", "content-length"}, "curl repeats -X; RFC 9110 section 15.4.3"),
]


def both(recorder: Recorder, line: str) -> tuple[list[str], bytes]:
    line, _, stdin = line.partition(" << ")
    line = re.sub(r"\bU(?=[ /?#]|$)", f"http://{recorder.address}", line)
    line = re.sub(r"\bN(?= |$)", recorder.address, line)
    line = re.sub(r":P(?=[:/])", f":{recorder.address.rpartition(':')[2]}", line)
    return shlex.split(line), stdin.encode()


@pytest.mark.parametrize("line", [line for line in SAME.splitlines() if line])
def test_the_same_is_sent(recorder: Recorder, line: str, tmp_path: Path) -> None:
    words, stdin = both(recorder, line)
    by_curl(shlex.join(["curl", *words]), tmp_path, stdin)
    expected = recorder.take()
    assert expected
    by_netkit(*words, stdin=stdin)
    assert recorder.take() == expected
    by_netkit("--from-curl", shlex.join(["curl", *words]), stdin=stdin)
    assert recorder.take() == expected


@pytest.mark.parametrize(("line", "parts", "why"), OTHERWISE)
def test_what_is_done_otherwise(
    recorder: Recorder, line: str, parts: set[str], why: str, tmp_path: Path
) -> None:
    words, stdin = both(recorder, line)
    by_curl(shlex.join(["curl", *words]), tmp_path, stdin)
    expected = recorder.take()
    by_netkit(*words, stdin=stdin)
    found = recorder.take()
    assert len(found) == len(expected), why
    differing: set[str] = set()
    for ours, theirs in zip(found, expected, strict=True):
        differing |= {"line"} if ours.line != theirs.line else set()
        differing |= {"body"} if ours.body != theirs.body else set()
        names = ours.fields.keys() | theirs.fields.keys()
        differing |= {name for name in names if ours.fields.get(name) != theirs.fields.get(name)}
    assert differing == parts, why


# What "Copy as cURL" gives, by Chrome and by Firefox, for a POST of JSON and for an upload.
COPIED = [
    r"""curl 'U/api?x=1&y=%20' \
  -H 'accept: application/json' \
  -H 'content-type: application/json' \
  -b 'sid=abc; theme="dark"' \
  -H 'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \
  --data-raw $'{"text":"it\'s \u0021 100% caf\u00e9\\n","list":[1,2]}'""",
    r"""curl 'U/upload' \
  -H 'content-type: multipart/form-data; boundary=----WebKitA' \
  --data-raw $'------WebKitA\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n------WebKitA--\r\n' \
  --compressed --insecure""",
    (
        "curl 'U/form' --compressed -X POST -H 'User-Agent: Mozilla/5.0' -H 'Accept: */*' "
        "-H 'Accept-Language: de' -H 'Referer: https://a.example/' -H 'DNT: 1' "
        "-H 'Content-Type: application/x-www-form-urlencoded' "
        "-H 'Connection: keep-alive' -H 'Pragma: no-cache' --data-raw 'a=b%20c&d=%26'"
    ),
    r"""curl 'U/delete' -X 'DELETE' -H 'TE: trailers' -H 'X-Quote: it'\''s'""",
]


@pytest.mark.parametrize("line", COPIED, ids=["chrome", "chrome upload", "firefox", "chrome delete"])
def test_what_browsers_copy(recorder: Recorder, line: str, tmp_path: Path) -> None:
    line = line.replace("'U/", f"'http://{recorder.address}/")
    by_curl(line, tmp_path)
    expected = recorder.take()
    by_netkit("--from-curl", line)
    found = recorder.take()
    if "keep-alive" in line:  # a field of the connection, which is the client's own
        for each in expected:
            each.fields.pop("connection")
    assert found == expected


#: What is given to `netkit http fetch`, and to `netkit http fetch --curl`.
WRITTEN = r"""
U
U q==a q=='b c&d'
U title=Milk 'tags[]=a b' litres:=2
U/x X-A:b Accept: 'X-C;'
PUT U/x a=b
DELETE U/x
HEAD U
--as form U a=b 'c=d e&f'
U name=it\'s 'quote="' 'dollar=$x `y` \z' 'lines=a
b'
U c@f.txt
U a=b 'c@p.png;type=image/x-mine'
POST U/x @f.json
POST U/dir/ @f.txt
POST U/ @bare
-T f.txt U/dir/
-T - U/x << from a pipe
-d @f.txt -d b U
-u joe:pw U
-u joe:pw --digest U/digest
--bearer token U
-b a=b -L U/302
-F a=b -F 'c=@f.txt;filename="x;y"' U
-G -d 'a=b c' U/?x={1}[2]
-r 0-9 U
-x U http://target.example/
--connect-to target.example:80:N http://target.example/
U 'X-Text:é'
U 'é=ü€'
"""


def _commands() -> list[str]:
    return [line for line in re.split(r"\n(?!b')", WRITTEN) if line]


@pytest.mark.parametrize("line", _commands())
def test_what_is_written_for_curl(recorder: Recorder, line: str, tmp_path: Path) -> None:
    words, stdin = both(recorder, line)
    command = by_netkit("--curl", *words, stdin=stdin).stdout
    by_netkit(*words, stdin=stdin)
    expected = recorder.take()
    by_curl(command, tmp_path, stdin)
    found = recorder.take()
    assert found == expected, command
