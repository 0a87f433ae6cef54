"""Requests that must be refused, and odd ones that must not, as data: for the protocol's tests and those on
the wire.

Owns the rows of the issue's table, with default limits. Must not know who parses them. Every BAD row is
answered once, with `status`, and the connection is closed; nothing of it reaches a handler as if whole.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from webpy.protocol import Limits

__all__ = ["ACCEPTED", "BAD", "NORMAL", "Accepted", "Bad", "Expected"]

LIMITS = Limits()


class Bad(NamedTuple):
    """One refusal. `raw` holds no more than is needed for it.

    where: `head`: when the head, or as much as is given of it, has been read, without waiting for a body.
    `body`: after a good head, while its body is read. `end`: when the peer closes (or shuts down) its side
    after `raw`, and not before.
    """

    name: str
    raw: bytes
    status: int
    where: Literal["head", "body", "end"]


class Expected(NamedTuple):
    """What a good request says."""

    method: str
    resource: str
    host: str
    body: bytes
    keep_alive: bool


class Accepted(NamedTuple):
    """Requests that are all served, in order."""

    name: str
    raw: bytes
    requests: tuple[Expected, ...]


_P = b"POST / HTTP/1.1\r\nHost: a\r\n"
_C = _P + b"Transfer-Encoding: chunked\r\n\r\n"
_G = b"GET / HTTP/1.1\r\nHost: a\r\n"


def _head(name: str, raw: bytes, status: int = 400) -> Bad:
    return Bad(name, raw, status, "head")


def _body(name: str, raw: bytes, status: int = 400) -> Bad:
    return Bad(name, _C + raw, status, "body")


def _line(name: str, line: bytes, status: int = 400) -> Bad:
    return Bad(name, line + b"\r\nHost: a\r\n\r\n", status, "head")


def _length(name: str, value: bytes) -> Bad:
    return _head(f"content-length {name}", _P + b"Content-Length: " + value + b"\r\n\r\n")


def _coding(value: bytes, more: bytes = b"", status: int = 400) -> Bad:
    name = value.decode("latin-1").encode("unicode_escape").decode()
    with_length = " with content-length" if more else ""
    raw = _P + b"Transfer-Encoding: " + value + b"\r\n" + more + b"\r\n"
    return _head(f"transfer-encoding {name}{with_length}", raw, status)


_FIELD = b"X: y\r\n"

NORMAL: dict[str, str] = {
    "//b/c": "/b/c",
    "/%70rivate/secret.txt": "/private/secret.txt",
    "/%41%5A%61%7a%30%39%2d%2e%5f%7E": "/AZaz09-._~",
    "/a%2fb%00%c3%a9%20%3f": "/a%2Fb%00%C3%A9%20%3F",
    "/%2570%252e%25": "/%2570%252e%25",
    "/%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40": "/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40",
    "/!$&'()*+,;=:@": "/!$&'()*+,;=:@",
    "/a//b///c": "/a/b/c",
    "/a/b//": "/a/b/",
    "///": "/",
    "/.": "/",
    "/./": "/",
    "/a/.": "/a/",
    "/a/..": "/",
    "/a/../": "/",
    "/a/b/..": "/a/",
    "/a/./b": "/a/b",
    "/a/b/../c": "/a/c",
    "/a//../b": "/b",
    "/x/%2e%2e/admin": "/admin",
    "/x/.%2E/%2e/admin": "/admin",
    "/.//admin": "/admin",
    "/...": "/...",
    "/.a/..b/c.": "/.a/..b/c.",
    "/..;/a": "/..;/a",
    "/a;b=../c": "/a;b=../c",
    "/%5c..%5c": "/%5C..%5C",
    "/%c0%ae%c0%ae/%c0%af": "/%C0%AE%C0%AE/%C0%AF",
    "/a?//../%61%2f%": "/a?//../%61%2f%",
    "/%61?": "/a?",
    "/a/../?b/../c": "/?b/../c",
}
"""Paths as sent, with their queries, and in normal form (RFC 3986 section 6.2.2)."""

BAD: tuple[Bad, ...] = (
    # Framing
    _head("content-length and transfer-encoding", _P + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    _head("transfer-encoding and content-length", _P + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    _head("content-length twice, equal", _P + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    _head("content-length twice, different", _P + b"Content-Length: 5\r\ncontent-length: 6\r\n\r\n"),
    _length("listed, equal", b"5, 5"),
    _length("listed, different", b"5,6"),
    _length("+5", b"+5"),
    _length("0_5", b"0_5"),
    _length("0x5", b"0x5"),
    _length("-1", b"-1"),
    _length("-0", b"-0"),
    _length("5.0", b"5.0"),
    _length("two numbers", b"5 5"),
    _length("empty", b""),
    _length("white space", b" \t"),
    _length("superscript", b"\xb2"),
    _length("5000 digits", b"1" * 5000),
    _length("20 digits", b"18446744073709551616"),
    _coding(b"xchunked"),
    _coding(b"chunked\xa0"),
    _coding(b"chunked\x0b"),
    _coding(b'"chunked"'),
    _coding(b"chunked, chunked"),
    _coding(b"chunked, gzip"),
    _coding(b"gzip, chunked", status=501),
    _coding(b"gzip;a=b ,\tdeflate, chunked", status=501),
    _coding(b"gzip, chunked", b"Content-Length: 5\r\n"),
    _coding(b"gzip, chunked, chunked"),
    _coding(b"gz ip, chunked"),
    _coding(b", chunked"),
    _coding(b"chunked,"),
    _coding(b"chunked;q=1"),
    _coding(b""),
    _coding(b"gzip"),
    _coding(b"gzip", b"Content-Length: 5\r\n"),
    _coding(b"identity"),
    _coding(b"identity", b"Content-Length: 5\r\n"),
    _head("transfer-encoding twice", _P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    _head("transfer-encoding twice, gzip", _P + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    _head("transfer-encoding twice, gzip last", _P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n"),
    _head("transfer-encoding in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    # Field lines
    _head("space before the colon", _P + b"Content-Length : 5\r\n\r\n"),
    _head("tab before the colon", _P + b"Content-Length\t: 5\r\n\r\n"),
    _head("obs-fold, space", _G + b"X: a\r\n b\r\n\r\n"),
    _head("obs-fold, tab", _G + b"X: a\r\n\tb: c\r\n\r\n"),
    _head("obs-fold of white space only", _G + b"X: a\r\n \r\n\r\n"),
    _head("white space before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    _head("tab before the first field", b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n"),
    _head("empty name", _G + b": y\r\n\r\n"),
    _head("no colon", _G + b"X\r\n\r\n"),
    _head("space in a name", _G + b"X Y: z\r\n\r\n"),
    _head("quoted name", _G + b'"X": z\r\n\r\n'),
    _head("0x80 in a name", _G + b"X\x80: z\r\n\r\n"),
    _head("NUL in a name", _G + b"X\x00: z\r\n\r\n"),
    _head("bare CR in a name", _G + b"X\rY: z\r\n\r\n"),
    _head("bare CR in a value", _G + b"X: a\rb\r\n\r\n"),
    _head("bare CR that hides a field", _G + b"X: a\rContent-Length: 5\r\n\r\n"),
    _head("bare CR at the end of a value", _G + b"X: a\r\r\n\r\n"),
    _head("NUL in a value", _G + b"X: a\x00b\r\n\r\n"),
    _head("control in a value", _G + b"X: a\x01b\r\n\r\n"),
    _head("DEL in a value", _G + b"X: a\x7fb\r\n\r\n"),
    # Bare LF
    _head("bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    _head("bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    _head("bare LF as the empty line", _G + b"\n"),
    _head("bare LF before the empty line", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    _head("bare LF in a value", _G + b"X: a\nb\r\n\r\n"),
    _head("bare LF throughout", b"GET / HTTP/1.1\nHost: a\n\n"),
    _head("bare LF first", b"\n" + _G + b"\r\n"),
    _head("LF CR", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
    # Request line
    _line("NUL in the target", b"GET /\x00 HTTP/1.1"),
    _line("CR in the target", b"GET /\ra HTTP/1.1"),
    _line("LF in the target", b"GET /\na HTTP/1.1"),
    _line("TAB in the target", b"GET /\ta HTTP/1.1"),
    _line("0x80 in the target", b"GET /\x80 HTTP/1.1"),
    _line("UTF-8 in the target", "GET /é HTTP/1.1".encode()),
    _line("DEL in the target", b"GET /\x7f HTTP/1.1"),
    _line("# in the target", b"GET /a#b HTTP/1.1"),
    _line("two spaces before the target", b"GET  / HTTP/1.1"),
    _line("two spaces before the version", b"GET /  HTTP/1.1"),
    _line("space in the target", b"GET /a b HTTP/1.1"),
    _line("tab after the method", b"GET\t/ HTTP/1.1"),
    _line("tab before the version", b"GET /\tHTTP/1.1"),
    _line("space after the version", b"GET / HTTP/1.1 "),
    _line("space before the method", b" GET / HTTP/1.1"),
    _line("CR after the version", b"GET / HTTP/1.1\r"),
    _line("http/1.1", b"GET / http/1.1"),
    _line("HTTP/1.10", b"GET / HTTP/1.10"),
    _line("HTTP/1.", b"GET / HTTP/1."),
    _line("HTTP/1", b"GET / HTTP/1"),
    _line("HTTP/11", b"GET / HTTP/11"),
    _line("HTTP/+1.1", b"GET / HTTP/+1.1"),
    _line("HTTPS/1.1", b"GET / HTTPS/1.1"),
    _line("HTTP/0.9 spelt out", b"GET / HTTP/0.9"),
    _head("HTTP/0.9", b"GET /\r\n"),
    _head("HTTP/0.9 with a space", b"GET / \r\n"),
    _line("HTTP/2.0", b"GET / HTTP/2.0", 505),
    _line("HTTP/3.0", b"GET / HTTP/3.0", 505),
    _head("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    _head("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    _line("no method", b" / HTTP/1.1"),
    _line("method no token", b"G(T / HTTP/1.1"),
    _line("0x80 in the method", b"G\x80T / HTTP/1.1"),
    _line("no target", b"GET HTTP/1.1"),
    _head("two CRLF before the request line", b"\r\n\r\n" + _G + b"\r\n"),
    _line("GET *", b"GET * HTTP/1.1"),
    _line("OPTIONS **", b"OPTIONS ** HTTP/1.1"),
    _line("target without a slash", b"GET a HTTP/1.1"),
    _line("target begins with ?", b"GET ?a HTTP/1.1"),
    _line("authority-form with GET", b"GET a:80 HTTP/1.1"),
    _line("absolute-form of another scheme", b"GET ftp://a/ HTTP/1.1"),
    _line("absolute-form without a host", b"GET http:///a HTTP/1.1"),
    _line("absolute-form with only a port", b"GET http://:80/a HTTP/1.1"),
    _line("absolute-form with a user", b"GET http://u@a/ HTTP/1.1"),
    _line("absolute-form with a bad port", b"GET http://a:b/ HTTP/1.1"),
    *(
        _line(f"path {path.decode()}", b"GET " + path + b" HTTP/1.1")
        for path in (
            *(b"/a\\b", b'/a"b', b"/a<b", b"/a>b", b"/\\", b"/..\\a"),
            *(b"/%", b"/a%", b"/a%4", b"/a%zz", b"/%%41", b"/%4g", b"/a%?%41", b"/%u0041"),
            *(b"/..", b"/../", b"/../a", b"/a/../..", b"/a/../../b", b"/./..", b"//..", b"/a//../../b"),
            *(b"/%2e%2e", b"/%2E./a", b"/a/.%2e/%2e%2e/b", b"/../?a", b"http://b/..", b"http://b/%2e%2e/a"),
            *(b"http://b/a\\b", b"http://b/%zz", b"http://b/<"),
        )
    ),
    _line("CONNECT", b"CONNECT a:80 HTTP/1.1", 501),
    _line("CONNECT of a path", b"CONNECT / HTTP/1.1", 501),
    # Host
    _head("no Host", b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    _head("no field", b"GET / HTTP/1.1\r\n\r\n"),
    _head("no Host beside absolute-form", b"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n"),
    _head("two Hosts, equal", _G + b"Host: a\r\n\r\n"),
    _head("two Hosts, different", _G + b"host: b\r\n\r\n"),
    _head("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    *(
        _head(f"Host of {name}", b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")
        for name, value in {
            "nothing": b"",
            "a comma": b"a,b",
            "two words": b"a b",
            "a user": b"u@a",
            "a path": b"a/b",
            "a query": b"a?b",
            "a URL": b"http://a",
            "a word for a port": b"a:b",
            "two ports": b"a:1:2",
            "a port over 65535": b"a:65536",
            "a long port": b"a:" + b"0" * 4500 + b"80",
            "only a port": b":80",
            "an open bracket": b"[::1",
            "an address of six colons without brackets": b"1:2:3:4:5:6:7",
            "a malformed IPv6 address": b"[1::2::3]",
            "empty brackets": b"[]",
            "text after the bracket": b"[::1]a",
            "a zone": b"[fe80::1%25eth0]",
            "a bad escape": b"a%zz",
            "a quote": b'"a"',
            "a backslash": b"a\\b",
            "a hash": b"a#b",
            "0x80": b"a\x80",
            "300 letters": b"a" * 300,
        }.items()
    ),
    _head("malformed Host in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a,b\r\n\r\n"),
    _head("malformed Host beside absolute-form", b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
    # Expect
    _head("Expect of another", _P + b"Content-Length: 5\r\nExpect: 200-ok\r\n\r\n", 417),
    _head("Expect of two", _P + b"Content-Length: 5\r\nExpect: 100-continue, x\r\n\r\n", 417),
    _head("two Expects", _P + b"Content-Length: 5\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n", 417),
    # Limits
    _head("request line over its limit", b"GET /" + b"a" * LIMITS.line_bytes, 414),
    _line("request line one byte over its limit", b"GET /" + b"a" * (LIMITS.line_bytes - 13) + b" HTTP/1.1", 414),
    _head("method over the limit", b"G" * (LIMITS.line_bytes + 1), 501),
    _line("method over the limit, whole", b"G" * (LIMITS.line_bytes + 1) + b" / HTTP/1.1", 501),
    _head("method over the limit, no token", b"(" * (LIMITS.line_bytes + 1)),
    _head("head over its limit, one field", _G + b"X: " + b"a" * LIMITS.head_bytes, 431),
    _head("head over its limit, whole", _G + b"X: " + b"a" * LIMITS.head_bytes + b"\r\n\r\n", 431),
    _head("too many fields", _G + _FIELD * LIMITS.fields + b"\r\n", 431),
    _head("too many fields, no end", _G + _FIELD * LIMITS.fields, 431),
    _head("body over its limit", _P + b"Content-Length: %d\r\n\r\n" % (LIMITS.body_bytes + 1), 413),
    _head("body far over its limit", _P + b"Content-Length: 9223372036854775807\r\n\r\n", 413),
    _body("chunk over the body limit", b"100001\r\n", 413),
    _body("chunk far over the body limit", b"ffffffffffffffff\r\n", 413),
    _body("chunks over the body limit", b"80000\r\n" + b"a" * 0x80000 + b"\r\n80001\r\n", 413),
    # Chunks
    _body("chunk size 0x5", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size -5", b"-5\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size +5", b"+5\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size 0_5", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size and a space", b"5 \r\nhello\r\n0\r\n\r\n"),
    _body("chunk size and a tab", b"5\t\r\nhello\r\n0\r\n\r\n"),
    _body("space and chunk size", b" 5\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size of 17 digits", b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size of 17 zeros", b"00000000000000000\r\n\r\n"),
    _body("chunk size of 5000 digits", b"1" * 5000),
    _body("chunk size of a word", b"xyz\r\nhello\r\n0\r\n\r\n"),
    _body("chunk size of other digits", b"\xb2\r\nhe\r\n0\r\n\r\n"),
    _body("no chunk size", b"\r\nhello\r\n0\r\n\r\n"),
    _body("no chunk size but an extension", b";a=b\r\n0\r\n\r\n"),
    _body("bare LF after the chunk size", b"5\nhello\r\n0\r\n\r\n"),
    _body("bare CR after the chunk size", b"5\rhello\r\n0\r\n\r\n"),
    _body("LF in a chunk extension", b"5;a=b\nc\r\nhello\r\n0\r\n\r\n"),
    _body("LF in a quoted chunk extension", b'5;a="b\nc"\r\nhello\r\n0\r\n\r\n'),
    _body("CR in a chunk extension", b"5;a=b\rc\r\nhello\r\n0\r\n\r\n"),
    _body("NUL in a chunk extension", b"5;a=b\x00c\r\nhello\r\n0\r\n\r\n"),
    _body("CRLF in a quoted chunk extension", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    _body("empty chunk extension", b"5;\r\nhello\r\n0\r\n\r\n"),
    _body("chunk extension without a value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    _body("chunk extension over 4 KB", b"5;a=" + b"b" * 4094 + b"\r\nhello\r\n0\r\n\r\n"),
    _body("chunk extension over 4 KB, no end", b"5;a=" + b"b" * 4097),
    _body("chunk extensions over 4 KB together", (b"1;a=" + b"b" * 45 + b"\r\nx\r\n") * 86 + b"0\r\n\r\n"),
    _body("chunk data longer than its size", b"5\r\nhello!\r\n0\r\n\r\n"),
    _body("chunk data and LF", b"5\r\nhello\n0\r\n\r\n"),
    _body("chunk data and CR", b"5\r\nhello\r0\r\n\r\n"),
    _body("chunk data without CRLF", b"5\r\nhello0\r\n\r\n"),
    _body("chunk data and two CRLF", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    # Trailers
    _body("trailer Content-Length", b"0\r\nContent-Length: 5\r\n\r\n"),
    _body("trailer transfer-encoding", b"0\r\ntransfer-encoding: chunked\r\n\r\n"),
    _body("trailer with bare LF", b"0\r\nX: y\nZ: z\r\n\r\n"),
    _body("trailers ended by bare LF", b"0\r\nX: y\r\n\n"),
    _body("no trailers but bare LF", b"0\r\n\n"),
    _body("trailer with NUL", b"0\r\nX: a\x00b\r\n\r\n"),
    _body("trailer with bare CR", b"0\r\nX: a\rb\r\n\r\n"),
    _body("trailer folded", b"0\r\nX: a\r\n b\r\n\r\n"),
    _body("trailer without a colon", b"0\r\nX\r\n\r\n"),
    _body("trailer with a space before the colon", b"0\r\nX : y\r\n\r\n"),
    _body("trailers over the head limit", b"0\r\nX: " + b"a" * LIMITS.head_bytes + b"\r\n\r\n", 431),
    _body("trailers over the head limit, no end", b"0\r\nX: " + b"a" * LIMITS.head_bytes, 431),
    _body("too many trailers", b"0\r\n" + _FIELD * (LIMITS.fields + 1) + b"\r\n", 431),
    # End of input
    Bad("end inside a fixed body", _P + b"Content-Length: 10\r\n\r\nhello", 400, "end"),
    Bad("end before a fixed body", _P + b"Content-Length: 10\r\n\r\n", 400, "end"),
    Bad("end before a chunked body", _C, 400, "end"),
    Bad("end inside a chunk size", _C + b"5", 400, "end"),
    Bad("end inside a chunk", _C + b"5\r\nhe", 400, "end"),
    Bad("end after a chunk", _C + b"5\r\nhello\r\n", 400, "end"),
    Bad("end after the last chunk", _C + b"5\r\nhello\r\n0\r\n", 400, "end"),
    Bad("end inside the trailers", _C + b"5\r\nhello\r\n0\r\nX: y\r\n", 400, "end"),
)


def _one(name: str, raw: bytes, resource: str = "/", **other: Any) -> Accepted:
    expected = Expected("GET", resource, "a", b"", True)._replace(**other)
    return Accepted(name, raw, (expected,))


def _post(name: str, raw: bytes, body: bytes) -> Accepted:
    return _one(name, raw, method="POST", body=body)


_HELLO = b"5\r\nhello\r\n0\r\n\r\n"

ACCEPTED: tuple[Accepted, ...] = (
    _one("plain", _G + b"\r\n"),
    _one("CRLF before the request line", b"\r\n" + _G + b"\r\n"),
    _post("Content-Length 007", _P + b"Content-Length: 007\r\n\r\nbonjour", b"bonjour"),
    _post("Content-Length 0", _P + b"Content-Length: 0\r\n\r\n", b""),
    _post("no body", _P + b"\r\n", b""),
    _one("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    _one("HTTP/1.9", b"GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
    _one("Connection: close, x", _G + b"Connection: close, x\r\n\r\n", keep_alive=False),
    _one("Connection: x,Close", _G + b"Connection: x,Close\r\n\r\n", keep_alive=False),
    _one("two Connections", _G + b"Connection: x\r\nConnection: close\r\n\r\n", keep_alive=False),
    _one("Connection: keep-alive and close", _G + b"Connection: keep-alive, close\r\n\r\n", keep_alive=False),
    _one("Connection: keep-alive", _G + b"Connection: keep-alive\r\n\r\n"),
    _one("Connection: close and 0xa0", _G + b"Connection: close\xa0\r\n\r\n"),
    _one("Connection: closed", _G + b"Connection: closed\r\n\r\n"),
    _one("HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", keep_alive=False),
    _one("HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", host="", keep_alive=False),
    _one("HTTP/1.0 keep-alive", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n"),
    _one(
        "HTTP/1.0 keep-alive and close",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
        keep_alive=False,
    ),
    _one("HTTP/1.0 with Expect", b"GET / HTTP/1.0\r\nHost: a\r\nExpect: x\r\n\r\n", keep_alive=False),
    _one("absolute-form wins", b"GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", "/c?d", host="b:80"),
    _one("absolute-form, https", b"GET HTTPS://b/ HTTP/1.1\r\nHost: a\r\n\r\n", host="b"),
    _one("absolute-form without a path", b"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", host="b"),
    _one("absolute-form with a query only", b"GET http://b?c/d HTTP/1.1\r\nHost: a\r\n\r\n", "/?c/d", host="b"),
    _one("absolute-form in HTTP/1.0", b"GET http://b/ HTTP/1.0\r\n\r\n", host="b", keep_alive=False),
    *(
        _one(f"path {sent}", f"GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), normal)
        for sent, normal in NORMAL.items()
    ),
    _one("URL in a query", b"GET /?u=http://b/* HTTP/1.1\r\nHost: a\r\n\r\n", "/?u=http://b/*"),
    _one(
        "marks in the target",
        b'GET /{|}^`[]?{|}^"<>`[]\\%zz% HTTP/1.1\r\nHost: a\r\n\r\n',
        '/{|}^`[]?{|}^"<>`[]\\%zz%',
    ),
    _one(
        "absolute-form of an odd path",
        b"GET http://b//%61/./c/../%2f?%61 HTTP/1.1\r\nHost: a\r\n\r\n",
        "/a/%2F?%61",
        host="b",
    ),
    _one("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", method="OPTIONS"),
    _one(
        "OPTIONS of absolute-form without a path",
        b"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n",
        "*",
        method="OPTIONS",
        host="b",
    ),
    _one("unknown method", b"do-IT! / HTTP/1.1\r\nHost: a\r\n\r\n", method="do-IT!"),
    _one("Host with a port", b"GET / HTTP/1.1\r\nHost: a.b-c:8080\r\n\r\n", host="a.b-c:8080"),
    _one("Host with an empty port", b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", host="a:"),
    _one("Host of IPv4", b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", host="127.0.0.1:1"),
    _one("Host of IPv6", b"GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", host="[::1]:8000"),
    _one("Host with an escape", b"GET / HTTP/1.1\r\nHost: a%20b_c\r\n\r\n", host="a%20b_c"),
    _one("host in lower case, white space around", b"GET / HTTP/1.1\r\nhost:\t a \t\r\n\r\n"),
    _one("empty value", _G + b"X:\r\nY: \r\n\r\n"),
    _one("obs-text and tabs in a value", _G + b"X: \xe9\xff\ta \x80 b\r\n\r\n"),
    _one("Transfer_Encoding", _G + b"Transfer_Encoding: chunked\r\nContent_Length: 5\r\n\r\n"),
    _one("line at its limit", b"GET /" + b"a" * 8178 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "/" + "a" * 8178),
    _one("head at its limit", _G + b"X: " + b"a" * (LIMITS.head_bytes - len(_G) - 7) + b"\r\n\r\n"),
    _one("as many fields as may be", _G + _FIELD * (LIMITS.fields - 1) + b"\r\n"),
    _post("fixed body", _P + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    _post("chunked body", _C + _HELLO, b"hello"),
    _post("CHUNKED", _P + b"transfer-encoding: CHUNKED\r\n\r\n" + _HELLO, b"hello"),
    _post("no chunks", _C + b"0\r\n\r\n", b""),
    _post("chunk sizes", _C + b"0000000000000005\r\nhello\r\nA\r\n0123456789\r\n00\r\n\r\n", b"hello0123456789"),
    _post("chunk extensions", _C + b'5;a;b=c;d="e\\"; f" \t; g = h\r\nhello\r\n0;z\r\n\r\n', b"hello"),
    _post("chunk extensions of 4 KB", _C + b"5;a=" + b"b" * 4093 + b"\r\nhello\r\n0\r\n\r\n", b"hello"),
    _post("trailers", _C + b"5\r\nhello\r\n0\r\nX: y\r\nContent-MD5: z\r\n\r\n", b"hello"),
    _post("trailers that may not be", _C + b"5\r\nhello\r\n0\r\nContent-Type: y\r\nHost: z\r\n\r\n", b"hello"),
    _post("CRLF in the body", _P + b"Content-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\n"),
    Accepted(
        "50 pipelined requests",
        b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)),
        tuple(Expected("GET", f"/{number}", "a", b"", True) for number in range(50)),
    ),
    Accepted(
        "pipelined bodies",
        _C + _HELLO + _P + b"Content-Length: 2\r\n\r\nhi\r\n" + _G + b"\r\n",
        (
            Expected("POST", "/", "a", b"hello", True),
            Expected("POST", "/", "a", b"hi", True),
            Expected("GET", "/", "a", b"", True),
        ),
    ),
)
