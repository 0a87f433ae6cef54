"""Owns `Requester`: the methods of a client (`get`, `post`, …), its cookies and redirects.

Where its connections lead is for its two kinds to say: into this process (`client`), or to a real server (`server`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Unpack
from urllib.parse import SplitResult, urljoin, urlsplit

from ..framework.headers import HTTPHeaders
from .cookies import Cookies
from .errors import TooManyRedirects
from .outgoing import Outgoing, RequestOptions, absolute, compose

if TYPE_CHECKING:
    from .answer import Answer
    from .outgoing import Fields

__all__ = ["Requester"]

_MAX_REDIRECTS = 20
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEP_METHOD = (307, 308)
_OF_A_BODY = ("Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect")
_OPTIONS = RequestOptions.__optional_keys__


class Requester:
    """What both kinds of clients have: each request goes on a connection of its own.

    base_url: in front of the paths that a test asks for. headers: sent with every request, unless it has fields of the
    same name. cookies: what answers have set. follow_redirects: whether redirects are followed, unless a request says
    otherwise. timeout: the most seconds that a request waits for the next byte; None for no limit.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Fields = (),
        follow_redirects: bool = False,
        timeout: float | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(
                f"base_url: got {base_url!r}, wanted one such as 'http://localhost' or 'https://localhost'"
            )
        self.base_url = base_url
        self.headers = HTTPHeaders(headers)
        self.cookies = Cookies(base_url)
        self.follow_redirects = follow_redirects
        self.timeout = timeout

    def get(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a GET request, and return its answer; see `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a HEAD request, and return its answer; see `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send an OPTIONS request, and return its answer; see `request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a POST request, and return its answer; see `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a PUT request, and return its answer; see `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a PATCH request, and return its answer; see `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a DELETE request, and return its answer; see `request`."""
        return self.request("DELETE", url, **options)

    def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send a request, and return its answer.

        url: a path, with or without a query, or a whole URL. The options are those of `RequestOptions`. Raises
        BrokenAnswer if no whole answer comes, TimeoutError after `timeout`, TypeError for options that are unknown or
        do not go together, TooManyRedirects after 20 of them.
        """
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise TypeError(f"got {unknown[0]}=, wanted one of {', '.join(sorted(_OPTIONS))}")
        outgoing = compose(method, absolute(self.base_url, url), options, self.headers)
        answer = self._send_one(outgoing, options)
        if not options.get("follow_redirects", self.follow_redirects):
            return answer
        history: list[Answer] = []
        while (following := self._following(outgoing, answer)) is not None:
            if len(history) == _MAX_REDIRECTS:
                text = f"{method} {url}: redirected {_MAX_REDIRECTS} times, then to {following.url}"
                raise TooManyRedirects(text, answer)
            outgoing = following
            history.append(answer)
            answer = self._send_one(outgoing, options)
        answer.history = history
        return answer

    def websocket(self, url: str, **options: Any) -> NoReturn:
        """Raise NotImplementedError: this version of webpy has no WebSocket."""
        raise NotImplementedError(f"websocket({url!r}): this version of webpy has no WebSocket")

    def _send_one(self, outgoing: Outgoing, options: RequestOptions) -> Answer:
        """Send one request with the cookies that belong to it, and remember those that the answer sets."""
        headers = outgoing.headers.copy()
        if "Cookie" not in headers:
            own = options.get("cookies") or {}
            kept = self.cookies.header(outgoing.url)
            pairs = [pair for pair in (kept or "").split("; ") if pair and pair.partition("=")[0] not in own]
            pairs += [f"{name}={value}" for name, value in own.items()]
            if pairs:
                headers.add("Cookie", "; ".join(pairs))
        sent = Outgoing(outgoing.method, outgoing.url, outgoing.target, headers, outgoing.body)
        try:
            answer = self._exchange(sent, options)
        except TimeoutError:
            limit_s = options.get("timeout", self.timeout)
            raise TimeoutError(f"{sent.method} {sent.url}: nothing came within {limit_s} s (timeout)") from None
        self.cookies.take(outgoing.url, answer.headers.getlist("Set-Cookie"))
        return answer

    def _exchange(self, outgoing: Outgoing, options: RequestOptions) -> Answer:
        """Send a request as it is on a connection of its own, and return the answer."""
        raise NotImplementedError

    def _leads_here(self, before: SplitResult, after: SplitResult) -> bool:
        """Return whether a redirect from one URL to another can be followed: it leads to the same site."""
        return after.scheme in ("http", "https") and before.hostname == after.hostname

    def _following(self, asked: Outgoing, answer: Answer) -> Outgoing | None:
        """Return the request that follows from a redirect: None if the answer is not one, or leads to another site."""
        location = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or location is None:
            return None
        url = urljoin(asked.url, location).partition("#")[0]
        before, after = urlsplit(asked.url), urlsplit(url)
        if not self._leads_here(before, after):
            return None
        headers, body, method = asked.headers.copy(), asked.body, asked.method
        if answer.status not in _KEEP_METHOD and method not in ("GET", "HEAD"):
            method, body = "GET", b""
            for name in _OF_A_BODY:
                if name in headers:
                    headers.remove(name)
        if not isinstance(body, bytes):
            raise ValueError(f"{asked.method} {asked.url}: {answer.status} wants an iterable body to be sent again")
        if before.netloc != after.netloc and headers.get("Host") == before.netloc:
            headers.set("Host", after.netloc)
        return compose(method, url, {"headers": headers, "data": body}, HTTPHeaders())
