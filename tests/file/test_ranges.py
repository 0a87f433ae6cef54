"""What a Range field asks for: RFC 9110 section 14 as a table, and as properties."""

from __future__ import annotations

import email.parser
import email.policy
import io
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.file.ranges import ByteRanges, content_range, parse_range


@pytest.mark.parametrize(
    ("value", "size", "ranges"),
    [
        ("bytes=0-499", 10000, [(0, 500)]),
        ("bytes=500-999", 10000, [(500, 500)]),
        ("bytes=-500", 10000, [(9500, 500)]),
        ("bytes=9500-", 10000, [(9500, 500)]),
        ("bytes=0-0,-1", 10000, [(0, 1), (9999, 1)]),
        ("bytes=500-600,601-999", 10000, [(500, 101), (601, 399)]),
        ("bytes= 0-0 ,\t2-3 ", 10, [(0, 1), (2, 2)]),
        ("BYTES=0-1", 10, [(0, 2)]),
        ("bytes=5-100", 10, [(5, 5)]),
        ("bytes=-100", 10, [(0, 10)]),
        ("bytes=0-", 10, [(0, 10)]),
        ("bytes=,0-1,,", 10, [(0, 2)]),
        ("bytes=9-9,20-30", 10, [(9, 1)]),  # ranges that cannot be satisfied are left out
        ("bytes=8-9,0-1", 10, [(8, 2), (0, 2)]),  # in the order asked for
        ("bytes=0-5,3-8", 10, [(0, 9)]),  # overlapping ones are joined
        ("bytes=3-8,0-5,9-9", 10, [(0, 10)]),
        ("bytes=" + ",".join("0-" for _ in range(32)), 10, [(0, 10)]),
        ("bytes=10-", 10, []),
        ("bytes=10-20,30-", 10, []),
        ("bytes=-0", 10, []),
        ("bytes=0-", 0, []),
        ("bytes=-5", 0, None),  # all of an empty file
        ("bytes=5-4", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-1;2-3", 10, None),
        ("bytes=--1", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes=,", 10, None),
        ("bytes", 10, None),
        ("bytes 0-1", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=+1-2", 10, None),
        ("bytes=\N{ARABIC-INDIC DIGIT ONE}-2", 10, None),
        ("bytes=0-99999999999999999999", 10, None),  # no file is as long as that
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(33)), 1000, None),
        ("bytes=" + "," * 5000 + "0-1", 10, None),
        ("", 10, None),
    ],
)
def test_table(value: str, size: int, ranges: list[tuple[int, int]] | None) -> None:
    assert parse_range(value, size) == ranges


_positions = st.integers(0, 60)
_specs = st.one_of(
    st.tuples(_positions, _positions).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    _positions.map(lambda first: f"{first}-"),
    _positions.map(lambda suffix: f"-{suffix}"),
)


@given(st.lists(_specs, min_size=1, max_size=8), st.integers(1, 50))
def test_the_parts_are_what_was_asked_for_and_never_more_than_there_is(specs: list[str], size: int) -> None:
    ranges = parse_range("bytes=" + ",".join(specs), size)
    assert ranges is not None
    wanted: set[int] = set()
    for spec in specs:
        first, _, last = spec.partition("-")
        if first:
            wanted |= set(range(int(first), int(last) + 1 if last else size))
        else:
            wanted |= set(range(size - int(last), size))
    given_bytes = [place for offset, count in ranges for place in range(offset, offset + count)]
    assert set(given_bytes) == wanted & set(range(size))
    assert len(given_bytes) == len(set(given_bytes))


@given(st.text(st.sampled_from("bytes=0123456789-, \tx")))
def test_any_value_is_judged(value: str) -> None:
    for offset, count in parse_range(value, 100) or []:
        assert 0 <= offset < offset + count <= 100


def test_content_range() -> None:
    assert content_range((0, 500), 1234) == "bytes 0-499/1234"  # RFC 9110 section 14.4


def parts_of(media_type: str, body: bytes) -> list[tuple[str, str, bytes]]:
    """Return Content-Type, Content-Range and content of each part, as Python's own parser reads them."""
    head = f"Content-Type: {media_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert not message.defects
    return [
        (part["Content-Type"].replace('"', ""), part["Content-Range"], part.get_payload(decode=True))  # type: ignore[misc]
        for part in message.iter_parts()
    ]


def test_several_ranges_are_a_multipart_body_of_known_length() -> None:
    with tempfile.NamedTemporaryFile() as file:
        content = bytes(range(65, 91)) * 10_000
        file.write(content)
        file.flush()
        ranges = [(1, 2), (100, 200_000), (25, 1)]
        body = ByteRanges(io.FileIO(file.name), ranges, len(content), "text/plain")
        pieces = list(body)
        body.close()
    whole = b"".join(pieces)
    assert len(whole) == body.length
    assert max(map(len, pieces)) <= 65536
    found = parts_of(body.media_type, whole)
    assert found == [("text/plain", f"bytes {a}-{a + n - 1}/{len(content)}", content[a : a + n]) for a, n in ranges]


def test_a_file_that_became_shorter_ends_the_body_early() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        body = ByteRanges(io.FileIO(file.name), [(0, 1), (8, 2)], 10, "text/plain")
        file.truncate(5)
        assert len(b"".join(body)) < body.length
        body.close()
