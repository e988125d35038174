"""Deferred parts of a page: what the page is sent with, and what is fetched then."""

from Acquisition import aq_parent
from askportlets import AskRenderer
from askportlets import portlets
from collective.wsgifutures import fragment
from collective.wsgifutures import FuturesError
from collective.wsgifutures.browser import deferred
from deferredparts import address
from deferredparts import addresses
from deferredparts import fetch
from deferredparts import Later
from deferredparts import viewlet
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import fail
from holdsite import hang_on
from lxml.html import fromstring
from plone.app.blocks.interfaces import IBlocksTransformEnabled
from plone.app.contenttypes.content import Document
from plone.app.layout.globals.interfaces import IViewView
from plone.app.layout.viewlets import ViewletBase
from plone.keyring.interfaces import IKeyManager
from plone.tiles.tile import Tile
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from Products.SiteAccess.VirtualHostMonster import manage_addVirtualHostMonster
from sitesettings import install
from sitesettings import Panel
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.contentprovider.interfaces import IContentProvider
from zope.interface import alsoProvides

import pytest
import transaction

ME = "test_deferred"


def assert_fetched(site, page, *texts, user=None):
    """The page waits for nothing and asks for nothing; each of its parts waits for its own."""
    assert (page.status, page.passes, calls) == (200, ["200"], [])
    got = []
    for one in addresses(page):
        part = fetch(site, one, user=user)
        assert (part.status, part.passes) == (200, ["Suspended", "200"])
        got.append(part.text)
    assert sorted(got) == sorted(f"[{text.upper()}]" for text in texts)
    assert sorted(calls) == sorted(texts)
    assert (site.errors, site.logged) == ([], [])


# viewlets


class Shows(ViewletBase):
    def index(self):
        return f"[{ask('b')}]"


@fragment(deferred=True)
class Renders(Shows):
    """It asks where it renders."""


@fragment(deferred=True)
class RendersATemplate(ViewletBase):
    render = ViewPageTemplateFile("ask.pt")

    def ask(self):
        return f"[{ask('c')}]"


@fragment(deferred=True)
class FromZCML(RendersATemplate):
    """Its template is named there."""


def test_viewlets_are_fetched_one_by_one(site):
    """Asking in update, in render, in a template; in all managers."""
    viewlet(site)
    viewlet(site, Renders, manager="IPortalHeader")
    viewlet(site, RendersATemplate, manager="IPortalFooter")
    template = site.template('<b tal:content="view/ask" />')
    viewlet(site, FromZCML, f'template="{template}"', manager="IBelowContent")
    assert_fetched(site, site.get(""), "a", "b", "c", "c")


def test_viewlet_of_a_users_page_is_fetched_by_that_user(site):
    """plone.protect looks at both."""
    viewlet(site)
    assert_fetched(site, site.get("", user=ADMIN), "a", user=ADMIN)


def test_viewlet_for_the_pages_own_view_is_found_again(site):
    """A page marks its view; the part's request marks its own."""
    viewlet(site, more=f'view="{IViewView.__identifier__}"')
    assert_fetched(site, site.get(""), "a")


def test_viewlet_of_a_view_that_has_a_name_is_found_there(site):
    """Not in every view of the object."""
    site.view("page", template=PAGE.format(""))
    viewlet(site)
    page = site.get("page", {"text": "x y&z"})
    assert_fetched(site, page, "x y&z")


def test_page_below_a_virtual_host_has_addresses_of_it(site, functional):
    """As its visitor sees the site."""
    manage_addVirtualHostMonster(functional["app"])
    transaction.commit()
    viewlet(site)
    root = "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/_vh_shop"
    page = site.get("", headers={"PATH_INFO": f"{root}/"})
    found = address(page)
    assert found.startswith("/shop/@@wsgifutures-part?")
    path, _, query = found.partition("?")
    more = {"PATH_INFO": root + path.removeprefix("/shop"), "QUERY_STRING": query}
    assert site.get("", headers=more).text == "[A]"


# portlets


@fragment(deferred=True)
class Renderer(AskRenderer):
    """It is fetched by itself."""


@fragment(deferred=True)
class NotAvailable(AskRenderer):
    @property
    def available(self):
        return ask("available") != "AVAILABLE"


