"""Real servers that features keep things in: redis-server and memcached, one of its own for whoever asks.

Owns the processes it starts, and ends them, by their pid; they keep nothing on disk. Tests that use one carry
`@pytest.mark.needs("redis-server")` or `("memcached")`.

    with redis_server(tmp_path) as url:
        store = webpy.store.open(url)
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["free_port", "memcached_server", "redis_server"]

START_S = 20.0


@contextmanager
def redis_server(folder: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Runs redis-server, and gives the URL of its socket in `folder`; with `port`, that of this port of 127.0.0.1.
    `options` are its own, as `"--requirepass", "secret"`."""
    path = folder / "redis.sock"
    path.unlink(missing_ok=True)
    where = ["--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command = ["redis-server", *where, "--save", "", "--appendonly", "no", "--dir", str(folder), *options]

    def ready() -> bool:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(START_S)
            asking.connect(str(path))
            asking.sendall(b"PING\r\n")
            return asking.recv(100).startswith((b"+PONG", b"-NOAUTH"))

    with _running(command, ready):
        yield f"redis://127.0.0.1:{port}/0" if port else f"unix://{path}"


@contextmanager
def memcached_server(*options: str, port: int = 0, path: str | None = None) -> Iterator[str]:
    """Runs memcached on a free port of 127.0.0.1, on `port`, or on the socket `path`, and gives its URL. `options`
    are its own, as `"-m", "64"`."""
    port = port or free_port()
    where = ["-s", path] if path else ["-l", "127.0.0.1", "-p", str(port), "-U", "0"]
    command = ["memcached", *where, *options]
    if os.geteuid() == 0:
        command += ["-u", "root" if path else "nobody"]  # nobody may not make it in a folder of the tests

    def ready() -> bool:
        with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as asking:
            asking.settimeout(START_S)
            asking.connect(path or ("127.0.0.1", port))
            asking.sendall(b"version\r\n")
            return asking.recv(100).startswith(b"VERSION")

    with _running(command, ready):
        yield f"memcached://{path}" if path else f"memcached://127.0.0.1:{port}"


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str], ready: Callable[[], bool]) -> Iterator[None]:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        try:
            deadline = time.monotonic() + START_S
            while not _is(ready):
                ended = server.poll() is not None
                if ended or time.monotonic() > deadline:
                    server.kill()
                    said = server.communicate()[0].decode(errors="replace")
                    raise AssertionError(f"{' '.join(command)}: status {server.returncode}, said: {said}")
                time.sleep(0.005)
            yield
        finally:
            server.kill()


def _is(ready: Callable[[], bool]) -> bool:
    with suppress(OSError):
        return ready()
    return False
