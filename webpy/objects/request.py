"""Owns `Request`: a request as pages and tools see it, and the steps from its head to the finished response.

`run` takes the steps, in the thread that serves the request. Between them, it runs the hooks of `hooks.POINTS`.
"""

from __future__ import annotations

import functools
import traceback
import uuid
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from typing import Any

from .dispatch.dispatcher import Dispatcher
from .messages.errors import HTTPError, HTTPRedirect, InternalRedirect, NotFound
from .messages.fields import HeaderMap, Host, decode_text
from .messages.parameters import parse_query_string
from .messages.requestbody import RequestBody
from .namespaces import REQUEST_NAMESPACES
from .process.logs import log
from .process.serving import serving
from .tooling.hooks import HookMap

__all__ = ["BARE_ERROR", "Request"]

BARE_ERROR = b"Unrecoverable error in the server.\n"
"""The body of the answer if making the page of an error failed too."""

_HOST_BREAKS = str.maketrans("", "", "\r\n")


class Request:
    """A request, with what the configuration says about it.

    The attributes are CherryPy's, except for `webpy`, the `webpy.Request` it was made from. The class attributes are
    the defaults; the configuration sets them as `request.NAME`.
    """

    prev: Any = None  # the request that raised InternalRedirect
    local = Host("127.0.0.1", 80)
    remote = Host("127.0.0.1", 1111)
    scheme = "http"
    server_protocol = "HTTP/1.1"
    base = ""
    request_line = ""
    method = "GET"
    query_string = ""
    query_string_encoding = "utf8"
    uri_encoding = "utf-8"
    protocol: tuple[int, int] = (1, 1)
    params: Any = MappingProxyType({})
    header_list: Iterable[tuple[str, str]] = ()
    headers = HeaderMap()
    rfile: Any = None
    process_request_body = True
    methods_with_bodies: tuple[str, ...] = ("POST", "PUT", "PATCH")
    body: Any = None
    dispatch: Callable[[str], Any] = Dispatcher()
    script_name = ""
    path_info = "/"
    login: Any = None
    app: Any = None
    handler: Any = None
    toolmaps: Any = MappingProxyType({})
    config: dict[str, Any] | None = None
    is_index: bool | None = None
    hooks = HookMap.of_points()
    error_page: Any = MappingProxyType({})
    show_tracebacks = False
    show_mismatched_params = True
    throws: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit, InternalRedirect)
    throw_errors = False
    closed = False
    stage: str | None = None
    multithread = True
    multiprocess = True
    namespaces = REQUEST_NAMESPACES
    args: Any = ()
    kwargs: Any = None
    webpy: Any = None

    def __init__(self, local: Host, remote: Host, scheme: str = "http", server_protocol: str = "HTTP/1.1") -> None:
        self.local = local
        self.remote = remote
        self.scheme = scheme
        self.server_protocol = server_protocol
        self.error_page = dict(self.error_page)
        self.namespaces = self.namespaces.copy()
        self.error_response: Callable[[], Any] | None = _answer_500

    @functools.cached_property
    def cookie(self) -> SimpleCookie:
        """The cookies of the request."""
        return SimpleCookie()

    @functools.cached_property
    def unique_id(self) -> str:
        """A random UUID for this request, as text."""
        return str(uuid.uuid4())

    def close(self) -> None:
        """Run the hooks of `on_end_request`, as the answer has been sent; later calls do nothing."""
        if not self.closed:
            self.closed = True
            self.stage = "on_end_request"
            self.hooks.run("on_end_request")
            self.stage = "close"

    # parameters: CherryPy's, which an application's own `request_class` may override
    def run(
        self, method: str, path: str, query_string: str, protocol: str, headers: Iterable[tuple[str, str]], rfile: Any
    ) -> Any:
        """Answer the request and return the thread's response. Raises only exceptions of `throws`.

        path: decoded, except for %2F; protocol: for example "HTTP/1.1"; rfile: the body.
        """
        response = serving.response
        self.stage = "run"
        try:
            self.error_response = _answer_500
            self.method = method
            self.query_string = query_string
            self.params = {}
            self.protocol = min(_version(protocol), _version(self.server_protocol))
            response.headers.protocol = self.protocol
            self.request_line = f"{method} {path or '/'}{'?' if query_string else ''}{query_string} {protocol}"
            self.header_list = list(headers)
            self.headers = HeaderMap()
            self.rfile = rfile
            self.body = None
            self.handler = None
            self.script_name = self.app.script_name
            self.path_info = (path or "/")[len(self.script_name) :]
            self.stage = "respond"
            self.respond(self.path_info)
        except self.throws:
            raise
        except Exception:
            if self.throw_errors:
                raise
            log(traceback=True, severity=40)
            response.output_status = b"500 Internal Server Error"
            response.body = BARE_ERROR + (traceback.format_exc().encode() if self.show_tracebacks else b"")
            response.header_list = [(b"Content-Type", b"text/plain")]
        if self.method == "HEAD":
            body, response.body = response.body, []
            _close(body)
        try:
            log.access()
        except Exception:
            log.error(traceback=True)
        return response

    def respond(self, path_info: str) -> None:
        """Make the response: of the page, or of the exception that the page, a hook or a tool raised.

        An exception raised while the response to another one is made is raised on.
        """
        try:
            try:
                try:
                    self._do_respond(path_info)
                except (HTTPRedirect, HTTPError) as answer:
                    answer.set_response()
                    self.stage = "before_finalize (HTTPError)"
                    self.hooks.run("before_finalize")
                    serving.response.finalize()
            finally:
                self.stage = "on_end_resource"
                self.hooks.run("on_end_resource")
        except self.throws:
            raise
        except Exception:
            if self.throw_errors:
                raise
            self.handle_error()

    def _do_respond(self, path_info: str) -> None:
        response = serving.response
        if self.app is None:
            raise NotFound()
        self.hooks = type(self).hooks.copy()
        self.toolmaps = {}
        self.stage = "process_headers"
        self.process_headers()
        self.stage = "get_resource"
        self.get_resource(path_info)
        self.body = RequestBody(self.rfile, self.headers, request_params=self.params)
        assert self.config is not None
        self.namespaces(self.config)
        self.stage = "on_start_resource"
        self.hooks.run("on_start_resource")
        self.stage = "process_query_string"
        self.process_query_string()
        if self.method not in self.methods_with_bodies:
            self.process_request_body = False
        self.stage = "before_request_body"
        self.hooks.run("before_request_body")
        if self.process_request_body:
            self.body.process()
        self.stage = "before_handler"
        self.hooks.run("before_handler")
        if self.handler:
            self.stage = "handler"
            response.body = self.handler()
        self.stage = "before_finalize"
        self.hooks.run("before_finalize")
        response.finalize()

    def process_query_string(self) -> None:
        """Add the query's parameters to `params`. Raises HTTPError 404 if `query_string_encoding` cannot decode it."""
        if not self.query_string:
            return
        try:
            found = parse_query_string(self.query_string, encoding=self.query_string_encoding)
        except UnicodeDecodeError:
            raise HTTPError(
                404,
                "The given query string could not be processed. Query strings for this resource must be encoded "
                f"with {self.query_string_encoding!r}.",
            ) from None
        self.params.update(found)

    def process_headers(self) -> None:
        """Set `headers`, `cookie` and `base` from the request's fields. Raises HTTPError 400 for malformed cookies."""
        headers = self.headers
        for name, value in self.header_list:
            value = value.strip()
            headers[name] = decode_text(value)
            if name.lower() == "cookie":
                try:
                    self.cookie.load(value)
                except CookieError as error:
                    raise HTTPError(400, str(error)) from None
        host = headers.get("Host")
        if host is not None:
            headers["Host"] = host = host.translate(_HOST_BREAKS)
        self.base = f"{self.scheme}://{host or self.local.name or self.local.ip}"

    def get_resource(self, path: str) -> None:
        """Call the dispatcher, which sets the page handler and its configuration."""
        dispatch = self.app.find_config(path, "request.dispatch", self.dispatch)
        dispatch(path)

    def handle_error(self) -> None:
        """Make the response to an unexpected exception."""
        try:
            self.hooks.run("before_error_response")
            if self.error_response:
                self.error_response()
            self.hooks.run("after_error_response")
            serving.response.finalize()
        except HTTPRedirect as redirect:
            redirect.set_response()
            serving.response.finalize()


def _answer_500() -> None:
    HTTPError(500).set_response()


def _version(protocol: str) -> tuple[int, int]:
    return int(protocol[5]), int(protocol[7])


def _close(body: Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


serving.__class__.request = Request(Host("127.0.0.1", 80), Host("127.0.0.1", 1111))
