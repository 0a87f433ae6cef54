"""The tools `json_in`, which makes a JSON body `request.json`, and `json_out`, which sends what a page returns as JSON.

    @webpy.objects.expose
    @webpy.objects.tools.json_in()
    @webpy.objects.tools.json_out()
    def add(self):
        return {"sum": sum(webpy.objects.request.json)}

Malformed JSON is answered with 400, another media type with 415 (`force=False` lets it pass, without a `request.json`),
a body without a length with 411. Chunked bodies are accepted, unlike in CherryPy. `json_in(processor=…)` and
`json_out(handler=…)` take other functions in place of the two here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ...messages.errors import HTTPError
from ...process.serving import request, response

__all__ = ["json_handler", "json_in", "json_out", "json_processor"]

_INVALID = "Invalid JSON document"


def json_processor(entity: Any) -> None:
    """Set `request.json` to the JSON of the entity. Raises HTTPError: 411 without a length, 400 if it is malformed."""
    if not entity.headers.get("Content-Length") and "chunked" not in entity.headers.get("Transfer-Encoding", ""):
        raise HTTPError(411)
    try:
        request.json = json.loads(entity.fp.read().decode("utf-8"))
    except ValueError:
        raise HTTPError(400, _INVALID) from None
    except RecursionError:
        raise HTTPError(400, _INVALID) from None


def json_in(
    content_type: str | Sequence[str] = ("application/json", "text/javascript"),
    force: bool = True,
    debug: bool = False,
    processor: Callable[[Any], None] = json_processor,
) -> None:
    """Have `processor` read bodies of these media types. force: answer other media types with 415."""
    types = [content_type] if isinstance(content_type, str) else list(content_type)
    body = request.body
    if force:
        body.processors.clear()
        body.default_proc = HTTPError(415, f"Expected an entity of content type {', '.join(types)}")
    for media_type in types:
        body.processors[media_type] = processor


def json_handler(*args: Any, **kwargs: Any) -> bytes:
    """Call the page handler and return its result as JSON, in ASCII."""
    return json.dumps(request._json_inner_handler(*args, **kwargs)).encode("ascii")


def json_out(
    content_type: str | None = "application/json", debug: bool = False, handler: Callable[..., Any] = json_handler
) -> None:
    """Replace the page handler by `handler`, which finds it as `request._json_inner_handler`."""
    if request.handler is None:
        return
    request._json_inner_handler = request.handler
    request.handler = handler
    if content_type is not None:
        response.headers["Content-Type"] = content_type
