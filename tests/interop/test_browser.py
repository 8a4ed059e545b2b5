"""netkit's servers as a browser sees them: `make browser` runs this alone.

Chromium lists what `netkit serve http` serves, plays it, and uploads; and it opens WebSockets to netkit's
server, over HTTP/1.1 and over the connection of HTTP/2 that the page came on (RFC 8441).

NETKIT_BROWSER is the directory for the pictures; without it, nothing here runs: a browser is a large package,
and a picture is for eyes.
"""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.http.server.exchange import Exchange
from netkit.io import Flow
from netkit.websocket import DeflateConfig, WebSocketConfig
from tests.cli.test_serve_echo import Server
from tests.cli.test_serve_http import serving
from tests.http.server.serving import Serving
from tests.interop.servers.websocket_messages import SIZES
from tests.interop.webdriver import Browser, browser
from tests.interop.websocket_peers import Paths
from tests.waiting import until

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif("NETKIT_BROWSER" not in os.environ, reason="make browser runs it"),
]

#: A name that would be HTML, if nobody escaped it.
EVIL = "<img src=x onerror=alert(1)> & \"quotes\" 'too'.txt"

PLAYER = (
    "<!doctype html><title>player</title><canvas width=64 height=64></canvas><video></video><audio></audio>"
)

#: Records the canvas as a video, and uploads it.
RECORD = """
const canvas = document.querySelector('canvas'), context = canvas.getContext('2d');
const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: 'video/webm'});
const pieces = [];
recorder.ondataavailable = event => pieces.push(event.data);
const over = new Promise(resolve => { recorder.onstop = resolve; });
recorder.start();
for (let step = 0; step < 25; step++) {
    context.fillStyle = `hsl(${step * 14} 90% 50%)`;
    context.fillRect(0, 0, 64, 64);
    await new Promise(resolve => setTimeout(resolve, 40));
}
recorder.stop();
await over;
return (await fetch('clip.webm', {method: 'PUT', body: new Blob(pieces)})).status;
"""

#: Plays a part of a source, from a moment on; how long the whole is, and where it has come to.
PLAY = """
const [kind, source, moment] = arguments;
const player = document.querySelector(kind);
const happened = name => new Promise((resolve, reject) => {
    player.addEventListener(name, resolve, {once: true});
    player.addEventListener('error', () => reject(player.error && player.error.message), {once: true});
});
player.muted = true;
const loaded = happened('loadedmetadata');
player.src = source;
await loaded;
if (moment) { const there = happened('seeked'); player.currentTime = moment; await there; }
const moved = happened('timeupdate');
await player.play();
await moved;
player.pause();
return [player.duration, player.currentTime];
"""

#: Functions of a page that opens WebSockets.
SOCKETS = """
const open = (path, protocols) => new Promise((resolve, reject) => {
    const ws = new WebSocket(path, protocols);
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => resolve(ws);
    ws.onclose = event => reject(`closed with ${event.code}`);
});
const heard = (ws, name) => new Promise(resolve => { ws[`on${name}`] = resolve; });
const ended = async ws => {
    const {code, reason, wasClean} = await heard(ws, 'close');
    return [code, reason, wasClean];
};
const same = (a, b) => a.length == b.length && a.every((octet, at) => octet == b[at]);
"""

#: Sends texts and octets of those sizes, and closes; what was agreed on, and how it ended.
ECHO = """
const ws = await open('/echo', ['other', 'chat']);
for (const size of arguments[0]) {
    const text = 'x'.repeat(size % 2) + 'ü'.repeat(size >> 1);
    const octets = Uint8Array.from({length: size}, (_, at) => (at * 7 + at) >> 8);
    for (const sent of [text, octets]) {
        const message = heard(ws, 'message');
        ws.send(sent);
        const {data} = await message;
        const right = sent === text ? data === text : same(new Uint8Array(data), octets);
        if (!right) return `not the same: ${size}`;
    }
}
const end = ended(ws);
ws.close(4000, 'done');
return [ws.protocol, ws.extensions, await end];
"""

