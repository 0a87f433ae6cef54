"""What the admin address answers.

Owns the routes, the strict headers, and who may change things. Knows nothing of sockets or processes: the master is
behind the link. Called by the threads of the admin process.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .. import __version__
from ..framework.errors import HTTPErrorHandler
from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.response import Result
from ..protocol.grammar import urlencoded_pairs
from .history import History
from .link import Link, NoAnswer
from .metrics import Missing, expose
from .page import Page
from .readiness import unready

__all__ = ["Desk", "error_routes", "is_local", "routes"]

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_NOTHING = "default-src 'none'; frame-ancestors 'none'"  # the policy of everything that is no page
_MOST_DIGITS = 6
_NO_TOKEN_TO_CHANGE = "changes are not allowed here: the server was started without --admin-token"
_NO_TOKEN_TO_READ = (
    "this address is not of this machine only, so reading wants a token, and the server was started without: "
    "give it --admin-token TOKEN, or --admin 127.0.0.1:PORT"
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
class Desk:
    """What the handlers work with. token: "" forbids all changes; local: the address is for this machine only; open:
    whoever can reach it may read without a token."""

    link: Link
    history: History
    page: Page
    token: str = ""
    local: bool = False
    open: bool = True


def routes(desk: Desk) -> dict[str, type[HTTPHandler]]:
    """The routes of the admin address, for `desk`."""
    handlers = {
        r"/": _PageHandler,
        r"/status\.json": _Status,
        r"/metrics": _Metrics,
        r"/healthz": _Health,
        r"/readyz": _Ready,
        r"/reload": _Reload,
        r"/scale": _Scale,
    }
    # a class of its own for every desk: handlers are made by the framework, one a request
    return {
        path + r"(?:\?.*)?": type(handler.__name__, (handler,), {"desk": desk}) for path, handler in handlers.items()
    }


def is_local(authority: str) -> bool:
    """Whether HOST or HOST:PORT is this machine's own name or a loopback address; nothing at all is (HTTP/1.0)."""
    host = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    if host.lower() in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def error_routes() -> dict[str, type[HTTPErrorHandler]]:
    return {".*": _Error}


def _harden(headers: HTTPHeaders, policy: str = _NOTHING) -> None:
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
    desk: Desk
    public = False  # whether anybody may read it

    def respond(self) -> Result:
        _harden(self.response.headers)
        if not (self.desk.open or self.public or self.request.method == "POST"):
            refusal = self.refusal("Bearer", "Basic")
            if refusal is not None:
                return refusal
        # A page of another site can have its own name mean this machine, and read what is answered to it (DNS
        # rebinding); it cannot have its browser send another name.
        if self.desk.local and not is_local(self.request.host):
            return self.say(421, False, "this address answers to localhost and the loopback addresses only")
        try:
            return super().respond()
        except NoAnswer as error:
            self.response.headers.set("Retry-After", "1")
            return self.say(503, False, str(error), since=error.since)

    def say(self, status: int, ok: bool, text: str, **more: Any) -> Result:
        """An answer in JSON, to whoever asked for data or a change."""
        return self.data(status, {"ok": ok, "text": text, **more})

    def data(self, status: int, value: dict[str, Any]) -> Result:
        self.response.headers.set("Content-Type", _JSON)
        return status, json.dumps(value, separators=(",", ":")).encode()

    def refusal(self, *schemes: str) -> Result | None:
        """Why this request, without the token or with a wrong one, gets nothing; None if it is right.

        schemes: how the token may come: Bearer (RFC 6750), or Basic with the token as password, which browsers ask for.
        """
        if not self.desk.token:
            return self.say(403, False, _NO_TOKEN_TO_CHANGE if schemes == ("Bearer",) else _NO_TOKEN_TO_READ)
        given = self.request.headers.get("authorization")
        if given is None:
            return self.challenge("this wants the admin token: Authorization: Bearer TOKEN", "", schemes)
        scheme, _, text = given.partition(" ")
        token = text.strip(" ").encode("latin-1", "replace")
        if scheme.lower() == "basic" and "Basic" in schemes:
            try:
                token = base64.b64decode(token, validate=True).partition(b":")[2]
            except ValueError:
                token = b""
        elif scheme.lower() != "bearer":
            token = b""
        # compared in constant time, so that how long it takes tells nothing of the token
        if not hmac.compare_digest(token, self.desk.token.encode("utf-8", "surrogateescape")):
            return self.challenge("this is not the admin token", ', error="invalid_token"', schemes)
        return None

    def challenge(self, text: str, error: str, schemes: tuple[str, ...]) -> Result:
        self.response.headers.set("WWW-Authenticate", f'Bearer realm="webpy"{error}')
        if "Basic" in schemes:
            self.response.headers.add("WWW-Authenticate", 'Basic realm="webpy", charset="UTF-8"')
        return self.say(401, False, text)

    def argument(self, name: str) -> str | None:
        """The one value of an argument in the query; None when it is not there or there more than once."""
        pairs = urlencoded_pairs(self.request.query.encode())
        values = [value for given, value in pairs if given == name.encode()]
        return values[0].decode("utf-8", "replace") if len(values) == 1 else None


