"""Preconditions in their order, and dates in their three formats: RFC 9110 sections 13 and 5.6.7 as tables."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.conditional import Validators, evaluate, http_date, parse_http_date, range_applies
from webpy.framework.headers import HTTPHeaders

EPOCH_S = 784111777.0  # of the RFC's own example
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE, AFTER = http_date(EPOCH_S - 1), http_date(EPOCH_S + 1)
HERE = Validators('"a"', EPOCH_S + 0.7)
WEAK = Validators('W/"a"', EPOCH_S)
BARE = Validators()


def headers(*fields: str) -> HTTPHeaders:
    return HTTPHeaders([(name, value) for name, _, value in (field.partition(": ") for field in fields)])


@pytest.mark.parametrize(
    ("field", "validators", "reading", "writing"),
    [
        ('If-Match: "a"', HERE, None, None),
        ('If-Match: "b", "a"', HERE, None, None),
        ('If-Match: "b"', HERE, 412, 412),
        ('If-Match: W/"a"', HERE, 412, 412),  # strong comparison
        ('If-Match: W/"a"', WEAK, 412, 412),
        ('If-Match: "a"', WEAK, 412, 412),
        ("If-Match: a", HERE, 412, 412),
        ("If-Match: ", HERE, 412, 412),
        ("If-Match: *", HERE, None, None),
        ("If-Match: *", BARE, None, None),
        ("If-Match: *", None, 412, 412),
        ('If-Match: "a"', None, 412, 412),
        ('If-Match: "a"', BARE, 412, 412),
        ('If-None-Match: "a"', HERE, 304, 412),
        ('If-None-Match: W/"a"', HERE, 304, 412),  # weak comparison
        ('If-None-Match: "a"', WEAK, 304, 412),
        ('If-None-Match: "b",W/"a" ,"c"', HERE, 304, 412),
        ('If-None-Match: "b"', HERE, None, None),
        ('If-None-Match: a, "a', HERE, None, None),
        ("If-None-Match: *", HERE, 304, 412),
        ("If-None-Match: *", None, None, None),
        ('If-None-Match: "a"', BARE, None, None),
        (f"If-Modified-Since: {DATE}", HERE, 304, None),  # the fraction does not count
        (f"If-Modified-Since: {AFTER}", HERE, 304, None),
        (f"If-Modified-Since: {BEFORE}", HERE, None, None),
        ("If-Modified-Since: yesterday", HERE, None, None),
        (f"If-Modified-Since: {AFTER}", BARE, None, None),
        (f"If-Modified-Since: {AFTER}", None, None, None),
        (f"If-Unmodified-Since: {DATE}", HERE, None, None),
        (f"If-Unmodified-Since: {BEFORE}", HERE, 412, 412),
        ("If-Unmodified-Since: yesterday", HERE, None, None),
        (f"If-Unmodified-Since: {BEFORE}", BARE, None, None),
        (f"If-Unmodified-Since: {BEFORE}", None, None, None),
    ],
)
def test_one_condition(field: str, validators: Validators | None, reading: int | None, writing: int | None) -> None:
    for method, expected in (("GET", reading), ("HEAD", reading), ("PUT", writing), ("DELETE", writing)):
        assert evaluate(method, headers(field), validators) == expected, method


def test_a_comma_may_be_a_part_of_an_entity_tag() -> None:
    tricky = Validators('"a,b\\"', EPOCH_S)  # and a backslash in one is not an escape
    assert evaluate("GET", headers('If-None-Match: "x","a,b\\"'), tricky) == 304
    assert evaluate("GET", headers('If-None-Match: "x","a","b\\"'), tricky) is None


def test_lists_of_several_fields_are_one() -> None:
    assert evaluate("GET", headers('If-None-Match: "b"', 'if-none-match: "a"'), HERE) == 304
    assert evaluate("PUT", headers('If-Match: "b"', 'If-Match: "a"'), HERE) is None
    # a date is no list: two of them are no date
    assert evaluate("GET", headers(f"If-Modified-Since: {DATE}", f"If-Modified-Since: {DATE}"), HERE) is None
    assert evaluate("PUT", headers(f"If-Unmodified-Since: {BEFORE}", f"If-Unmodified-Since: {BEFORE}"), HERE) is None


def test_the_order_of_section_13_2_2() -> None:
    """Every combination of the four fields, against the section's steps written out."""
    match = {None: None, 'If-Match: "a"': True, 'If-Match: "b"': False}
    unmodified = {None: None, f"If-Unmodified-Since: {AFTER}": True, f"If-Unmodified-Since: {BEFORE}": False}
    none_match = {None: None, 'If-None-Match: "b"': True, 'If-None-Match: "a"': False}
    modified = {None: None, f"If-Modified-Since: {BEFORE}": True, f"If-Modified-Since: {AFTER}": False}
    for fields in itertools.product(match, unmodified, none_match, modified):
        truths = [table[field] for table, field in zip((match, unmodified, none_match, modified), fields, strict=True)]
        for method in ("GET", "HEAD", "PUT"):
            expected = _steps(method, *truths)
            sent = headers(*[field for field in fields if field is not None])
            assert evaluate(method, sent, HERE) == expected, (method, fields)


