"""`python -m webpy`: `python -m http.server` on every core. `python -m webpy serve …` is the command `webpy`.

Owns the command line and the choice of addresses; `webpy.stdlib.folder` serves the folder. Like `http.server`, this
serves everything in the folder, hidden files and what links lead to included; for the public there is `webpy files`.
Neither sends `webpy.toml` or webpy's own databases.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli.errors import report_errors, warn
from .settings import Resolved, find_config, resolve
from .supervisor.upgrade.handoff import inherited_state

if TYPE_CHECKING:
    from .worker import Site

_CANNOT_BIND = 4
_FILE = click.Path(dir_okay=False, exists=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("port", type=click.IntRange(0, 65535), default=8000)
@click.option("-b", "--bind", metavar="ADDRESS", help="Bind to this address.  [default: all, IPv4 and IPv6]")
@click.option(
    "-d",
    "--directory",
    default=os.curdir,
    type=click.Path(exists=True, file_okay=False),
    help="Serve this directory.  [default: the current one]",
)
@click.option("--cgi", is_flag=True, help="Run scripts in its folders cgi-bin and htbin.")
@click.option(
    "-p",
    "--protocol",
    type=click.Choice(["HTTP/1.0", "HTTP/1.1"]),
    default="HTTP/1.1",
    help="HTTP/1.0 closes each connection after one answer.  [default: HTTP/1.1]",
)
@click.option("--tls-cert", metavar="PATH", type=_FILE, help="Certificate chain (PEM); turns TLS on.")
@click.option("--tls-key", metavar="PATH", type=_FILE, help="Private key (PEM), if --tls-cert does not hold it.")
# parameters: click passes one for each option
def main(
    port: int, bind: str | None, directory: str, cgi: bool, protocol: str, tls_cert: str | None, tls_key: str | None
) -> None:
    """Serve a directory on PORT like `python -m http.server`, but on every core.

    PORT is 8000 by default; 0 picks a free port.
    If PORT is the name of a webpy command, such as serve, that command is run.

    Settings come from environment variables, such as WEBPY_WORKERS=2, and from a file that WEBPY_CONFIG names.
    """
    if tls_key is not None and tls_cert is None:
        raise click.UsageError("--tls-key needs --tls-cert")
    given: dict[str, object] = {"certfile": tls_cert, "keyfile": tls_key}
    folder = Path.cwd()
    with report_errors():
        places = _places(bind, port)
        given["bind"] = tuple(f"[{host}]:{number}" if ":" in host else f"{host}:{number}" for host, number in places)

        def settings() -> Resolved:
            # never from a webpy.toml in the folder, which may be another user's
            file = find_config(None, os.environ, folder) if os.environ.get("WEBPY_CONFIG") else None
            return resolve(given, os.environ, file, base=folder)

        warn(settings().warnings)
        if inherited_state() is None:
            _announce(*places[0], "https" if tls_cert else "http")

        from .serving import serve_site

        def site() -> Site:
            return _site(directory, cgi, protocol == "HTTP/1.0")

        sys.exit(serve_site(site, settings, f"directory {directory}"))


def _site(directory: str, cgi: bool, closes: bool) -> Site:
    """Return the site that serves the folder (called in the zygote)."""
    from .stdlib.folder import folder

    return folder(directory, cgi=cgi, closes=closes)


def _places(bind: str | None, port: int) -> list[tuple[str, int]]:
    """Return the addresses to listen at, (host, port) each, after checking that the port is free.

    Exits with status 4 if it is not.
    """
    hosts = ["::", "0.0.0.0"] if bind is None else [bind]
    if bind is None and not _has_ipv6():
        del hosts[0]
    try:
        if bind is not None:
            _, _, _, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            hosts = [str(address[0])]
        if inherited_state() is not None:  # an upgrade: the server holds its sockets already
            return [(host, port) for host in hosts]
        with contextlib.ExitStack() as taken:
            places = []
            for host in hosts:
                port = taken.enter_context(_bound(host, port))
                places.append((host, port))
            return places
    except OSError as error:
        click.echo(f"webpy: cannot bind port {port} of {bind or 'all addresses'}: {error.strerror}", err=True)
        sys.exit(_CANNOT_BIND)


def _has_ipv6() -> bool:
    try:
        with _bound("::", 0):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[int]:
    """Bind an address for the duration of the context, to check that it is free; yields the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        yield sock.getsockname()[1]


def _announce(host: str, port: int, scheme: str) -> None:
    """Print the address in the words of http.server."""
    url = f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
    print(f"Serving {scheme.upper()} on {host} port {port} ({url}) ...", flush=True)


def _run() -> None:
    from .cli import main as commands

    if sys.argv[1:2] and sys.argv[1] in commands.commands:
        commands(prog_name="python -m webpy")
    main(prog_name="python -m webpy")


if __name__ == "__main__":
    _run()
