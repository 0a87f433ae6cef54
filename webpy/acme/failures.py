"""What can go wrong with an order, as far as it matters for what to do next."""

from __future__ import annotations

from enum import Enum

__all__ = ["Failure", "OrderError"]


class Failure(Enum):
    """The kinds of failures; `schedule` says how long to wait after each."""

    UNREACHABLE = "unreachable"
    """The directory does not answer, or has a fault of its own."""
    REFUSED = "refused"
    """The directory gives no certificate, as it could not verify a name, say."""
    LIMITED = "limited"
    """The directory wants us to wait."""
    UNWRITABLE = "unwritable"
    """The certificate could not be kept, so none is ordered."""


class OrderError(Exception):
    """An order that led to no certificate; the text is one line and says why.

    retry_after_s: how long the directory wants us to wait, 0.0 if it does not say.
    """

    def __init__(self, failure: Failure, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(" ".join(why.split()))
        self.failure = failure
        self.retry_after_s = retry_after_s
