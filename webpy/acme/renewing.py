"""Orders a certificate and renews it, for as long as its process lives. Runs in a thread of the sidecar.

Owns when what happens; `schedule` has the numbers, `state` what outlives the process, `directory` the conversation.
Knows nothing of processes: it is given what it needs as functions.
"""

from __future__ import annotations

import contextlib
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .failures import Failure, OrderError
from .keys import Facts, read_certificate
from .schedule import pause_s, renewal_time_s
from .state import State

__all__ = ["Orders", "Renewer", "Shell"]

_LOOK_S = 60.0  # the longest time without a look at the clock, which may be set, or stand still in a suspended machine
_LONGEST_ACROSS_STARTS_S = 120.0
_LONGEST_S = 9 * 24 * 3600.0  # a pause that seems longer was begun while the clock was wrong


class Orders(Protocol):
    """Who orders: a `directory.Directory`."""

    terms: str

    def order(self, names: Sequence[str]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Shell:
    """What connects a Renewer to the rest of the server."""

    say: Callable[[str, str], None]
    """Logs a line: level, text."""
    hand_over: Callable[[], None]
    """Has the workers use the certificate that is in the files now."""
    find_orders: Callable[[bytes], Orders]
    """Returns who orders, for the account's key."""
    now_s: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random


class Renewer:
    """Keeps the certificate for `names` in `state` valid. directory: its URL, for the log."""

    def __init__(self, state: State, names: Sequence[str], directory: str, shell: Shell) -> None:
        self._state = state
        self._names = tuple(names)
        self._directory = directory
        self._shell = shell
        self._failures = 0
        self._pem: bytes | None = None
        self._facts: Facts | None = None
        self._due_s = 0.0
        self._pause_s = 0.0
        self._told_s = 0.0

    def run(self, sleep: Callable[[float], object] = time.sleep) -> None:
        """Go on for ever."""
        while True:
            due_s = self.step()
            sleep(max(0.05, min(due_s - self._shell.now_s(), _LOOK_S)))

    def step(self) -> float:
        """Order if that is due; return the Unix time at which something is due next."""
        if _is_ahead(self._pause_s, self._shell.now_s()):
            return self._pause_s
        try:
            return self._step()
        except OrderError as error:
            return self._failed(error)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._state.folder.reopen()  # it may have been removed
            what = f"the state in {self._state.folder.path} cannot be used: {error.strerror or error}"
            return self._failed(OrderError(Failure.UNWRITABLE, what))
        except Exception:
            self._shell.say("error", f"acme: a fault of webpy\n{traceback.format_exc().rstrip()}")
            return self._failed(OrderError(Failure.REFUSED, "the order failed by the fault above"))

    def _step(self) -> float:
        self._read()
        if self._is_good():
            return self._due_s
        if until_s := self._others_pause_s():
            return until_s
        orders = self._shell.find_orders(self._state.account_key())
        with self._state.locked():  # another server may have ordered while this one waited for the lock
            if self._read() and self._is_good():
                self._shell.say("info", f"acme: another server has ordered a certificate {self._described()}")
                self._shell.hand_over()
                return self._due_s
            if until_s := self._others_pause_s():
                return until_s
            self._state.folder.check_room()
            self._shell.say("info", f"acme: ordering a certificate for {', '.join(self._names)} from {self._directory}")
            self._state.put_certificate(orders.order(self._names))
        self._failures = 0
        self._read()
        agreed = f"; by --acme you agree to {orders.terms}" if orders.terms else ""
        self._shell.say("info", f"acme: new certificate {self._described()}{agreed}")
        self._shell.hand_over()
        return self._due_s

    def _is_good(self) -> bool:
        """Return whether the certificate that was read need not be renewed yet."""
        return self._facts is not None and self._shell.now_s() < self._due_s

    def _others_pause_s(self) -> float:
        """Return the end of a pause that another server began, or this one before it was started again; 0.0 if there is
        none. It is logged once."""
        until_s = self._state.pause_until_s()
        if not _is_ahead(until_s, self._shell.now_s()):
            return 0.0
        if until_s != self._told_s:
            self._told_s = until_s
            self._shell.say("info", f"acme: an order failed before: the next begins at {_date(until_s)}")
        return until_s

    def _read(self) -> bool:
        """Look at the certificate in the files; return whether it is another one than before."""
        pem = self._state.certificate()
        if pem == self._pem:
            return False
        self._pem, self._facts, self._due_s = pem, None, 0.0
        if pem is not None:
            try:
                self._facts = read_certificate(pem)
            except ValueError as error:
                self._shell.say("error", f"acme: the certificate in {self._state.folder.path} is damaged: {error}")
                return True
            self._due_s = renewal_time_s(self._facts.begins_s, self._facts.expires_s, self._shell.chance())
        return True

    def _described(self) -> str:
        if self._facts is None:
            return "which cannot be read"
        names = ", ".join(self._names)
        return f"for {names}: valid until {_date(self._facts.expires_s)}, to be renewed on {_date(self._due_s)}"

    def _failed(self, error: OrderError) -> float:
        """Log it, and begin a pause; return its end."""
        self._failures += 1
        wait_s = pause_s(error, self._failures, self._shell.chance())
        now_s = self._shell.now_s()
        self._pause_s = now_s + wait_s
        if error.failure is not Failure.UNWRITABLE:
            # whoever starts the server again may have mended what was wrong; what the directory asked for stays
            lasting_s = wait_s if error.retry_after_s else min(wait_s, _LONGEST_ACROSS_STARTS_S)
            with contextlib.suppress(OSError), self._state.locked():  # the next step says so
                self._state.put_pause(now_s + lasting_s)
        what = f"acme: no certificate from {self._directory}: {error}"
        self._shell.say("error", f"{what}; {self._meanwhile()}; trying again in {_duration(wait_s)}")
        return self._pause_s

    def _meanwhile(self) -> str:
        """Say which certificate clients see."""
        if self._facts is None:
            return "https goes on with the certificate that it has"
        verb = "is" if self._facts.expires_s > self._shell.now_s() else "was"
        return f"the certificate in use {verb} valid until {_date(self._facts.expires_s)}"


def _is_ahead(until_s: float, now_s: float) -> bool:
    """Return whether a pause goes on."""
    return now_s < until_s < now_s + _LONGEST_S


def _date(time_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_s))


def _duration(seconds: float) -> str:
    for unit, length_s in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
