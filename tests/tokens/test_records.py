"""What is kept of tokens: found by the digest, written once a day, forgotten after a month."""

from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.tokens.records import AppToken
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.records import find_tokens
from collective.wsgifutures.tokens.records import KEPT
from collective.wsgifutures.tokens.records import make_tokens
from collective.wsgifutures.tokens.records import MOST_A_DAY
from collective.wsgifutures.tokens.records import MOST_ADDRESSES
from collective.wsgifutures.tokens.records import Use
from collective.wsgifutures.tokens.scope import make_scope

import pytest

NOW = 20_000 * DAY + 5.0
HOME = "10.0.0.1"


def made(id="1", user="ann", folder="/plone", ends=NOW + DAY):
    """Return a token."""
    origin, scope = Origin(user=user, folder=folder), make_scope(["read:", "read:@history"], "uid1")
    return AppToken(id, f"digest {id}".encode(), "Export", origin, scope, NOW, ends, "bob")


def test_a_site_without_tokens_has_nothing_written(open_host):
    """Until the first one is made."""
    host = open_host()
    assert find_tokens(host.place()) is None
    assert not host.written


def test_a_token_is_found_in_each_way_and_is_what_was_kept(open_host):
    """By whoever comes later."""
    one, two = open_host(), open_host()
    make_tokens(one.place()).add(made())
    one.commit()
    two.abort()
    tokens = find_tokens(two.place())
    token = tokens.by_digest[b"digest 1"]
    assert tokens.by_id["1"] is token
    assert tokens.of_user("/plone", "ann") == [token]
    assert (token.origin.user, token.origin.folder, token.name) == ("ann", "/plone", "Export")
    assert token.scope == make_scope(["read:", "read:@history"], "uid1")


def test_the_tokens_of_a_user_are_those_of_that_user_of_that_folder(open_host):
    """Another folder may have a user of the same id, and another id may begin with it."""
    tokens = make_tokens(open_host().place())
    for id, (folder, user) in enumerate(
        [("/plone", "ann"), ("", "ann"), ("/plone", "anna"), ("/plone", "an"), ("/plone", "ann")]
    ):
        tokens.add(made(str(id), user, folder))
    assert [token.id for token in tokens.of_user("/plone", "ann")] == ["0", "4"]
    assert [token.id for token in tokens.of_user("", "ann")] == ["1"]
    assert tokens.of_user("/plone", "") == []


def test_two_sites_have_tokens_of_their_own(open_host):
    """A copy has the UID of the first, or its path, and none of its tokens."""
    host = open_host()
    make_tokens(host.place("1", "/a")).add(made())
    assert find_tokens(host.place("1", "/b")) is None
    assert find_tokens(host.place("2", "/a")) is None


@pytest.mark.parametrize("how", ["ended", "revoked"])
def test_a_token_that_is_past_is_dropped_a_month_later(open_host, how):
    """Until then it is in lists."""
    tokens = make_tokens(open_host().place())
    past, good = made("1", ends=NOW + 1 if how == "ended" else NOW + 300 * DAY), made("2")
    good.ends = NOW + 300 * DAY
    for token in (past, good):
        tokens.add(token)
    if how == "revoked":
        past.revoke("ann", NOW + 1)
    assert (past.is_past(NOW + 1), good.is_past(NOW + 1)) == (True, False)
    tokens.drop_past(NOW + KEPT)
    assert [*tokens.by_id] == ["1", "2"]
    tokens.drop_past(NOW + KEPT + 1)
    assert [*tokens.by_id] == ["2"]
    assert [*tokens.by_digest] == [b"digest 2"]
    assert [*tokens.by_user] == [("/plone", "ann", "2")]


# Use


def test_a_use_is_noted_once_a_day_and_address():
    """And not more often, however many requests there are."""
    use, noted = Use(), []
    for second in range(0, int(3 * DAY), 3600):
        for address in (HOME, "10.0.0.2"):
            if use.is_due(address, NOW + second):
                use.note(address, NOW + second)
                noted.append(address)
    assert noted == [HOME, "10.0.0.2"] * 3


def test_a_day_has_so_many_new_addresses_and_no_more():
    """A token that is used from everywhere is not written at each request."""
    use, noted = Use(), 0
    for day in range(4):
        for number in range(30):
            address, now = f"10.{day}.0.{number}", NOW + day * DAY
            if use.is_due(address, now):
                use.note(address, now)
                noted += 1
    assert noted == 4 * MOST_A_DAY
    assert len(use.days) == MOST_ADDRESSES


def test_the_last_use_is_a_day_and_an_address():
    """Not the time."""
    token = made()
    assert (token.used, token.used_from, token.addresses) == (None, "", ())
    token.use.note(HOME, NOW)
    token.use.note("10.0.0.2", NOW + DAY)
    token.use.note(HOME, NOW + DAY)
    assert (token.used, token.used_from) == (NOW + DAY - 5, HOME)
    assert token.addresses == (HOME, "10.0.0.2")


def test_a_clock_that_goes_back_writes_nothing():
    """Two hosts may differ around midnight."""
    use = Use()
    use.note(HOME, NOW)
    assert not use.is_due(HOME, NOW - DAY)


def test_two_processes_that_note_a_use_at_one_time_do_not_conflict(open_host):
    """What both have seen is kept, in all of it."""
    one, two = open_host(), open_host()
    make_tokens(one.place()).add(made())
    one.commit()
    two.abort()
    for host, address, now in ((one, HOME, NOW), (two, "10.0.0.2", NOW), (two, HOME, NOW + DAY)):
        find_tokens(host.place()).by_id["1"].use.note(address, now)
    one.commit()
    two.commit()
    one.abort()
    use = find_tokens(one.place()).by_id["1"].use
    assert use.days == {"10.0.0.2": 20_000, HOME: 20_001}


def test_a_use_writes_a_small_record_and_not_the_token(open_host):
    """A thousand days of use leave one record behind, of a few bytes."""
    host = open_host()
    token = made(ends=NOW + 300 * DAY)
    make_tokens(host.place()).add(token)
    host.commit()
    for day in range(100):
        token.use.note(f"2001:db8:1234:5678:90ab:cdef:1234:{day:04x}", NOW + day * DAY)
        assert host.written == [token.use]
        host.commit()
    state, _ = host.connection._storage.load(token.use._p_oid)
    assert len(state) < 2000
