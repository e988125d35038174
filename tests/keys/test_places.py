"""What belongs to a site but is not kept in it."""

from .made import UID
from collective.wsgifutures.keys.places import find_part
from collective.wsgifutures.keys.places import make_part
from collective.wsgifutures.keys.places import place_of
from persistent.mapping import PersistentMapping

import pytest


def test_looking_writes_nothing(host, place):
    """There is nothing until somebody makes it."""
    assert find_part(place, "ring") is None
    assert not host.has_written


def test_what_was_made_is_found(open_host):
    """In each process."""
    one, two = open_host(), open_host()
    make_part(one.place(), "notes", PersistentMapping)["a"] = 1
    one.commit()
    two.abort()
    assert make_part(two.place(), "notes", PersistentMapping) == {"a": 1}
    assert not two.has_written


@pytest.mark.parametrize("other", [("another", "/plone"), (UID, "/imported")])
def test_each_site_has_its_own(host, other):
    """A copy has another UID; one that was imported beside the original has another path."""
    make_part(host.place(), "notes", PersistentMapping)
    assert find_part(host.place(*other), "notes") is None


def test_the_place_of_a_place_is_itself(place):
    """So whoever has no site may give its place."""
    assert place_of(place) is place
