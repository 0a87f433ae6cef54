"""A headless Chromium for a test, told what to do over a pipe (the DevTools protocol, no library, no port).

Owns the browser's process and its folder. `Browser.open` gives a page of its own; a page is asked with expressions.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["Browser", "Navigated", "Tab"]

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
_LIMIT_S = 30.0
# out of the way of 3 and 4 first, as either may be one of them
_AS_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for number, end in enumerate(ends, 3):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Navigated(Exception):
    """The page went while a command was under way."""


class Browser:
    """One Chromium; `close` ends it."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        # Chromium reads commands from descriptor 3 and writes to 4, messages end with NUL
        their_in, self._to = os.pipe()
        self._from, their_out = os.pipe()
        program = shutil.which("chromium") or "/usr/bin/chromium"
        command = [program, *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AS_3_AND_4, str(their_in), str(their_out), *command],
            pass_fds=(their_in, their_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(their_in)
        os.close(their_out)
        self._received = b""
        self._number = 0
        self.heard: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **params: Any) -> Any:
        """One command of the protocol; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == self._number:
                if "navigated" in reply.get("error", {}).get("message", ""):
                    raise Navigated(method)
                assert "error" not in reply, f"{method}: {reply['error']}"
                return reply["result"]
            self.heard.append(reply)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            piece = os.read(self._from, 1 << 20)
            assert piece, "Chromium has gone"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(
        self, url: str, width: int = 1280, height: int = 900, *, dark: bool = False, reduced: bool = False
    ) -> Tab:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.ask(f"{domain}.enable")
        tab.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced else "no-preference"},
        ]
        tab.ask("Emulation.setEmulatedMedia", features=features)
        tab.go(url)
        return tab

    def close(self) -> None:
        os.close(self._to)  # it ends when nobody can tell it anything any more
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._from)
        shutil.rmtree(self._folder, ignore_errors=True)


class Tab:
    """One page."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target

    def ask(self, method: str, **params: Any) -> Any:
        return self._browser.ask(method, self._session, **params)

    def go(self, url: str) -> None:
        """Load an address, and wait for it."""
        self.ask("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def eval(self, expression: str) -> Any:
        """The value of a JavaScript expression (a promise is waited for)."""
        got = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, f"{expression}: {got['exceptionDetails']}"
        return got["result"].get("value")

    def wait(self, expression: str, limit_s: float = _LIMIT_S) -> None:
        """Until the expression is true."""
        give_up = time.monotonic() + limit_s
        while True:
            with contextlib.suppress(Navigated):  # a new page is coming
                if self.eval(f"Boolean({expression})"):
                    return
                assert time.monotonic() < give_up, f"never true: {expression}; {self.troubles()}; {self.text()}"
                self.eval("new Promise((done) => setTimeout(done, 50))")

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.eval("document.body ? document.body.innerText : ''"))

    def click(self, selector: str) -> None:
        self.eval(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, as a keyboard sends it."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def write(self, text: str) -> None:
        """Text into whatever has the focus."""
        self.ask("Input.insertText", text=text)

    def heard(self, method: str) -> list[dict[str, Any]]:
        """The parameters of the events of this page so far."""
        self.eval("0")
        mine = [each for each in self._browser.heard if each.get("sessionId") == self._session]
        return [each["params"] for each in mine if each.get("method") == method]

    def troubles(self) -> list[str]:
        """Errors of scripts, and what the policy or the network refused."""
        thrown = [each["exceptionDetails"] for each in self.heard("Runtime.exceptionThrown")]
        logged = [each["entry"] for each in self.heard("Log.entryAdded")]
        return [json.dumps(each) for each in thrown] + [
            f"{each['level']}: {each['text']} {each.get('url', '')}" for each in logged if each["level"] == "error"
        ]

    def shoot(self, path: Path, whole: bool = True) -> None:
        """A screenshot, of the whole page or of what is in view."""
        got = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(got["data"]))

    def close(self) -> None:
        self._browser.ask("Target.closeTarget", targetId=self._target)
