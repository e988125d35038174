"""Application tokens of a real site: how they are made, listed and ended."""

from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.origin import take_origin
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.opaque import APPLICATION
from collective.wsgifutures.keys.opaque import is_secret
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens import sessions
from collective.wsgifutures.tokens.acts import TokenState
from collective.wsgifutures.tokens.errors import WishRefused
from collective.wsgifutures.tokens.events import AppTokenMade
from collective.wsgifutures.tokens.events import AppTokenRevoked
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.records import KEPT
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.tokens.scope import Scope
from collective.wsgifutures.tokens.services import register
from collective.wsgifutures.workers.access import find_login
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jobsite import prepare
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from zope.event import subscribers

import logging
import pytest
import time
import transaction

READ = make_scope(["read:"])


@pytest.fixture
def now():
    return time.time()


@pytest.fixture
def owner(site):
    prepare(site)
    return take_origin(None, api.user.get_current())


@pytest.fixture
def make(site, owner, now):
    """Make tokens of the user."""

    def make_one(name="Nightly export", scope=READ, ends=now + 30 * DAY, who=owner, at=now):
        made = acts.make(site.portal, who, name, scope, ends, "boss", now=at)
        transaction.commit()
        return made

    return make_one


@pytest.fixture
def events():
    """What was notified of tokens."""
    seen = []

    def note(event):
        if type(event).__module__.endswith("tokens.events"):
            seen.append(event)

    subscribers.append(note)
    yield seen
    subscribers.remove(note)


def test_a_token_is_made_with_a_secret_that_is_nowhere_else(site, make, owner, now):
    """What is kept is found by it, and by its id."""
    token, secret = make(" Nightly export ")
    assert is_secret(secret, APPLICATION)
    assert acts.find(site.portal, token.id) is token
    assert acts.find_by_secret(site.portal, secret) is token
    assert (token.name, token.user, token.folder) == ("Nightly export", TEST_USER_ID, owner.folder)
    assert (token.scope, token.made, token.ends, token.made_by) == (
        READ,
        now,
        now + 30 * DAY,
        "boss",
    )
    assert secret not in repr(vars(token))
    assert (token.used, token.used_from) == (None, "")


def test_tokens_are_listed_the_newest_first(site, make, owner, now):
    """Those of a user, and all."""
    made = [make(at=now + second)[0] for second in range(3)]
    listed = acts.of_user(site.portal, owner.folder, TEST_USER_ID)
    assert listed == acts.all_of(site.portal) == made[::-1]
    assert acts.of_user(site.portal, "", TEST_USER_ID) == []


def test_nothing_is_listed_or_found_where_there_never_was_one(site, owner):
    """And nothing is written."""
    assert (acts.all_of(site.portal), acts.find(site.portal, "x")) == ([], None)
    assert acts.of_user(site.portal, owner.folder, TEST_USER_ID) == []
    assert acts.find_by_secret(site.portal, "x") is None


@pytest.mark.parametrize(
    ("what", "value", "field"),
    [
        ("name", "", "name"),
        ("name", "  ", "name"),
        ("name", "a\nb", "name"),
        ("name", "x" * 101, "name"),
        ("name", None, "name"),
        ("ends", None, "ends"),
        ("ends", True, "ends"),
        ("ends", "tomorrow", "ends"),
        ("ends", 1.0, "ends"),
        ("ends", float("nan"), "ends"),
        ("ends", float("inf"), "ends"),
        ("ends", time.time() + 367 * DAY, "ends"),
        ("scope", Scope(()), "scope"),
        ("scope", Scope(("read:@users",)), "scope"),
        ("scope", Scope(("read:@search",), "uid1"), "part"),
        ("who", Origin(), "owner"),
        ("who", Origin(user=""), "owner"),
        ("who", Origin(is_system=True), "owner"),
        ("who", Origin(user="nobody-here", folder="/plone"), "owner"),
        ("who", Origin(user=TEST_USER_ID, folder="/other"), "owner"),
    ],
)
def test_a_wish_that_is_not_possible_is_refused_with_its_field(site, make, what, value, field):
    """And no token is made."""
    with pytest.raises(WishRefused) as refused:
        make(**{what: value})
    assert (refused.value.field, "$" in str(refused.value)) == (field, False)
    assert acts.all_of(site.portal) == []


