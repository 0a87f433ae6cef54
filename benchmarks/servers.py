"""Owns running servers: how they are started and stopped, their processes, port and log.

Called by `bench` and the rows. Knows neither loads nor figures.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import machine, measure
from .recipes import RECIPES
from .scenario import Scenario

__all__ = ["Server", "ServerError", "certificate", "start"]

CHECKOUT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0


class ServerError(Exception):
    """A server did not start, or has died."""


@dataclass(slots=True)
class Server:
    """A running server. A context manager: leaving it ends all of the server's processes."""

    name: str
    scenario: Scenario
    process: subprocess.Popen[bytes]
    output: Path
    holder: tempfile.TemporaryDirectory[str]
    pids: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.scenario.port

    def url(self, path: str) -> str:
        return f"{'https' if self.scenario.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, bytes]:
        """Send a request on a new connection; return status and body. Raises OSError, http.client.HTTPException."""
        if self.scenario.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=timeout_s, context=context
            )
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            client.request("GET", path, headers={"Connection": "close"})
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def tree(self) -> list[int]:
        self.pids = measure.tree(self.process.pid)
        return self.pids

    def log_lines(self) -> int:
        """Return how many lines the access log has (granian and uvicorn write a few other lines to it)."""
        lines = 0
        with open(self.output if RECIPES[self.name].log_is_stdout else self.scenario.log, "rb") as file:
            while block := file.read(1 << 20):
                lines += block.count(b"\n")
        return lines

    def complaint(self) -> str:
        """Return the end of what the server wrote to its standard error and output."""
        texts = [p.read_text(errors="replace") for p in (self.output, self.output.with_suffix(".err")) if p.exists()]
        return "\n".join(texts)[-1500:].strip()

    def stop(self) -> None:
        """Send SIGTERM, and then SIGKILL to the server's processes that are left."""
        pids = self.tree()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pids = self.tree()
                self.process.kill()
                self.process.wait()
        for pid in pids[1:]:
            if _is_ours(pid, self.process.pid):
                os.kill(pid, signal.SIGKILL)
        self.holder.cleanup()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _is_ours(pid: int, session: int) -> bool:
    """Return whether the process still belongs to the session that `start` made for the server."""
    try:
        return os.getsid(pid) == session
    except ProcessLookupError:
        return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed P-256 certificate; return the files of certificate and key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def start(name: str, scenario: Scenario, python: str, static: Path) -> Server:
    """Start a server on its CPU and wait until it answers. Raises ServerError, with its output, if it does not."""
    recipe = RECIPES[name]
    if (scenario.logged and not recipe.can_log) or (scenario.tls and not recipe.can_tls):
        raise ServerError(f"{name} has no {'access log' if scenario.logged else 'TLS'}")
    holder = tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True)
    folder = Path(holder.name)
    scenario = replace(scenario, python=python, port=_free_port(), folder=folder, static=static)
    if scenario.tls:
        certfile, keyfile = certificate(folder)
        scenario = replace(scenario, certfile=certfile, keyfile=keyfile)
    # the applications are this checkout's, whichever checkout webpy comes from
    (folder / "benchmarks").symlink_to(CHECKOUT / "benchmarks")
    output = folder / "output.log"
    environment = os.environ | {
        "PYTHONPATH": f"{folder}:{recipe.checkout}",
        "BENCH_STATIC": str(static),
        "BENCH_IMPORT_S": str(scenario.import_s),
        "PYTHONUNBUFFERED": "",
        **dict(scenario.environment),
    }
    command = recipe.command(scenario)
    if not scenario.every_cpu:
        command = machine.pin(command, machine.SERVER_CPU)
    with open(output, "wb") as out, open(output.with_suffix(".err"), "wb") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    server = Server(name, scenario, process, output, holder)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if server.get("/", 2.0)[0] == 200:
                server.tree()
                return server
        except (OSError, http.client.HTTPException):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            state = f"exited with {process.returncode}" if process.returncode is not None else "does not answer"
            complaint = server.complaint()
            server.stop()
            raise ServerError(f"{name} {state}: {' '.join(command)}\n{complaint}")
        time.sleep(0.02)
