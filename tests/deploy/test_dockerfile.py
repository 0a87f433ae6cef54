"""deploy/Dockerfile without Docker: what it copies is in the context, and its commands, run here, do what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import ROOT, Server
from webpy.settings import OPTIONS

Serve = Callable[..., Server]

TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"^\s*#.*\n", "", TEXT, flags=re.M).replace("\\\n", " ").splitlines()
    if line.strip()
]


def last(name: str) -> str:
    """The argument of the last instruction of this name, which is the one in force."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name][-1]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file of the tree out of the context: the last of its lines that matches decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        keep, pattern = line.startswith("!"), line.removeprefix("!")
        inside = pattern.removeprefix("**/")
        parts = path.split("/")
        if pattern == "*" or (inside in parts if pattern != inside else (path + "/").startswith(pattern + "/")):
            out = not keep
    return out


def test_all_that_is_copied_is_in_the_context() -> None:
    copied = [rest.split()[:-1] for name, rest in INSTRUCTIONS if name == "COPY"]
    sources = [source for line in copied for source in line]
    assert {"webpy", "supervisor", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists() and not ignored(source), source
    for needed in ("webpy/cli/ctl.py", "webpy/admin/page.html", "webpy/py.typed", "supervisor/master.py"):
        assert not ignored(needed), needed


@pytest.mark.parametrize(
    "path", [".git/HEAD", ".cache/venv-3.11/bin/python", "tests/run", "webpy/cli/__pycache__/a.pyc"]
)
def test_the_context_holds_nothing_else(path: str) -> None:
    assert ignored(path)


def test_its_user_is_a_number_that_owns_the_volume() -> None:
    """Kubernetes' runAsNonRoot refuses an image whose user is a name."""
    user = last("USER")
    assert user.isdecimal() and int(user) > 0
    assert f"--uid {user} " in TEXT and f"install -d -o {user} {last('VOLUME')}" in TEXT


def test_what_is_built_has_the_extras_that_are_installed() -> None:
    (built,) = re.findall(r'pip wheel .*"\.(\[[a-z,]+\])"', TEXT)
    (installed,) = re.findall(r'pip install .*--no-index .*"webpy(\[[a-z,]+\])"', TEXT.replace("\\\n", " "))
    assert built == installed == "[metrics]"


def test_its_variables_are_settings_there_are() -> None:
    known = {option.variable for option in OPTIONS.values()} | {"WEBPY_STORE"}
    assert set(re.findall(r"\bWEBPY_[A-Z_]+", TEXT)) <= known


@pytest.fixture
def image() -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder /app with what is copied there, and the environment; /data and the control socket are in it too."""
    with tempfile.TemporaryDirectory(prefix="webpy-image-") as name:
        folder = Path(name)
        (copied,) = [rest for instruction, rest in INSTRUCTIONS if instruction == "COPY" and rest.endswith(" app.py")]
        (folder / "app.py").write_bytes((ROOT / copied.split()[0]).read_bytes())
        (folder / "data").mkdir()
        stated = [rest.split("=", 1) for instruction, rest in INSTRUCTIONS if instruction == "ENV"]
        environment = {name: value.replace("/data", f"{folder}/data") for name, value in stated}
        yield folder, {**environment, "RUNTIME_DIRECTORY": f"{folder}/run"}


def healthcheck(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command of HEALTHCHECK as Docker does: by the shell, in /app."""
    command = last("HEALTHCHECK").partition("CMD ")[2]
    (folder / "bin").mkdir(exist_ok=True)
    webpy = folder / "bin" / "webpy"
    webpy.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m webpy.cli "$@"\n')
    webpy.chmod(0o755)
    environment = {**environment, "PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_its_commands_serve_and_tell_its_health(serve: Serve, image: tuple[Path, dict[str, str]]) -> None:
    folder, environment = image
    down = healthcheck(folder, environment)
    assert (down.returncode, down.stdout) == (1, "")
    assert "you have no server running here" in down.stderr

    command = json.loads(last("CMD"))
    assert command[:3] == ["webpy", "serve", "app.py"] and command[3:] == ["--bind", f"0.0.0.0:{last('EXPOSE')}"]
    server = serve(folder / "app.py", env=environment)
    up = healthcheck(folder, environment)
    assert (up.returncode, up.stderr) == (0, "")
    assert re.fullmatch(r"ready: \d+ of \d+ workers accept connections\n", up.stdout)
    assert server.get("/").status < 500
    assert last("STOPSIGNAL") == "SIGTERM"
    assert server.stop() == 0
    assert (folder / "data" / "notes.sqlite3").exists()
    assert healthcheck(folder, environment).returncode == 1
