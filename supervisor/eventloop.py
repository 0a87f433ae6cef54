"""The master's event loop: descriptors, timers and signals become calls, one after the other.

Owns the selector, the timers, the signal wakeup descriptor, and the master's time: `time()` stands still while the loop
could not run (the process was stopped, the machine suspended), so that workers stopped together with it are not found
to be late. Knows nothing of children or logs. If a call raises, that is reported and the loop goes on: the master must
not die of one bad step. Runs in the master only.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from types import FrameType

__all__ = ["EventLoop", "Timer"]

Call = Callable[[], None]

_FOREVER_S = float("inf")
_GAP_S = 1.0  # if the loop runs later than this, it was stopped, and not just kept waiting by the scheduler


class Timer:
    """A call to come; `cancel` prevents it."""

    __slots__ = ("call", "due")

    def __init__(self, call: Call, due: float) -> None:
        self.call: Call | None = call
        self.due = due
        """When, in the loop's `time()`."""

    def cancel(self) -> None:
        self.call = None


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: `EventLoop._on_signal` is called when the signal's number is read from the wakeup descriptor."""


class EventLoop:
    """`on_signal` is called with a signal's number, `on_error` while an exception of a call is handled."""

    def __init__(self, on_signal: Callable[[int], None], on_error: Call) -> None:
        self._on_signal = on_signal
        self._on_error = on_error
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._stopped = False
        self._gaps_s = 0.0
        self._expected = time.monotonic()  # when the loop should come by again, at the latest
        self._waker, self._wakeup = socket.socketpair()
        self._waker.setblocking(False)
        self._wakeup.setblocking(False)
        self._previous_wakeup = -1
        self._previous_handlers: dict[int, object] = {}
        self.watch(self._wakeup, self._take_signals)

    # -- what wakes it ---------------------------------------------------------------------------------------

    def catch(self, signals: Iterable[signal.Signals]) -> None:
        """Have these signals call `on_signal` from the loop, until `close`. To be called in the main thread."""
        self._previous_wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in signals:
            self._previous_handlers[number] = signal.signal(number, _note)

    def watch(self, source: int | socket.socket, call: Call, *, write: bool = False) -> None:
        """Call `call` whenever `source` can be read (or written), until `forget`."""
        self._selector.register(source, selectors.EVENT_WRITE if write else selectors.EVENT_READ, call)

    def forget(self, source: int | socket.socket) -> None:
        """Stop watching `source`; it is no error if it is not watched."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def after(self, delay_s: float, call: Call) -> Timer:
        """Call `call` once, in `delay_s` seconds of `time()`."""
        timer = Timer(call, self.time() + delay_s)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    # -- time ------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return seconds as time.monotonic() does, but they stand still while the loop could not run."""
        now = time.monotonic()
        if now - self._expected > _GAP_S:  # in this very step
            self._gaps_s += now - self._expected
            self._expected = now
        return now - self._gaps_s

    def _come_by(self, next_s: float) -> None:
        """Note a gap if the loop should have come by long ago; it comes by again within `next_s`."""
        self._expected = self.time() + self._gaps_s + next_s

    # -- running -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Wait and call until `stop`."""
        self._expected = time.monotonic()
        while not self._stopped:
            self._come_by(0.0)
            sleep_s = self._sleep_s()
            self._come_by(_FOREVER_S if sleep_s is None else sleep_s)
            ready = self._selector.select(sleep_s)
            self._come_by(0.0)
            for key, _ in ready:
                if self._selector_holds(key):
                    self._guard(key.data)
            self._run_timers()

    def stop(self) -> None:
        """Have `run` return after the present call; if it does not run, have it return at once."""
        self._stopped = True

    def _selector_holds(self, key: selectors.SelectorKey) -> bool:
        # an earlier call since select may have called `forget`, and closed it
        return self._selector.get_map().get(key.fd) is key

    def _sleep_s(self) -> float | None:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.time()) if self._timers else None

    def _run_timers(self) -> None:
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            call = heapq.heappop(self._timers)[2].call
            if call is not None:
                self._guard(call)

    def take_signals(self) -> list[int]:
        """Return the numbers of signals that have come since the loop looked last; `on_signal` is not called for
        them."""
        try:
            return list(self._wakeup.recv(4096))
        except BlockingIOError:
            return []

    def _take_signals(self) -> None:
        for number in self.take_signals():
            self._on_signal(number)

    def _guard(self, call: Call) -> None:
        try:
            call()
        except Exception:
            self._on_error()

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Restore the signal handlers and close everything (in the master)."""
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
        if self._previous_handlers:
            signal.set_wakeup_fd(self._previous_wakeup)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptors only (in a child that was just forked)."""
        self._selector.close()
        self._waker.close()
        self._wakeup.close()
