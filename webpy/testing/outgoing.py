"""Owns `Outgoing`: a request that a test makes, from the keyword arguments of `client.get(…)` to the parts of an
HTTP/1.1 message. Knows nothing of connections; `wire` sends it."""

from __future__ import annotations

import base64
import json
import mimetypes
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypedDict
from urllib.parse import quote, urlencode, urlsplit

from ..framework.headers import HTTPHeaders

__all__ = ["Body", "Fields", "FileOption", "Outgoing", "RequestOptions", "absolute", "compose"]

Body = bytes | Iterable[bytes]
Fields = Mapping[str, str] | Iterable[tuple[str, str]]
FileContent = bytes | str | IO[bytes]
FileOption = FileContent | tuple[str, FileContent] | tuple[str, FileContent, str]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FORM = "application/x-www-form-urlencoded"
_UNTOUCHED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")  # of a URL that a test gives


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of a request.

    headers: replace the client's of the same name. data: bytes, text, a mapping or pairs for a form, a binary file or
    an iterable of bytes (sent chunked). json: a value, sent as JSON. files: parts of a multipart form, by name: bytes,
    text, a binary file, or (file name, content) or (file name, content, media type). params: added to the query.
    cookies: sent with this request only. auth: (user, password), for Basic. follow_redirects, timeout, raise_errors,
    client_address: in place of the client's.
    """

    headers: Fields
    data: Any
    json: Any
    files: Mapping[str, FileOption] | Iterable[tuple[str, FileOption]]
    params: Mapping[str, Any] | Sequence[tuple[str, Any]] | str
    cookies: Mapping[str, str]
    auth: tuple[str, str]
    follow_redirects: bool
    timeout: float | None
    raise_errors: bool
    client_address: tuple[str, int]


@dataclass(slots=True)
class Outgoing:
    """A request: its method, its URL, what stands in the request line, its fields and its body."""

    method: str
    url: str
    target: str
    headers: HTTPHeaders
    body: Body

    @property
    def head(self) -> bytes:
        """The request line and the fields, up to the empty line. Raises ValueError if one would break the message."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        for line in lines:
            if any(character in line for character in "\r\n\0"):
                raise ValueError(f"got {line!r} for the head of the request, wanted a line without CR, LF and NUL")
            if not line.isascii() and line.encode("latin-1", "replace").decode("latin-1") != line:
                raise ValueError(f"got {line!r} for the head of the request, wanted characters of Latin-1")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def chunked(self) -> bool:
        """Whether the body is sent in chunks, because its length is not known."""
        return not isinstance(self.body, bytes) and "Content-Length" not in self.headers


def absolute(base_url: str, url: str) -> str:
    """Return the URL that a test means by `url`: a path of the site, or a whole URL."""
    if _SCHEME.match(url):
        return _escaped(url)
    return base_url.rstrip("/") + _escaped(url if url.startswith("/") else f"/{url}")


def _escaped(url: str) -> str:
    return quote(url.partition("#")[0], safe=_UNTOUCHED)


def compose(method: str, url: str, options: RequestOptions, defaults: HTTPHeaders) -> Outgoing:
    """Return the request to an absolute URL. Raises TypeError for options that do not go together."""
    parts = urlsplit(url)
    query = _query(options.get("params"))
    if query:
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    target = url[len(parts.scheme) + len("://") + len(parts.netloc) :]  # nothing of it is changed on the way
    if not target.startswith("/"):
        target = f"/{target}"
    headers = defaults.copy()
    given = HTTPHeaders(options.get("headers") or ())
    for name, _ in given:
        if name in headers:
            headers.remove(name)
    for name, value in given:
        headers.add(name, value)
    content_type, body = _body(options)
    if content_type is not None and "Content-Type" not in headers:
        headers.add("Content-Type", content_type)
    if (auth := options.get("auth")) is not None:
        user, password = auth
        headers.set("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    if "Host" not in headers:
        headers = HTTPHeaders([("Host", parts.netloc.rpartition("@")[2]), *headers])
    _frame(method, headers, body)
    return Outgoing(method, url, "*" if target == "/*" and method == "OPTIONS" else target, headers, body)


def _frame(method: str, headers: HTTPHeaders, body: Body) -> None:
    """Add the field that says how long the body is, unless the test has said it (RFC 9112 section 6)."""
    if "Content-Length" in headers or "Transfer-Encoding" in headers:
        return
    if not isinstance(body, bytes):
        headers.add("Transfer-Encoding", "chunked")
    elif body or method in ("POST", "PUT", "PATCH"):
        headers.add("Content-Length", str(len(body)))


def _query(params: Any) -> str:
    if params is None or isinstance(params, str):
        return params or ""
    return urlencode(params, doseq=True)


def _body(options: RequestOptions) -> tuple[str | None, Body]:
    """Return the media type of the body, None if the test is to say it, and the body."""
    data, files = options.get("data"), options.get("files")
    if "json" in options:
        if data is not None or files is not None:
            raise TypeError("got json= and data= or files=, wanted one of them: a request has one body")
        return "application/json", json.dumps(options["json"]).encode()
    if files is not None:
        if isinstance(data, (bytes, str)):
            raise TypeError(
                f"data: got {data!r:.60}, wanted a mapping or pairs beside files=: both are parts of a form"
            )
        return _multipart(_pairs(data or ()), _pairs(files))
    if data is None:
        return None, b""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return None, bytes(data)
    if isinstance(data, str):
        return None, data.encode()
    if isinstance(data, Mapping) or (isinstance(data, Sequence) and all(isinstance(each, tuple) for each in data)):
        return _FORM, urlencode(data, doseq=True).encode()
    if isinstance(data, Iterable):
        return None, data
    raise TypeError(
        f"data: got {data!r:.60}, wanted bytes, text, a mapping or pairs for a form, or an iterable of bytes"
    )


def _pairs(given: Any) -> list[tuple[str, Any]]:
    pairs = given.items() if isinstance(given, Mapping) else given
    found: list[tuple[str, Any]] = []
    for name, value in pairs:
        many = isinstance(value, list)
        found += [(name, each) for each in value] if many else [(name, value)]
    return found


def _multipart(fields: Iterable[tuple[str, Any]], files: Iterable[tuple[str, FileOption]]) -> tuple[str, bytes]:
    """Return the media type and the body of a multipart form (RFC 7578)."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes] = []

    def add(disposition: str, content_type: str | None, content: bytes) -> None:
        head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"
        head += "" if content_type is None else f"Content-Type: {content_type}\r\n"
        pieces.extend((head.encode(), b"\r\n", content, b"\r\n"))

    for name, value in fields:
        add(f'name="{_quoted(name)}"', None, value if isinstance(value, bytes) else str(value).encode())
    for name, option in files:
        filename, content, content_type = _file(name, option)
        add(f'name="{_quoted(name)}"; filename="{_quoted(filename)}"', content_type, content)
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _file(name: str, option: FileOption) -> tuple[str, bytes, str]:
    """Return the name, the content and the media type of a file."""
    content: Any = option
    filename, content_type = "", None
    if isinstance(option, tuple):
        filename, content, *rest = option
        content_type = rest[0] if rest else None
    if not isinstance(content, (bytes, str)):
        filename = filename or os.path.basename(str(getattr(content, "name", "")))
        content = content.read()
    filename = filename or name
    if isinstance(content, str):
        content = content.encode()
    return filename, content, content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def _quoted(name: str) -> str:
    """Return a name as browsers write it between quotes (WHATWG HTML, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
