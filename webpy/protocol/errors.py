"""The one exception of this package, and the names of the status codes.

Owns ProtocolError and the IANA table of reason phrases. Must not know how an error answer is rendered: the framework
does that. Raised by head.py and body.py; caught by the connection, which answers once and closes.
"""

from __future__ import annotations

__all__ = ["REASONS", "ProtocolError", "show"]

REASONS: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    208: "Already Reported",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm a teapot",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
}
"""Reason phrase by status: the IANA registry of HTTP status codes (RFC 9110 section 16.2.1), and 418 of RFC 2324."""


class ProtocolError(Exception):
    """The peer sent something malformed, too long or not supported: answer `status` with str(error), then close.

    status: one of 400, 413, 414, 417, 429, 431, 501, 505. The text is one line of ASCII in which the peer's bytes are
    escaped and shortened, so it may be sent back and logged.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def reason(self) -> str:
        """The reason phrase of the status."""
        return REASONS[self.status]


def show(value: str) -> str:
    """Return the peer's text for a message: escaped to ASCII, and shortened."""
    return ascii(value if len(value) <= 60 else value[:60] + "...")
