"""Numbers as people read them."""

from __future__ import annotations

import pytest

from webpy.cli.ctl.figures import age, count, one_line, printable, seconds, size


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (-1, "0.0s"), (0.04, "0.0s"), (9.96, "10.0s"), (10, "10s"), (59.9, "59s"), (60, "1m 00s"),
     (3599, "59m 59s"), (3600, "1h 00m"), (86399, "23h 59m"), (86400, "1d 0h"), (1e7, "115d 17h")],
)  # fmt: skip
def test_age(value: float | None, text: str) -> None:
    assert age(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.000085, "85 µs"), (0.00099, "990 µs"), (0.0042, "4.2 ms"), (0.9999, "1 s"), (0.25, "250 ms"),
     (1.2345, "1.23 s"), (268, "268 s"), (1e5, "100000 s")],
)  # fmt: skip
def test_seconds(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "as_size", "as_count"),
    [(0, "0", "0"), (0.25, "0.2", "0.2"), (999, "999", "999"), (1000, "1.0K", "1.0k"), (9990, "9.8K", "10k"),
     (123456, "121K", "123k"), (1 << 20, "1.0M", "1.0M"), (5 << 30, "5.0G", "5.4G"), (1 << 50, "1024T", "1126T")],
)  # fmt: skip
def test_size_and_count(value: float, as_size: str, as_count: str) -> None:
    assert (size(value), count(value)) == (as_size, as_count)


def test_no_control_character_reaches_a_terminal() -> None:
    text = "GET /\x1b]0;owned\x07\x9b2J \u202e x\r\nnext\tcolumn"
    assert printable(text) == "GET /\ufffd]0;owned\ufffd\ufffd2J \ufffd x\ufffd\nnext\tcolumn"
    assert one_line(text) == "GET /\ufffd]0;owned\ufffd\ufffd2J \ufffd x\ufffd next column"
