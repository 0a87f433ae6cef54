"""Owns bodies that end their request when they have been sent, and pages that are generators, which run until then.

A request ends when its answer has been sent: then its hooks of `on_end_request` run. The worker may pull and close a
body on another thread than the page's, so the request moves there and back (`serving.take`, `serving.resume`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from .process.logs import log
from .process.serving import serving
from .tree import Application

__all__ = ["Ending", "Pieces", "Whole"]


class Ending:
    """The end of a request whose answer is still being sent, maybe by another thread."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._served = serving.take()

    def resume(self) -> None:
        """Have this thread serve the request."""
        serving.resume(self._served)

    def pause(self) -> None:
        """Have this thread serve nothing."""
        self._served = serving.take()

    def end(self) -> None:
        """The answer has been sent, or never will be."""
        self.resume()
        self._app.release_serving()


class Whole(io.BytesIO):
    """A body in one piece, and the end of its request."""

    def __init__(self, body: bytes, ending: Ending) -> None:
        super().__init__(body)
        self._ending = ending

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._ending.end()


class Pieces:
    """A body that is sent as it comes, and the end of its request: pages that are generators see their request until
    then."""

    def __init__(self, body: Any, ending: Ending) -> None:
        self._body = body
        self._ending: Ending | None = ending

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._body)
        ending = self._ending
        assert ending is not None
        while True:
            ending.resume()
            try:
                piece = next(pieces)
            except StopIteration:
                return
            finally:
                ending.pause()
            yield piece

    def close(self) -> None:
        ending, self._ending = self._ending, None
        if ending is None:
            return
        ending.resume()
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except Exception:
            log(traceback=True, severity=40)
        finally:
            ending.pause()
            ending.end()
