"""So many run, so many wait, the rest is refused."""

from collective.wsgifutures.kernel.gate import Full
from collective.wsgifutures.kernel.gate import Places

import pytest


def numbers(places):
    return places.taken, places.waiting, places.is_full


def test_places_are_taken_up_to_the_limit_and_then_waited_for():
    """And nobody more than may wait is let in."""
    places = Places(2, 1)
    assert [places.enter(item) for item in "abc"] == [True, True, False]
    assert numbers(places) == (2, 1, True)
    with pytest.raises(Full):
        places.enter("d")
    assert numbers(places) == (2, 1, True)


def test_a_place_that_is_given_back_goes_to_the_first_in_line():
    """In the order in which they came; it is free when nobody waits."""
    places = Places(1, 2)
    for item in "abc":
        places.enter(item)
    assert [places.pass_on() for _ in "abc"] == ["b", "c", None]
    assert numbers(places) == (0, 0, False)


def test_an_item_that_leaves_the_line_makes_room_and_never_gets_a_place():
    """One that has its place is told so: it has to give that back."""
    places = Places(1, 2)
    for item in "abc":
        places.enter(item)
    assert (places.leave("b"), places.leave("b"), places.leave("a")) == (True, False, False)
    assert (places.pass_on(), places.pass_on()) == ("c", None)


def test_without_a_line_whoever_finds_no_place_is_refused():
    """No one waits."""
    places = Places(1, 0)
    assert places.enter("a")
    with pytest.raises(Full):
        places.enter("b")
