"""The how-tos on places in Plone: their files make an add-on, which does what they say."""

from collective.wsgifutures import jobs
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures.testing import answer
from docsaddon import DOCS
from docsaddon import HOWTO
from holdsite import ADMIN
from holdsite import ask
from lxml.html import fromstring
from places import register
from plone import api
from plone.app.blocks.interfaces import IBlocksTransformEnabled
from plone.app.layout.viewlets import ViewletBase
from plone.app.testing import applyProfile
from plone.app.testing import SITE_OWNER_NAME
from plone.app.textfield.value import RichTextValue
from plone.contentrules.engine.interfaces import IRuleStorage
from plone.portlets.interfaces import IPortletAssignmentMapping
from plone.portlets.interfaces import IPortletManager
from plone.restapi.interfaces import IExpandableElement
from Products.Five import BrowserView
from Products.GenericSetup.context import TarballExportContext
from Products.GenericSetup.interfaces import IBody
from Products.PluggableAuthService.interfaces.plugins import IAuthenticationPlugin
from Products.PluggableAuthService.interfaces.plugins import IExtractionPlugin
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.event import notify
from zope.interface import implementer
from zope.interface import Interface
from zope.lifecycleevent import ObjectModifiedEvent

import json
import math
import pytest
import time
import transaction


def blocks(page):
    return DOCS["blocks_of"](HOWTO / page, "python")


pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

GREY = answer(json={"sky": "grey"})
AWAY = UpstreamBusy("weather", "weather.example.com", 5, "away")


@pytest.fixture
def url(site):
    return site.portal.absolute_url()


# viewlets


def test_viewlet_of_the_docs_is_shown_in_two_passes(acme, futures, browser, url):
    """With its template from ZCML."""
    futures.settle(acme("viewlet.rst", "viewlets").weather.get, "/v1/now", value=GREY)
    browser.open(url)
    assert '<p class="weather">grey</p>' in browser.contents
    assert futures.waits == [["weather.get"]]


def test_viewlet_of_the_docs_is_not_there_where_its_service_is_away(acme, futures, browser, url):
    """The page is."""
    futures.settle(acme("viewlet.rst", "viewlets").weather.get, ..., error=AWAY)
    browser.open(url)
    assert browser.headers["status"].startswith("200")
    assert 'class="weather"' not in browser.contents
    assert "rendering" not in browser.contents


class Fails(ViewletBase):
    """A viewlet that raises where it is told to."""

    def update(self):
        if "update" in self.request.form:
            raise AWAY

    def render(self):
        raise AWAY


def test_viewlet_that_fails_is_shown_as_the_docs_say(site, browser, url):
    """An error of ``update`` is the page's, one of ``render`` is not."""
    site.zcml(
        """<browser:viewlet name="fails" class="test_howtos.Fails" permission="zope2.View"
            manager="plone.app.layout.viewlets.interfaces.IAboveContent" />"""
    )
    browser.open(url)
    assert "error while rendering fails" in browser.contents
    browser.open(f"{url}?update=1")
    assert browser.headers["status"].startswith("503")


# deferred parts


def test_viewlet_of_the_docs_that_is_deferred_comes_after_its_page(acme, futures, browser, url):
    """The page calls nothing; the page that waits has it."""
    weather = acme("progressive.rst", "viewlets").weather
    futures.settle(weather.get, "/v1/now", value=GREY)
    browser.open(url)
    assert (futures.passes, futures.waits) == (1, [])
    assert "wsgifutures-lines-3" in browser.contents
    address = fromstring(browser.contents).xpath("//@data-wsgifutures-part")[0]
    browser.open(f"http://nohost{address}")
    assert " ".join(browser.contents.split()) == '<p class="weather" >grey</p>'
    browser.open(f"{url}?wsgifutures-wait=1")
    assert '<p class="weather">grey</p>' in browser.contents


def test_method_of_the_docs_that_is_deferred_comes_with_its_arguments(site, futures, browser, url):
    """And with the query of its page."""
    (block,) = [b for b in blocks("progressive.rst") if "class Results" in b.text]
    names = {"__name__": "acme_results"}
    exec(compile(block.text, block.place, "exec"), names)
    template = '<div tal:replace="structure python: view.hits(most=5)" />'
    site.view("results", template=template, hits=names["Results"].hits)
    value = answer(json=["one", "t<o"])
    futures.settle(names["search"].get, "/v1/hits", params={"text": "x", "most": 5}, value=value)
    browser.open(f"{url}/results?text=x")
    address = fromstring(browser.contents).xpath("//@data-wsgifutures-part")[0]
    browser.open(f"http://nohost{address}")
    assert browser.contents == "<ul><li>one</li><li>t&lt;o</li></ul>"


