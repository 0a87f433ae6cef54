"""Owns the command line of each server under the conditions of a row (`scenario`), and its name in tables.

All servers do the same work under the same conditions. `servers` runs the command lines. Starts nothing itself.
"""

from __future__ import annotations

import os

from . import machine
from .scenario import Recipe, Scenario

__all__ = ["OWN", "RECIPES", "TITLES"]


def _webpy(s: Scenario) -> list[str]:
    return _webpy_command(s, "serve", s.routes)


def _wsgi(s: Scenario) -> list[str]:
    return _webpy_command(s, "serve", s.wsgi)


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
        "--max-body",
        "1G",
        *s.options,
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
  client_max_body_size 0;
  client_body_temp_path {s.folder}/body; proxy_temp_path {s.folder}/proxy; fastcgi_temp_path {s.folder}/fastcgi;
  uwsgi_temp_path {s.folder}/uwsgi; scgi_temp_path {s.folder}/scgi;
  server {{
    listen 127.0.0.1:{s.port} backlog=2048 {"ssl" if s.tls else ""}; {tls}
    location / {{ return 200 "Hello, World!"; }}
    location = /post {{ return 200 "20480"; }}
    location /upload {{ return 200 "100"; }}
    location /json {{ return 200 "{{}}"; }}
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
        s.wsgi,
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
        s.wsgi,
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
    return [s.python, "-m", "benchmarks.apps.serve_bjoern", str(s.port), s.wsgi]


def _fastwsgi(s: Scenario) -> list[str]:
    return [s.python, "-m", "benchmarks.apps.serve_fastwsgi", str(s.port), s.wsgi]


def _socketify(s: Scenario) -> list[str]:
    return [s.python, "-m", "benchmarks.apps.serve_socketify", str(s.port)]


def _cheroot(s: Scenario) -> list[str]:
    tls = [str(s.certfile), str(s.keyfile)] if s.tls else []
    return [s.python, "-m", "benchmarks.apps.serve_cheroot", str(s.port), str(s.threads), s.wsgi, *tls]


def _waitress(s: Scenario) -> list[str]:
    return [
        s.python,
        "-m",
        "waitress",
        f"--listen=127.0.0.1:{s.port}",
        f"--threads={s.threads}",
        "--connection-limit=10000",
        s.wsgi,
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
    "fastwsgi": Recipe(_fastwsgi, can_log=False, can_tls=False),
    "socketify": Recipe(_socketify, can_log=False, can_tls=False),
    "cheroot": Recipe(_cheroot, can_log=False),
    "waitress": Recipe(_waitress, can_log=False, can_tls=False),
    "other": Recipe(_webpy),
}
# the servers that are webpy
OWN = ("webpy", "files", "wsgi", "other")
TITLES = {
    "webpy": "**webpy**",
    "files": "**webpy files**",
    "wsgi": "**webpy, WSGI**",
    "nginx": "nginx",
    "granian": "granian (WSGI)",
    "gunicorn": "gunicorn (gthread)",
    "uvicorn": "uvicorn (ASGI, uvloop, httptools)",
    "bjoern": "bjoern",
    "fastwsgi": "fastwsgi (C)",
    "socketify": "socketify (C++, its own interface)",
    "cheroot": "cheroot",
    "waitress": "waitress",
    "other": "webpy of the other checkout",
}
