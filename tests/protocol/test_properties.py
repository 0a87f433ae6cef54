"""What holds for any bytes: splits change nothing, nothing but a ProtocolError is raised, what was built is
read back."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webpy.protocol import LAST_CHUNK, Limits, encode_chunk, encode_head

from .bad_input import ACCEPTED, BAD
from .driver import Refused, Request, converse

SMALL = Limits(line_bytes=48, head_bytes=160, fields=4, body_bytes=24, extension_bytes=10)
QUICK = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

WORDS = (
    *(b"GET", b"POST", b"OPTIONS", b"CONNECT", b" ", b"  ", b"\t", b"/", b"*", b"/a?b", b"http://b/c", b"#", b"%"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"),
    *(b"\r\n\r\n", b"\r\n\r\n", b":", b": ", b"Host: a\r\n", b"Host: a\r\n", b"Host", b"X", b"x" * 20, b"x" * 60),
    *(b"Content-Length: 5\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"chunked", b"Expect: "),
    *(b"100-continue", b"Connection: close\r\n", b"5", b"0", b"hello", b";a=b", b';a="b"', b"5\r\nhello\r\n"),
    *(b"0\r\n\r\n", b"0\r\n", b"\x00", b"\x80", b"\xff", b",", b"ffffffffffffffff1", b"X: y\r\n", b"[::1]"),
    *(b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"),
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
)
ROWS = [raw for raw in [*(bad.raw for bad in BAD), *(good.raw for good in ACCEPTED)] if len(raw) < 300]

soup = st.lists(st.sampled_from(WORDS), max_size=16).map(b"".join)
rows = st.lists(st.sampled_from(ROWS), min_size=1, max_size=3).map(b"".join)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """Rows of the table with some bytes cut out, put in or replaced."""
    raw = draw(rows)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.integers(0, 2))
        raw = raw[:at] + draw(st.one_of(st.binary(max_size=2), st.sampled_from(WORDS))) + raw[at + cut :]
    return raw


streams = st.one_of(bent(), soup, st.binary(max_size=120))


def split(raw: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(raw) + 1) for cut in cuts} | {len(raw)})
    return [raw[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def outcome(result: tuple[list[Request], Refused | None]) -> tuple[list[Request], int | None]:
    requests, refused = result
    return requests, refused and refused.status


@QUICK
@given(streams, st.lists(st.integers(0, 400), max_size=6), st.sampled_from([SMALL, Limits()]))
def test_any_split_gives_the_same(raw: bytes, cuts: list[int], limits: Limits) -> None:
    whole = outcome(converse([raw], limits, end=True))
    assert outcome(converse(split(raw, cuts), limits, end=True)) == whole
    assert outcome(converse([raw[at : at + 1] for at in range(len(raw))], limits, end=True)) == whole


@QUICK
@given(st.one_of(streams, st.binary(max_size=400)), st.sampled_from([SMALL, Limits()]))
def test_any_bytes_give_requests_or_a_refusal(raw: bytes, limits: Limits) -> None:
    requests, refused = converse([raw], limits, end=True)
    for request in requests:
        assert len(request.body) <= limits.body_bytes
        assert len(request.line) <= limits.line_bytes
        assert not set(request.line) & {0, 9, 10, 13}
    if refused is not None:
        assert refused.status in (400, 413, 414, 417, 431, 501, 505)
        assert refused.text.isascii() and refused.text.isprintable()


names = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12).map(lambda name: "X-" + name)
values = st.text(st.characters(max_codepoint=255), max_size=30).map(
    lambda text: "".join(c for c in text if c == "\t" or (" " <= c != "\x7f")).strip(" \t")
)
blank = st.text(" \t", max_size=3)


@QUICK
@given(
    st.text("ABCXYZabc-!", min_size=1, max_size=10).filter(lambda method: method != "CONNECT"),
    st.text([chr(code) for code in range(0x21, 0x7F) if chr(code) not in '."#%<>?\\'], max_size=40),
    st.text([chr(code) for code in range(0x21, 0x7F) if code != 0x23], max_size=40),
    st.lists(st.tuples(names, blank, values, blank), max_size=20),
    st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_what_was_built_is_read_back(
    method: str,
    path: str,
    query: str,
    fields: list[tuple[str, str, str, str]],
    body: list[bytes],
    chunked: bool,
    cuts: list[int],
) -> None:
    line = f"{method} /{path}?{query} HTTP/1.1".encode()
    block = "".join(f"{name}:{left}{value}{right}\r\n" for name, left, value, right in fields).encode("latin-1")
    whole = b"".join(body)
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(whole)
    payload = b"".join(map(encode_chunk, body)) + LAST_CHUNK if chunked else whole
    raw = line + b"\r\nHost: a\r\n" + block + framing + b"\r\n" + payload
    requests, refused = converse(split(raw + raw, cuts), Limits())
    assert refused is None
    assert len(requests) == 2 and requests[0] == requests[1]
    assert requests[0].line == line
    assert requests[0].body == whole
    assert tuple((name, value) for name, _, value, _ in fields) in [
        tuple(fact[1:-1]) for fact in requests[0].head if isinstance(fact, tuple)
    ]


@QUICK
@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=12)), max_size=3),
    st.one_of(st.none(), st.text(max_size=8)),
)
def test_an_encoded_head_has_the_lines_it_was_given(fields: list[tuple[str, str]], reason: str | None) -> None:
    try:
        raw = encode_head(200, reason, fields)
    except ValueError:
        return
    assert raw.endswith(b"\r\n\r\n")
    lines = raw[:-4].split(b"\r\n")
    assert len(lines) == len(fields) + 1
    assert raw.count(b"\r") == raw.count(b"\n") == len(fields) + 2
    assert b"\0" not in raw
    for (name, value), sent in zip(fields, lines[1:], strict=True):
        assert sent == f"{name}: {value}".encode("latin-1")
