"""The handlers of the admin address.

Owns the routes, the strict headers, and the check of the token. Knows nothing of sockets or processes: it reaches the
master through `link`. Called by the threads of the admin process.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .. import __version__
from ..framework.errorhandler import HTTPErrorHandler
from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.response import Result
from ..protocol.grammar import urlencoded_pairs
from .history import History
from .link import Link, NoAnswer
from .metrics import Missing, expose
from .page import Page
from .readiness import unready

__all__ = ["AdminContext", "error_routes", "is_local", "routes"]

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"  # the policy of all answers but the page
_MAX_DIGITS = 6
_NO_TOKEN_TO_CHANGE = "changes are not allowed here: the server was started without --admin-token"
_NO_TOKEN_TO_READ = (
    "other machines can reach this address, so reading needs a token, and the server was started without one: "
    "start it with --admin-token TOKEN, or with --admin 127.0.0.1:PORT"
)
_STRICT = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class AdminContext:
    """What the handlers work with.

    `token` is the admin token, "" forbids all changes; `local`: only this machine can reach the address; `open`:
    reading needs no token.
    """

    link: Link
    history: History
    page: Page
    token: str = ""
    local: bool = False
    open: bool = True


def routes(context: AdminContext) -> dict[str, type[HTTPHandler]]:
    """Return the routes of the admin address."""
    handlers = {
        r"/": _PageHandler,
        r"/status\.json": _Status,
        r"/metrics": _Metrics,
        r"/healthz": _Health,
        r"/readyz": _Ready,
        r"/reload": _Reload,
        r"/scale": _Scale,
    }
    # subclasses that hold the context, as the framework makes the handler objects
    attributes = {"admin": context}
    return {path + r"(?:\?.*)?": type(handler.__name__, (handler,), attributes) for path, handler in handlers.items()}


def is_local(authority: str) -> bool:
    """Return True if HOST or HOST:PORT is localhost, a loopback address, or empty (HTTP/1.0)."""
    host = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    if host.lower() in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def error_routes() -> dict[str, type[HTTPErrorHandler]]:
    return {".*": _Error}


def _harden(headers: HTTPHeaders, policy: str = _NO_CONTENT_POLICY) -> None:
    for name, value in _STRICT.items():
        headers.set(name, value)
    headers.set("Content-Security-Policy", policy)


class _Error(HTTPErrorHandler):
    """An error as text, under the same headers as everything else."""

    def respond(self) -> Result:
        result = super().respond()
        _harden(self.response.headers)
        return result


class _Handler(HTTPHandler):
    admin: AdminContext
    public = False  # whether it can be read without the token

    def respond(self) -> Result:
        _harden(self.response.headers)
        if not (self.admin.open or self.public or self.request.method == "POST"):
            refusal = self.refusal("Bearer", "Basic")
            if refusal is not None:
                return refusal
        # DNS rebinding: a page of another site could make its own name resolve to this machine and read the answers.
        # It cannot make the browser send another name.
        if self.admin.local and not is_local(self.request.host):
            return self.say(421, False, "this address answers to localhost and the loopback addresses only")
        try:
            return super().respond()
        except NoAnswer as error:
            self.response.headers.set("Retry-After", "1")
            return self.say(503, False, str(error), since=error.since)

    def say(self, status: int, ok: bool, text: str, **more: Any) -> Result:
        """Return an answer in JSON with `ok` and a text."""
        return self.data(status, {"ok": ok, "text": text, **more})

    def data(self, status: int, value: dict[str, Any]) -> Result:
        self.response.headers.set("Content-Type", _JSON)
        return status, json.dumps(value, separators=(",", ":")).encode()

    def refusal(self, *schemes: str) -> Result | None:
        """Return the answer to a request without the right token; None if the token is right.

        `schemes` may be Bearer (RFC 6750), and Basic with the token as password, which browsers can ask the user for.
        """
        if not self.admin.token:
            return self.say(403, False, _NO_TOKEN_TO_CHANGE if schemes == ("Bearer",) else _NO_TOKEN_TO_READ)
        given = self.request.headers.get("authorization")
        if given is None:
            return self.challenge("this needs the admin token: Authorization: Bearer TOKEN", "", schemes)
        scheme, _, text = given.partition(" ")
        token = text.strip(" ").encode("latin-1", "replace")
        if scheme.lower() == "basic" and "Basic" in schemes:
            try:
                token = base64.b64decode(token, validate=True).partition(b":")[2]
            except ValueError:
                token = b""
        elif scheme.lower() != "bearer":
            token = b""
        # in constant time, so that the time taken reveals nothing about the token
        if not hmac.compare_digest(token, self.admin.token.encode("utf-8", "surrogateescape")):
            return self.challenge("this is not the admin token", ', error="invalid_token"', schemes)
        return None

    def challenge(self, text: str, error: str, schemes: tuple[str, ...]) -> Result:
        self.response.headers.set("WWW-Authenticate", f'Bearer realm="webpy"{error}')
        if "Basic" in schemes:
            self.response.headers.add("WWW-Authenticate", 'Basic realm="webpy", charset="UTF-8"')
        return self.say(401, False, text)

    def argument(self, name: str) -> str | None:
        """Return the value of an argument in the query; None if it is missing or given twice."""
        pairs = urlencoded_pairs(self.request.query.encode())
        values = [value for given, value in pairs if given == name.encode()]
        return values[0].decode("utf-8", "replace") if len(values) == 1 else None


class _PageHandler(_Handler):
    def do_get(self) -> Result:
        headers = self.response.headers
        headers.set("Content-Type", "text/html; charset=utf-8")
        headers.set("Content-Security-Policy", self.admin.page.policy)
        return 200, self.admin.page.body


class _Status(_Handler):
    """The status; with ?since=UNIXTIME also the samples of the charts after that time."""

    def do_get(self) -> Result:
        snapshot = self.admin.link.snapshot()
        admin: dict[str, Any] = {
            "version": __version__,
            "at": round(snapshot.at, 3),
            "ready": not unready(snapshot.status),
            "changes": bool(self.admin.token),
        }
        since = self.argument("since")
        if since is not None:
            try:
                admin["history"] = self.admin.history.since(float(since))
            except ValueError:
                return self.say(400, False, f"since: got {since[:40]!r}, wanted a unix time")
        return self.data(200, {**snapshot.status, "admin": admin})


class _Metrics(_Handler):
    def do_get(self) -> Result:
        headers = self.response.headers
        try:
            content_type, text = expose(self.admin.link.snapshot().status, self.request.headers.get("accept") or "")
        except Missing as error:
            headers.set("Content-Type", _TEXT)
            return 501, f"{error}\n"
        headers.set("Content-Type", content_type)
        headers.set("Vary", "Accept")
        return 200, text


class _Health(_Handler):
    """Whether the master answers. Needs no token, as probes have none and it reveals nothing else."""

    public = True

    def do_get(self) -> Result:
        self.response.headers.set("Content-Type", _TEXT)
        try:
            self.admin.link.snapshot()
        except NoAnswer as error:
            return 503, f"{error}\n"
        return 200, "ok\n"


class _Ready(_Handler):
    """Whether traffic should be sent here. Needs no token, like `_Health`."""

    public = True

    def do_get(self) -> Result:
        self.response.headers.set("Content-Type", _TEXT)
        try:
            why_not = unready(self.admin.link.snapshot().status)
        except NoAnswer as error:
            why_not = str(error)
        return (503, f"not ready: {why_not}\n") if why_not else (200, "ready\n")


class _Change(_Handler):
    """A command. The token comes in a field that pages of other sites cannot send, so requests cannot be forged."""

    def do_post(self) -> Result:
        refusal = self.refusal("Bearer")
        return refusal if refusal is not None else self.change()

    def change(self) -> Result:
        raise NotImplementedError

    def reply(self, answer: dict[str, Any], status: int) -> Result:
        """Return the master's reply to the command, with `status` if it was accepted and 409 if not."""
        ok = bool(answer.get("ok"))
        return self.say(status if ok else 409, ok, str(answer.get("text", "")))


class _Reload(_Change):
    """Begins a reload and returns; /status.json shows its progress and verdict."""

    def change(self) -> Result:
        return self.reply(self.admin.link.command("reload", wait=False), 202)


class _Scale(_Change):
    """Sets the number of workers."""

    def change(self) -> Result:
        given = self.argument("workers")
        number = int(given) if given and given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS else 0
        if number < 1:
            got = "nothing" if given is None else repr(given[:40])
            return self.say(400, False, f"workers: got {got}, wanted one number of workers, 1 or more")
        return self.reply(self.admin.link.command("scale", workers=number), 200)
