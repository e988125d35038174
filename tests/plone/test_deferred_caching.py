"""plone.app.caching in front of pages with deferred parts: what is kept, for whom, how long."""

from cachedsite import in_ram
from cachedsite import switch_on
from collective.wsgifutures import fragment
from collective.wsgifutures.browser import sealed
from deferredparts import address
from deferredparts import addresses
from deferredparts import fetch
from deferredparts import MARK
from deferredparts import MARY
from email.utils import parsedate_to_datetime
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import fail
from holdsite import hang_on
from lxml.html import fromstring
from Products.Five import BrowserView

import pytest

WEAK = "plone.app.caching.weakCaching"
MODERATE = "plone.app.caching.moderateCaching"
STRONG = "plone.app.caching.strongCaching"
DAY = 24 * 3600
WEEK = 7 * DAY
ETAGS = ("userid", "roles", "catalogCounter")

#: What a site may switch on. The last of each leaves out what keeps users apart.
RULES = {
    "weak": (WEAK, {"ramCache": True, "etags": ETAGS, "lastModified": True}),
    "weak, for whom is not told": (WEAK, {"ramCache": True, "etags": ("catalogCounter",)}),
    "moderate": (MODERATE, {"smaxage": DAY, "etags": ETAGS, "ramCache": True}),
    "moderate, for whom is not told": (MODERATE, {"smaxage": 90 * DAY, "ramCache": True}),
    "strong": (STRONG, {"maxage": DAY, "anonOnly": True, "ramCache": True}),
    "strong, for whom is not told": (
        STRONG,
        {"maxage": 90 * DAY, "smaxage": 365 * DAY, "lastModified": True, "ramCache": True},
    ),
}


@pytest.fixture
def caching(site, functional):
    """Switches it on for a page with a deferred part, and for what gives the part."""

    def caching(rule):
        operation, options = RULES[rule]
        site.view("page", page, part=Page.part)
        for user in (MARY, MARK):
            site.portal.acl_users.userFolderAddUser(*user, ["Member"], [])
        views = ["page", "wsgifutures-part"]
        switch_on(site, functional, operation, views, **options)
        return site

    return caching


class Page(BrowserView):
    @fragment(deferred=True)
    def part(self):
        return f"[{ask('a')}]"


def page(self):
    self.request.response.setHeader("Content-Type", "text/html")
    return f"<html><head></head><body>{self.part()}</body></html>"


def ages(answer):
    """Return for how many seconds caches may keep it."""
    words = answer.headers.get("cache-control", "").replace(",", " ").split()
    return [int(word.partition("=")[2]) for word in words if "=" in word]


def seconds_to_expiry(answer):
    """Return the same, as caches of old are told."""
    expires = parsedate_to_datetime(answer.headers.get("expires", "Thu, 01 Jan 1970 00:00:00 GMT"))
    return expires.timestamp() - sealed.time.time()


def assert_for_nobody_else(answer):
    told = answer.headers["cache-control"]
    assert "private" in told
    assert "public" not in told
    assert ages(answer) == []
    assert set(answer.headers) & {"etag", "last-modified", "expires"} == set()


@pytest.mark.parametrize("rule", RULES)
def test_page_of_nobody_from_the_ram_cache_has_parts_for_everybody(caching, rule):
    """Its parts are not in it; each visitor fetches them."""
    site = caching(rule)
    first = site.get("page")
    assert "x-ramcache" not in first.headers
    assert (first.status, in_ram()) == (200, 1)
    again = site.get("page")
    assert again.headers["x-ramcache"]
    assert address(again) == address(first)
    for user in (None, MARY, ADMIN):
        assert fetch(site, address(again), user=user).text == "[A]"


@pytest.mark.parametrize("rule", RULES)
def test_page_of_a_user_with_its_addresses_is_in_no_cache_of_all(caching, rule):
    """Whatever the rules say."""
    site = caching(rule)
    answer = site.get("page", user=MARY)
    assert (answer.headers["x-cache-operation"], in_ram()) == (RULES[rule][0], 0)
    assert_for_nobody_else(answer)
    assert fetch(site, address(answer), user=MARY).text == "[A]"
    other = site.get("page")
    assert "x-ramcache" not in other.headers
    assert address(other) != address(answer)


@pytest.mark.parametrize("rule", RULES)
def test_page_with_addresses_is_kept_for_a_week_at_most(caching, rule):
    """They are good for two; and no cache can ask whether it may keep it for longer."""
    site = caching(rule)
    answer = site.get("page")
    assert [age for age in ages(answer) if age > WEEK] == []
    assert seconds_to_expiry(answer) <= WEEK
    assert set(answer.headers) & {"etag", "last-modified"} == set()
    kept = site.get("page")
    assert kept.headers["x-ramcache"]
    assert set(kept.headers) & {"etag", "last-modified"} == set()


def test_page_that_its_site_lets_caches_keep_is_kept(caching):
    """With deferred parts, too, for as long as the site says."""
    site = caching("moderate")
    assert ages(site.get("page")) == [0, DAY]