def test_portlets_are_fetched_one_by_one(site):
    """Asking in update, and in render."""
    portlets(site, Renderer, "update", "render")
    assert_fetched(site, site.get(""), "update", "render")


def test_portlet_that_is_not_available_after_all_is_empty(site):
    """What it takes to know that is waited for where it is fetched."""
    portlets(site, NotAvailable, "available")
    page = site.get("")
    assert (page.passes, calls) == (["200"], [])
    part = fetch(site, address(page))
    assert (part.status, part.passes, part.body) == (200, ["Suspended", "200"], "")


def test_portlet_that_was_removed_meanwhile_is_not_found(site):
    """404, and nothing else is told."""
    mapping = portlets(site, Renderer, "render")
    found = address(site.get(""))
    del mapping["render"]
    transaction.commit()
    part = fetch(site, found)
    assert (part.status, part.body, calls) == (404, "", [])


# tiles


@fragment(deferred=True, placeholder="(waits)")
class AskTile(Tile):
    def __call__(self):
        text = self.id or self.request.form["text"]
        return f"<html><body><p>[{ask(text)}]</p></body></html>"


class Layout(BrowserView):
    """A page of tiles, as Mosaic makes one."""

    def __call__(self):
        alsoProvides(self.request, IBlocksTransformEnabled)
        self.request.response.setHeader("Content-Type", "text/html")
        tiles = (f'<div data-tile="./@@ask.tile{one}"></div>' for one in ("?text=b", "/c"))
        return f"<html><head></head><body>{''.join(tiles)}</body></html>"


def tiles(site):
    site.zcml(
        f"""<include package="plone.tiles" file="meta.zcml" />
        <plone:tile
            name="ask.tile" title="Ask" class="{ME}.AskTile"
            for="*" permission="zope2.Public" add_permission="cmf.ManagePortal" />
        <browser:page name="layout" for="*" class="{ME}.Layout" permission="zope2.Public" />"""
    )


def test_tiles_are_fetched_one_by_one_with_their_own_query_or_name(site):
    """Not with that of the page."""
    tiles(site)
    assert_fetched(site, site.get("layout", {"text": "of the page"}), "b", "c")


def test_tile_that_is_asked_for_by_itself_is_waited_for(site):
    """It is the page then."""
    tiles(site)
    answer = site.get("@@ask.tile", {"text": "a"}, debug=True)
    assert (answer.passes, answer.text) == (["Suspended", "200"], "[A]")


# views, their methods, functions


@fragment(deferred=True)
class Teaser(BrowserView):
    def __call__(self):
        return f"[{ask('teaser')}]"


@fragment(deferred=True)
def show(text, **more):
    return f"[{ask(text)}]"


def told(args, more):
    ask(f"{args} {more}")
    return ""


@fragment(deferred=True)
def tell(*args, **more):
    return told(args, more)


class Page(BrowserView):
    @fragment(deferred=True)
    def part(self, text="a", more=None):
        return f"[{ask(text)}]"

    @fragment(deferred=True)
    def tell(self, *args, **more):
        return told(args, more)


PAGE = """
    <html metal:use-macro="context/@@main_template/macros/master">
    <metal:main fill-slot="main">{}</metal:main></html>"""


def page_with(site, content, names=Page):
    template = PAGE.format(f'<div tal:content="structure {content}" />')
    functions = {"show": lambda self: show, "tell_all": lambda self: tell}
    site.view("page", template=template, part=names.part, tell=Page.tell, **functions)


def test_view_that_is_part_of_a_page_is_fetched(site):
    """By its name, on the object that it is of."""
    site.zcml(f'<browser:page name="teaser" for="*" class="{ME}.Teaser" permission="zope2.View" />')
    page_with(site, "context/@@teaser")
    assert_fetched(site, site.get("page"), "teaser")


@pytest.mark.parametrize("call", ["view/part", "python: view.part()"])
def test_method_of_a_view_is_fetched(site, call):
    """On a new view of that name."""
    page_with(site, call)
    assert_fetched(site, site.get("page"), "a")


def test_method_is_fetched_with_the_arguments_that_the_page_called_it_with(site):
    """Plain data, as it was."""
    page_with(site, "python: view.part('ä b', more=[1, None, {'x': 2.5}])")
    assert_fetched(site, site.get("page"), "ä b")


