"""Ids that are good once."""

from collective.wsgifutures.keys import once
from collective.wsgifutures.keys.once import Once
from collective.wsgifutures.keys.once import SLICE
from collective.wsgifutures.keys.once import TooManyIds
from collective.wsgifutures.keys.once import use_once
from collective.wsgifutures.keys.places import find_part
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

import pytest

NOW = 1_000_000.0


def test_an_id_is_good_once(place):
    """And another one is good."""
    assert use_once(place, "a", NOW + 60, NOW)
    assert not use_once(place, "a", NOW + 60, NOW)
    assert use_once(place, "b", NOW + 60, NOW)


def test_an_id_is_good_once_whatever_end_it_says():
    """The end is what somebody else says."""
    ids = Once()
    assert ids.use("a", NOW + 10, NOW)
    assert not ids.use("a", NOW + 3 * SLICE, NOW)
    assert not ids.use("a", NOW, NOW)


def test_an_id_is_good_once_in_each_site(host):
    """Sites share nothing."""
    assert use_once(host.place(), "a", NOW + 60, NOW)
    assert use_once(host.place(uid="another"), "a", NOW + 60, NOW)


def test_two_processes_that_use_one_id_at_the_same_time(open_host):
    """One wins; the other one has a conflict, and finds the id used."""
    one, two = open_host(), open_host()
    use_once(one.place(), "first", NOW + 60, NOW)
    one.commit()
    two.abort()
    for host in (one, two):
        assert use_once(host.place(), "a", NOW + 60, NOW)
    one.commit()
    with pytest.raises(ConflictError):
        two.commit()
    two.abort()
    assert not use_once(two.place(), "a", NOW + 60, NOW)


def test_two_processes_that_use_two_ids_do_not_conflict(open_host):
    """And both ids are used then."""
    one, two = open_host(), open_host()
    use_once(one.place(), "first", NOW + 60, NOW)
    one.commit()
    two.abort()
    assert use_once(one.place(), "a", NOW + 60, NOW)
    assert use_once(two.place(), "b", NOW + 60, NOW)
    one.commit()
    two.commit()
    one.abort()
    assert not use_once(one.place(), "a", NOW + 60, NOW)
    assert not use_once(one.place(), "b", NOW + 60, NOW)


def test_ids_that_are_past_are_dropped_by_whoever_comes_next(place):
    """Nothing grows with use."""
    for second in range(0, 20 * SLICE, SLICE // 4):
        assert use_once(place, str(second), NOW + second + 60, NOW + second)
    assert len(find_part(place, "once")._slices) <= 3


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 400), st.floats(0, 500))))
def test_no_id_is_good_twice_before_its_end(uses):
    """Whatever comes in whatever order."""
    ids, now, ends = Once(), NOW, {}
    for id, lifetime, pause in uses:
        now += pause
        was_good = ids.use(id, now + lifetime, now)
        assert was_good or id in ends
        assert not (was_good and now < ends.get(id, 0.0))
        if was_good:
            ends[id] = now + lifetime


def test_past_a_limit_nothing_is_good(monkeypatch):
    """Until its time has passed; what was used is no better then."""
    monkeypatch.setattr(once, "MOST", 3)
    ids = Once()
    assert all(ids.use(id, NOW + 60, NOW) for id in "abc")
    with pytest.raises(TooManyIds):
        ids.use("d", NOW + 60, NOW)
    assert not ids.use("a", NOW + 60, NOW)
    assert ids.use("d", NOW + 2 * SLICE, NOW + 2 * SLICE - 60)


@pytest.mark.parametrize("id", ["", "ä\ud800", "x" * 100_000, "a\x00b"])
def test_an_id_is_any_text(id):
    """Only its digest is kept."""
    ids = Once()
    assert ids.use(id, NOW, NOW)
    assert not ids.use(id, NOW, NOW)
