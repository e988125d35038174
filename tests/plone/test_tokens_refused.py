"""Tokens that are refused are counted, each request once, by a reason that names nobody."""

from collective.wsgifutures.keys.opaque import APPLICATION
from collective.wsgifutures.keys.opaque import make_secret
from collective.wsgifutures.keys.opaque import REFRESH
from collective.wsgifutures.pas.audit import PluginsJoint
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.failures import MOST
from collective.wsgifutures.tokens.families import GRACE
from collective.wsgifutures.tokens.offered import offer
from collective.wsgifutures.tokens.offered import withdraw_offer
from collective.wsgifutures.tokens.refusals import Reason
from collective.wsgifutures.tokens.refusals import refusals
from holdsite import ask as ask_outside

import pytest
import time
import transaction

BOX = "folder/box"


@pytest.fixture
def refused():
    """Return what was counted since this was called last."""
    before = dict(refusals.counts())

    def since():
        now = dict(refusals.counts())
        found = {reason: n - before[reason] for reason, n in now.items() if n != before[reason]}
        before.update(now)
        return found

    return since


def test_a_good_token_counts_nothing(logins, refused):
    """Nor does a request without one, or with one of somebody else."""
    assert logins.ask(BOX, logins.secret("read:")).status == 200
    assert logins.ask(BOX, logins.start()["access_token"]).status == 200
    logins.ask(BOX)
    logins.ask(BOX, "somebody-elses")
    assert refused() == {}


def test_an_application_token_is_counted_by_why_it_is_not_good(logins, refused):
    """Once for each request, though both user folders look at it."""
    token, secret = logins.make("read:")
    assert logins.ask("@search", secret).status == 200  # of anybody
    assert refused() == {"scope": 1}
    logins.ask(BOX, make_secret(APPLICATION))
    assert refused() == {"unknown": 1}
    acts.revoke(logins.site.portal, token, "boss")
    transaction.commit()
    for _ in range(3):
        logins.ask(BOX, secret)
    assert refused() == {"ended": 3}
    _, other = logins.make("read:", user="jane@example.com")
    logins.site.portal.acl_users.source_users.removeUser("jane")
    transaction.commit()
    logins.ask(BOX, other)
    assert refused() == {"ended": 1}


def test_past_the_limit_for_logs_it_is_counted_all_the_same(logins, refused):
    """Logs stay short; the number is the whole one."""
    logins.events.clear()
    for _ in range(MOST + 5):
        logins.ask(BOX, make_secret(APPLICATION))
    assert (refused(), len(logins.events)) == ({"unknown": MOST + 5}, MOST)


def test_a_page_that_waits_counts_once(logins, refused):
    """However often it is published."""
    offer("@@orders", read=("GET",), title="Orders")
    try:
        logins.site.view("orders", lambda self: ask_outside("a"))
        answer = logins.ask("news/@@orders", make_secret(APPLICATION), accept="text/html")
        assert answer.passes == ["Suspended", "200"]
    finally:
        withdraw_offer("@@orders")
    assert refused() == {"unknown": 1}


def test_a_signed_token_is_counted_by_why_it_is_not_good(logins, refused):
    """Forged, out of its scope, of a login that has ended."""
    pair = logins.start(scope="read:")
    token = pair["access_token"]
    logins.ask(BOX, token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB"))
    assert refused() == {"invalid": 1}
    logins.ask("@search", token)
    assert refused() == {"scope": 1}
    logins.revoke(pair["refresh_token"])
    logins.ask(BOX, token)
    assert refused() == {"ended": 1}


def test_a_claims_token_is_counted_by_why_it_is_not_good(logins, refused):
    """Another object, and a lease that is over."""
    claimed = logins.claim()
    token = claimed.token()
    assert logins.ask(BOX, token).status == 200
    logins.ask("folder/other", token)
    assert refused() == {"scope": 1}
    claimed.job.side.lease = time.time() - 1
    transaction.commit()
    logins.ask(BOX, token)
    assert refused() == {"ended": 1}


def test_a_refresh_token_is_counted_by_why_it_is_not_good(logins, refused):
    """At ``@token``; what is asked for wrongly, too."""
    first = logins.start()["refresh_token"]
    second = logins.renew(first).json["refresh_token"]
    logins.renew(second)
    assert refused() == {}
    logins.renew(first)
    assert refused() == {"reused": 1}
    logins.renew(second)
    assert refused() == {"unknown": 1}
    logins.renew("x")
    assert refused() == {"invalid": 1}
    logins.renew(make_secret(REFRESH))
    assert refused() == {"unknown": 1}
    logins.token(grant_type="password")
    logins.token(grant_type="refresh_token")
    assert refused() == {"request": 2}
    logins.token(grant_type="client_credentials", client_assertion="x")
    assert refused() == {"request": 1}


def test_an_early_successor_is_no_refusal(logins, refused, monkeypatch):
    """A lost answer is asked for again; after the grace it is a reuse."""
    first = logins.start()["refresh_token"]
    logins.renew(first)
    assert logins.renew(first).status == 200
    assert refused() == {}
    later = time.time() + GRACE + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert logins.renew(first).status == 400
    assert refused() == {"reused": 1}


def test_a_workers_address_counts_what_is_no_workers_token(logins, refused):
    """And nothing without a token."""
    body = {"body": b'{"queues": ["ocr"]}', "kind": "application/json"}
    assert logins.ask("@jobs/claim", "a.b.c", "POST", **body).status == 401
    assert refused() == {"invalid": 1}
    assert logins.ask("@jobs/claim", None, "POST", **body).status == 401
    assert refused() == {}


def test_a_worker_tells_each_reason_from_its_start(site):
    """A rate begins at zero; no name, address or id is told."""
    told = PluginsJoint(site.portal._p_jar.db()).report()["tokens"]["refused"]
    assert set(told) == {reason.value for reason in Reason}
    assert all(isinstance(number, int) for number in told.values())
