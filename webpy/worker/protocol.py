"""Owns what a protocol is to the worker: who reads a connection's bytes, makes exchanges, and sends their answers.

HTTP/1 is one (http1.py), the TLS handshake before it another (handshake.py). A protocol object may serve one connection
or all of its kind. Its methods are called by the leader, unless something else is said. They must neither block nor run
anything of the application's (see chores.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..framework.response import Response
    from .connection import Connection
    from .delivery import Delivery
    from .exchange import Exchange
    from .output import Output

__all__ = ["FOREVER_S", "ConnectionProtocol"]

FOREVER_S = float("inf")


class ConnectionProtocol:
    """What the loop, housekeeping and the exchanges of a connection ask of its protocol.

    `ConnectionTable.hand` gives a connection to one. A protocol that carries no requests leaves the second half out.
    """

    __slots__ = ()

    # -- the connection -----------------------------------------------------------------------------------------------

    def on_start(self, conn: Connection, received: bytes) -> None:
        """The connection is this protocol's from now on; received: what was read and not looked at yet."""
        raise NotImplementedError

    def on_event(self, conn: Connection, event: int) -> Exchange | None:
        """The poller has an event. Returns an exchange for the loop to run, or None; further ones are dispatched
        (`Dispatcher.dispatch`)."""
        raise NotImplementedError

    def deadline(self, conn: Connection, now_s: float) -> float:
        """Return the monotonic time until which the client may keep the connection waiting; infinite for none. Asked
        once a second."""
        return FOREVER_S

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        """The deadline has passed: answer, or close the connection."""
        raise NotImplementedError

    def on_drain(self, conn: Connection, now_s: float) -> None:
        """The worker drains; called again at every sweep until the connection has gone."""

    def on_close(self, conn: Connection) -> None:
        """The connection is about to be closed: drop what is under way in it."""

    def abandon(self, conn: Connection) -> None:
        """The connection is about to be reset after a fault: end its answers, unless a thread is at them."""

    def may_make_way(self, conn: Connection) -> bool:
        """Return whether the connection may be closed for a new one when there are too many."""
        return False

    # -- its exchanges ------------------------------------------------------------------------------------------------

    def on_dispatch(self, exchange: Delivery) -> None:
        """A thread of the pool is going to work on the exchange."""
        raise NotImplementedError

    def serialize(self, exchange: Exchange, response: Response | None, result: Any, closing: bool) -> Output:
        """Make what is to be sent for a handler's result (status, body) and the fields of its response.

        closing: the connection shall end with it. Called by the thread that ran the handler, without the lead. Raises
        BadResult for a result that is not valid, ValueError for fields that would break the message.
        """
        raise NotImplementedError

    def serialize_switch(self, exchange: Exchange, fields: Iterable[tuple[str, str]]) -> Output:
        """Make the answer after which the connection speaks another protocol. Raises ValueError for fields that would
        break the message."""
        raise NotImplementedError

    def go_on(self, exchange: Exchange) -> None:
        """The handler has agreed to receive the body (`Exchange.ask`): tell the client to send it."""
        raise NotImplementedError

    def end_intake(self, exchange: Exchange) -> None:
        """The handler of a body that still arrives has answered, whether or not it has read all of it: send that."""
        raise NotImplementedError

    def on_blocked(self, exchange: Delivery) -> None:
        """The transport takes no more of the answer for now: call `Delivery.advance` when it does."""
        raise NotImplementedError

    def on_unblocked(self, exchange: Delivery) -> None:
        """The transport has taken all that there was of the answer for now."""
        raise NotImplementedError

    def on_finished(self, exchange: Delivery, close: bool, leading: bool) -> None:
        """The answer has left. close: the connection ends with it; leading: the caller holds the lead, otherwise it is
        the thread that answered."""
        raise NotImplementedError
