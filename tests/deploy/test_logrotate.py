"""deploy/logrotate, run by logrotate: with a server that runs, one that is down, and one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server
from tests.supervisor.masters import until

Serve = Callable[..., Server]

pytestmark = [
    pytest.mark.needs("logrotate"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become the user of a line `su`"),
]

APP = """
import webpy as web

class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"

routes = {"/.*": Hello}
"""


class Rotation:
    """The file with its three places in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "access.log"
        self.pidfile = folder / "webpy.pid"
        text = (ROOT / "deploy" / "logrotate").read_text()
        here = {"/var/log/webpy/": f"{folder}/", "/run/webpy/": f"{folder}/", "su webpy webpy": "su root root"}
        for before, after in here.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        self.config = folder / "logrotate.conf"
        self.config.write_text(text)
        self.config.chmod(0o644)

    def run(self) -> None:
        """Rotate now, which must succeed and say nothing, as cron sends a mail of all that is said."""
        state = self.folder / "logrotate.state"
        command = ["logrotate", "--force", "--state", str(state), str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def serve(self, serve: Serve) -> Server:
        (self.folder / "app.py").write_text(APP)
        options = ("--access-log", str(self.log), "--pidfile", str(self.pidfile), "--workers", "2")
        return serve("app.py", *options)


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    return Rotation(tmp_path)


def lines(path: Path) -> list[str]:
    return [line.split('"')[1].split()[1] for line in path.read_text().splitlines()]


def test_a_running_server_goes_on_in_the_new_file(rotation: Rotation, serve: Serve) -> None:
    server = rotation.serve(serve)
    assert server.get("/before").status == 200
    # the line is written after the answer, and logrotate leaves an empty file alone
    until(lambda: rotation.log.read_text() != "", "the line of the request")
    rotation.run()
    server.wait_for("reopened")
    assert server.get("/after").status == 200
    assert server.stop() == 0
    assert lines(rotation.folder / "access.log.1") == ["/before"]
    assert lines(rotation.log) == ["/after"]


def test_a_server_that_is_down_is_no_error(rotation: Rotation, serve: Serve) -> None:
    server = rotation.serve(serve)
    assert server.get("/before").status == 200
    assert server.stop() == 0
    assert not rotation.pidfile.exists()
    rotation.run()
    assert lines(rotation.folder / "access.log.1") == ["/before"]
    server = rotation.serve(serve)
    assert server.get("/after").status == 200
    assert server.stop() == 0
    assert lines(rotation.log) == ["/after"]


def test_a_pidfile_that_a_killed_master_left_is_no_error(rotation: Rotation, serve: Serve) -> None:
    server = rotation.serve(serve)
    assert server.get("/before").status == 200
    server.send(signal.SIGKILL)
    server.process.wait(15)
    assert rotation.pidfile.exists()
    rotation.log.write_text("a line\n")
    rotation.run()
    assert (rotation.folder / "access.log.1").read_text() == "a line\n"


def test_before_the_first_start_it_is_no_error(rotation: Rotation) -> None:
    rotation.run()
