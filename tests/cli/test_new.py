"""`webpy new`: what it makes is complete, loads, passes its own tests and is served; what is there is never touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

KINDS = {"routes": "app.py", "wsgi": "wsgi.py"}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("WEBPY_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=50
    )


def webpy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "webpy.cli", *arguments)


@pytest.fixture(params=KINDS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A new application of each kind."""
    done = webpy(tmp_path, "new", "Shop", "--kind", request.param)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"made in {tmp_path}/Shop: {KINDS[request.param]}, test_app.py, ")
    assert second == "run it: cd Shop && webpy dev"
    made: Path = tmp_path / "Shop"
    return made


def code(project: Path) -> str:
    return next(name for name in KINDS.values() if (project / name).exists())


def test_everything_is_there(project: Path) -> None:
    made = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert made == {
        code(project), "test_app.py", "requirements.txt", "requirements-dev.txt", "Dockerfile", "compose.yaml",
        "shop.service", "README.md", ".gitignore", ".dockerignore", "wheels/README",
    }  # fmt: skip
    for name in made:
        text = (project / name).read_text()
        assert "{{" not in text and "}}" not in text and text.endswith("\n")


@pytest.mark.slow
def test_it_loads_and_its_test_passes(project: Path) -> None:
    done = webpy(project, "check")
    assert done.returncode == 0 and done.stdout.startswith(f"ok: {code(project)}:"), done.stderr
    done = run(project, "pytest", "-q", "-W", "error")
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_its_test_can_fail(project: Path) -> None:
    (project / code(project)).write_text((project / code(project)).read_text().replace("Hello, ", "Bye, "))
    done = run(project, "pytest", "-q")
    assert done.returncode == 1 and "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_is_served(workers: str, project: Path, serve: Callable[..., Server]) -> None:
    server = serve(project / code(project), "--workers", workers)
    assert server.get("/").body == b"shop runs. Try /hello/you\n"
    assert server.get("/hello/you").body == b"Hello, you!\n"
    assert server.get("/nowhere").status == 404
    assert server.stop() == 0


def test_the_commands_of_its_files(project: Path) -> None:
    """What Dockerfile and unit start is what is there."""
    docker = (project / "Dockerfile").read_text()
    assert f'CMD ["webpy", "serve", "{code(project)}", "--bind", "0.0.0.0:8000"]' in docker
    for line in docker.splitlines():
        if line.startswith("COPY"):
            assert all((project / name).exists() for name in line.split()[1:-1]), line
    assert "USER 10001" in docker and "HEALTHCHECK" in docker
    unit = (project / "shop.service").read_text()
    assert f"webpy serve {code(project)} --bind 127.0.0.1:8000 --control /run/shop/control.sock" in unit
    done = webpy(project, "check", code(project), "--bind", "0.0.0.0:8000", "--control", "control.sock")
    assert done.returncode == 0, done.stderr
    ignored = (project / ".dockerignore").read_text().split()
    assert not {code(project), "requirements.txt", "wheels"} & set(ignored)
    assert (project / "requirements-dev.txt").read_text().startswith("-r requirements.txt\nwebpy[reload]\n")


@pytest.mark.needs("systemd-analyze")
def test_the_unit_is_well_formed(project: Path, tmp_path: Path) -> None:
    unit = tmp_path / "shop.service"
    text = (project / "shop.service").read_text()
    unit.write_text(text.replace("/srv/shop/.venv/bin/webpy", "/bin/true").replace("/srv/shop", str(project)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=30)
    assert "shop.service" not in done.stderr, done.stderr


def test_into_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = webpy(tmp_path / "empty", "new", ".")
    assert done.returncode == 0 and done.stdout.endswith("run it: webpy dev\n")
    assert webpy(tmp_path, "new", "a/b/c").returncode == 0 and (tmp_path / "a" / "b" / "c" / "c.service").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("full",), "DIR: got 'full', which is not empty, wanted a new or an empty folder"),
        (("file",), "DIR: got 'file', which is a file, wanted a new or an empty folder"),
        (("dangling",), "DIR: got 'dangling', which is a file, wanted a new or an empty folder"),
        (("9lives",), "DIR: got '9lives', which gives the name '9lives', wanted a letter first, then letters, digits,"),
        (("a b",), "DIR: got 'a b', which gives the name 'a b', wanted a letter first"),
        ((), "Missing argument 'DIR'"),
        (("new", "--kind", "asgi"), "--kind: got 'asgi', which this version of webpy cannot serve yet, wanted "),
        (("new", "--kind", "flask"), "'flask' is not one of 'routes', 'wsgi', 'asgi'"),
    ],
)
def test_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(os.listdir(tmp_path))
    done = webpy(tmp_path, "new", *arguments)
    assert done.returncode == 2 and message in done.stderr and not done.stdout
    assert sorted(os.listdir(tmp_path)) == before and os.listdir(tmp_path / "full") == [".hidden"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = webpy(tmp_path, "new", "file/below")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"Error: '{tmp_path}/file/below' cannot be written: Not a directory" in done.stderr
