"""Owns `Bus`: channels, and the functions (listeners) that are called when something is published on them."""

from __future__ import annotations

import functools
import sys
import time
import traceback as traceback_of
from collections.abc import Callable
from enum import Enum
from typing import Any

__all__ = ["Bus", "ChannelFailures", "States"]

_CHANNELS = ("start", "stop", "exit", "graceful", "log", "main", "before_request", "after_request")
_ERROR = 40
_TICK_S = 0.1


class States(Enum):
    """The states of a bus."""

    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    EXITING = "exiting"


class ChannelFailures(Exception):
    """The exceptions that listeners of one channel raised."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__(*errors)
        self._errors = errors

    def get_instances(self) -> list[Exception]:
        """Return the exceptions."""
        return list(self._errors)

    def __str__(self) -> str:
        return "\n".join(map(repr, self._errors))


class Bus:
    """Channels by name. listeners: the functions of each channel; state: one of `States`."""

    states = States

    def __init__(self) -> None:
        self.state = States.STOPPED
        self.listeners: dict[str, set[Callable[..., Any]]] = {channel: set() for channel in _CHANNELS}
        self._priorities: dict[tuple[str, Callable[..., Any]], float] = {}

    def subscribe(self, channel: str, callback: Callable[..., Any] | None = None, priority: float | None = None) -> Any:
        """Call `callback` when something is published on `channel`. Without a callback, return a decorator.

        priority: listeners of low priority are called first; None: the callback's attribute `priority`, or 50.
        """
        if callback is None:
            return functools.partial(self._subscribe_and_give, channel, priority)
        self.listeners.setdefault(channel, set()).add(callback)
        self._priorities[channel, callback] = getattr(callback, "priority", 50) if priority is None else priority
        return None

    def _subscribe_and_give(
        self, channel: str, priority: float | None, callback: Callable[..., Any]
    ) -> Callable[..., Any]:
        self.subscribe(channel, callback, priority)
        return callback

    def unsubscribe(self, channel: str, callback: Callable[..., Any]) -> None:
        """Unsubscribe `callback`; does nothing if it is not subscribed."""
        listeners = self.listeners.get(channel, set())
        if callback in listeners:
            listeners.discard(callback)
            del self._priorities[channel, callback]

    def publish(self, channel: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call all listeners of `channel` and return a list of their results.

        Raises ChannelFailures if any of them raised, when all have been called.
        """
        listeners = self.listeners.get(channel)
        if not listeners:
            return []
        output = []
        errors: list[Exception] = []
        for listener in sorted(listeners, key=lambda listener: self._priorities.get((channel, listener), 50)):
            try:
                output.append(listener(*args, **kwargs))
            except SystemExit as error:
                if errors and error.code == 0:
                    error.code = 1
                raise
            except Exception as error:
                errors.append(error)
                if channel != "log":
                    self.log(f"Error in {channel!r} listener {listener!r}", level=_ERROR, traceback=True)
        if errors:
            raise ChannelFailures(errors)
        return output

    def log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Publish a message on `log`. traceback: add that of the exception being handled."""
        if traceback:
            msg += "\n" + "".join(traceback_of.format_exception(sys.exception()))
        self.publish("log", msg, level)

    def graceful(self) -> None:
        """Publish `graceful`, at which listeners start afresh: reopen their files, for example."""
        self.publish("graceful")

    def wait(self, state: Any, interval: float = _TICK_S, channel: str | None = None) -> None:
        """Wait until the bus is in `state`, or in one of several states.

        interval: seconds between looks; channel: publish it at each.
        """
        wanted = {state} if isinstance(state, States) else set(state)
        while self.state not in wanted:
            time.sleep(interval)
            if channel is not None:
                self.publish(channel)
