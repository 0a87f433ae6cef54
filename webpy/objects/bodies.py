"""Owns the bodies of answers whose request ends only when they have been sent, as its `on_end_request` hooks need that.

The worker may read and close such a body in another thread than the page ran in, so the request moves to that thread
while the body is read (`serving.resume`) and is taken off again afterwards (`serving.take`).
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
    """A request whose answer is still being sent, maybe by another thread; `end` ends it."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._served = serving.take()

    def resume(self) -> None:
        """Let this thread serve the request."""
        serving.resume(self._served)

    def pause(self) -> None:
        """Take the request off this thread."""
        self._served = serving.take()

    def end(self) -> None:
        """End the request, as its answer has been sent or the client has gone."""
        self.resume()
        self._app.release_serving()


class Whole(io.BytesIO):
    """A body in one piece; closing it ends the request."""

    def __init__(self, body: bytes, ending: Ending) -> None:
        super().__init__(body)
        self._ending = ending

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._ending.end()


class Pieces:
    """A body that is made while it is sent; closing it ends the request. A page that is a generator sees its request as
    long as it runs."""

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
