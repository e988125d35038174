"""plone.app.caching and plone.protect treat a held page as any other.

A discarded pass leaves nothing in the RAM cache, where the next pass would find it.
"""

from cachedsite import in_ram
from cachedsite import switch_on
from collective.wsgifutures import fragment
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import swallow
from lxml.html import fromstring
from places import publish
from plone import api
from plone.cachepurging.interfaces import ICachePurgingSettings
from plone.cachepurging.interfaces import IPurger
from plone.registry.interfaces import IRegistry
from plone.transformchain.zpublisher import applyTransformOnSuccess
from z3c.caching.purge import Purge
from zope.component import getGlobalSiteManager
from zope.component import getUtility
from zope.event import notify
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubBeforeCommit

import logging
import pytest
import transaction

OPERATION = "plone.app.caching.weakCaching"
#: The views that are cached: the test's own.
CACHED = "page"


@pytest.fixture
def cached(site, functional):
    """The site with plone.app.caching, its RAM cache and ETags on for one view."""
    etags = ("userid", "catalogCounter")
    switch_on(site, functional, OPERATION, [CACHED], ramCache=True, etags=etags)
    return site


def html(text):
    return f"<html><head></head><body><p>{text}</p></body></html>"


def page(self):
    self.request.response.setHeader("Content-Type", "text/html")
    return html(f"[{ask('a')}]")


def test_a_held_page_when_it_is_asked_for_again_comes_from_the_ram_cache(cached):
    """One pass and no call."""
    cached.view(CACHED, page)
    first = publish(cached, "get", CACHED)
    assert "x-ramcache" not in first.headers
    calls.clear()
    second = publish(cached, "get", CACHED, passes=["200"], asked=[])
    assert second.headers["x-ramcache"]
    assert second.text == first.text == "[A]"
    assert second.headers["etag"] == first.headers["etag"]


def test_a_held_page_when_the_client_has_it_is_304(cached):
    """One pass and no call, as for any other page."""
    cached.view(CACHED, page)
    tag = publish(cached, "get", CACHED).headers["etag"]
    calls.clear()
    tagged = {"HTTP_IF_NONE_MATCH": tag}
    again = publish(cached, "get", CACHED, passes=["304"], asked=[], headers=tagged)
    assert (again.body, again.headers["etag"]) == ("", tag)


def test_a_held_page_when_what_it_shows_has_changed_is_rendered_anew(cached):
    """A changed ETag is a miss: held once more."""
    cached.view(CACHED, page)
    tag = publish(cached, "get", CACHED).headers["etag"]
    cached.portal.portal_catalog._increment_counter()
    transaction.commit()
    calls.clear()
    again = publish(cached, "get", CACHED, headers={"HTTP_IF_NONE_MATCH": tag})
    assert again.headers["etag"] != tag


def test_a_held_page_when_a_visitor_is_logged_in_is_not_for_others(cached):
    """The RAM cache is for anonymous visitors; the ETag names the user."""
    cached.view(CACHED, page)
    own = publish(cached, "get", CACHED, user=ADMIN)
    assert "admin" in own.headers["etag"]
    assert in_ram() == 0
    calls.clear()
    publish(cached, "get", CACHED)


def test_a_held_page_when_its_passes_set_headers_has_those_of_the_last(cached):
    """Also what caching adds to them is of the last pass, once."""

    def view(self):
        response = self.request.response
        response.setHeader("X-Last" if calls else "X-First", "pass")
        response.addHeader("X-Pass", str(len(calls)))
        return page(self)

    cached.view(CACHED, view)
    answer = publish(cached, "get", CACHED)
    plain = cached.get(CACHED, held=False, query={"not": "cached"})
    assert "x-first" not in answer.headers
    assert answer.headers["x-pass"] == "1"
    names = ("cache-control", "etag", "expires", "x-cache-rule", "x-cache-operation", "x-last")
    told = [answer.headers.get(name) for name in names]
    assert told == [plain.headers.get(name) for name in names]
    assert None not in told


# What a discarded pass leaves in the RAM cache


def before_the_view(site, function):
    site.subscriber(IPubAfterTraversal, lambda event: function())


def in_a_transform(site, function):
    # After those of Plone, before the page goes into the RAM cache.
    site.transform(function, order=85000)


def after_the_transforms(site, function):
    site.subscriber(IPubBeforeCommit, lambda event: function())


def in_a_hook(site, function):
    site.subscriber(IPubBeforeCommit, lambda event: transaction.get().addBeforeCommitHook(function))


AROUND_THE_VIEW = [before_the_view, in_a_transform, after_the_transforms, in_a_hook]

ASKS = {
    "suspends": lambda: ask("a"),
    "submits": lambda: ask.submit("a"),
    "swallows": lambda: swallow(ask, "a"),
    "is a fragment": fragment(lambda: ask("a")),
}