def test_a_user_has_so_many_good_tokens_and_no_more(make, monkeypatch, site):
    """Those that are past do not count."""
    monkeypatch.setattr(acts, "MOST_PER_USER", 2)
    first, _ = make()
    make()
    with pytest.raises(WishRefused, match="Revoke some"):
        make()
    acts.revoke(site.portal, first, "boss")
    make()


def test_so_many_are_made_in_a_day_and_no_more(make, monkeypatch, site, now):
    """Those that are revoked count: each is kept for a month."""
    monkeypatch.setattr(acts, "MOST_A_DAY", 2)
    for _ in range(2):
        acts.revoke(site.portal, make()[0], "boss")
    with pytest.raises(WishRefused, match="tomorrow"):
        make()
    make(at=now + DAY + 1)


def test_whoever_makes_one_drops_those_that_are_past_for_a_month(site, make, now):
    """Of all users."""
    old, _ = make(ends=now + 1)
    new, _ = make(at=now + 2 + KEPT, ends=now + 2 + KEPT + DAY)
    assert acts.all_of(site.portal) == [new]
    assert acts.find(site.portal, old.id) is None


def test_a_token_says_in_which_state_it_is(site, make, owner, now):
    """By what holds now."""
    token, _ = make()
    assert acts.state_of(site.portal, token) is TokenState.GOOD
    assert acts.state_of(site.portal, token, token.ends) is TokenState.ENDED
    end_all(site.portal, owner.folder, owner.user)
    assert acts.state_of(site.portal, token) is TokenState.LOGGED_OUT
    again, _ = make(at=time.time())
    assert acts.state_of(site.portal, again) is TokenState.GOOD
    site.portal.acl_users.source_users.removeUser(TEST_USER_ID)
    assert acts.state_of(site.portal, again) is TokenState.USER_GONE
    acts.revoke(site.portal, again, "boss")
    assert acts.state_of(site.portal, again) is TokenState.REVOKED


def test_what_begins_after_the_end_of_all_is_good_whatever_the_clocks(site, make, owner, now):
    """Another host ended all, whose clock is ahead: a login, a token, a service account."""
    end_all(site.portal, owner.folder, owner.user, now + 4)
    token, _ = make()
    family, _ = sessions.start(site.portal, owner, READ, now=now)
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    account = register(site.portal, public, "A", owner, READ, now + DAY, "boss", now)
    assert acts.state_of(site.portal, token, now) is TokenState.GOOD
    assert acts.state_of(site.portal, account, now) is TokenState.GOOD
    assert find_login(owner, family.started, place_of(site.portal)) == TEST_USER_NAME
    end_all(site.portal, owner.folder, owner.user, now + 5)
    assert acts.state_of(site.portal, token, now) is TokenState.LOGGED_OUT


def test_a_token_is_revoked_once(site, make, events, now):
    """The first one who does that stays the one who did."""
    token, _ = make()
    acts.revoke(site.portal, token, "ann", now + 1)
    acts.revoke(site.portal, token, "bob", now + 2)
    assert (token.revoked, token.revoked_by) == (now + 1, "ann")
    assert [type(event) for event in events] == [AppTokenMade, AppTokenRevoked]


def test_events_and_the_log_tell_the_id_and_never_the_secret(site, make, events, caplog):
    """For audits."""
    caplog.set_level(logging.INFO)
    token, secret = make()
    acts.revoke(site.portal, token, "ann")
    path = "/".join(site.portal.getPhysicalPath())
    about = (path, token.id, TEST_USER_ID)
    assert events == [
        AppTokenMade(*about, "boss", "Nightly export", "read:", token.ends),
        AppTokenRevoked(*about, "ann"),
    ]
    told = repr(events) + caplog.text
    assert token.id in caplog.text
    assert secret not in told
    assert secret[16:40] not in told
