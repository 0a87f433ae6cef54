"""Runs the blocks of a page of the documentation as a reader would: in one folder, from the top down.

- A block with a `title` is written to the file of that name.
- The lines of `sh` and `console` blocks are run. A command that starts a server is left running, on a free port in
  place of the one that is written there, which the commands that follow are given too. What a `console` block shows
  below a command has to come: `...` stands for anything, alone on a line for any lines.
- `pip install` is not run: that its extras exist, and its other packages are installed, is checked.
- `python` blocks without a title are one program, which is run at the end.

Other blocks (`text`, `toml`, `diff`, ...) are not run. Owns the servers that it starts.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tests.docs.pages import Block, Command, blocks, commands
from tests.server import ROOT, Server

__all__ = ["Session"]

_SERVES = re.compile(r"^(?:\w+=\S+ )*(?:webpy (?:serve|files|dev)\b|python3? -m webpy\b(?! check)|python3? \S+\.py$)")
_ADDRESS = re.compile(r"\b(127\.0\.0\.1|localhost):(\d{4,5})\b")
_LIMIT_S = 50.0
_PROGRAM = """
import json, sys
scope = {"__name__": "__main__"}
for name, line, text in json.load(sys.stdin):
    exec(compile("\\n" * (line - 1) + text, name, "exec"), scope)