def _steps(
    method: str, match: bool | None, unmodified: bool | None, none_match: bool | None, modified: bool | None
) -> int | None:
    if match is False or (match is None and unmodified is False):
        return 412
    if none_match is False:
        return 304 if method in ("GET", "HEAD") else 412
    if none_match is None and modified is False and method in ("GET", "HEAD"):
        return 304
    return None


@pytest.mark.parametrize(
    ("field", "validators", "applies"),
    [
        ('If-Range: "a"', HERE, True),
        ('If-Range: "b"', HERE, False),
        ('If-Range: W/"a"', WEAK, False),
        ('If-Range: "a", "b"', HERE, False),
        (f"If-Range: {DATE}", HERE, True),
        (f"If-Range: {AFTER}", HERE, False),  # not "since" the date, but exactly it
        (f"If-Range: {BEFORE}", HERE, False),
        (f"If-Range: {DATE}", BARE, False),
        ("If-Range: yesterday", HERE, False),
        ("If-Range: ", HERE, False),
    ],
)
def test_if_range(field: str, validators: Validators, applies: bool) -> None:
    assert range_applies(headers(field), validators) is applies


def test_without_if_range_a_range_applies() -> None:
    assert range_applies(headers(), BARE)
    assert not range_applies(headers('If-Range: "a"', 'If-Range: "a"'), HERE)


def test_the_date_of_this_second_is_too_young_to_resume_by() -> None:
    now_s = time.time() + 1
    assert not range_applies(headers(f"If-Range: {http_date(now_s)}"), Validators('"a"', now_s))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (DATE, EPOCH_S),
        ("Sunday, 06-Nov-94 08:49:37 GMT", EPOCH_S),
        ("Sun Nov  6 08:49:37 1994", EPOCH_S),
        ("Mon Nov 16 08:49:37 1994", EPOCH_S + 10 * 86400),
        (f" {DATE}\t", EPOCH_S),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800.0),  # a leap second
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1.0),
        ("Wed, 29 Feb 2023 00:00:00 GMT", None),
        ("Sun, 31 Jun 1994 08:49:37 GMT", None),
        ("Sun, 00 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:61 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None),
        ("sun, 06 nov 1994 08:49:37 gmt", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT x", None),
        ("Sun, \N{ARABIC-INDIC DIGIT ZERO}6 Nov 1994 08:49:37 GMT", None),
        ("", None),
        ("0", None),
    ],
)
def test_dates(text: str, seconds: float | None) -> None:
    assert parse_http_date(text) == seconds


def test_a_year_of_two_digits_is_at_most_50_years_ahead() -> None:
    this_year = time.gmtime().tm_year
    for years in (-49, 0, 50, 51):
        found = parse_http_date(f"Sunday, 06-Nov-{(this_year + years) % 100:02} 08:49:37 GMT")
        assert found is not None
        assert time.gmtime(found).tm_year == this_year + (years if years <= 50 else years - 100)


def test_dates_that_cannot_be_said() -> None:
    assert http_date(-62135596800.0) == "Mon, 01 Jan 0001 00:00:00 GMT"
    assert http_date(EPOCH_S + 0.999) == DATE
    assert http_date(-0.5) == "Wed, 31 Dec 1969 23:59:59 GMT"
    for seconds in (253402300800.0, 1e30, float("inf")):
        with pytest.raises((ValueError, OverflowError)):
            http_date(seconds)


@given(st.integers(-60000000000, 253402300799))
def test_a_date_reads_as_what_was_written(seconds: int) -> None:
    assert parse_http_date(http_date(seconds)) == seconds


@given(st.text(st.sampled_from('"W/ab*, \\\x80')))
def test_any_value_is_judged(value: str) -> None:
    for name in ("If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"):
        assert evaluate("GET", headers(f"{name}: {value}"), HERE) in (None, 304, 412)
        assert range_applies(headers(f"{name}: {value}"), HERE) in (True, False)
