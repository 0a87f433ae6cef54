"""Owns what a run needs on the machine: nginx and wrk, and a virtual environment with the other servers.

It installs them and knows their versions. Called by `run` before anything is measured. Knows no rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Container
from pathlib import Path

__all__ = ["EnvironmentMissing", "prepare_venv", "provide_tools", "usable", "versions"]

HERE = Path(__file__).resolve().parent
PEERS = {
    "granian": ["granian"],
    "gunicorn": ["gunicorn"],
    "uvicorn": ["uvicorn", "uvloop", "httptools"],
    "bjoern": ["bjoern"],
    "fastwsgi": ["fastwsgi"],
    "socketify": ["socketify"],
    "cheroot": ["cheroot"],
    "waitress": ["waitress"],
}
FRAMEWORKS = ["falcon", "flask", "django", "setuptools<81"]  # fastwsgi imports setuptools' pkg_resources
# what cannot be had or built everywhere: it is then left out
OPTIONAL = {"bjoern": ["libev-dev", "gcc", "libc6-dev"], "fastwsgi": ["gcc", "libc6-dev"], "socketify": []}
# what webpy imports, if pyproject.toml cannot be read
FALLBACK = ["psutil", "setproctitle", "httptools", "click"]
TOOLS = {"nginx": "nginx", "wrk": "wrk", "taskset": "util-linux", "openssl": "openssl"}

Say = Callable[[str], None]


class EnvironmentMissing(Exception):
    """Something that every run needs is missing."""


def _apt(packages: list[str], say: Say) -> bool:
    """Install Debian packages if this runs as root and apt exists; return whether they were installed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"installing with apt-get: {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
            say(f"failed: {' '.join(command)}")
            return False
    return True


def provide_tools(wanted: Container[str], say: Say) -> None:
    """Install those of the wanted tools that are missing. Raises EnvironmentMissing if wrk or taskset still are."""
    tools = [tool for tool in TOOLS if tool in wanted]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        _apt([TOOLS[tool] for tool in missing], say)
    for tool in tools:
        if shutil.which(tool) is not None:
            continue
        if tool in ("wrk", "taskset"):
            raise EnvironmentMissing(f"{tool} is not installed (Debian's package {TOOLS[tool]})")
        say(f"{tool} is not installed, left out: {'nginx' if tool == 'nginx' else 'TLS'}")


def _requirements() -> list[str]:
    """Return webpy's own requirements, from pyproject.toml."""
    try:
        project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
        return list(project["dependencies"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return FALLBACK


def _pip(python: Path, packages: list[str]) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    return subprocess.run(command, capture_output=True, text=True)


def prepare_venv(base: str, say: Say) -> str:
    """Make the benchmark's virtual environment for an interpreter, unless it exists, and return its python.

    There is one for each interpreter in benchmarks/.venv; webpy itself runs from the checkout. A server of `OPTIONAL`
    that cannot be installed is left out with a message. Raises EnvironmentMissing if the environment cannot be made.
    """
    probe = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix)"
    result = subprocess.run([base, "-c", probe], capture_output=True, text=True)
    if result.returncode:
        raise EnvironmentMissing(f"{base} does not run: {result.stderr.strip()}")
    version, prefix = result.stdout.split("\n")[:2]
    folder = HERE / ".venv" / (version + prefix.replace("/", "-"))
    python, stamp = folder / "bin" / "python", folder / "filled-with"
    wanted = "\n".join(sorted(_requirements()) + [name for names in PEERS.values() for name in names] + FRAMEWORKS)
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    if not python.exists():
        say(f"making {folder} with {base} {version}")
        if subprocess.run([base, "-m", "venv", str(folder)], capture_output=True).returncode:
            shutil.rmtree(folder, ignore_errors=True)
            short = ".".join(version.split(".")[:2])
            if not _apt([f"python{short}-venv"], say) or subprocess.run([base, "-m", "venv", str(folder)]).returncode:
                raise EnvironmentMissing(f"{base} cannot make a venv (Debian's package python{short}-venv)")
    peers = [name for peer in PEERS if peer not in OPTIONAL for name in PEERS[peer]]
    result = _pip(python, [*_requirements(), *peers, *FRAMEWORKS])
    if result.returncode:
        raise EnvironmentMissing(f"pip could not fill the venv: {result.stderr.strip()[-800:]}")
    for peer, packages in OPTIONAL.items():
        if (result := _pip(python, PEERS[peer])).returncode == 0:
            continue
        if packages and prefix == "/usr":
            packages = [*packages, "python3-dev"]
        # it comes as source, and needs libraries, a compiler and Python's headers
        if not packages or not _apt(packages, say) or (result := _pip(python, PEERS[peer])).returncode:
            say(f"{peer} left out, it cannot be installed: {result.stderr.strip()[-400:]}")
    stamp.write_text(wanted)
    return str(python)


def usable(python: str, names: list[str]) -> list[str]:
    """Return those of the named servers that can be started: nginx if its program exists, others if they import."""
    modules = PEERS | {"webpy": ["webpy"], "files": ["webpy.file"], "wsgi": ["webpy.wsgi"]}
    checks = {name: modules[name] for name in names if name in modules}
    code = (
        "import importlib.util as u, json; "
        f"print(json.dumps([n for n, ms in {checks!r}.items() if all(u.find_spec(m) for m in ms)]))"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    found = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    return [name for name in names if f'"{name}"' in found or (name == "nginx" and shutil.which("nginx"))]


def versions(python: str, names: list[str]) -> str:
    """Return Python's and the servers' versions, in one line."""
    code = (
        "import importlib.metadata as m, platform, sys\n"
        "print(f'CPython {platform.python_version()} of {sys.base_prefix}')\n"
        f"for n in {[n for n in names if n in PEERS]!r}:\n    print(n, m.version(n))"
    )
    lines = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    if "nginx" in names:
        nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr
        lines.append(nginx.strip().rpartition(": ")[2].replace("/", " "))
    return ", ".join(lines)
