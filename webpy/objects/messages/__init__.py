"""Requests and responses in parts: header fields, statuses, URLs, bodies, and the errors that become responses.

Bodies: `entity` is any body, `requestbody` the request's, `multipart` has the parts of one; `reader` reads their bytes
and `parameters` those of forms. `response` is the response; `errors` replaces it, with the page that `errorpage` makes.
"""

from __future__ import annotations

__all__: list[str] = []
