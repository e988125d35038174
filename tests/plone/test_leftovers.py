"""What Zope and Plone keep per thread about a request is gone after every pass."""

from collective.wsgifutures.wsgi.joints import joints
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import NotConfigured
from collective.wsgifutures.wsgi.worker import Worker
from contextvars import ContextVar
from holdsite import ADMIN
from holdsite import ask
from holdsite import hang
from holdsite import left_over
from holdsite import swallow
from plone import api
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized
from ZODB.POSException import ConflictError
from ZPublisher.WSGIPublisher import publish_module

import pytest

seen = ContextVar("seen", default="nothing")


def raises(error):
    def view(self):
        ask("a")
        raise error

    return view


def writes(self):
    """Create a content, which is indexed, and wait."""
    made = api.content.create(self.context, "Document", title="News")
    return f"{made.getId()} {ask('a')}"


OUTCOMES = {
    "plain": (lambda self: "plain", 200),
    "suspended": (lambda self: ask("a"), 200),
    "submitted": (lambda self: ask.submit("a") and "text", 200),
    "swallowed": (lambda self: str(swallow(ask, "a")), 200),
    "too late": (lambda self: hang("a"), 504),
    "an error": (raises(ValueError("x")), 500),
    "Unauthorized": (raises(Unauthorized("x")), 302),
    "NotFound": (raises(NotFound("x")), 404),
    "Redirect": (raises(Redirect("http://nohost")), 302),
    "a conflict": (raises(ConflictError()), 500),
    "writes": (writes, 200),
}


def test_slots_when_more_are_wanted_than_the_pool_has_connections_are_fewer(site, caplog):
    """The joint with Zope knows how many passes can have a ZODB connection."""
    connections = site.portal._p_jar.db().getPoolSize()
    Worker(publish_module, Settings(slots=connections + 1))
    assert f"{connections} slots, not {connections + 1}" in caplog.text


def test_the_middleware_when_zope_has_not_loaded_our_zcml_refuses_to_start(site):
    """Without the joint each pass of a held request would be committed."""
    joints.clear()
    with pytest.raises(NotConfigured, match="without the ZCML"):
        Worker(publish_module, Settings())


@pytest.mark.parametrize(("view", "status"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_thread_when_a_request_is_answered_keeps_nothing_of_it(site, view, status):
    """No transaction, site, request, interaction, user, skin, queued indexing."""
    site.view("outcome", view)
    answer = site.get("outcome", user=ADMIN)
    assert answer.status == status
    assert answer.left_over == []


@pytest.mark.parametrize(("view", "status"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_thread_when_a_request_waits_keeps_nothing_of_it(site, view, status):
    """While a response is held there is as little as when it was sent."""
    log = []
    site.view("outcome", view)
    site.get("outcome", user=ADMIN, waiting=lambda: log.append(left_over()))
    assert all(kept == [] for kept in log)
    assert len(log) == (0 if view is OUTCOMES["plain"][0] else 1)


def test_a_thread_when_there_is_no_middleware_keeps_the_user(site):
    """Why there is something to clean up: this is what Zope leaves to the next one."""
    site.view("outcome", lambda self: "plain")
    answer = site.get("outcome", user=ADMIN, held=False)
    assert answer.left_over == ["security manager"]


def test_a_context_variable_when_set_in_a_pass_is_unset_in_the_next(site):
    """Each pass runs in a fresh copy of its request's context."""
    log = []

    def view(self):
        log.append(seen.get())
        seen.set("something")
        return ask("a") + ask("b")

    site.view("outcome", view)
    assert site.get("outcome").passes == ["Suspended", "Suspended", "200"]
    assert log == ["nothing"] * 3


def test_connections_when_a_response_is_held_are_all_given_back(site):
    """No ZODB connection is open for a request that waits."""
    log = []

    def opened():
        return sum(1 for c in site.portal._p_jar.db().connectionDebugInfo() if c["opened"])

    before = opened()
    site.view("outcome", lambda self: (log.append(opened()), ask("a"))[1])
    site.get("outcome", waiting=lambda: log.append(opened()))
    assert [n - before for n in log] == [1, 0, 1]
