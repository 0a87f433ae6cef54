"""Processes that an application leaves behind: they do not keep the port, end with the server, and hinder no reload."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.server import Server
from tests.supervisor.masters import Master, all_gone, until
from webpy.supervisor.processes.leftovers import children_of

APP = """
import ctypes, multiprocessing, os, signal, socket, subprocess, sys, time
import webpy as web

def sleeper():
    time.sleep(600)

class Handler(web.HTTPHandler):
    def do_get(self):
        kind = self.groups["kind"]
        if kind == "hello":
            return 200, "hello"
        if kind == "answer":
            time.sleep(1.0)
            return 200, "late"
        if kind == "fork":
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
                os._exit(0)
        elif kind == "stubborn":
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(600)
        elif kind == "bare":  # a fork that Python does not know of
            pid = ctypes.PyDLL(None).fork()
            while pid == 0:
                ctypes.PyDLL(None).pause()
        elif kind == "multiprocessing":
            context = multiprocessing.get_context("fork")
            process = context.Process(target=sleeper)
            process.start()
            pid = process.pid
        elif kind == "subprocess":
            pid = subprocess.Popen(["sleep", "600"], close_fds=False).pid
        elif kind == "sockets":
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                found = []
                for fd in map(int, os.listdir("/proc/self/fd")):
                    try:
                        sock = socket.socket(fileno=os.dup(fd))
                        found.append(f"{sock.family.name} {sock.getsockname()} {sock.type.name}")
                    except OSError:
                        continue
                os.write(writer, "; ".join(found).encode())
                os._exit(0)
            os.waitpid(pid, 0)
            return 200, os.read(reader, 4096)
        return 200, str(pid)

routes = {"/(?P<kind>.*)": Handler}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text(APP)
    return path


@pytest.mark.parametrize("kind", ["fork", "bare", "multiprocessing", "subprocess"])
def test_a_child_of_a_handler_does_not_keep_the_port_and_ends_with_the_server(
    serve: Callable[..., Server], app: Path, kind: str
) -> None:
    server = serve(app, "--workers", "1", "--drain-timeout", "3")
    child = psutil.Process(int(server.get(f"/{kind}").body))
    assert server.get("/hello").body == b"hello"
    assert server.stop() == 0
    with socket.socket() as successor:
        successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        successor.bind(server.address)
        successor.listen()
    assert all_gone([child], 0.0)


def test_a_child_that_ignores_term_is_killed_when_the_drain_timeout_is_over(
    serve: Callable[..., Server], app: Path
) -> None:
    server = serve(app, "--workers", "1", "--drain-timeout", "1")
    child = psutil.Process(int(server.get("/stubborn").body))
    assert server.stop() == 0
    assert all_gone([child], 0.0)


def test_a_connection_ends_with_its_answer_though_a_child_was_forked(
    serve: Callable[..., Server], app: Path
) -> None:
    """The child has no descriptor of it, nor of a listener or of the channel to the master."""
    server = serve(app, "--workers", "1")
    with server.connect() as idle:
        idle.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000)
        assert server.get("/sockets").body == b"AF_UNIX  SOCK_SEQPACKET", "its way to the error log, and no other"


def test_a_reload_leaves_the_child_that_a_draining_worker_waits_for(
    serve: Callable[..., Server], app: Path
) -> None:
    server = serve(app, "--workers", "1")
    child = psutil.Process(int(server.get("/subprocess").body))
    server.send(signal.SIGHUP)
    server.wait_for("reload done")
    server.wait_for(r"worker 0 gen 1 \[\d+\] exited")
    assert server.get("/hello").body == b"hello", "the socket lives on"
    assert child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    assert server.stop() == 0
    assert all_gone([child], 0.0)


def test_sockets_of_others_are_not_shut(master: Callable[..., Master]) -> None:
    """A service manager goes on with the sockets it gave."""
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        number = theirs.fileno()
        served = master(config={"binds": [f"fd:{number}"]}).start(pass_fds=(number,)).started()
        assert served.ask()
        assert served.stop() == 0
        with socket.create_connection(theirs.getsockname(), timeout=5):
            theirs.settimeout(5)
            theirs.accept()[0].close()


def test_what_was_there_before_the_master_is_left_alone(master: Callable[..., Master], tmp_path: Path) -> None:
    """A shell starts something in the background and is replaced by the server."""
    script = f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path / 'pid'}; exec \"$@\""
    served = master().start(program=("/bin/sh", "-c", script, "sh", sys.executable, "-m", "tests.supervisor.echo"))
    served.wait_for("is ready")
    served.wait_for("worker 0 gen 1 .* is ready")
    before = psutil.Process(int((tmp_path / "pid").read_text()))
    try:
        assert served.stop() == 0
        assert before.is_running() and before.status() != psutil.STATUS_ZOMBIE
    finally:
        before.kill()


def test_children_of() -> None:
    process = subprocess.Popen(["sleep", "600"])
    try:
        assert process.pid in children_of(os.getpid())
        process.kill()
        until(lambda: process.pid not in children_of(os.getpid()), "a zombie is none", timeout_s=5)
    finally:
        process.kill()
        process.wait()
