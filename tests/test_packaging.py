"""Builds the wheel and the sdist, looks into them, installs each into a clean environment and serves from it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import webpy
from tests.server import ROOT, Server

NOT_SOURCE = (".git", ".cache", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def contents(wheel: Path) -> dict[str, str]:
    """Name to SHA-256 of each file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree as git has it: its links are links, and nothing built is in it."""
    copy = tmp_path_factory.mktemp("source") / "webpy"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, tree, cwd=folder)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, tree, cwd=folder)
    (made,) = folder.iterdir()
    return made


def test_every_package_is_listed() -> None:
    """pyproject.toml lists the packages by hand: a new folder of modules has to be among them."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    there = {"webpy.supervisor": "supervisor"}
    for base, folders, files in os.walk(ROOT / "webpy", followlinks=False):
        folders[:] = [name for name in folders if name not in ("__pycache__", "supervisor")]
        if any(name.endswith(".py") for name in files):
            path = Path(base).relative_to(ROOT)
            there[".".join(path.parts)] = str(path)
    there.update(
        (".".join(["webpy", *Path(base).relative_to(ROOT).parts]), str(Path(base).relative_to(ROOT)))
        for base, _, files in os.walk(ROOT / "supervisor")
        if any(name.endswith(".py") for name in files)
    )
    assert setup["package-dir"] == there
    assert sorted(setup["packages"]) == sorted(there)


def test_the_version_stands_twice_and_is_the_same() -> None:
    assert webpy.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_link_for_type_checkers() -> None:
    link = ROOT / "webpy" / "supervisor"
    assert link.is_symlink()
    assert os.readlink(link) == "../supervisor"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_wheel_holds_only_webpy(wheel: Path) -> None:
    names = contents(wheel)
    assert {name.split("/")[0] for name in names} == {"webpy", re.sub(r"-py3.*", ".dist-info", wheel.name)}
    modules = {name for name in names if name.startswith("webpy/")}
    source = {
        str(path.relative_to(ROOT)) for path in (ROOT / "webpy").rglob("*.py") if "supervisor" not in path.parts[-2:-1]
    }
    source |= {f"webpy/{path.relative_to(ROOT)}" for path in (ROOT / "supervisor").rglob("*.py")}
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "webpy/cli/project").rglob("*.txt")}
    assert modules == source | templates | {"webpy/py.typed", "webpy/admin/page.html", "webpy/dev/page.html"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        top = sdist.name.removesuffix(".tar.gz")
        names = {member.name.removeprefix(top + "/") for member in archive if member.isfile()}
        assert not [member.name for member in archive if member.issym() or member.islnk()]
    for wanted in ("LICENSE", "README.md", "CHANGELOG.md", "supervisor/__init__.py", "tests/run", "examples/notes.py"):
        assert wanted in names, f"{wanted} is not in the sdist"
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, sdist, cwd=tmp_path)
    (again,) = tmp_path.iterdir()
    assert contents(again) == contents(wheel)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_installs_and_serves(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, serve: Callable[..., Server]
) -> None:
    folder = tmp_path / "clean"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    distribution: Path = request.getfixturevalue(kind)
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", distribution, cwd=tmp_path)
    # What the dependencies pulled in besides is theirs; a top-level `supervisor` would be ours.
    assert run(python, "-c", "import importlib.util as u; print(u.find_spec('supervisor'))", cwd=tmp_path) == "None\n"
    assert run(folder / "bin" / "webpy", "--version", cwd=tmp_path).startswith(f"webpy {webpy.__version__},")

    notes = shutil.copy(ROOT / "examples" / "notes.py", tmp_path)
    server = serve(notes, "--workers", "2", program=[str(folder / "bin" / "webpy"), "serve"], source=False)
    assert server.get("/greeting").status == 404
    assert server.request("PUT", "/greeting", b"hello").status == 201
    assert [server.get("/greeting").body for _ in range(8)] == [b"hello"] * 8
    assert server.stop() == 0
