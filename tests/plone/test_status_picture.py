"""The picture of the status page: a path for what is held and waits, bars for what was refused."""

from collective.wsgifutures.browser.status.picture import Band


def test_line_goes_from_left_to_right_and_the_most_is_nearly_at_the_top():
    """0 is the lower edge: y of an SVG grows downwards."""
    assert Band([0, 2, 1]).line == "M0,60 L300,4 L600,32"


def test_area_is_what_is_below_the_line():
    """Closed at the lower edge."""
    assert Band([0, 2, 1]).area == "M0,60 L300,4 L600,32 L600,60 L0,60 Z"


def test_line_when_nothing_was_held_is_the_lower_edge():
    """There is no most that others could be a part of."""
    assert Band([0, 0]).line == "M0,60 L600,60"


def test_bars_stand_in_the_place_of_their_time_and_there_is_none_for_0():
    """As high as their part of the most: x, y, width, height."""
    assert Band([0, 4, 2]).bars == [(201, 4, 198, 56), (401, 32, 198, 28)]


def test_most_and_now_are_those_of_the_values():
    """0 where there are none."""
    told = [(one.most, one.now) for one in (Band([3, 9, 1]), Band([]))]
    assert told == [(9, 1), (0, 0)]