"""


class Session:
    """A reader's folder and terminal."""

    def __init__(self, page: Path, folder: Path, exceptions: dict[str, str]) -> None:
        """exceptions: commands of the page that are not run, by their beginning."""
        self.page, self.folder = page, folder
        self.servers: list[Server] = []
        self.left_out: set[str] = set()
        self._exceptions = exceptions
        self._ports: dict[str, tuple[Server, int]] = {}  # what is written -> who listens there, and where it really is
        self._program: list[tuple[str, int, str]] = []
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("WEBPY_")}
        self._environment.update(
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            PYTHONPATH=str(ROOT),
            RUNTIME_DIRECTORY=str(folder / "run"),  # `webpy ctl` finds the servers of this session only
            STATE_DIRECTORY=str(folder / "state"),
            CURL_HOME=str(folder / "run"),
            PYTHONDONTWRITEBYTECODE="1",
        )
        for name in ("run", "state"):
            (folder / name).mkdir(mode=0o700)
        (folder / "run" / ".curlrc").write_text("silent\nshow-error\n")  # as on a terminal: no progress meter

    def run(self) -> None:
        """Run the page. Raises AssertionError that names the line of what failed."""
        for block in blocks(self.page):
            if block.title:
                self._write(block)
            elif block.kind in ("sh", "console"):
                for command in commands(block):
                    self._command(block, command)
            elif block.kind == "python":
                self._program.append((f"{block.page}", block.line, block.text))
        if self._program:
            self._run_program()
        for server in dict.fromkeys(server for server, _ in self._ports.values()):
            assert server.stop() == 0, "\n".join(server.errors)

    def close(self) -> None:
        """End what still runs."""
        for server in self.servers:
            server.kill()

    def _write(self, block: Block) -> None:
        path = self.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        if block.kind == "python":
            compile(block.text, f"{block.page}:{block.line}", "exec")
        # a server that is started with this file takes a free port too
        text = re.sub(r"(['\"](?:localhost|127\.0\.0\.1)['\"], )\d{4,5}", r"\g<1>0", block.text)
        path.write_text(_ADDRESS.sub(r"\1:0", text) if block.kind == "toml" else text)

    def _command(self, block: Block, command: Command) -> None:
        where = f"{block.page}:{command.line}: {command.text}"
        for beginning in self._exceptions:
            if command.text.startswith(beginning):
                self.left_out.add(beginning)
                return
        if installs := re.fullmatch(r"pip install '(?:webpy|\.)\[([\w,]+)\]'((?: [\w-]+)*)", command.text):
            there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(installs[1].split(",")) <= set(there), f"{where}: there is no such extra"
            for name in installs[2].split():
                importlib.metadata.version(name)  # or PackageNotFoundError
            return
        if _SERVES.match(command.text):
            self._serve(where, command)
            return
        done = subprocess.run(
            ["bash", "-c", self._given(where, command.text)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
        )
        if command.text == "webpy ctl stop":
            self._wait_for_the_end()
        said = self._shown(done.stdout)
        if command.output is None:
            assert done.returncode == 0, f"{where}: status {done.returncode}\n{said}"
        else:
            wanted = "\n".join(command.output)
            assert _matches(wanted, said.rstrip("\n")), f"{where}\n--- wanted\n{wanted}\n--- got\n{said}"

    def _serve(self, where: str, command: Command) -> None:
        text, wanted = command.text, "127.0.0.1:8000"
        others = re.findall(r"(?:--bind|-b) (\S+)", text)[1:]
        bound = re.search(r"(?:--bind|-b) (\S+)", text)
        script = re.match(r"^(?:\w+=\S+ )*python3? (\S+\.py)$", text)
        if script:
            found = re.search(r"['\"](localhost|127\.0\.0\.1)['\"], (\d+)", self._source(script[1]))
            assert found, f"{where}: no address in {script[1]}"
            wanted = f"{found[1]}:{found[2]}"
        elif port := re.search(r"-m webpy (\d+)|--port (\d+)|\$PORT", text):
            wanted = f"127.0.0.1:{port[1] or port[2]}"
            text = text.replace(port[1] or port[2], "0")
            text += " --bind 127.0.0.1" if "-m webpy" in text and not bound else ""
        elif bound:
            wanted = bound[1] if ":" in bound[1] else f"127.0.0.1:{bound[1]}"
            text = re.sub(r"(?:--bind|-b) (https?://)?\S+", r"--bind \g<1>127.0.0.1:0", text)
        elif "bind" not in self._settings_file():
            text += " --bind 127.0.0.1:0"
        admin = re.search(r"--admin (\S+:\d+)", text)
        if admin:
            text = text.replace(admin[0], "--admin 127.0.0.1:0")
        for each in (wanted, *others):
            self._end(each)
        environment = {"PATH": self._environment["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {key: self._environment[key] for key in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY")}
        server = Server(text, cwd=self.folder, program=["bash", "-c"], bind=None, env=environment)
        self.servers.append(server)
        try:
            server.wait_until_listening()
            server.wait_for(r"worker 0 gen \d+ .* is ready|^watching ")  # the latter is said by `webpy dev`
            self._listens(wanted, server, server.address[1])
            for number, other in enumerate(others, 2):
                said = server.wait_for("listening on ", count=number)
                self._listens(other, server, int(said.rpartition(":")[2]))
            if admin:
                there = re.search(r":(\d+)", server.wait_for(r"admin on http").partition("http://")[2])
                assert there
                self._listens(admin[1], server, int(there[1]))
                _wait_until_ready(int(there[1]))
            for line in command.output or ():
                if line != "...":
                    server.wait_for(_pattern(line), timeout=5)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from None

    def _listens(self, written: str, server: Server, port: int) -> None:
        self._ports[written.rpartition(":")[2]] = server, port

    def _end(self, written: str) -> None:
        """End the server that listens where another is to listen, as its reader would with Ctrl-C."""
        before = self._ports.get(written.rpartition(":")[2])
        if before is not None:
            assert before[0].stop() == 0
            self._ports = {port: there for port, there in self._ports.items() if there[0] is not before[0]}

    def _wait_for_the_end(self) -> None:
        """Wait for the one server that was told to stop."""
        (server,) = {server for server, _ in self._ports.values()}
        assert server.wait() == 0
        self._ports.clear()

    def _source(self, name: str) -> str:
        return next(block.text for block in blocks(self.page) if block.title == name)

    def _settings_file(self) -> str:
        path = self.folder / "webpy.toml"
        return path.read_text() if path.exists() else ""

    def _given(self, where: str, text: str) -> str:
        """Return the command with the ports at which the servers really listen."""

        def real(found: re.Match[str]) -> str:
            assert found[2] in self._ports, f"{where}: no server was started on port {found[2]}"
            return f"{found[1]}:{self._ports[found[2]][1]}"

        return text if text.startswith(("webpy config", "webpy check")) else _ADDRESS.sub(real, text)

    def _shown(self, output: str) -> str:
        """Return what a command printed with the ports that the page has."""
        for written, (_, port) in self._ports.items():
            output = output.replace(f":{port}", f":{written}")
        return output

    def _run_program(self) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _PROGRAM],
            input=json.dumps(self._program),
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
        assert done.returncode == 0, done.stderr


def _wait_until_ready(port: int) -> None:
    """Wait until the admin process has heard from the master that the server is ready."""
    deadline = time.monotonic() + 10
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            client.request("GET", "/readyz")
            if client.getresponse().status == 200:
                return
        finally:
            client.close()
        assert time.monotonic() < deadline, "/readyz never was 200"
        time.sleep(0.05)


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


def _matches(wanted: str, got: str) -> bool:
    pattern = "\n".join("@ANY@" if line == "..." else _pattern(line) for line in wanted.splitlines())
    pattern = pattern.replace("@ANY@\n", "(?:.*\n)*").replace("\n@ANY@", "(?:\n.*)*").replace("@ANY@", "(?:.*\n?)*")
    return re.fullmatch(pattern, got) is not None
