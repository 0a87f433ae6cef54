"""Runs one script on CherryPy and on webpy, and compares their answers to the same requests.

A script has `import cherrypy` or `import webpy.objects as cherrypy`; each side gets its own import, its own folder
(with the same files in it) and a free port. webpy serves on two workers. `Pair.same` sends a request to both and
compares what a client can see. What must differ is removed first: ports, dates, session ids, nonces, and the look of
error pages (their title, heading, message and type are compared).
"""

from __future__ import annotations

import contextlib
import html
import http.client
import http.cookies
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server import START_S, Server

__all__ = ["Pair", "Seen", "multipart"]

# What is compared of an answer's head; X- fields are, too.
FIELDS = (
    *("content-type", "content-length", "content-encoding", "content-language", "content-range", "content-disposition"),
    *("location", "allow", "www-authenticate", "vary", "etag", "cache-control", "pragma", "expires", "last-modified"),
    *("accept-ranges", "retry-after", "age"),
)
WORKERS = 2  # of webpy
LAUNCHER = """
import runpy, sys
import cherrypy
port, script = sys.argv[1:3]
cherrypy.config.update({
    "server.socket_host": "127.0.0.1", "server.socket_port": int(port),
    "engine.autoreload.on": False, "checker.on": False,
})
of_server = cherrypy.config.namespaces["server"]
cherrypy.config.namespaces["server"] = lambda key, value: key.startswith("socket_") or of_server(key, value)
cherrypy._cprequest.Request.show_tracebacks = False  # as webpy, unless the script says something else
sys.argv[:] = [script]
runpy.run_path(script, run_name="__main__")
"""


@dataclass(slots=True)
class Seen:
    """An answer without the parts that must differ."""

    status: int
    reason: str
    body: bytes
    headers: http.client.HTTPMessage
    fields: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    text: str = ""

    def compared(self, ignore: Iterable[str]) -> dict[str, Any]:
        left_out = {name.lower() for name in ignore}
        seen: dict[str, Any] = {name: value for name, value in self.fields.items() if name not in left_out}
        for name, value in (
            ("status", self.status),
            ("reason", self.reason),
            ("body", self.text),
            ("cookies", self.cookies),
        ):
            if name not in left_out:
                seen[name] = value
        return seen


