"""`webpy ctl top`: the terminal, the keys, and one status a second.

Owns the terminal while it runs, and restores it however it ends: by q, Ctrl-C, Ctrl-Z (until it is continued), TERM, or
the end of the server. `topview` makes what is shown. Needs rich.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import time
import tty
from types import FrameType, TracebackType
from typing import Any, NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ...supervisor.control.client import ControlClient, ControlError
from .topview import SORTS, Order, Rates, screen

__all__ = ["run"]

_REFRESH_S = 1.0
_LATE_S = 2.0  # a server that does not answer for so long is reported
_CHECK_S = 0.25  # between checks of the window's size and of Ctrl-Z
_ESCAPED = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?")  # an arrow key or the like sends letters that were not typed


class _Stopped(Exception):
    """Ctrl-Z: the process has to stop."""


def run(path: str) -> None:
    """Show the server whose control socket is at `path` until a key ends it. Raises ControlError when it has ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    top = _Top(path)
    try:
        while True:
            try:
                top.show()
                return
            except _Stopped:
                signal.signal(signal.SIGTSTP, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGTSTP)
    except KeyboardInterrupt:
        return
    finally:
        top.close()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


class _Keys:
    """The keyboard, a key at a time and without echo."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()

    def __enter__(self) -> _Keys:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def fileno(self) -> int:
        return self._fd

    def read(self) -> str:
        """Return what was typed; q at the end of input."""
        typed = os.read(self._fd, 256)
        return _ESCAPED.sub(b"", typed).decode("ascii", "ignore").lower() if typed else "q"


class _Top:
    def __init__(self, path: str) -> None:
        self._path = path
        self._console = Console(highlight=False)
        self._client = ControlClient(path)
        self._asked_at: float | None = None
        self._answered_at = time.monotonic()
        self._now: dict[str, Any] | None = None
        self._rates: Rates | None = None
        self._order = Order()
        self._stopped = False
        self._size = (0, 0)

    def close(self) -> None:
        self._client.close()

    def show(self) -> None:
        """Use the screen until q, Ctrl-C or Ctrl-Z."""
        self._stopped = False
        signal.signal(signal.SIGTSTP, self._stop)
        self._size = (0, 0)
        live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        with _Keys() as keys, live:
            ended = False
            while not ended:
                changed = self._sample()
                if self._stopped:
                    raise _Stopped
                size = (self._console.width, self._console.height)
                if changed or size != self._size:
                    self._size = size
                    live.update(self._screen(), refresh=True)
                readable, _, _ = select.select([keys.fileno(), self._client.fileno()], [], [], self._wait_s())
                if keys.fileno() in readable:
                    ended = self._press(keys.read())

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True

    def _press(self, typed: str) -> bool:
        """Handle typed keys; return True for q."""
        for key in typed:
            if key == "q":
                return True
            if key in SORTS:
                self._order = Order(key, reverse=key == self._order.by and not self._order.reverse)
                self._size = (0, 0)
        return False

    # -- the server --------------------------------------------------------------------------------------------

    def _sample(self) -> bool:
        """Ask for a status when it is time, and read the reply when it has come; return True if the screen changes."""
        now_s = time.monotonic()
        try:
            if self._asked_at is None or (self._answered_at >= self._asked_at and now_s >= self._next_s()):
                self._asked_at = now_s
                self._client.begin("status", now_s + _LATE_S)
            reply = self._client.poll() if self._answered_at < self._asked_at else None
        except TimeoutError:  # the server does not read, so no reply can come on this connection
            reply = None
        except ControlError:
            self._connect_again()
            return False
        if reply is None:
            return self._late_s() > 0
        self._answered_at = now_s
        if not reply.get("ok"):
            raise ControlError(str(reply.get("text")))
        before, self._now = self._now, reply["status"]
        self._rates = Rates(before, reply["status"])
        return True

    def _connect_again(self) -> None:
        """Connect again, as an upgrade closes connections. Raises ControlError when the server has ended."""
        self._client.close()
        self._client = ControlClient(self._path)
        self._asked_at = None

    def _next_s(self) -> float:
        return (self._asked_at or 0.0) + _REFRESH_S

    def _late_s(self) -> float:
        late_s = time.monotonic() - (self._asked_at or 0.0)
        return late_s if self._asked_at is not None and self._asked_at > self._answered_at and late_s > _LATE_S else 0.0

    def _wait_s(self) -> float:
        return max(0.0, min(_CHECK_S, self._next_s() - time.monotonic())) or _CHECK_S

    def _screen(self) -> Group | Text:
        late_s = self._late_s()
        note = f"no answer for {late_s:.0f} s" if late_s else ""
        if self._now is None or self._rates is None:
            return Text(note or "asking …")
        return Group(*screen(self._now, self._rates, self._order, self._size, note))
