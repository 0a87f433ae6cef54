"""Owns the command line of each server, and the conditions (`Scenario`) that it is started under.

All servers do the same work under the same conditions. `servers` runs the command lines; the rows choose the
conditions. Starts nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import machine

__all__ = ["RECIPES", "TITLES", "Recipe", "Scenario"]


@dataclass(slots=True, frozen=True)
class Scenario:
    """The conditions that a server is started under: the same for all servers of a row."""

    threads: int = 64
    workers: int = 1
    logged: bool = False
    tls: bool = False
    import_s: float = 0.0
    every_cpu: bool = False  # not pinned to the server's CPU
    preload: bool = False  # gunicorn: import the application in the master
    # filled in by `start`
    python: str = ""
    port: int = 0
    folder: Path = Path()
    static: Path = Path()
    certfile: Path = Path()
    keyfile: Path = Path()

    @property
    def log(self) -> Path:
        return self.folder / "access.log"


@dataclass(slots=True)
class Recipe:
    """A server's command line. log_is_stdout: its access log can only go to standard output."""

    command: Callable[[Scenario], list[str]]
    log_is_stdout: bool = False
    can_log: bool = True
    can_tls: bool = True
    checkout: Path = Path(__file__).resolve().parent.parent  # where webpy is imported from


def _webpy(s: Scenario) -> list[str]:
    return _webpy_command(s, "serve", "benchmarks.apps.webpy_app:routes")


def _wsgi(s: Scenario) -> list[str]:
    return _webpy_command(s, "serve", "benchmarks.apps.wsgi_app:app")


def _files(s: Scenario) -> list[str]:
    return _webpy_command(s, "files", str(s.static.parent))


def _webpy_command(s: Scenario, command: str, target: str) -> list[str]:
    tls = ["--certfile", str(s.certfile), "--keyfile", str(s.keyfile)] if s.tls else []
    return [
        s.python,
        "-m",
        "webpy.cli",
        command,
        target,
        "--bind",
        f"127.0.0.1:{s.port}",
        "--workers",
        str(s.workers),
        "--threads",
        str(s.threads),
        "--access-log",
        str(s.log) if s.logged else "off",
        *tls,
    ]


def _nginx(s: Scenario) -> list[str]:
    tls = f"ssl_certificate {s.certfile}; ssl_certificate_key {s.keyfile};" if s.tls else ""
    user = "user root;" if os.geteuid() == 0 else ""
    (s.folder / "nginx.conf").write_text(f"""
daemon off; {user} worker_processes {s.workers}; pid {s.folder}/nginx.pid; error_log stderr warn;
worker_rlimit_nofile {machine.raise_open_files()};
events {{ worker_connections 10000; }}
http {{
  access_log {f"{s.log} combined" if s.logged else "off"};
  keepalive_requests 1000000000; keepalive_timeout 75s; sendfile on; tcp_nopush on; default_type text/plain;
  client_body_temp_path {s.folder}/body; proxy_temp_path {s.folder}/proxy; fastcgi_temp_path {s.folder}/fastcgi;
  uwsgi_temp_path {s.folder}/uwsgi; scgi_temp_path {s.folder}/scgi;
  server {{
    listen 127.0.0.1:{s.port} backlog=2048 {"ssl" if s.tls else ""}; {tls}
    location / {{ return 200 "Hello, World!"; }}
    location = /post {{ return 200 "20480"; }}
    location = /pid {{ return 200 "$pid"; }}
    location = /large {{ alias {s.static}/4m; }}
    location /static/ {{ alias {s.static}/; }}
  }}
}}
""")
    return ["nginx", "-c", str(s.folder / "nginx.conf"), "-p", str(s.folder), "-e", "stderr"]


def _granian(s: Scenario) -> list[str]:
    tls = ["--ssl-certificate", str(s.certfile), "--ssl-keyfile", str(s.keyfile)] if s.tls else []
    return [
        s.python,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--http",
        "1",
        "--no-ws",
        "--port",
        str(s.port),
        "--workers",
        str(s.workers),
        "--blocking-threads",
        str(s.threads),
        "--respawn-failed-workers",
        "--backlog",
        "16384",
        "--access-log" if s.logged else "--no-access-log",
        *tls,
        "benchmarks.apps.wsgi_app:app",
    ]


def _gunicorn(s: Scenario) -> list[str]:
    tls = ["--certfile", str(s.certfile), "--keyfile", str(s.keyfile)] if s.tls else []
    log = ["--access-logfile", str(s.log)] if s.logged else []
    return [
        s.python,
        "-m",
        "gunicorn",
        "--worker-class",
        "gthread",
        "--no-control-socket",
        "--bind",
        f"127.0.0.1:{s.port}",
        "--workers",
        str(s.workers),
        "--threads",
        str(s.threads),
        "--keep-alive",
        "75",
        "--worker-connections",
        "10000",
        *(["--preload"] if s.preload else []),
        *log,
        *tls,
        "benchmarks.apps.wsgi_app:app",
    ]


def _uvicorn(s: Scenario) -> list[str]:
    tls = ["--ssl-certfile", str(s.certfile), "--ssl-keyfile", str(s.keyfile)] if s.tls else []
    return [
        s.python,
        "-m",
        "uvicorn",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--port",
        str(s.port),
        "--workers",
        str(s.workers),
        "--timeout-keep-alive",
        "75",
        "--access-log" if s.logged else "--no-access-log",
        *tls,
        "benchmarks.apps.asgi_app:app",
    ]


def _bjoern(s: Scenario) -> list[str]:
    return [s.python, "-m", "benchmarks.apps.serve_bjoern", str(s.port)]


def _cheroot(s: Scenario) -> list[str]:
    tls = [str(s.certfile), str(s.keyfile)] if s.tls else []
    return [s.python, "-m", "benchmarks.apps.serve_cheroot", str(s.port), str(s.threads), *tls]


def _waitress(s: Scenario) -> list[str]:
    return [
        s.python,
        "-m",
        "waitress",
        f"--listen=127.0.0.1:{s.port}",
        f"--threads={s.threads}",
        "--connection-limit=10000",
        "benchmarks.apps.wsgi_app:app",
    ]


RECIPES = {
    "webpy": Recipe(_webpy),
    "files": Recipe(_files),
    "wsgi": Recipe(_wsgi),
    "nginx": Recipe(_nginx),
    "granian": Recipe(_granian, log_is_stdout=True),
    "gunicorn": Recipe(_gunicorn),
    "uvicorn": Recipe(_uvicorn, log_is_stdout=True),
    "bjoern": Recipe(_bjoern, can_log=False, can_tls=False),
    "cheroot": Recipe(_cheroot, can_log=False),
    "waitress": Recipe(_waitress, can_log=False, can_tls=False),
    "other": Recipe(_webpy),
}
TITLES = {
    "webpy": "**webpy**",
    "files": "**webpy files**",
    "wsgi": "**webpy, WSGI**",
    "nginx": "nginx",
    "granian": "granian (WSGI)",
    "gunicorn": "gunicorn (gthread)",
    "uvicorn": "uvicorn (ASGI, uvloop, httptools)",
    "bjoern": "bjoern",
    "cheroot": "cheroot",
    "waitress": "waitress",
    "other": "webpy of the other checkout",
}