@pytest.mark.parametrize("part", ["view.tell", "view.tell_all()"])
def test_part_gets_all_arguments_as_they_were(site, part):
    """In their order, and by their names; of a method and of a function."""
    page_with(site, f"python: {part}('b', None, 'a', c=[1, 2.5], d={{'e': True}})")
    assert fetch(site, address(site.get("page"))).status == 200
    assert calls == ["('b', None, 'a') {'c': [1, 2.5], 'd': {'e': True}}"]


@pytest.mark.parametrize(
    ("call", "part"), [("view/part", Page.part), ("python: view.show()('a')", show)]
)
def test_what_is_no_deferred_part_any_more_is_not_found(site, monkeypatch, call, part):
    """Only what is declared as such is called by its name: after an update, too."""
    page_with(site, call)
    found = address(site.get("page"))
    monkeypatch.setattr(part, "is_deferred", False)
    answer = fetch(site, found)
    assert (answer.status, answer.body, calls) == (404, "", [])


@pytest.mark.parametrize("argument", ["(1, 2)", "{1: 'a'}", "b'a'"])
def test_part_with_an_argument_that_would_not_come_back_as_it_was_is_waited_for(site, argument):
    """JSON makes lists of tuples, and texts of keys."""
    page_with(site, f"python: view.tell({argument})")
    answer = site.get("page")
    assert (answer.passes, addresses(answer)) == (["Suspended", "200"], [])


class Parent(BrowserView):
    @fragment(deferred=True)
    def part(self):
        return f"[{ask(aq_parent(self.context).getId())}]"


def test_part_is_of_the_object_in_its_own_place(site):
    """Whatever folder led to it by acquisition."""
    site.portal.invokeFactory("Folder", "f")
    site.portal.invokeFactory("Document", "d")
    transaction.commit()
    page_with(site, "view/part", Parent)
    found = address(site.get("d/page"))
    part = fetch(site, found.replace("/plone/d/", "/plone/f/d/"))
    assert part.text == "[PLONE]"


def test_function_of_a_module_is_fetched(site):
    """By its dotted name."""
    page_with(site, "python: view.show()('x', most=3)")
    assert_fetched(site, site.get("page"), "x")


def test_two_same_parts_of_a_page_have_one_address(site):
    """A browser fetches it once."""
    page_with(site, "python: view.part() + view.part()")
    one, other = addresses(site.get("page"))
    assert one == other


class Outer(BrowserView):
    @fragment(deferred=True)
    def part(self):
        return "".join([ask("o"), show("a"), show("b")])


def test_parts_inside_of_a_fetched_one_wait_side_by_side(site):
    """A part's own request defers nothing."""
    page_with(site, "view/part", Outer)
    part = fetch(site, address(site.get("page")))
    assert (part.text, part.passes) == ("O[A][B]", ["Suspended", "Suspended", "200"])


# pages that have no deferred parts


ORDINARY = {
    "the answer to a form": ("post", {}),
    "the page that waits": ("get", {"query": {"wsgifutures-wait": "1"}}),
    "what a script puts into another page": ("get", {"query": {"ajax_load": "1"}}),
    "what a script asks for": ("get", {"headers": {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}}),
    "a service": ("get", {"accept": "application/json"}),
}


@pytest.mark.parametrize(("method", "more"), ORDINARY.values(), ids=ORDINARY)
def test_page_whose_parts_nobody_would_fetch_waits_for_them(site, method, more):
    """They are ordinary parts there."""
    page_with(site, "view/part")
    form = [{"x": "y"}] if method == "post" else []
    answer = getattr(site, method)("page", *form, **more)
    assert (answer.status, answer.passes) == (200, ["Suspended", "200"])
    assert "[A]" in answer.body
    assert addresses(answer) == []


def test_answer_that_is_no_page_waits_for_its_parts(site):
    """It is read by a program."""

    def feed(self):
        self.request.response.setHeader("Content-Type", "application/json")
        return Page.part(self)

    site.view("feed", feed, part=Page.part)
    assert site.get("feed").passes == ["Suspended", "200"]


