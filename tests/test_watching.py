"""--reload: a real server, real edits of its sources."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]

APP = """
import webpy as web
from text import TEXT
class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, TEXT
routes = {"/": Hello}
"""


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Server:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "text.py").write_text("TEXT = 'one'")
    server = serve("app.py", "--reload", "--workers", "1")
    server.wait_for(r"autoreload \[\d+\] is ready")
    server.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    return server


def test_a_change_of_a_source_is_served(served: Server, tmp_path: Path) -> None:
    assert served.get("/").body == b"one"
    (tmp_path / "text.py").write_text("TEXT = 'another'")
    served.wait_for(r"changed: text\.py$")
    served.wait_for("reload done: generation 2 serves")
    assert served.get("/").body == b"another"


def test_a_mistake_is_told_and_its_correction_served(served: Server, tmp_path: Path) -> None:
    (tmp_path / "text.py").write_text("TEXT = = 'wrong'")
    served.wait_for("reload failed, generation 1 keeps serving")
    served.wait_for("SyntaxError")
    assert served.get("/").body == b"one"
    (tmp_path / "text.py").write_text("TEXT = 'right'")
    served.wait_for("reload done: generation 3 serves")
    assert served.get("/").body == b"right"


def test_the_settings_file_is_watched_and_other_files_are_not(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "text.py").write_text("TEXT = 'one'")
    (tmp_path / "webpy.toml").write_text("workers = 1\nreload = true\n")
    served = serve("app.py")
    served.wait_for(r"autoreload \[\d+\] is ready")
    served.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "webpy.toml").write_text("workers = 2\nreload = true\n")
    served.wait_for(r"changed: webpy\.toml$")
    served.wait_for(r"worker 1 gen 2 \[\d+\] is ready")
    served.wait_for("reload done: generation 2 serves")
    assert not [line for line in served.errors if "notes.txt" in line]


def test_without_watchfiles_the_message_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("routes = {}")
    code = "import sys; sys.modules['watchfiles'] = None; from webpy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "app.py", "--reload", "--bind", "127.0.0.1:0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--reload: watchfiles is not installed: pip install 'webpy[reload]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_first_load_that_fails_waits_for_a_fix(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "text.py").write_text("TEXT = = 'wrong'")
    served = serve("app.py", "--reload", "--workers", "1", loads=False)
    served.wait_for("SyntaxError")
    served.wait_for("waiting for a change of the sources")
    served.wait_for(r"autoreload \[\d+\] is ready")
    (tmp_path / "text.py").write_text("TEXT = 'still' 'wrong' 1")
    served.wait_for("loading the application again: generation 2")
    served.wait_for("waiting for a change of the sources", count=2)
    assert not [line for line in served.errors if "listening on" in line]
    (tmp_path / "text.py").write_text("TEXT = 'one'")
    served.wait_for(r"worker 0 gen \d+ \[\d+\] is ready")
    served.wait_until_listening()
    assert served.get("/").body == b"one"
    (tmp_path / "text.py").write_text("TEXT = 'two'")
    served.wait_for(r"reload done: generation \d+ serves")
    assert served.get("/").body == b"two"
    assert served.stop() == 0


def test_addresses_that_change_while_it_waits_for_a_fix(serve: Serve, tmp_path: Path) -> None:
    """Nothing is said to listen before there is something that answers, and then each address once; logs move too."""
    (tmp_path / "app.py").write_text("import gone_for_good")
    settings = 'reload = true\nworkers = 1\nbind = ["127.0.0.1:0", "unix:{}"]\naccess_log = "{}"\n'
    (tmp_path / "webpy.toml").write_text(settings.format("one", "one.log"))
    served = serve("app.py", bind=None, loads=False)
    served.wait_for("waiting for a change of the sources")
    served.wait_for(r"autoreload \[\d+\] is ready")
    (tmp_path / "webpy.toml").write_text(settings.format("two", "no/such/folder/log"))
    served.wait_for("access_log: got 'no/such/folder/log', wanted a path in a folder that exists")
    served.wait_for("waiting for a change of the sources", count=2)
    assert (tmp_path / "one").exists() and not (tmp_path / "two").exists()
    (tmp_path / "webpy.toml").write_text(settings.format("two", "two.log"))
    served.wait_for("waiting for a change of the sources", count=3)
    assert not [line for line in served.errors if "listening on" in line]
    (tmp_path / "app.py").write_text(APP.replace("from text import TEXT", "TEXT = 'fixed'"))
    served.wait_until_listening()
    served.wait_for(r"worker 0 gen \d+ \[\d+\] is ready")
    said = [line.partition("listening on ")[2] for line in served.errors if "listening on" in line]
    assert len(said) == 2 and said[1] == f"unix:{tmp_path}/two", said
    assert served.get("/").body == b"fixed"
    assert served.stop() == 0
    assert (tmp_path / "two.log").read_text().count("GET /") == 1
    assert not (tmp_path / "one").exists() and not (tmp_path / "two").exists()


def test_it_can_be_stopped_while_it_waits_for_a_fix(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import gone_for_good")
    served = serve("app.py", "--reload", loads=False)
    served.wait_for("waiting for a change of the sources")
    assert served.stop() == 0


def test_who_waits_for_another_first_load_is_told_of_a_stop(serve: Serve, tmp_path: Path) -> None:
    """ctl is, and the process of `--reload`, which ends at once then."""
    (tmp_path / "app.py").write_text("import gone_for_good")
    served = serve("app.py", "--reload", "--control", "control", loads=False)
    served.wait_for("waiting for a change of the sources")
    served.wait_for(r"autoreload \[\d+\] is ready")
    (tmp_path / "app.py").write_text("import time\ntime.sleep(60)")
    served.wait_for("loading the application again: generation 2")
    command = [sys.executable, "-m", "webpy.cli", "ctl", "--control", "control", "reload", "--wait"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    ) as asking:
        served.wait_for("reload: asked by ctl")
        assert served.stop() == 0
        assert "the master is stopping" in asking.communicate(timeout=10)[1]
    assert not [line for line in served.errors if "did not end" in line]


def test_without_reload_a_first_load_that_fails_ends_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import gone_for_good")
    served = serve("app.py", loads=False)
    assert served.wait() == 3
    assert not [line for line in served.errors if "listening on" in line]