# portlets


@pytest.fixture
def portlets(acme, site):
    """The site with the portlet of the docs in its left column."""
    module = acme("portlet.rst", "portlets")
    manager = getUtility(IPortletManager, "plone.leftcolumn")
    column = getMultiAdapter((site.portal, manager), IPortletAssignmentMapping)
    column["weather"] = module.Assignment()
    transaction.commit()
    return module


def test_portlet_of_the_docs_is_shown_in_two_passes(portlets, futures, browser, url):
    """Asked for twice, it is one call."""
    futures.settle(portlets.weather.get, "/v1/now", value=GREY)
    browser.open(url)
    assert '<p class="weather">grey</p>' in browser.contents
    assert futures.waits == [["weather.get"]]


def test_portlet_of_the_docs_is_not_there_where_its_service_is_away(
    portlets, futures, browser, url
):
    """It is not available."""
    futures.settle(portlets.weather.get, ..., error=AWAY)
    browser.open(url)
    assert 'class="weather"' not in browser.contents
    assert futures.passes == 2


# tiles


@implementer(IBlocksTransformEnabled)
class Layout(BrowserView):
    """A page with two tiles."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/html")
        tiles = [f'<div data-tile="./@@acme.weather?city={city}"></div>' for city in "ab"]
        return f"<html><body>{''.join(tiles)}</body></html>"


def test_tiles_of_the_docs_are_waited_for_together(acme, functional, futures, browser, url):
    """In a page that plone.app.blocks makes."""
    applyProfile(functional["portal"], "plone.app.blocks:default")
    transaction.commit()
    weather = acme("tile.rst", "tiles").weather
    register("layout", Layout)
    for city, sky in (("a", "grey"), ("b", "blue")):
        value = answer(json={"sky": sky})
        futures.settle(weather.get, "/v1/now", params={"city": city}, value=value)
    browser.open(f"{url}/@@layout")
    shown = [sky for sky in ("grey", "blue") if f">{sky}</p>" in browser.contents]
    assert (shown, futures.waits) == (["grey", "blue"], [["weather.get", "weather.get"]])


# forms


def test_form_of_the_docs_pays_once(acme, site, futures, browser, url):
    """And writes what was paid."""
    payments = acme("forms.rst", "forms").payments
    order = {"order": "tea", "cents": 250}
    futures.settle(payments.post, "/payments", json=order, value=answer(json={"id": "p1"}))
    browser.open(f"{url}/@@checkout")
    browser.getControl("Order").value = "tea"
    browser.getControl("Amount in cents").value = "250"
    browser.getControl("Pay").click()
    assert "Paid: p1" in browser.contents
    assert futures.waits == [["payments.post"]]
    site.sync()
    assert site.portal.paid == "p1"


def test_form_of_the_docs_with_errors_asks_for_nothing(acme, futures, browser, url):
    """Nothing is settled."""
    acme("forms.rst", "forms")
    browser.open(f"{url}/@@checkout")
    browser.getControl("Pay").click()
    assert "Required input is missing" in browser.contents
    assert futures.passes == 1


# plone.restapi


@pytest.fixture
def services(acme, browser):
    browser.addHeader("Accept", "application/json")
    browser.addHeader("Authorization", "Basic " + ":".join(ADMIN))
    return acme("rest.rst", "services")


def test_service_of_the_docs_asks_for_all_at_once(services, futures, browser, url):
    """One wait."""
    for city, sky in (("Oulu", "grey"), ("Turku", "blue")):
        params, value = {"city": city}, answer(json={"sky": sky})
        futures.settle(services.weather.get, "/v1/now", params=params, value=value)
    browser.open(f"{url}/@weather")
    assert json.loads(browser.contents) == {"Oulu": {"sky": "grey"}, "Turku": {"sky": "blue"}}
    assert futures.waits == [["weather.get", "weather.get"]]


def test_expander_of_the_docs_is_a_part_of_a_content(services, futures, browser, url):
    """Where it is asked for."""
    futures.settle(services.weather.get, "/v1/now", value=GREY)
    browser.open(f"{url}?expand=weather")
    assert json.loads(browser.contents)["@components"]["weather"]["sky"] == "grey"
    assert futures.passes == 2
    browser.open(url)
    assert futures.passes == 1


class More:
    """Another expander."""

    def __init__(self, context, request):
        pass

    def __call__(self, expand=False):
        return {"more": {"text": ask("a")} if expand else {}}


def test_expanders_of_the_docs_are_waited_for_together(services, site, futures, browser, url):
    """Another one beside it."""
    site.adapter(More, (Interface, Interface), IExpandableElement, "more")
    futures.settle(services.weather.get, "/v1/now", value=GREY, after=2)
    futures.settle(ask, "a", value="A", after=3)
    browser.open(f"{url}?expand=weather,more")
    components = json.loads(browser.contents)["@components"]
    assert (components["weather"]["sky"], components["more"]) == ("grey", {"text": "A"})
    assert (len(futures.waits), futures.waited) == (1, 3)


@pytest.mark.parametrize(("said", "status"), [({"error": AWAY}, 503), ({"after": math.inf}, 504)])
def test_service_of_the_docs_that_fails_has_its_status(
    services, futures, browser, url, said, status
):
    """In JSON, as its page says."""
    futures.settle(services.weather.get, ..., **said)
    browser.open(f"{url}/@weather")
    assert browser.headers["status"].startswith(str(status))
    assert "message" in json.loads(browser.contents)


# PAS


@pytest.fixture
def plugin(acme, site):
    """The plugin of the docs, activated as they say."""
    module = acme("pas.rst", "plugin")
    block = DOCS["blocks_of"](DOCS["DOCS"] / "howto" / "pas.rst", "python")[1]
    names = {"acl_users": site.portal.acl_users, "TokenPlugin": module.TokenPlugin}
    names.update(IExtractionPlugin=IExtractionPlugin, IAuthenticationPlugin=IAuthenticationPlugin)
    exec(block.text, names)
    transaction.commit()
    site.view("who", lambda self: str(self.request.AUTHENTICATED_USER.getId()))
    return module


def test_plugin_of_the_docs_logs_in_by_a_token(plugin, futures, browser, url):
    """Asked for once, and again by another token."""
    futures.settle(
        plugin.provider.post,
        "/introspect",
        data={"token": "t1"},
        cache=30,
        value=answer(json={"active": True, "sub": SITE_OWNER_NAME}),
    )
    browser.addHeader("Authorization", "Bearer t1")
    browser.open(f"{url}/@@who")
    assert browser.contents == SITE_OWNER_NAME
    assert futures.waits == [["provider.post"]]


def test_plugin_of_the_docs_lets_nobody_in_where_the_token_is_bad(plugin, futures, browser, url):
    """Or where its provider is away."""
    browser.addHeader("Authorization", "Bearer t1")
    for said in ({"value": answer(json={"active": False})}, {"error": AWAY}):
        futures.settle(plugin.provider.post, ..., **said)
        browser.open(f"{url}/@@who")
        assert (browser.contents, futures.passes) == ("None", 2)


# jobs from events


def test_subscribers_of_the_docs_submit_one_job_for_ten_changes(acme, site):
    """One when the page is added, and one for what was changed since."""
    previews = acme("jobs_from_events.rst", "previews")
    page = api.content.create(site.portal, "Document", "page", text=RichTextValue("<p>Tea</p>"))
    transaction.commit()
    assert [job.wanted.title for job in jobs.run()] == ["Render the preview"]
    assert page.preview == b"<p>Tea</p>"
    for number in range(10):
        page.text = RichTextValue(f"<p>{number}</p>")
        notify(ObjectModifiedEvent(page))
        transaction.commit()
    assert jobs.run() == []
    assert len(jobs.run(time.time() + 31)) == 1
    assert page.preview == b"<p>9</p>"
    assert previews.render_preview.title == "Render the preview"


def test_profile_of_the_docs_has_a_rule_that_runs_the_task(acme, site):
    """It is imported, and runs for what is added then."""
    acme("jobs_from_events.rst", "previews")
    (block,) = DOCS["files_of"](HOWTO / "jobs_from_events.rst")["profiles/default/contentrules.xml"]
    context = TarballExportContext(site.portal.portal_setup)
    importer = getMultiAdapter((site.portal, context), IBody, "plone.contentrules")
    importer.body = block.text.encode()
    getUtility(IRuleStorage).active = True
    api.content.create(site.portal, "News Item", "news", text=RichTextValue("<p>News</p>"))
    transaction.commit()
    assert [job.state.value for job in jobs.run()] == ["done"]
    assert site.portal.news.preview == b"<p>News</p>"
