"""Expiry in words: which certificates are warned of, and how that reads."""

from __future__ import annotations

import pytest

from webpy.tls.expiry import days_left, expiry_warnings, first_expiries

NOW_S = 1.8e9
DAY_S = 86400


@pytest.mark.parametrize(
    ("days", "line"),
    [
        (14.001, None),
        (13.999, "the certificate of a.example expires in 13 days"),
        (1.5, "the certificate of a.example expires in 1 day"),
        (0.99, "the certificate of a.example expires in less than a day"),
        (0, "the certificate of a.example expires in less than a day"),
        (-0.001, "the certificate of a.example has expired"),
        (-400, "the certificate of a.example has expired"),
    ],
)
def test_lines(days: float, line: str | None) -> None:
    facts = {"certificates": [{"names": ["a.example", "b.example"], "expires_s": NOW_S + days * DAY_S}]}
    assert expiry_warnings(facts, NOW_S) == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("lifetime", "days", "warned"), [(90, 13.9, True), (6, 1.6, False), (6, 1.4, True), (6, -1, True)]
)
def test_one_of_a_few_days_is_warned_of_in_its_last_quarter(lifetime: int, days: float, warned: bool) -> None:
    expires_s = NOW_S + days * DAY_S
    facts = {"certificates": [{"names": [], "begins_s": expires_s - lifetime * DAY_S, "expires_s": expires_s}]}
    assert bool(expiry_warnings(facts, NOW_S)) == warned


def test_a_line_is_the_same_all_day() -> None:
    facts = {"certificates": [{"names": [], "expires_s": NOW_S + 5 * DAY_S - 7200}]}
    lines = {line for hour in range(24) for line in expiry_warnings(facts, NOW_S + hour * 3600)}
    assert lines == {"a certificate expires in 4 days", "a certificate expires in 3 days"}  # one change, not 24


@pytest.mark.parametrize("facts", [None, [], 3, {}, {"certificates": None}, {"certificates": [None, {}, {"names": 1}]}])
def test_what_is_no_list_of_certificates(facts: object) -> None:
    assert first_expiries(facts) == {} and expiry_warnings(facts, NOW_S) == []


def test_days() -> None:
    assert [days_left(NOW_S + seconds, NOW_S) for seconds in (DAY_S, DAY_S - 1, 0, -1)] == [1, 0, 0, -1]