class _Side:
    """One of the two servers, and the cookies that its clients keep."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.jars: dict[str, dict[str, str]] = {}

    def send(
        self,
        method: str,
        path: str,
        body: bytes | str | None,
        headers: Mapping[str, str],
        session: str | None,
        version: str,
    ) -> Seen:
        host, port = self.server.address
        sent = dict(headers)
        jar = self.jars.setdefault(session, {}) if session is not None else {}
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=15)) as client:
            if version == "1.0":
                client._http_vsn, client._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
            client.request(method, path, body=body, headers=sent)
            got = client.getresponse()
            seen = Seen(got.status, got.reason, got.read(), got.headers)
            _wait_until_over(client.sock)
        for value in got.headers.get_all("Set-Cookie") or ():
            for name, morsel in http.cookies.SimpleCookie(value).items():
                jar[name] = morsel.coded_value
        _normalise(seen, f"{host}:{port}")
        return seen


def _wait_until_over(sock: socket.socket | None) -> None:
    """Wait until the server has ended a kept connection: CherryPy does some things after an answer's last byte, such as
    storing it for its cache, and the next request, on a new connection, could come before."""
    if sock is None:  # the server has ended it
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def _normalise(seen: Seen, address: str) -> None:
    for name, value in seen.headers.items():
        low = name.lower()
        if low in FIELDS or low.startswith("x-"):
            value = re.sub(r'(nonce|opaque)="[^"]*"', r'\1="*"', value.replace(address, "ADDRESS"))
            seen.fields[low] = "a date" if low == "expires" and value != "0" else value
    for value in seen.headers.get_all("Set-Cookie") or ():
        for name, morsel in http.cookies.SimpleCookie(value).items():
            attributes = {key: content for key, content in morsel.items() if content}
            if "expires" in attributes:
                attributes["expires"] = "a date"
            text = morsel.value
            attributes["value"] = "random" if re.fullmatch(r"[\w-]{32,}", text) else text
            if attributes["value"] == "random":  # of a session: ours are hidden from scripts and other sites by default
                attributes.pop("httponly", None)
                attributes.pop("samesite", None)
            seen.cookies[name] = attributes
    if "gzip" in seen.fields.get("content-encoding", ""):
        import gzip

        seen.text = gzip.decompress(seen.body).decode("latin-1")
        seen.fields.pop("content-length", None)  # the compressed length may differ
    else:
        seen.text = seen.body.decode("latin-1").replace(address, "ADDRESS")
    if seen.status >= 400 and "content-length" in seen.fields:  # CherryPy puts blanks behind short pages
        seen.text = seen.text.rstrip(" ")
        seen.fields["content-length"] = "a number"
    if seen.status >= 400 and 'id="traceback"' in seen.text:
        seen.text = _page(seen.text)


def _page(text: str) -> str:
    """Return the texts of a built-in error page."""
    parts = []
    for tag in ("title", "h2", "p"):
        found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        parts.append(f"{tag}: {html.unescape(found[1]) if found else None}")
    traceback = re.search(r'<pre id="traceback">(.*?)</pre>', text, re.DOTALL)
    parts.append(f"a traceback: {bool(traceback and traceback[1].strip())}")
    return "\n".join(parts)


class Pair:
    """A script on both servers. options: environment variables for webpy's; files: are written to both folders."""

    def __init__(
        self,
        script: str | Path,
        folder: Path,
        *,
        files: Mapping[str, str | bytes] | None = None,
        copied: Iterable[Path] = (),
        env: Mapping[str, str] | None = None,
        name: str = "script.py",
    ) -> None:
        text = script.read_text() if isinstance(script, Path) else script
        text = text.replace("import webpy.objects as cherrypy", "import cherrypy").replace(
            "from webpy.objects", "from cherrypy"
        )
        ours = re.sub(r"^(\s*)import cherrypy$", r"\1import webpy.objects as cherrypy", text, flags=re.MULTILINE)
        ours = re.sub(r"^(\s*)from cherrypy\b", r"\1from webpy.objects", ours, flags=re.MULTILINE)
        ours = re.sub(r"^(\s*)import cherrypy\.", r"\1import webpy.objects.", ours, flags=re.MULTILINE)
        self.folders = {"cherrypy": folder / "cherrypy", "webpy": folder / "webpy"}
        for side, source in (("cherrypy", text), ("webpy", ours)):
            place = self.folders[side]
            place.mkdir(parents=True)
            (place / name).write_text(source)
            for path, content in (files or {}).items():
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_bytes(content.encode() if isinstance(content, str) else content)
            for path in copied:
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, place / path.name)
        (folder / "launcher.py").write_text(LAUNCHER)
        port = _free_port()
        theirs = Server(
            str(port),
            name,
            cwd=self.folders["cherrypy"],
            program=(sys.executable, str(folder / "launcher.py")),
            bind=None,
        )
        settings = {"WEBPY_BIND": "127.0.0.1:0", "WEBPY_WORKERS": str(WORKERS), "WEBPY_CONTROL": "off", **(env or {})}
        self._servers = [theirs]
        try:
            mine = Server(name, cwd=self.folders["webpy"], program=(sys.executable,), bind=None, env=settings)
            self._servers.append(mine)
            mine.wait_until_listening()
            _wait_until_open(theirs, port)
        except BaseException:
            self.kill()
            raise
        self.cherrypy = _Side(theirs)
        self.webpy = _Side(mine)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        session: str | None = None,
        version: str = "1.1",
    ) -> tuple[Seen, Seen]:
        """Send a request to both; return the answers of CherryPy and webpy. session: the name of a set of cookies."""
        sides = (self.cherrypy, self.webpy)
        one, other = (side.send(method, path, body, headers or {}, session, version) for side in sides)
        return one, other

    def same(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        ignore: Iterable[str] = (),
        session: str | None = None,
        version: str = "1.1",
    ) -> Seen:
        """Check that both answer the same, except for the fields in `ignore` ("body", "reason" and "cookies" too).

        Returns webpy's answer.
        """
        theirs, mine = self.send(method, path, body, headers, session=session, version=version)
        ours, wanted = mine.compared(ignore), theirs.compared(ignore)
        if ours != wanted:
            names = [name for name in {**ours, **wanted} if ours.get(name) != wanted.get(name)]
            lines = [
                f"{method} {path}: {name}: webpy {ours.get(name)!r}, CherryPy {wanted.get(name)!r}" for name in names
            ]
            raise AssertionError("\n".join([*lines, "webpy's error log:", *self.webpy.server.errors[-40:]]))
        return mine

    def reload(self) -> None:
        """Reload webpy's server, and wait until its old workers have ended."""
        mine = self.webpy.server
        mine.wait_for(r"worker \d gen 1 .*is ready", count=WORKERS)
        mine.send(signal.SIGHUP)
        mine.wait_for(r"worker \d gen 1 .*exited", count=WORKERS)

    def stop(self) -> tuple[int, int]:
        """Ask both to stop, as an operator does; return their exit statuses."""
        theirs, mine = (server.stop() for server in self._servers)
        return theirs, mine

    def kill(self) -> None:
        """Kill both servers."""
        for server in self._servers:
            server.kill()


def multipart(parts: Iterable[tuple[str, str, bytes]], boundary: str = "xYzZy") -> tuple[bytes, dict[str, str]]:
    """Return the body of a multipart form of (name, further header text, content), and its Content-Type."""
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
        for name, more, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_until_open(server: Server, port: int) -> None:
    """Wait for the socket, as CherryPy may be configured to log nothing."""
    server.scheme, server.address, server.path = "http", ("127.0.0.1", port), None
    deadline = time.monotonic() + START_S
    while True:
        try:
            server.connect().close()
            return
        except OSError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("CherryPy did not start:\n" + "\n".join(server.errors[-40:])) from None
            time.sleep(0.02)
