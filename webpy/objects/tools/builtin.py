"""Owns the list of built-in tools: `register` adds them to a toolbox, each at its point and with its priority."""

from __future__ import annotations

from ..tooling import ErrorTool, HandlerTool, Tool, Toolbox
from . import accept, basic, digest, fields, logs, parameters, urls
from .caching import autovary, conditions
from .caching import tool as caching
from .content import encoding, flattening, gzipping, jsontools, static
from .sessions import tool as sessions

__all__ = ["register"]


def register(toolbox: Toolbox) -> None:
    """Add the built-in tools to `toolbox`. Called by `webpy.objects` when it is imported."""
    toolbox.allow = Tool("on_start_resource", fields.allow)
    toolbox.response_headers = Tool("on_start_resource", fields.response_headers)
    toolbox.accept = Tool("on_start_resource", accept.accept)
    toolbox.redirect = Tool("on_start_resource", urls.redirect)
    toolbox.autovary = Tool("on_start_resource", autovary.autovary, priority=0)
    toolbox.proxy = Tool("before_request_body", urls.proxy, priority=30)
    toolbox.json_in = Tool("before_request_body", jsontools.json_in, priority=30)
    toolbox.sessions = sessions.SessionTool()
    toolbox.decode = Tool("before_request_body", encoding.decode)
    toolbox.ignore_headers = Tool("before_request_body", fields.ignore_headers)
    toolbox.referer = Tool("before_request_body", fields.referer)
    toolbox.auth_basic = Tool("before_handler", basic.basic_auth, priority=1)
    toolbox.auth_digest = Tool("before_handler", digest.digest_auth, priority=1)
    toolbox.params = Tool("before_handler", parameters.convert_params, priority=15)
    toolbox.json_out = Tool("before_handler", jsontools.json_out, priority=30)
    toolbox.staticdir = HandlerTool(static.staticdir)
    toolbox.staticfile = HandlerTool(static.staticfile)
    toolbox.trailing_slash = Tool("before_handler", urls.trailing_slash, priority=60)
    toolbox.encode = Tool("before_handler", encoding.ResponseEncoder, priority=70)
    toolbox.caching = caching.CachingTool()
    toolbox.expires = Tool("before_finalize", fields.expires)
    toolbox.flatten = Tool("before_finalize", flattening.flatten)
    toolbox.etags = Tool("before_finalize", conditions.validate_etags, priority=75)
    toolbox.gzip = Tool("before_finalize", gzipping.gzip, priority=80)
    toolbox.err_redirect = ErrorTool(urls.redirect)
    toolbox.log_tracebacks = Tool("before_error_response", logs.log_traceback)
    toolbox.log_headers = Tool("before_error_response", logs.log_request_headers)
    toolbox.log_hooks = Tool("on_end_request", logs.log_hooks, priority=100)