def test_page_without_a_hold_has_its_parts(site):
    """As on any server without the middleware: the call is made in place."""
    viewlet(site)
    answer = site.get("", held=False)
    assert "[A]" in answer.body
    assert addresses(answer) == []


def test_site_that_holds_nothing_has_its_parts(site, functional):
    """It is switched off in its control panel."""
    install(site.portal)
    Panel(functional["app"], site.portal.absolute_url()).save(enabled=False)
    viewlet(site)
    answer = site.get("")
    assert ("[A]" in answer.body, answer.passes) == (True, ["200"])


def test_site_without_keys_has_its_parts(site):
    """Nothing can be signed; the page waits."""
    manager = getUtility(IKeyManager)
    manager.clear()
    transaction.commit()
    viewlet(site)
    answer = site.get("")
    assert (answer.passes, addresses(answer)) == (["Suspended", "200"], [])


def test_error_page_with_a_deferred_part_can_be_sent(site):
    """The status is an answer, and nothing starts."""
    viewlet(site)
    answer = site.get("nowhere")
    assert (answer.status, answer.passes, calls) == (404, ["404"], [])


def test_page_with_a_very_long_query_waits_for_its_parts(site):
    """Its address would not get through."""
    viewlet(site)
    assert site.get("", {"x": "y" * 5000}).passes == ["Suspended", "200"]


# parts that cannot be found again


def unregistered(self):
    """A view that is in no registry makes a part of itself."""
    return Page.part(Page(self.context, self.request))


def with_an_object(self):
    return show("x", of=self.context)


def of_nowhere(self):
    """An object that is made for this page."""
    draft = Document("draft").__of__(self.context)
    view = getMultiAdapter((draft, self.request), name="page")
    return Page.part(view)


REFUSED = {
    "no place": (of_nowhere, "its object has no path in the site"),
    "no name": (unregistered, "its view has no name of its own"),
    "an object": (with_an_object, "its arguments are not plain data; pass only None"),
}


@pytest.mark.parametrize(("view", "why"), REFUSED.values(), ids=REFUSED)
def test_who_develops_is_told_why_a_part_cannot_be_deferred(site, view, why):
    """And what to do; a site in production waits for it, and logs that once."""
    site.view("page", view, part=Page.part)
    assert (site.get("page", debug=True).status, site.errors) == (500, [FuturesError.__name__])
    assert f"cannot be fetched by itself: {why}" in site.error_log[0]["value"]


class Twin(Later):
    """Another viewlet, under the name of one that is registered."""


def under_another_name(self):
    manager = getMultiAdapter(
        (self.context, self.request, self), IContentProvider, "plone.abovecontent"
    )
    twin = Twin(self.context, self.request, self, manager)
    twin.__name__ = "later"
    twin.update()
    return twin.render()


def test_part_that_would_be_another_one_where_it_is_fetched_is_waited_for(site):
    """What stands under its name is what its visitor would get."""
    viewlet(site)
    site.view("page", under_another_name)
    answer = site.get("page")
    assert (answer.passes, answer.text, addresses(answer)) == (["Suspended", "200"], "[A]", [])


def test_a_part_that_cannot_be_deferred_is_waited_for_in_production(site):
    """It is logged, once."""
    deferred._log_once.cache_clear()
    site.view("page", unregistered)
    for _ in range(2):
        answer = site.get("page")
        assert (answer.passes, answer.body) == (["Suspended", "200"], "[A]")
    told = [r.getMessage() for r in site.log.records if r.name == deferred.__name__]
    assert len(told) == 1
    assert "The page waits for this part." in told[0]


# what stands in the page


def test_placeholder_says_how_to_have_the_part_without_a_script(site):
    """A link to the same page, with its query, that waits."""
    page_with(site, "view/part")
    page = fromstring(site.get("page", {"x": "a b"}).body)
    links = page.xpath("//div[contains(@class, 'wsgifutures-part')]/noscript//a/@href")
    assert links == ["/plone/page?x=a+b&wsgifutures-wait=1"]


@pytest.mark.parametrize("path", ["/plone/page", "//plone/page", "///plone/page"])
def test_link_is_to_this_site_whatever_the_visitor_was_lured_to(site, path):
    """Two slashes in front would be another one."""
    page_with(site, "view/part")
    page = site.get("", headers={"PATH_INFO": path})
    links = fromstring(page.body).xpath("//*[contains(@class, 'wsgifutures-part')]//a/@href")
    assert set(links) == {"/plone/page?wsgifutures-wait=1"}