class _PageHandler(_Handler):
    def do_get(self) -> Result:
        headers = self.response.headers
        headers.set("Content-Type", "text/html; charset=utf-8")
        headers.set("Content-Security-Policy", self.desk.page.policy)
        return 200, self.desk.page.body


class _Status(_Handler):
    """The master's status; with ?since=UNIXTIME also the samples of the charts later than that."""

    def do_get(self) -> Result:
        snapshot = self.desk.link.snapshot()
        admin: dict[str, Any] = {
            "version": __version__,
            "at": round(snapshot.at, 3),
            "ready": not unready(snapshot.status),
            "changes": bool(self.desk.token),
        }
        since = self.argument("since")
        if since is not None:
            try:
                admin["history"] = self.desk.history.since(float(since))
            except ValueError:
                return self.say(400, False, f"since: got {since[:40]!r}, wanted a unix time")
        return self.data(200, {**snapshot.status, "admin": admin})


class _Metrics(_Handler):
    def do_get(self) -> Result:
        headers = self.response.headers
        try:
            content_type, text = expose(self.desk.link.snapshot().status, self.request.headers.get("accept") or "")
        except Missing as error:
            headers.set("Content-Type", _TEXT)
            return 501, f"{error}\n"
        headers.set("Content-Type", content_type)
        headers.set("Vary", "Accept")
        return 200, text


class _Health(_Handler):
    """Whether the master lives: it answers. Probes have no token, and it tells nothing else."""

    public = True

    def do_get(self) -> Result:
        self.response.headers.set("Content-Type", _TEXT)
        try:
            self.desk.link.snapshot()
        except NoAnswer as error:
            return 503, f"{error}\n"
        return 200, "ok\n"


class _Ready(_Handler):
    """Whether traffic should be sent here; for everybody, as `_Health`."""

    public = True

    def do_get(self) -> Result:
        self.response.headers.set("Content-Type", _TEXT)
        try:
            why_not = unready(self.desk.link.snapshot().status)
        except NoAnswer as error:
            why_not = str(error)
        return (503, f"not ready: {why_not}\n") if why_not else (200, "ready\n")


class _Change(_Handler):
    """A command. The token travels in a field that no page of another site can send, so there is nothing to forge."""

    def do_post(self) -> Result:
        refusal = self.refusal("Bearer")
        return refusal if refusal is not None else self.change()

    def change(self) -> Result:
        raise NotImplementedError

    def told(self, answer: dict[str, Any], status: int) -> Result:
        """The master's answer to the command; `status` if it agreed, 409 if not."""
        ok = bool(answer.get("ok"))
        return self.say(status if ok else 409, ok, str(answer.get("text", "")))


class _Reload(_Change):
    """Begins a reload and returns; /status.json tells how it goes and ends."""

    def change(self) -> Result:
        return self.told(self.desk.link.command("reload", wait=False), 202)


class _Scale(_Change):
    """Sets how many workers there shall be."""

    def change(self) -> Result:
        given = self.argument("workers")
        number = int(given) if given and given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS else 0
        if number < 1:
            got = "nothing" if given is None else repr(given[:40])
            return self.say(400, False, f"workers: got {got}, wanted one number of workers, 1 or more")
        return self.told(self.desk.link.command("scale", workers=number), 200)