@pytest.mark.parametrize("place", AROUND_THE_VIEW)
@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
def test_a_discarded_pass_leaves_nothing_in_the_ram_cache(cached, place, asks):
    """Else the next pass would be answered with it: no write, and what was for one pass only."""

    def view(self):
        count(self)
        self.request.response.setHeader("Content-Type", "text/html")
        return html(f"called: {calls}")

    place(cached, asks)
    cached.view(CACHED, view)
    kept = []
    answer = publish(cached, "get", CACHED, wrote=1, waiting=lambda: kept.append(in_ram()))
    assert answer.text == "called: ['a']"
    assert (kept, cached.portal.counter) == ([0], 1)
    assert in_ram() == 1
    calls.clear()
    again = publish(cached, "get", CACHED, passes=["200"], asked=[])
    assert again.text == answer.text


@pytest.mark.parametrize("ends", ["with an error", "with another status"])
def test_a_page_when_it_is_none_is_not_kept(cached, ends):
    """What plone.app.caching does not keep is not kept for it."""

    def view(self):
        text = page(self)
        if ends == "with an error":
            raise ValueError(text)
        self.request.response.setStatus(404)
        return text

    cached.view(CACHED, view)
    assert cached.get(CACHED).status in (404, 500)
    assert in_ram() == 0


@pytest.mark.parametrize("held", [True, False])
def test_a_page_from_the_ram_cache_has_the_headers_that_it_had_there(cached, held):
    """Those that are added after caching (of a compressed body, say) are not kept with it."""

    def late(event):
        event.request.response.setHeader("X-Late", "late")

    cached.subscriber(IPubBeforeCommit, late)
    cached.view(CACHED, page)
    first = cached.get(CACHED, held=held)
    second = cached.get(CACHED, held=held)
    assert first.headers["x-late"]
    assert second.headers["x-ramcache"]
    assert "x-late" not in second.headers


# Purging


class Purger:
    """Takes a purge where a proxy would."""

    def __init__(self):
        self.purged = []

    def purgeAsync(self, url, httpVerb="PURGE"):
        self.purged.append(url)


def test_a_change_when_its_view_waits_is_purged_once(cached):
    """A proxy is not told what a discarded pass has changed."""
    purger = Purger()
    getGlobalSiteManager().registerUtility(purger, IPurger)
    settings = getUtility(IRegistry).forInterface(ICachePurgingSettings)
    settings.enabled = True
    settings.cachingProxies = ("http://proxy",)
    api.content.create(cached.portal, "Document", "document")
    transaction.commit()
    during = []

    def view(self):
        count(self)
        notify(Purge(self.context["document"]))
        return ask("a")

    cached.view("change", view)
    publish(cached, "get", "change", wrote=1, waiting=lambda: during.extend(purger.purged))
    assert during == []
    assert len(purger.purged) == len(set(purger.purged))
    assert "http://proxy/plone/document" in purger.purged


# plone.protect


@pytest.fixture
def transforms_come_last(site):
    """As in a site: ours is for a more general event. Test layers reverse that."""
    registry = getGlobalSiteManager()
    required = (IPubBeforeCommit,)
    while not registry.unregisterHandler(applyTransformOnSuccess, required):
        (registry,) = registry.__bases__
    site.subscriber(IPubBeforeCommit, applyTransformOnSuccess)
    yield
    registry.registerHandler(applyTransformOnSuccess, required)


def test_a_form_when_its_page_is_held_gets_its_token_in_the_last_pass(site):
    """plone.protect changes the page that is sent, once."""

    def view(self):
        self.request.response.setHeader("Content-Type", "text/html")
        return html(f'<form method="post" action="send">{ask("a")}</form>')

    site.view("form", view)
    answer = publish(site, "get", "form", user=ADMIN)
    form = fromstring(answer.body).forms[0]
    assert [name for name, value in form.form_values()] == ["_authenticator"]
    assert form.text_content() == "A"


@pytest.mark.usefixtures("transforms_come_last")
@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
def test_plone_protect_when_a_page_is_held_looks_at_its_last_pass_only(site, asks):
    """It aborts a write, and says so, once."""

    def view(self):
        count(self)
        asks()
        self.request.response.setHeader("Content-Type", "text/html")
        return html("written")

    site.log.set_level(logging.INFO, "plone.protect")
    site.view("write", view)
    answer = publish(site, "get", "write", passes=["Suspended", "302"], user=ADMIN)
    assert "@@confirm-action" in answer.headers["location"]
    aborted = [r for r in site.log.records if "aborting transaction" in r.getMessage()]
    assert len(aborted) == 1


def test_a_post_without_a_token_when_it_is_held_is_forbidden(site):
    """What was asked for is done; what was written is not."""

    def view(self):
        count(self)
        self.request.response.setHeader("Content-Type", "text/html")
        return html(ask("a"))

    site.view("write", view)
    plain = site.post("write", {"text": "x"}, user=ADMIN, held=False)
    calls.clear()
    answer = site.post("write", {"text": "x"}, user=ADMIN)
    assert answer.status == plain.status
    assert (answer.passes, calls) == (["Suspended", str(plain.status)], ["a"])
    assert site.commits == 0
