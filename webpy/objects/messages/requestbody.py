"""Owns `RequestBody`, the class of `request.body`: which media types are read as forms, and how much is read."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ..process.serving import serving
from .entity import Entity
from .errors import HTTPError
from .fields import HeaderMap
from .multipart import Part, process_unknown_multipart
from .parameters import add_param
from .reader import SizedReader

__all__ = ["RequestBody"]


class RequestBody(Entity):
    """The request's body. maxbytes: longer bodies are answered with 413; `--max-body` is the server's own limit."""

    default_content_type = ""
    part_class = Part
    processors: Any = MappingProxyType({**Part.processors, "multipart": process_unknown_multipart})
    maxbytes: int | None = None
    bufsize = 8192

    def __init__(self, fp: Any, headers: HeaderMap, request_params: dict[str, Any]) -> None:
        super().__init__(fp, headers)
        if self.content_type.value.startswith("text/"):  # RFC 2616 section 3.7.1
            known = {charset.lower() for charset in self.attempt_charsets}
            if not known & {"iso-8859-1", "latin-1"}:
                self.attempt_charsets.append("ISO-8859-1")
        self.request_params = request_params

    def process(self) -> None:
        """Read the body by its media type, and add its parameters to the request's. Raises HTTPError 411 if the request
        has neither Content-Length nor Transfer-Encoding."""
        fields = serving.request.headers
        if "Content-Length" not in fields and "Transfer-Encoding" not in fields:
            raise HTTPError(411)
        self.fp = SizedReader(self.fp, self.length, self.maxbytes)
        super().process()
        for name, value in self.params.items():
            add_param(self.request_params, name, value)
