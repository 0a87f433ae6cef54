"""Sends records from a child of the master to the error log: whole, in the configured format, and without blocking.

Owns the child's end of the socket on which records go to the master, one message each, so that records of two processes
never mix. A record that finds no room waits up to 0.2 s, once; after that, records are dropped until there is room
again, and a warning in the log says how many. In a process without a master, records go to its standard error. Called
in children, from any thread.
"""

from __future__ import annotations

import select
import socket
import sys
import time

from .errorformat import Record

__all__ = ["connect", "log_record", "set_role"]

_MAX_BYTES = 1 << 16
_CUTS = (20_000, 4_000)  # characters kept of a message and of a traceback if the record is too long; tried in order
_WAIT_S = 0.2


class _Sender:
    """The socket to the master (None: standard error), and how records of this process look."""

    __slots__ = ("dropped", "form", "role", "sock")

    def __init__(self, sock: socket.socket | None, form: str, role: str) -> None:
        self.sock = sock
        self.form = form
        self.role = role
        self.dropped = 0


_sender = _Sender(None, "text", "")


def connect(records_fd: int, form: str, role: str) -> None:
    """Send this process's records to the master from now on, formatted as `form` (one of `errorformat.FORMS`).

    Takes over `records_fd`, the descriptor of the socket (`ErrorLog.records_fd`); -1 for standard error.
    """
    global _sender
    sock = None
    if records_fd >= 0:
        sock = socket.socket(fileno=records_fd)
        sock.setblocking(False)
    _sender = _Sender(sock, form, role)


def set_role(role: str) -> None:
    """Have the records of this process say that it is `role`, such as "worker 0 gen 1"."""
    _sender.role = role


def log_record(level: str, message: str, *, logger: str = "", exception: str = "", at_s: float | None = None) -> None:
    """Put a record into the error log (from any thread). Never raises, and waits at most 0.2 s.

    `logger` is the name of Python's logger, "" for the server itself; `exception` a traceback; `at_s` Unix time, by
    default now.
    """
    sender = _sender
    record = Record(level, message, logger, sender.role, exception)
    data = record.encode(sender.form, at_s)
    for cut in _CUTS:
        if len(data) > _MAX_BYTES:
            shorter = Record(level, _cut(message, cut), logger, sender.role, _cut(exception, cut))
            data = shorter.encode(sender.form, at_s)
    if sender.dropped and _send(sender, _drop_notice(sender), may_wait=False):
        sender.dropped = 0
    if not _send(sender, data, may_wait=not sender.dropped):
        sender.dropped += 1


def _drop_notice(sender: _Sender) -> bytes:
    """Return a record that says how many were dropped."""
    text = f"{sender.dropped} records of this process found no room on their way to this log and were dropped"
    return Record("warning", text, role=sender.role).encode(sender.form)


def _send(sender: _Sender, data: bytes, *, may_wait: bool) -> bool:
    """Send a formatted record to the master; return False if there is no room for it."""
    if sender.sock is None:
        return _write_to_stderr(data)
    give_up_s = time.monotonic() + _WAIT_S if may_wait else 0.0
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
        except OSError:  # the master has died, or the application has closed the descriptor
            return _write_to_stderr(data)


def _write_to_stderr(data: bytes) -> bool:
    try:
        sys.stderr.write(data.decode("utf-8", "replace"))
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # there is no standard error
        return True
    return True


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]}\n[…]\n{text[-length // 2 :]}"