HOSTILE = """'"></div><script>alert(1)</script><img src=x onerror=alert(1)>"""


def test_nothing_of_a_query_or_of_arguments_is_markup_in_a_placeholder(site):
    """It is in addresses, and in what is signed."""
    page_with(site, "python: view.part(request.form['text'])")
    page = site.get("page", {"text": HOSTILE, HOSTILE: HOSTILE})
    found = fromstring(page.body)
    assert found.xpath("//*[@onerror] | //script[not(@src)]") == []
    part = fetch(site, address(page))
    assert (part.status, calls) == (200, [HOSTILE])


def test_placeholder_has_nothing_that_a_strict_policy_refuses(site):
    """No script and no style in the page, only files."""
    viewlet(site)
    page = site.get("").body
    begin = page.index("deferred.css") - 100
    place = page[begin : page.index("</noscript>", begin)]
    assert [one for one in ("style=", "<style", "onclick", "<script>") if one in place] == []
    assert 'src="/plone/++resource++collective.wsgifutures/deferred.js?' in place
    assert 'href="/plone/++resource++collective.wsgifutures/deferred.css?' in place
    assert 'class="wsgifutures-part wsgifutures-lines-3"' in place
    assert 'aria-busy="true"' in place
    assert 'type="module"' in place  # once, however often it stands there
    assert "<i>(waits)</i>" in place


@pytest.mark.parametrize("file", ["deferred.js", "deferred.css"])
def test_what_the_placeholder_names_is_there(site, file):
    """For everybody."""
    assert site.get(f"++resource++collective.wsgifutures/{file}").status == 200


# the part


@fragment(deferred=True)
class Fails(ViewletBase):
    def index(self):
        return fail("x")


@fragment(deferred=True)
class Hangs(ViewletBase):
    def index(self):
        return hang_on("x")


@pytest.mark.parametrize(("class_", "status"), [(Fails, 500), (Hangs, 504)])
def test_part_that_fails_or_comes_too_late_is_an_error(site, class_, status):
    """The browser says so, and offers to try again."""
    viewlet(site, class_)
    part = fetch(site, address(site.get("")), deadline=1.0)
    assert part.status == status


@fragment(deferred=True)
class Fields(ViewletBase):
    def index(self):
        return ask(f"{sorted(self.request.form)} {self.request.get('wsgifutures-token')}")


def test_part_sees_the_fields_of_its_page_alone(site):
    """Not what it was asked for with."""
    viewlet(site, Fields)
    page = site.get("", {"b": "1", "a": "2"})
    assert fetch(site, address(page)).status == 200
    assert calls == ["['a', 'b'] None"]


@fragment(deferred=True)
class FailsWithASecret(ViewletBase):
    def index(self):
        return fail("correct horse battery")


def test_part_that_fails_tells_its_visitor_nothing(site):
    """Not why, and not where."""
    viewlet(site, FailsWithASecret)
    found = address(site.get(""))
    for accept in ("*/*", "text/html"):
        part = fetch(site, found, accept=accept)
        assert part.status == 500
        told = [w for w in ("horse", "Traceback", ".py", "wsgifutures-token") if w in part.body]
        assert told == []


def test_part_is_made_with_the_query_of_its_page(site):
    """The token is not in it."""
    viewlet(site)
    page = site.get("", {"text": "q"})
    assert fetch(site, address(page)).text == "[Q]"
    assert address(page).startswith("/plone/@@wsgifutures-part?text=q&wsgifutures-token=")


def test_page_whose_query_has_a_token_has_parts_as_any_other(site):
    """Somebody's link, say: only the part's own is one."""
    viewlet(site)
    found = address(site.get("", {"wsgifutures-token": "x.y", "text": "q"}))
    assert fetch(site, found).text == "[Q]"


def test_part_has_no_theme_around_it(site):
    """It goes into a page that has one."""
    viewlet(site)
    part = fetch(site, address(site.get("")))
    assert part.headers["x-theme-disabled"] == "1"
    assert part.body == "<b>[A]</b>"
