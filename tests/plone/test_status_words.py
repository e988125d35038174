"""What people read for a number, a state, a time."""

from collective.wsgifutures.browser.status.words import age
from collective.wsgifutures.browser.status.words import BREAKERS
from collective.wsgifutures.browser.status.words import duration
from collective.wsgifutures.upstreams.figures import STATES

import pytest


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (185, "3 min 5 s"),
        (7_800, "2 h 10 min"),
        (86_399, "23 h 59 min"),
        (2 * 86_400 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_age_is_told_in_its_two_largest_units(seconds, text):
    """In whole ones."""
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0004, "0 ms"), (0.12, "120 ms"), (2.44, "2.4 s"), (75.5, "1 min 15 s")],
)
def test_duration_is_told_as_exactly_as_it_matters(seconds, text):
    """Nothing where nothing was measured."""
    assert duration(seconds) == text


def test_each_state_of_a_breaker_has_icon_colour_and_words_of_its_own():
    """And so has an upstream that is switched off."""
    assert set(BREAKERS) == {*STATES.values(), "off"}
    assert [len(set(column)) for column in zip(*BREAKERS.values(), strict=True)] == [4, 4, 4]
