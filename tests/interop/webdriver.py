"""A browser, driven over the WebDriver protocol (W3C WebDriver), as chromedriver speaks it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import free_port, require_peer
from tests.waiting import until_connected

#: The key under which an element stands in JSON (section 12).
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

_ARGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--hide-scrollbars",
)


class Browser:
    """A session of a browser."""

    def __init__(self, base: str) -> None:
        self._base = base

    def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a command; its value. Raises HTTPError for one that failed."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self._base}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    def go(self, url: str) -> None:
        """Open a page, and wait until it is there."""
        self.command("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.command("GET", "/url"))

    def run(self, script: str, *args: Any) -> Any:
        """Run the body of a function in the page; its result."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait(self, script: str, *args: Any) -> Any:
        """Run the body of an async function in the page; its result."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(done, error => done('failed: ' + error));"
        )
        return self.command("POST", "/execute/async", {"script": wrapped, "args": list(args)})

    def find(self, selector: str) -> str:
        """The first element that a CSS selector finds."""
        found = self.command("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def type(self, element: str, text: str) -> None:
        """Type into an element; the path of a file chooses that file."""
        self.command("POST", f"/element/{element}/value", {"text": text})

    def click(self, element: str) -> None:
        """Click, and wait for the page that this leads to."""
        self.command("POST", f"/element/{element}/click")

    def shoot(self, path: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Take a picture of the page in a window of that size."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", features=[scheme])
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        path.write_bytes(b64decode(self.command("GET", "/screenshot")))

    def _devtools(self, command: str, **params: Any) -> None:
        self.command("POST", "/goog/cdp/execute", {"cmd": command, "params": params})


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    driver, program = require_peer("chromedriver"), require_peer("chromium")
    port = free_port()
    with subprocess.Popen(
        [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until_connected(port, process).close()
            root = Browser(f"http://127.0.0.1:{port}")
            options = {"binary": program, "args": list(_ARGS)}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "acceptInsecureCerts": True}
            capabilities = {"alwaysMatch": wanted}
            session = root.command("POST", "/session", {"capabilities": capabilities})["sessionId"]
            made = Browser(f"http://127.0.0.1:{port}/session/{session}")
            try:
                yield made
            finally:
                made.command("DELETE", "")
        finally:
            process.terminate()
