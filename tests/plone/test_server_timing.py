"""``Server-Timing`` on a Plone site: who gets it, and that nobody else does."""

from collective.wsgifutures.controlpanel import shown_times
from holdsite import ADMIN
from holdsite import ask
from plone.registry.interfaces import IRegistry
from sitesettings import install
from sitesettings import MEMBER
from sitesettings import Panel
from sitesettings import SITE_ADMIN
from zope.component import getUtility

import pytest
import transaction

NAME = "server-timing"


@pytest.fixture
def held_page(site, functional):
    """A page that waits, in a site that has the switch on."""
    install(site.portal)
    Panel(functional["app"], site.portal.absolute_url()).save(server_timing=["selected"])
    site.view("asks", lambda self: ask("secret"))
    return site


@pytest.mark.parametrize(
    ("user", "gets"), [(ADMIN, True), (SITE_ADMIN, True), (MEMBER, False), (None, False)]
)
def test_a_held_page_tells_its_times_to_who_may_know(held_page, user, gets):
    """The permission is that of the last pass's user."""
    answer = held_page.get("asks", user=user)
    assert (answer.text, NAME in answer.headers) == ("SECRET", gets)


def test_what_it_tells_are_passes_waiting_and_names(held_page):
    """No arguments, and in a form that a browser draws."""
    value = held_page.get("asks", user=ADMIN).headers[NAME]
    assert value.startswith('passes;desc="2 passes", waiting;dur=')
    assert ", holdsite.ask;dur=" in value
    assert "secret" not in value


@pytest.mark.parametrize("user", [ADMIN, None])
def test_a_site_that_has_not_switched_it_on_tells_nobody(site, user):
    """As after the add-on was installed."""
    install(site.portal)
    site.view("asks", lambda self: ask("a"))
    assert NAME not in site.get("asks", user=user).headers


def test_a_site_without_the_add_on_tells_nobody(site):
    """Not even a Manager."""
    site.view("asks", lambda self: ask("a"))
    assert NAME not in site.get("asks", user=ADMIN).headers


def test_a_page_that_waits_for_nothing_tells_nothing_and_nothing_is_read(held_page, monkeypatch):
    """It costs a page that is fast nothing."""
    looked = []
    monkeypatch.setattr(shown_times, "setting", looked.append)
    held_page.view("fast", lambda self: "fast")
    assert NAME not in held_page.get("fast", user=ADMIN).headers
    assert looked == []


def test_the_permission_is_what_counts_not_the_role(held_page):
    """A site may give it to others, and take it away."""
    held_page.portal.manage_permission(shown_times.VIEW_TIMING, ["Member"], acquire=0)
    transaction.commit()
    assert NAME in held_page.get("asks", user=MEMBER).headers
    assert NAME not in held_page.get("asks", user=ADMIN).headers


def test_a_page_for_everybody_that_tells_is_kept_by_no_shared_cache(held_page):
    """Whatever plone.caching wrote: the same page tells others nothing and stays public."""

    def view(self):
        self.request.response.setHeader("Cache-Control", "max-age=0, s-maxage=600, public")
        return ask("a")

    held_page.view("public", view)
    told, untold = held_page.get("public", user=ADMIN), held_page.get("public")
    assert told.headers["cache-control"] == "private, max-age=0"
    assert untold.headers["cache-control"] == "max-age=0, s-maxage=600, public"


def test_an_error_page_tells_its_times_too(held_page):
    """What made it late is what one wants to see."""
    held_page.view("fails", lambda self: [ask("a"), 1 / 0])
    answer = held_page.get("fails", user=ADMIN)
    assert (answer.status, NAME in answer.headers) == (500, True)


def test_beside_the_number_of_passes_for_developers(held_page):
    """Both are there with debug."""
    answer = held_page.get("asks", user=ADMIN, debug=True)
    assert (answer.headers["x-hold-passes"], NAME in answer.headers) == ("2", True)


def test_a_broken_record_tells_nobody(held_page):
    """What is not understood is not on."""
    registry = getUtility(IRegistry, context=held_page.portal)
    registry.records._values["wsgifutures.server_timing"] = "maybe"
    transaction.commit()
    answer = held_page.get("asks", user=ADMIN)
    assert (answer.status, NAME in answer.headers) == (200, False)
