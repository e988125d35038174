"""The key ring of a site."""

from .made import UID
from collective.wsgifutures.keys.ring import find_ring
from collective.wsgifutures.keys.ring import KEPT
from collective.wsgifutures.keys.ring import LONGEST
from collective.wsgifutures.keys.ring import published
from collective.wsgifutures.keys.ring import Ring
from collective.wsgifutures.keys.ring import ring_of
from collective.wsgifutures.keys.ring import ROTATE_AFTER
from collective.wsgifutures.keys.ring import take_key
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

import logging
import pickle
import pytest

NOW = 1_000_000.0


def test_a_ring_is_made_once(host, place):
    """By whoever signs first."""
    assert find_ring(place) is None
    ring = ring_of(place, NOW)
    host.commit()
    assert ring_of(place, NOW) is ring
    assert not host.has_written


def test_two_sites_have_different_keys(host):
    """Whatever they have in common."""
    rings = [ring_of(host.place(uid, path), NOW) for uid in (UID, "2") for path in ("/a", "/b")]
    assert len({ring.current.id for ring in rings}) == 4


def test_two_processes_that_make_the_first_ring_conflict(open_host):
    """So that there is one."""
    one, two = open_host(), open_host()
    for host in (one, two):
        ring_of(host.place(), NOW)
    one.commit()
    with pytest.raises(ConflictError):
        two.commit()


def test_a_key_signs_for_ninety_days(host, place):
    """Then whoever signs makes the next one, but still signs with the one that is committed."""
    first = take_key(place, NOW)
    host.commit()
    assert take_key(place, NOW + ROTATE_AFTER - 1) == first
    assert not host.has_written
    assert take_key(place, NOW + ROTATE_AFTER).id == first.id
    host.commit()
    second = take_key(place, NOW + ROTATE_AFTER)
    assert second.id != first.id
    assert not host.has_written


def test_a_token_is_good_though_its_rotation_was_dropped(host, place):
    """An abort drops the new key, and nothing that was signed."""
    first = take_key(place, NOW)
    host.commit()
    used = take_key(place, NOW + ROTATE_AFTER)
    host.abort()
    assert find_ring(place).find(used.id, NOW + ROTATE_AFTER).public == first.public


def test_two_processes_that_rotate_conflict(open_host):
    """So that neither's new key is lost."""
    one, two = open_host(), open_host()
    take_key(one.place(), NOW)
    one.commit()
    two.abort()
    for host in (one, two):
        take_key(host.place(), NOW + ROTATE_AFTER)
    one.commit()
    with pytest.raises(ConflictError):
        two.commit()


def test_an_earlier_key_is_kept_past_the_end_of_its_last_token():
    """Then it is forgotten."""
    ring = Ring(NOW)
    first, later = ring.current, NOW + ROTATE_AFTER
    ring.rotate(later)
    assert ring.find(first.id, later + LONGEST) is not None
    assert ring.find(first.id, later + KEPT - 1) is not None
    assert ring.find(first.id, later + KEPT) is None
    ring.rotate(later + ROTATE_AFTER)
    assert first.id not in {key.id for key in ring._keys}


def test_the_private_half_of_an_earlier_key_is_deleted():
    """It signs no more."""
    ring = Ring(NOW)
    first = ring.current
    ring.rotate(NOW + 1)
    assert ring.find(first.id, NOW + 2).private == b""
    assert first.private not in pickle.dumps(ring.__getstate__())


def test_an_earlier_key_ended_when_the_next_one_began():
    """Not when it was last looked at."""
    ring = Ring(NOW)
    first = ring.current
    for days in (1, 2, 3):
        ring.rotate(NOW + days)
    assert ring.find(first.id, NOW + 4).ended == NOW + 1


def test_after_a_leak_all_earlier_keys_are_forgotten_at_once():
    """And the new one signs."""
    ring = Ring(NOW)
    ring.rotate(NOW + 1)
    old = [key.id for key in ring.known(NOW + 1)]
    ring.rotate(NOW + 2, forget=True)
    assert len(old) == 2
    assert [ring.find(id, NOW + 2) for id in old] == [None, None]
    assert ring.known(NOW + 2) == (ring.current,)


@given(st.lists(st.floats(0, 2 * ROTATE_AFTER), max_size=20))
def test_a_ring_has_few_keys_and_one_that_signs(pauses):
    """However often it is rotated; each key that is known ended a while ago at most."""
    ring, now = Ring(NOW), NOW
    for pause in pauses:
        now += pause
        if ring.is_due(now):
            ring.rotate(now)
        keys = ring.known(now)
        assert [bool(key.private) for key in keys] == [True] + [False] * (len(keys) - 1)
        assert len(keys) <= 2
        assert len({key.id for key in keys}) == len(keys)


def test_no_private_key_is_shown(place, caplog):
    """Neither by repr, nor in a traceback, nor in the log, nor where the public keys are told."""
    caplog.set_level(logging.DEBUG)
    ring = ring_of(place, NOW)
    key = take_key(place, NOW)
    shown = repr(ring) + repr(key) + str(key) + repr(key.signer) + repr(published(place, NOW))
    with pytest.raises(ZeroDivisionError) as raised:
        1 / len([key for key in ring.known(NOW) if key.private == b""])
    shown += str(raised.getrepr(showlocals=True)) + caplog.text
    assert key.id in shown
    for hidden in (repr(key.private), key.private.hex(), "private"):
        assert hidden not in shown.replace("key.private == b", "").replace("test_no_private", "")


def test_the_public_keys_are_told_as_a_jwk_set_has_them(place):
    """The one that signs first, and no private half."""
    assert published(place, NOW) == []
    ring = ring_of(place, NOW)
    ring.rotate(NOW + 1)
    keys = published(place, NOW + 2)
    assert [key["kid"] for key in keys] == [key.id for key in ring.known(NOW + 2)]
    assert set(keys[0]) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert published(place, NOW + 1 + KEPT) == keys[:1]
