"""How a child of the master puts a record into the error log: whole, in the form asked for, and without waiting for it.

Owns the child's end of the socket on which records go to the master, one message each, so that those of two processes
are never mixed. A record that finds no room waits a moment, once; then records are dropped until there is room again,
and their number is told. In a process that has no master records go to its standard error. Called in children.
"""

from __future__ import annotations

import select
import socket
import sys
import time

from .errorformat import Record

__all__ = ["connect", "log_record", "set_role"]

_MOST_BYTES = 1 << 16
_CUTS = (20_000, 4_000)  # characters of a message, and of a traceback, that are left of one that is too long
_PATIENCE_S = 0.2


class _Sender:
    __slots__ = ("dropped", "form", "role", "sock")

    def __init__(self, sock: socket.socket | None, form: str, role: str) -> None:
        self.sock = sock
        self.form = form
        self.role = role
        self.dropped = 0


_sender = _Sender(None, "text", "")


def connect(records_fd: int, form: str, role: str) -> None:
    """Tell the master's error log from now on; records_fd: a descriptor that is this process's to keep, -1 for none."""
    global _sender
    sock = None
    if records_fd >= 0:
        sock = socket.socket(fileno=records_fd)
        sock.setblocking(False)
    _sender = _Sender(sock, form, role)


def set_role(role: str) -> None:
    """Call this process `role` from now on."""
    _sender.role = role


def log_record(level: str, message: str, *, logger: str = "", exception: str = "", at_s: float | None = None) -> None:
    """Put a record into the error log (from any thread). Never raises, and waits for 0.2 s at most."""
    sender = _sender
    record = Record(level, message, logger, sender.role, exception)
    data = record.form(sender.form, at_s)
    for cut in _CUTS:
        if len(data) > _MOST_BYTES:
            shorter = Record(level, _cut(message, cut), logger, sender.role, _cut(exception, cut))
            data = shorter.form(sender.form, at_s)
    if sender.dropped and _send(sender, _note(sender), patient=False):
        sender.dropped = 0
    if not _send(sender, data, patient=not sender.dropped):
        sender.dropped += 1


def _note(sender: _Sender) -> bytes:
    text = f"{sender.dropped} records of this process found no room on their way to this log, and were dropped"
    return Record("warning", text, role=sender.role).form(sender.form)


def _send(sender: _Sender, data: bytes, *, patient: bool) -> bool:
    """Send a record to the master; False if there is no room for it."""
    if sender.sock is None:
        return _write(data)
    give_up_s = time.monotonic() + _PATIENCE_S if patient else 0.0
    while True:
        try:
            sender.sock.send(data)
            return True
        except BlockingIOError:
            left_s = give_up_s - time.monotonic()
            if left_s <= 0:
                return False
            poll = select.poll()
            poll.register(sender.sock, select.POLLOUT)
            poll.poll(left_s * 1e3)
        except OSError:  # the master has died, or the application closed what it did not know
            return _write(data)


def _write(data: bytes) -> bool:
    try:
        sys.stderr.write(data.decode("utf-8", "replace"))
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # there is none
        return True
    return True


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]}\n[…]\n{text[-length // 2 :]}"
