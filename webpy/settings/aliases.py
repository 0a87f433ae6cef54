"""Names of settings that other servers and platforms use, and what they mean here.

Owns the names only: `PORT` and `WEB_CONCURRENCY` in the environment (set by Heroku and other platforms, and read by
gunicorn), `--host` and `--port` on the command line, and hints for names that are not settings. Called by `resolve` and
by the command line.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import SettingsError

__all__ = ["bind_of", "from_platform", "hint"]

_HOST, _PORT = "127.0.0.1", "8000"

# Names that are not settings, and what to write instead.
_INSTEAD = {
    "address": "bind",
    "host": "bind",
    "interface": "bind",
    "listen": "bind",
    "port": "bind",
    "processes": "workers",
    "nproc": "workers",
    "ssl_certfile": "certfile",
    "ssl_keyfile": "keyfile",
    "loglevel": "log_level",
    "accesslog": "access_log",
    "errorlog": "error_log",
}


def from_platform(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the settings that a platform gives by its own variables: the setting's name to (variable, value).

    Every other source overrides them. PORT means all IPv4 addresses, as in gunicorn: a platform that sets it sends
    requests from outside.
    """
    found = {}
    if environ.get("PORT"):
        port = environ["PORT"]
        found["bind"] = ("PORT", f"0.0.0.0:{port}" if port.isdigit() else port)
    if environ.get("WEB_CONCURRENCY"):
        found["workers"] = ("WEB_CONCURRENCY", environ["WEB_CONCURRENCY"])
    return found


def bind_of(host: str | None, port: str | None) -> str:
    """Return the address that `--host` and `--port` name together; the defaults are 127.0.0.1 and 8000.

    Raises SettingsError for an invalid port, or a host that includes a port.
    """
    if port is not None and not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise SettingsError(f"--port: got {port!r}, wanted a port of 0 to 65535")
    host = _HOST if host is None else host.strip("[]")
    if not host or host.count(":") == 1 or "/" in host or " " in host:
        raise SettingsError(f"--host: got {host!r}, wanted a host name or an address, without a port")
    return f"[{host}]:{port or _PORT}" if ":" in host else f"{host}:{port or _PORT}"


def hint(name: str, given: object) -> str:
    """Return what to write in place of `name = given` in a settings file, "" if that is not known."""
    meant = _INSTEAD.get(name)
    if meant == "bind":
        host, port = (_HOST, given) if name == "port" else (given, _PORT)
        if isinstance(host, str) and isinstance(port, (str, int)):
            shown = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
            return f'write bind = "{host if name in ("address", "listen") and ":" in host else shown}"'
        return 'write bind = "HOST:PORT"'
    if meant is not None:
        return f"write {meant}"
    if isinstance(given, dict):
        return f"got a table, but settings stand at the top level: write the keys of [{name}] without it"
    return ""