#: The first message at a path; then it closes without a code.
FIRST = """
const ws = await open(arguments[0], 'chat');
const {data} = await heard(ws, 'message');
const end = ended(ws);
ws.close();
return [data, await end];
"""


@pytest.fixture(scope="module")
def pictures() -> Path:
    folder = Path(os.environ["NETKIT_BROWSER"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    for name, size in (
        ("notes.txt", 1200),
        ("archive.tar.gz", 7_340_032),
        (EVIL, 3),
        ("Bücher und Größen.md", 40),
    ):
        (root / name).write_bytes(b"x" * size)
    (root / ("a-very-long-name-" * 12 + ".log")).touch()
    for folder in ("photos", "papers"):
        (root / folder).mkdir()
        (root / folder / "readme.txt").write_text("hello")
    (root / "player.html").write_text(PLAYER)
    with wave.open(str(root / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(128 + (step // 20 % 2) * 8 for step in range(8000)) * 1200)
    return root


@pytest.fixture(scope="module")
def server(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "access.log"
    args = ("--upload", "--archives", "--access-log", f"json={log}", "--no-compress")
    with serving(str(site), *args) as running:
        running.listening[0]["log"] = str(log)
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


def base(server: Server) -> str:
    url: str = server.listening[0]["url"]
    return url


def logged(server: Server, target: str) -> list[int]:
    """The statuses of the requests for a target."""
    lines = Path(server.listening[0]["log"]).read_text().splitlines()
    return [row["status"] for row in map(json.loads, lines) if row["target"] == target]


def test_it_lists_a_directory(chromium: Browser, server: Server, site: Path, pictures: Path) -> None:
    chromium.go(base(server))
    links = chromium.run("return [...document.querySelectorAll('tbody a')].map(a => a.textContent)")
    assert {link.rstrip("/") for link in links} >= set(os.listdir(site))
    assert chromium.run("return document.images.length") == 0, "a name made an element"
    for name, width, height, dark in (
        ("listing", 1000, 900, False),
        ("listing-dark", 1000, 900, True),
        ("listing-phone", 390, 844, False),
    ):
        chromium.shoot(pictures / f"{name}.png", width, height, dark=dark)
        assert chromium.run("return document.documentElement.scrollWidth") <= width, name
    chromium.click(chromium.find("a[href^='photos']"))
    assert chromium.url == f"{base(server)}photos/"
    assert "readme.txt" in chromium.run("return document.body.textContent")
    chromium.go(f"{base(server)}?sort=size&order=desc")
    chromium.shoot(pictures / "listing-sorted.png", 1000, 900)


def test_it_uploads_by_the_form(
    chromium: Browser, server: Server, site: Path, pictures: Path, tmp_path: Path
) -> None:
    chosen = tmp_path / "holiday.txt"
    chosen.write_bytes(b"sun\r\n\x00" * 100_000)
    chromium.go(base(server))
    chromium.type(chromium.find("input[type=file]"), str(chosen))
    chromium.click(chromium.find("form button, form input[type=submit]"))
    until(lambda: "holiday.txt" in chromium.run("return document.querySelector('table')?.textContent ?? ''"))
    assert (site / "holiday.txt").read_bytes() == chosen.read_bytes()
    chromium.shoot(pictures / "uploaded.png", 1000, 900)
    chromium.go(base(server))
    chromium.type(chromium.find("input[type=file]"), str(chosen))
    chromium.click(chromium.find("form button, form input[type=submit]"))
    until(
        lambda: "of that name" in chromium.run("return document.body.textContent"), "that nothing is replaced"
    )
    chromium.shoot(pictures / "upload-refused.png", 1000, 500)


def test_it_plays_parts_of_what_it_has_recorded(
    chromium: Browser, server: Server, site: Path, pictures: Path
) -> None:
    chromium.go(f"{base(server)}player.html")
    assert chromium.wait(RECORD) == 201
    assert (site / "clip.webm").read_bytes().startswith(b"\x1a\x45\xdf\xa3"), "EBML"
    played = chromium.wait(PLAY, "video", "clip.webm", 0)
    assert isinstance(played, list), played
    assert set(logged(server, "/clip.webm")[1:]) == {206}
    duration, moment = chromium.wait(PLAY, "audio", "tone.wav", 1000)
    assert duration == 1200
    assert moment >= 1000
    statuses = logged(server, "/tone.wav")
    assert len(statuses) >= 2 and set(statuses) == {206}, "the beginning, and then the part that is played"
    chromium.shoot(pictures / "player.png", 600, 400)


def test_pages_of_its_own(chromium: Browser, server: Server, pictures: Path) -> None:
    chromium.go(f"{base(server)}nothing/here")
    assert "404" in chromium.run("return document.body.textContent")
    chromium.shoot(pictures / "not-found.png", 800, 400)
    with serving("--inspect") as inspector:
        chromium.go(base(inspector))
        assert chromium.run("return document.querySelectorAll('a').length") > 30
        chromium.shoot(pictures / "inspect.png", 1000, 1400)
        chromium.shoot(pictures / "inspect-phone.png", 390, 844, dark=True)
        assert chromium.run("return document.documentElement.scrollWidth") <= 390
        chromium.go(f"{base(inspector)}get?page=2")
        assert json.loads(chromium.run("return document.body.textContent"))["args"] == {"page": "2"}


class Page(Paths):
    """Serves a page beside the paths of WebSockets."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        if exchange.request.path == "/":
            exchange.begin(200, [(b"content-type", b"text/html")], length=len(PLAYER))
            yield from exchange.send_flow(PLAYER.encode(), end=True)
        else:
            yield from super().handle_flow(exchange)


@contextmanager
def page(
    chromium: Browser, over: str, origins: list[str] | None = None, host: str = "localhost"
) -> Iterator[Serving]:
    """A server of WebSockets, and the browser at its page."""
    config = WebSocketConfig(deflate=DeflateConfig(min_size=0), subprotocols=["chat"])
    with Serving(Page(config, origins), over=over) as served:
        try:
            chromium.go(f"http{'s' if over == 'tls' else ''}://{host}:{served.at[1]}/")
            yield served
        finally:
            chromium.go("about:blank")


@pytest.mark.parametrize(("over", "version"), [("tcp", (1, 1)), ("tls", (2, 0))], ids=["h1", "h2"])
def test_it_opens_websockets(chromium: Browser, over: str, version: tuple[int, int]) -> None:
    with page(chromium, over) as served:
        protocol, extensions, end = chromium.wait(SOCKETS + ECHO, SIZES)
        assert (protocol, end) == ("chat", [4000, "", True])
        assert extensions.startswith("permessage-deflate")
        for path, words in (("/fragments", "piece piece piece "), ("/pings", "answered")):
            assert chromium.wait(SOCKETS + FIRST, path) == [words, [1005, "", True]]
        script = "return await ended(await open('/closes', 'chat'))"
        assert chromium.wait(SOCKETS + script) == [4001, "enough", True]
        served.until_told(5)
        exchanges = [each for each, _ in served.told.exchanges if each.request.path in Paths.PATHS]
        assert {each.version for each in exchanges} == {version}
        assert [each.note for each in exchanges] == [
            "closed by the client with 4000: 'done'",
            "closed by the client with 1005 NO_STATUS",
            "closed by the client with 1005 NO_STATUS",
            "closed by the server with 4001: 'enough'",
        ]


@pytest.mark.parametrize("over", ["tcp", "tls"], ids=["h1", "h2"])
def test_another_origin_is_refused(chromium: Browser, over: str) -> None:
    scheme = "https" if over == "tls" else "http"
    script = "return await open('/echo', 'chat').then(() => 'open', reason => reason)"
    with page(chromium, over, [f"{scheme}://other.example"]) as served:
        assert chromium.wait(SOCKETS + script) == "closed with 1006"
        served.until_told(2)
        (refused,) = [each for each, _ in served.told.exchanges if each.request.path == "/echo"]
        assert refused.note is not None and "origin" in refused.note.lower()
