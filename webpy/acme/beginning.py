"""The certificate that a server begins with, found in a process of its own, forked from the master.

That process runs as the user that the workers run as. So what it makes in the state directory belongs to that user, and
the master, which may be root, opens nothing for it. `find` is called in the master; the rest runs in the fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..settings import Resolved
    from ..supervisor.system.identity import Identity
    from .state import State

__all__ = ["Beginning", "find"]

_LIMIT_S = 20.0  # making keys takes milliseconds; a folder on another machine may not answer
_READ_BYTES = 1 << 16
_MAX_READS = 100  # a certificate takes one


@dataclass(frozen=True, slots=True)
class Beginning:
    """pem: key and chain to begin with. path: of the file that the ordered certificate is in, or will be; "" if there
    is no folder for it. stands_in: what the log says of `pem` if it is not that of the file, "" if it is. problems: for
    the log."""

    pem: bytes
    path: str
    stands_in: str = ""
    problems: tuple[str, ...] = ()


def find(resolved: Resolved, identity: Identity) -> Beginning:
    """Return what the server begins with. Raises OSError if no process can be had for that."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _answer(resolved, identity, writer)
    os.close(writer)
    try:
        answer = _read_all(reader)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it has answered, or will not
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    try:
        found = json.loads(answer)
    except ValueError:
        raise OSError("no certificate to begin with could be made") from None
    if "failure" in found:
        raise OSError(str(found["failure"]))
    pem, path, stands_in, problems = found["found"]
    return Beginning(pem.encode(), path, stands_in, tuple(problems))


def _read_all(descriptor: int) -> bytes:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    give_up_s = time.monotonic() + _LIMIT_S
    pieces: list[bytes] = []
    while len(pieces) < _MAX_READS and poll.poll(max(0.0, give_up_s - time.monotonic()) * 1000):
        piece = os.read(descriptor, _READ_BYTES)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    return b""


def _answer(resolved: Resolved, identity: Identity, writer: int) -> None:
    """Look, write the answer, and end the process (in the fork)."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        identity.take_on()
        answer = _look(resolved)
    except BaseException as error:
        answer = {"failure": f"{type(error).__name__}: {error}"}
    try:
        with open(writer, "wb", closefd=False) as file:
            file.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _look(resolved: Resolved) -> dict[str, Any]:
    from .state import State, open_folder

    names, path, stands_in = resolved.settings.acme, "", ""
    problems: list[str] = []
    pem: bytes | None = None
    try:
        with open_folder(resolved) as folder:
            state = State(folder, names)
            path = os.path.join(folder.path, state.name)
            pem = _usable(state, path, problems)
            if pem is None and (found := _similar(state, names)) is not None:
                pem, stands_in = found
            state.account_key()
    except OSError as error:
        text = f"acme: the state cannot be kept: {error.strerror or error}"
        problems.append(f"{text}; no certificate is ordered as long as that is so")
    if pem is None:
        from .keys import self_signed

        pem = self_signed(names)
        stands_in = f"a self-signed certificate for {', '.join(names)}"
    return {"found": [pem.decode(), path, stands_in, problems]}


def _usable(state: State, path: str, problems: list[str]) -> bytes | None:
    """Return the certificate in the file at `path`; one that does not load is removed."""
    pem = state.certificate()
    if pem is None or _loads(path):
        return pem
    with state.locked():
        state.folder.remove(state.name)
    problems.append(f"acme: {path} is damaged: it is removed")
    return None


def _loads(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=b"")
    except (OSError, ValueError):
        return False
    return True


def _similar(state: State, names: Sequence[str]) -> tuple[bytes, str] | None:
    """Return the certificate that is valid now for most of `names`, which were others before, and what to call it."""
    from .keys import read_certificate

    now_s, best, most = time.time(), None, 0
    for pem in state.certificates():
        with contextlib.suppress(ValueError):
            facts = read_certificate(pem)
            count = len(facts.names.intersection(names))
            if count > most and facts.begins_s <= now_s < facts.expires_s:
                best, most = pem, count
    return None if best is None else (best, f"the certificate of before, for {most} of {len(names)} names,")
