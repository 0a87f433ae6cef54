"""The latency scale: buckets cover every duration once, and their bounds are exact."""

from __future__ import annotations

from itertools import pairwise

import pytest

from webpy.supervisor import BUCKET_OF, BUCKETS, bucket, bucket_bounds


def test_bounds_are_what_is_counted() -> None:
    bounds = bucket_bounds()
    assert len(bounds) == BUCKETS
    for index, (first, last) in enumerate(bounds):
        assert bucket(first) == bucket(last) == index
        assert last - first <= first / 8
    assert bounds[0][0] == 0
    assert all(last + 1 == following for (_, last), (following, _) in pairwise(bounds))


@pytest.mark.parametrize("us", [2**28, 2**40, 10**30])
def test_longer_than_the_scale_goes_into_the_last(us: int) -> None:
    assert bucket(us) == BUCKETS - 1


def test_below_zero_goes_into_the_first() -> None:
    assert bucket(-5) == 0


def test_table_says_the_same() -> None:
    assert [bucket(us) for us in range(4096)] == list(BUCKET_OF)
