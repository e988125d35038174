"""What the doctor says of the tokens that are kept: how many are good, and which nobody uses."""

from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.pas import kept
from collective.wsgifutures.pas.audit import of_tokens
from collective.wsgifutures.pas.audit import PluginsJoint
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens import services
from collective.wsgifutures.tokens.families import LONGEST_LIFE
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.wsgi.findings import Level
from plone.app.testing import TEST_USER_ID

import pytest
import re
import secrets
import time
import transaction


@pytest.fixture
def found(site):
    """Return the level and the text of each finding."""

    def look():
        transaction.commit()
        return [(one.level, str(one)) for one in of_tokens(site.portal._p_jar.db())]

    return look


def register(logins, at=None):
    """Register a service account of the test user; return it."""
    now = time.time() if at is None else at
    wish = logins.owner("test-user"), make_scope(["read:"]), now + 200 * DAY, "boss", now
    return services.register(logins.site.portal, secrets.token_bytes(32), "Index", *wish)


def test_nothing_is_said_where_nothing_is_kept(logins, found):
    """Most sites have none."""
    assert found() == []


def test_what_is_good_and_what_is_only_kept_is_counted(logins, found):
    """By kind; what was revoked, has ended, or was ended with all others is good no more."""
    portal = logins.site.portal
    logins.make("read:", user="jane@example.com")
    end_all(portal, "/plone", "jane")
    logins.make("read:")
    revoked, _ = logins.make("read:")
    acts.revoke(portal, revoked, "boss")
    logins.make("read:", at=time.time() - 2 * DAY, days=1)
    logins.start()
    register(logins)
    ((level, text),) = found()
    assert level is Level.OK
    assert "Good in /plone: application tokens 1, logins with refresh tokens 1, " in text
    assert "service accounts 1. Kept, and good no more: 3;" in text


def test_a_login_that_has_ended_is_not_good(logins, found, monkeypatch):
    """Though it is kept until somebody else logs in."""
    logins.start()
    later = time.time() + LONGEST_LIFE
    monkeypatch.setattr(time, "time", lambda: later)
    ((_, text),) = found()
    assert "refresh tokens 0, service accounts 0. Kept, and good no more: 1;" in text


def test_what_nobody_has_used_for_long_is_a_warning(logins, found):
    """Tokens and service accounts, by their ids."""
    now = time.time()
    long_ago = now - 91 * DAY
    old, _ = logins.make("read:", at=long_ago, days=300)
    used, _ = logins.make("read:", at=long_ago, days=300)
    acts.note_use(logins.site.portal, used, "10.0.0.1", now - 80 * DAY)
    logins.make("read:", at=now - 89 * DAY, days=300)
    ended, _ = logins.make("read:", at=long_ago, days=300)
    acts.revoke(logins.site.portal, ended, "boss")
    account = register(logins, long_ago)
    (_, (level, text)) = found()
    assert level is Level.WARNING
    assert f"they are good: {old.id}, {account.id[:12]}. Ask whose" in text
    acts.note_use(logins.site.portal, old, "10.0.0.1", now)
    acts.note_use(logins.site.portal, account, "10.0.0.1", now)
    assert len(found()) == 1


def test_no_more_than_some_are_looked_at_and_fewer_named(logins, found, monkeypatch):
    """A worker is to start soon, and a line is to be read."""
    monkeypatch.setattr(kept, "MOST", 8)
    for _ in range(9):
        logins.make("read:", at=time.time() - 91 * DAY, days=300)
    (_, counted), (_, unused) = found()
    assert "application tokens 8, " in counted
    assert counted.endswith("Of each kind only 8 were looked at.")
    assert len(re.findall(r"\b[0-9a-f]{12}\b", unused)) == 5
    assert " and 3 more." in unused


def test_no_name_of_a_user_or_a_token_is_told(logins, found):
    """The findings are in a log."""
    logins.make("read:", at=time.time() - 91 * DAY, days=300)
    told = str(found())
    assert TEST_USER_ID not in told
    assert "127.0.0.1" not in told


def test_a_worker_makes_the_check_at_its_start(logins):
    """And the doctor with it."""
    logins.make("read:")
    joint = PluginsJoint(logins.site.portal._p_jar.db())
    assert [str(one) for one in joint.findings(1) if "application tokens 1" in str(one)]
