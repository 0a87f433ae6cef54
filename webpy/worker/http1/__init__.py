"""HTTP/1 as the protocol of a connection.

`protocol` says what each phase of a connection waits for; `reading` makes requests of bytes, with the plans of heads
that came before (`heads`, a `cache`); `serializer` makes bytes of answers; `replies` are those without a handler.
"""

from __future__ import annotations

__all__: list[str] = []
