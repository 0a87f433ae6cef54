"""When certificates are renewed, and how long the directory is left alone after a failure."""

from __future__ import annotations

import pytest

from webpy.acme.failures import Failure, OrderError
from webpy.acme.schedule import pause_s, renewal_time_s

DAY_S = 86400.0


def test_renewal_is_at_two_thirds_of_the_lifetime_give_or_take() -> None:
    times = [renewal_time_s(1000.0, 1000.0 + 90 * DAY_S, chance) - 1000.0 for chance in (0.0, 0.5, 1.0)]
    assert times == pytest.approx([57.75 * DAY_S, 60 * DAY_S, 62.25 * DAY_S])


def test_pauses_double_up_to_a_limit() -> None:
    refused = OrderError(Failure.REFUSED, "no")
    assert [pause_s(refused, count, 0.0) for count in (1, 2, 3)] == [120.0, 240.0, 480.0]
    assert pause_s(refused, 1000, 0.0) == 6 * 3600.0
    unreachable = OrderError(Failure.UNREACHABLE, "no")
    assert [pause_s(unreachable, count, 0.0) for count in (1, 2, 13)] == [2.0, 4.0, 3600.0]


def test_at_most_five_authorizations_are_refused_in_an_hour() -> None:
    """Let's Encrypt's limit for a name."""
    refused, at_s, tries = OrderError(Failure.REFUSED, "no"), 0.0, 0
    while at_s < 3600.0:
        tries += 1
        at_s += pause_s(refused, tries, 0.0)
    assert tries <= 5


@pytest.mark.parametrize("failure", list(Failure))
def test_the_directorys_own_wish_is_never_undercut(failure: Failure) -> None:
    for chance in (0.0, 1.0):
        assert 77.0 <= pause_s(OrderError(failure, "no", retry_after_s=77.0), 1, chance) <= 77.0 * 1.2


def test_a_wish_of_years_is_taken_for_a_mistake() -> None:
    assert pause_s(OrderError(Failure.LIMITED, "no", retry_after_s=1e9), 1, 0.0) == 7 * DAY_S


def test_the_text_of_an_error_is_one_line() -> None:
    assert str(OrderError(Failure.REFUSED, "one\n  two\tthree ")) == "one two three"
