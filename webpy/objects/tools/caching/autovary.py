"""The tool `autovary`: Vary names the fields of the request that the page or tools have read (RFC 9110 12.5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...messages.fields import HeaderMap
from ...process.serving import request, response

__all__ = ["MonitoredHeaderMap", "autovary"]

_IGNORED = ("Content-Disposition", "Content-Length", "Content-Type")
_AFTER_ALL_OTHERS = 95


class MonitoredHeaderMap(HeaderMap):  # type: ignore[misc, unused-ignore]
    """Header fields that note in `accessed_headers` which of them have been read."""

    def __init__(self, fields: Any = ()) -> None:
        self.accessed_headers: set[str] = set()
        super().__init__()
        self.update(fields)
        self.accessed_headers.clear()

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def elements(self, name: str) -> Any:
        self._note(name)
        return super().elements(name)

    def _note(self, name: object) -> None:
        self.accessed_headers.add(str(name).title())


def autovary(ignore: Iterable[str] | None = None, debug: bool = False) -> None:
    """Name in the answer's Vary the fields that are read from now on, except for those in `ignore`."""
    headers = request.headers = MonitoredHeaderMap(request.headers)
    ignored = set(_IGNORED if ignore is None else ignore)

    def tell() -> None:
        said = {member.value for member in response.headers.elements("Vary")}
        response.headers["Vary"] = ", ".join(sorted((said | headers.accessed_headers) - ignored))

    request.hooks.attach("before_finalize", tell, priority=_AFTER_ALL_OTHERS)