@pytest.mark.parametrize("rule", RULES)
def test_page_without_deferred_parts_is_kept_as_ever(caching, rule):
    """So is the page that waits for them all."""
    site = caching(rule)
    answer = site.get("page", {"wsgifutures-wait": "1"})
    plain = site.get("page", {"wsgifutures-wait": "1"}, held=False)
    told = [one.headers.get("cache-control") for one in (answer, plain)]
    assert (answer.passes, addresses(answer), told[0]) == (["Suspended", "200"], [], told[1])
    assert answer.headers.get("etag") == plain.headers.get("etag")
    assert in_ram() == 1


def test_page_that_nobody_may_keep_stays_so(site):
    """What the page said itself is not softened."""

    def view(self):
        self.request.response.setHeader("Cache-Control", "no-store")
        return page(self)

    site.view("page", view, part=Page.part)
    for user in (None, ADMIN):
        answer = site.get("page", user=user)
        assert (answer.headers["cache-control"], len(addresses(answer))) == ("no-store", 1)


def test_page_of_a_user_in_a_site_without_rules_is_for_that_user(site):
    """A proxy may keep what has no header."""
    site.view("page", page, part=Page.part)
    assert_for_nobody_else(site.get("page", user=ADMIN))


# what came too late


class Late(BrowserView):
    @fragment(placeholder="…")
    def part(self):
        return hang_on("x")


@pytest.mark.parametrize("rule", RULES)
def test_page_that_came_at_its_deadline_is_kept_by_no_cache(caching, rule):
    """What stands in it for a part is not for the next visitor."""
    site = caching(rule)
    site.view("page", page, part=Late.part)
    for user in (None, MARY):
        answer = site.get("page", user=user, deadline=0.2)
        assert (answer.status, answer.text) == (200, "…")
        assert answer.headers["cache-control"] == "private, no-store"
        assert set(answer.headers) & {"etag", "last-modified", "expires"} == set()
        assert in_ram() == 0


# the parts


@pytest.mark.parametrize("rule", RULES)
def test_part_of_a_user_is_in_no_cache_even_if_its_view_has_a_rule(caching, rule):
    """Nor is one of a page for all, which a user asks for."""
    site = caching(rule)
    for page in (site.get("page", user=MARY), site.get("page")):
        kept = in_ram()
        part = fetch(site, address(page), user=MARY)
        assert part.headers["x-cache-operation"] == RULES[rule][0]
        assert part.headers["cache-control"] == "private, no-store"
        assert set(part.headers) & {"etag", "last-modified", "expires"} == set()
        assert in_ram() == kept


def test_part_of_nobody_is_kept_where_its_view_has_a_rule(caching):
    """One address is one part, for all who are not logged in."""
    site = caching("moderate")
    found = address(site.get("page"))
    assert ages(fetch(site, found)) == [0, DAY]
    calls.clear()
    again = fetch(site, found)
    assert (again.text, again.passes, calls) == ("[A]", ["200"], [])


class Fails(BrowserView):
    @fragment(deferred=True)
    def part(self):
        self.request.response.setHeader("Cache-Control", "public, s-maxage=60")
        return fail("x")


@pytest.mark.parametrize("ruled", [True, False])
def test_part_that_fails_is_kept_by_no_cache(caching, site, ruled):
    """It said that it may be, and then has nothing: it is asked for again."""
    if ruled:
        caching("strong, for whom is not told")
    site.view("page", page, part=Fails.part)
    part = fetch(site, address(site.get("page")))
    assert (part.status, part.headers["cache-control"]) == (500, "private, no-store")


@pytest.mark.parametrize("rule", RULES)
def test_part_that_is_refused_is_kept_by_no_cache(caching, rule):
    """A page of another one, say: it may be right for the next who asks."""
    site = caching(rule)
    part = fetch(site, address(site.get("page", user=MARY)), user=MARK)
    assert (part.status, part.headers["cache-control"]) == (403, "private, no-store")
    kept = in_ram()
    part = fetch(site, address(site.get("page", user=MARY)))
    assert (part.status, part.headers["cache-control"]) == (403, "private, no-store")
    assert in_ram() == kept


# a cache that keeps a page for too long


def test_page_that_was_kept_for_too_long_can_be_loaded_again(caching, monkeypatch):
    """Each part is 410, of which the page makes a link: to the page that waits."""
    site = caching("moderate")
    now = sealed.time.time()
    kept = site.get("page")
    monkeypatch.setattr(sealed.time, "time", lambda: now + 16 * DAY)
    part = fetch(site, address(kept))
    assert (part.status, part.body, calls) == (410, "", [])
    (link,) = set(fromstring(kept.body).xpath("//template[@data-wsgifutures='gone']//a/@href"))
    path, _, query = link.partition("?")
    again = site.get(path.removeprefix("/plone"), headers={"QUERY_STRING": query})
    assert ("[A]" in again.body, addresses(again)) == (True, [])
