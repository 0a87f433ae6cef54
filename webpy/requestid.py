"""A name for each request, the same for the client, the access log and the error log: `RequestIDMixIn`.

    from webpy.requestid import RequestIDMixIn

    class Notes(RequestIDMixIn):
        def do_get(self):
            log.info('%s: looking', self.request.id)
            return 200, 'as the answer says, in X-Request-ID\\n'

The id that the request brings in its X-Request-ID is passed on, so that one id follows a request from a proxy through
all services behind it; a request that brings none, or one that is not fit for a log, gets 128 random bits as 32
hexadecimal digits. Errors carry it too, and what the error log says of a request that went wrong ends with it:

    GET /notes (Notes) [9f1c2a…] raised

For the access log, take a format with the answer's field, such as

    webpy serve app.py --access-format '%(h)s %(t)s "%(r)s" %(s)s %(B)s %(D)s %({x-request-id}o)s'

`RequestIDFilter` brings it into the records of `logging` that the handler, or who it calls, makes on the same thread:
add it to a `logging.Handler`, whose formatter may then have `%(request_id)s`.

Options, attributes of the handler:

- `request_id_field`: the name of the field, "X-Request-ID"; both ways.
- `request_id_accepted`: a regex on ids that are passed on, at most 128 letters, digits and `._~+/=:@-` as it is. None
  takes none: for a server whose clients are strangers, who could give many requests one id.

Answers that no handler gave have no id: 404 of a path without a route, and what is wrong with HTTP itself. Mixes with
other handlers, in any order; named first, what the others log has the id too. An id costs a request about 10 µs, the
field in the access log 6 µs more.
"""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .framework.handler import HTTPHandler
from .framework.order import Rank

if TYPE_CHECKING:
    from .framework.request import Request
    from .framework.response import Result
    from .framework.routes import Groups

__all__ = ["RequestIDFilter", "RequestIDMixIn"]

_current: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIDMixIn(HTTPHandler):
    """A handler, and a mix-in for others, whose requests have ids: `self.request.id`."""

    mixin_rank = Rank.REQUEST_ID

    request_id_field = "X-Request-ID"
    request_id_accepted: str | None = r"[A-Za-z0-9._~+/=:@-]{1,128}"

    def __init__(self, request: Request, groups: Groups) -> None:
        super().__init__(request, groups)
        name = self.request_id_field
        brought = request.head.get(name.lower())
        taken = brought and self.request_id_accepted and re.fullmatch(self.request_id_accepted, brought)
        request.id = brought if brought and taken else os.urandom(16).hex()
        self.response.headers.set(name, request.id)
        request.error_headers.set(name, request.id)

    def respond(self) -> Result:
        token = _current.set(self.request.id)
        try:
            return super().respond()
        finally:
            _current.reset(token)


class RequestIDFilter(logging.Filter):
    """Gives each log record a `request_id`: of the request that this thread answers, "-" outside of any."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get()
        return True
