"""``fragment`` in Plone's own page: ten slow parts take two passes and one wait."""

from Acquisition import aq_base
from askportlets import AskRenderer
from askportlets import portlets
from collective.wsgifutures import fragment
from collective.wsgifutures import FuturesError
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel import checks
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import hang_on
from holdsite import swallow
from plone.app.blocks.interfaces import IBlocksTransformEnabled
from plone.app.layout.viewlets import ViewletBase
from plone.app.portlets.portlets import base
from plone.memoize import forever
from plone.memoize import instance
from plone.memoize import ram
from plone.memoize import view
from plone.memoize import volatile
from plone.tiles.tile import Tile
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from zExceptions import Forbidden
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized
from zope.component import getUtility
from zope.interface import alsoProvides
from zope.interface import Interface
from zope.publisher.interfaces.browser import IDefaultBrowserLayer
from zope.ramcache.interfaces.ram import IRAMCache

import functools
import pytest

ME = "test_fragments"


def assert_one_wait(site, answer, *texts):
    """All was asked for in the first pass, each once, and no log has anything."""
    assert answer.passes == ["Suspended", "200"]
    assert sorted(calls) == sorted(texts)
    assert [text for text in texts if f"[{text.upper()}]" not in answer.body] == []
    assert "(waits)" not in answer.body
    assert (site.errors, site.logged) == ([], [])


# viewlets


class Base(ViewletBase):
    """A viewlet that somebody else wrote."""

    text = ""

    def index(self):
        return f"[{self.text}]"


@fragment(placeholder="(waits)")
class Updates(Base):
    def update(self):
        super().update()
        self.text = ask("a")


@fragment(placeholder="(waits)")
class Renders(Base):
    def index(self):
        return f"[{ask('b')}]"


@fragment(placeholder="(waits)")
class RendersATemplate(Base):
    render = ViewPageTemplateFile("ask.pt")

    def ask(self):
        return f"[{ask('c')}]"


@fragment(placeholder="(waits)")
class FromZCML(Base):
    def ask(self):
        return f"[{ask('d')}]"


class Asks(Base):
    def render(self):
        return f"[{ask('e')}]"


@fragment(placeholder="(waits)")
class Inherits(Asks):
    """Whatever it does, it has from its base."""


def viewlet(site, name, more="", manager="IAboveContent"):
    site.zcml(
        f"""<browser:viewlet
            name="{name.lower()}" class="{ME}.{name}" permission="zope2.Public" {more}
            manager="plone.app.layout.viewlets.interfaces.{manager}" />"""
    )


def viewlets(site):
    """Put one of each kind into Plone's page; return what they ask for."""
    viewlet(site, "Updates", manager="IPortalHeader")
    viewlet(site, "Renders")
    viewlet(site, "RendersATemplate", manager="IPortalFooter")
    template = site.template('<b tal:content="view/ask" />')
    viewlet(site, "FromZCML", f'template="{template}"', manager="IBelowContent")
    viewlet(site, "Inherits", manager="IHtmlHeadLinks")
    return "abcde"


def test_viewlets_in_all_managers_take_one_wait(site):
    """Suspending in update, in render, in a template, in ZCML's template, in what is inherited."""
    texts = viewlets(site)
    assert_one_wait(site, site.get(""), *texts)


def test_a_viewlet_that_is_no_fragment_makes_the_others_wait_in_turn(site):
    """What fragments are for."""
    viewlet(site, "Asks", manager="IPortalHeader")
    viewlet(site, "Renders")
    assert site.get("").passes == ["Suspended", "Suspended", "200"]


# portlets


@fragment(placeholder="(waits)")
class Renderer(AskRenderer):
    """It suspends alone."""


def test_portlets_take_one_wait(site):
    """Suspending in update, in available, in render."""
    portlets(site, Renderer, "update", "available", "render")
    assert_one_wait(site, site.get(""), "update", "available", "render")


def test_a_portlet_that_is_a_template_takes_one_wait(site):
    """``render`` is a page template in most of Plone's portlets."""

    @fragment
    class Templated(base.Renderer):
        render = ViewPageTemplateFile(site.template('<b tal:content="view/ask" />'))

        def ask(self):
            return f"[{ask(self.data.text)}]"

    portlets(site, Templated, "a", "b")
    assert_one_wait(site, site.get(""), "a", "b")


# tiles


@fragment(placeholder="<html><body>(waits)</body></html>")
class AskTile(Tile):
    def __call__(self):
        return f"<html><body><p>[{ask(self.request['text'])}]</p></body></html>"


class Layout(BrowserView):
    """A page of tiles, as Mosaic makes one."""

    def __call__(self):
        alsoProvides(self.request, IBlocksTransformEnabled)
        self.request.response.setHeader("Content-Type", "text/html")
        tiles = (f'<div data-tile="./@@ask.tile?text={text}"></div>' for text in "abc")
        return f"<html><head></head><body>{''.join(tiles)}</body></html>"


TILE = f"""
    <include package="plone.tiles" file="meta.zcml" />
    <plone:tile
        name="ask.tile" title="Ask" class="{ME}.AskTile"
        for="*" permission="zope2.Public" add_permission="cmf.ManagePortal" />
"""


def test_tiles_of_a_layout_take_one_wait(site):
    """plone.app.blocks puts them into the page after it was made, each by a subrequest."""
    site.zcml(TILE)
    site.zcml(
        f'<browser:page name="layout" for="*" class="{ME}.Layout" permission="zope2.Public" />'
    )
    assert_one_wait(site, site.get("layout"), "a", "b", "c")


def test_a_tile_that_is_published_by_itself_takes_one_wait(site):
    """A browser may ask for it."""
    site.zcml(TILE)
    assert_one_wait(site, site.get("@@ask.tile", {"text": "a"}), "a")


# any callable


@fragment(placeholder="(waits)")
def show(text):
    return f"[{ask(text)}]"


class Shows(BrowserView):
    @fragment(placeholder="(waits)")
    def part(self):
        return f"[{ask('a')}]"

    def __getitem__(self, name):
        return fragment(placeholder="(waits)")(lambda: f"[{ask(name)}]")


TEMPLATES = {
    "path": '<b tal:content="view/part" /><b tal:content="python: view[\'b\']()" />',
    "macro": """
        <tal:b metal:define-macro="one"><b tal:content="view/part" /></tal:b>
        <tal:b metal:use-macro="template/macros/one" /><b tal:content="python: view['b']()" />""",
    "on-error": """
        <tal:b tal:on-error="string:broken"><b tal:content="view/part" /></tal:b>
        <b tal:content="python: view['b']()" />""",
    "page": """
        <html metal:use-macro="context/@@main_template/macros/master">
        <metal:main fill-slot="main">
        <b tal:content="view/part" /><b tal:content="python: view['b']()" />
        </metal:main></html>""",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_callables_of_a_page_template_take_one_wait(site, template):
    """A macro by the callable that its expression calls."""
    site.view("page", template=template, part=Shows.part, __getitem__=Shows.__getitem__)
    assert_one_wait(site, site.get("page"), "a", "b")


def test_a_view_may_be_a_fragment_of_another_page(site):
    """``context/@@teaser`` in somebody's template."""

    @fragment(placeholder="(waits)")
    class Teaser(BrowserView):
        def __call__(self):
            return f"[{ask('a')}]"

    site.view("page", template='<b tal:content="context/@@teaser" /><b tal:content="view/b" />',
              b=lambda self: show("b"))  # fmt: skip
    site.adapter(Teaser, (Interface, IDefaultBrowserLayer), Interface, "teaser")
    assert_one_wait(site, site.get("page"), "a", "b")


# all together


def test_a_page_with_ten_parts_of_all_kinds_takes_one_wait(site):
    """Whatever their order and nesting."""
    texts = viewlets(site)
    portlets(site, Renderer, "update", "available", "render")
    outer = fragment(placeholder="(waits)")(lambda self: show("x") + show("y"))
    template = TEMPLATES["page"].replace("view['b']()", "view.nested()")
    site.view("page", template=template, part=Shows.part, nested=outer)
    wanted = {*texts, "update", "available", "render", "x", "y"}
    assert_one_wait(site, site.get("page"), *wanted)


def test_a_page_of_a_user_with_parts_takes_one_wait(site):
    """plone.protect looks at the page of somebody who is logged in."""
    texts = viewlets(site)
    assert_one_wait(site, site.get("", user=ADMIN), *texts)


# what ends a pass (the table of the design)


def view_with(end):
    """Return a view that writes, has a part that suspends, and ends so."""

    def view(self):
        count(self)
        part = show("a")
        return end(self, part)

    return view


def raising(error):
    def end(view, part):
        raise error

    return end


def redirect(view, part):
    view.request.response.redirect("http://nohost/plone/elsewhere")


def set_not_found(view, part):
    view.request.response.setStatus(404)


ANSWERS = [
    pytest.param(raising(Redirect("/elsewhere")), 302, id="Redirect"),
    pytest.param(raising(NotFound("x")), 404, id="NotFound"),
    pytest.param(raising(Unauthorized("x")), 302, id="Unauthorized"),
    pytest.param(raising(Forbidden("x")), 403, id="Forbidden"),
    pytest.param(redirect, 302, id="redirected"),
    pytest.param(set_not_found, 404, id="set a status"),
]


@pytest.mark.parametrize(("end", "status"), ANSWERS)
def test_a_pass_with_a_part_that_ends_with_an_answer_is_final(site, end, status):
    """(b) The visitor does not get the page, so nothing is called for it."""
    site.view("page", view_with(end))
    answer = site.get("page")
    assert (answer.status, len(answer.passes), calls) == (status, 1, [])


def test_a_pass_with_a_part_that_ends_with_an_error_is_held(site):
    """(c) The placeholder may be its cause."""

    def end(view, part):
        return {"[A]": "[A]"}[part]

    site.view("page", view_with(end))
    assert_one_wait(site, site.get("page"), "a")
    assert (site.portal.counter, site.commits) == (1, 1)


def test_a_pass_with_a_part_whose_error_stays_is_answered_with_it(site):
    """(c), then (d): one entry in the error log."""
    site.view("page", view_with(raising(ValueError("x"))))
    answer = site.get("page")
    assert (answer.status, answer.passes, calls) == (500, ["Suspended", "500"], ["a"])
    assert site.errors == ["ValueError"]


def test_a_page_that_suspends_besides_its_parts_is_held_for_both(site):
    """(a) One wait for what the page and its parts had asked for."""
    site.view("page", lambda self: show("a") + f"[{ask('b')}]" + show("a"))
    assert_one_wait(site, site.get("page"), "a", "b")


def test_an_error_page_with_a_part_is_sent_as_it_is(site):
    """(b) What is not there is not worth a call; the part's placeholder stands in it."""
    viewlet(site, "Renders")
    answer = site.get("nowhere")
    assert (answer.status, answer.passes, calls) == (404, ["404"], [])
    assert "(waits)" in answer.body


# parts that misbehave


@fragment(placeholder="(waits)")
class Careless(Base):
    def index(self):
        swallow(ask, "a")
        return {"A": "[A]"}[ask("a") if calls else "nothing"]


def test_a_viewlet_that_swallows_its_suspension_is_not_an_error_of_its_manager(site):
    """Neither is what comes of it."""
    viewlet(site, "Careless")
    assert_one_wait(site, site.get(""), "a")


@fragment(placeholder="(waits)")
class Fails(Base):
    def index(self):
        ask("a")
        raise LookupError("its own")


def test_an_error_of_a_viewlet_is_handled_by_its_manager(site):
    """As ever, in the last pass."""
    viewlet(site, "Fails")
    answer = site.get("")
    assert answer.passes == ["Suspended", "200"]
    assert "error while rendering fails" in answer.body
    assert len(site.logged) == 1


# the last pass


@fragment(placeholder="<p>It took too long.</p>")
class Hangs(Base):
    def index(self):
        return hang_on("x")


def test_a_viewlet_at_the_deadline_gives_its_placeholder(site):
    """The page is sent with it, and nobody's error page."""
    viewlet(site, "Hangs")
    viewlet(site, "Renders")
    answer = site.get("", deadline=2.0)
    assert (answer.status, answer.passes) == (200, ["Suspended", "200"])
    assert "<p>It took too long.</p>" in answer.body
    assert "[B]" in answer.body
    assert (site.errors, site.logged) == ([], [])


# plone.memoize


@pytest.fixture
def _empty_caches():
    getUtility(IRAMCache).invalidateAll()
    forever._memos.clear()
    checks._logged.clear()
    yield
    getUtility(IRAMCache).invalidateAll()
    forever._memos.clear()


GIVEN = {
    "placeholder": lambda: show("a"),
    "default": lambda: f"[{ask.submit('a').result(default='(waits)')}]",
}


class Keeper:
    """Lives as long as the test."""

    def __init__(self, given):
        self.given = given

    @instance.memoize
    def memoized(self):
        return f"<{self.given()}>"

    @volatile.cache(lambda method, self: "key")
    def cached(self):
        return f"<{self.given()}>"


def in_ram(given):
    return ram.cache(lambda method, self: "key")(lambda self: f"<{given()}>")


def for_ever(given):
    kept = forever.memoize(lambda: f"<{given()}>")
    return lambda self: kept()


def on_an_object(given):
    keeper = Keeper(given)
    return lambda self: keeper.memoized()


def on_the_object_itself(given):
    keeper = Keeper(given)
    return lambda self: keeper.cached()


def on_the_site(given):
    # In the site's own dict: it is not written, so no abort takes it out.
    kept = volatile.cache(
        lambda method, self: "key",
        lambda method, self: vars(aq_base(self.context)).setdefault("_v_kept", {}),
    )
    return kept(lambda self: f"<{given()}>")


def by_lru_cache(given):
    kept = functools.lru_cache(lambda: f"<{given()}>")
    return lambda self: kept()


CACHED = {
    "ram": in_ram,
    "forever": for_ever,
    "instance": on_an_object,
    "volatile": on_the_object_itself,
    "volatile of the site": on_the_site,
    "lru_cache": by_lru_cache,
}


@pytest.mark.usefixtures("_empty_caches")
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("keep", CACHED.values(), ids=CACHED)
def test_what_is_for_one_pass_is_never_kept(site, keep, given):
    """The next visitor gets the value, not what stood for it; the log has a warning."""
    kept = keep(given)
    site.view("page", lambda self: kept(self) + show("b"))
    first = site.get("page")
    assert (first.passes, first.body) == (["Suspended", "Suspended", "200"], "<[A]>[B]")
    assert "Here the page waits instead." in site.log.text
    calls.clear()
    second = site.get("page")
    assert (second.passes, second.body, calls) == (["Suspended", "200"], "<[A]>[B]", ["b"])


_kept = {}


def in_a_dict_of_the_module(self, given):
    if "key" not in _kept:
        _kept["key"] = f"<{given()}>"
    return _kept["key"]


def on_the_context(self, given):
    if not hasattr(aq_base(self.context), "_v_kept"):
        self.context._v_kept = f"<{given()}>"
    return self.context._v_kept


BY_HAND = {"module": in_a_dict_of_the_module, "context": on_the_context}


@pytest.fixture
def _nothing_kept():
    _kept.clear()
    checks._logged.clear()
    yield
    _kept.clear()


@pytest.mark.usefixtures("_nothing_kept")
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("keep", BY_HAND.values(), ids=BY_HAND)
def test_what_is_for_one_pass_and_kept_by_hand_is_put_back(site, keep, given):
    """The page that is sent has the value, and so has the next one; the log has a warning."""
    site.view("page", lambda self: keep(self, given) + show("b"))
    assert [site.get("page").body for _ in range(2)] == ["<[A]>[B]", "<[A]>[B]"]
    assert "where everybody would get it" in site.log.text


@pytest.mark.usefixtures("_nothing_kept")
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("keep", BY_HAND.values(), ids=BY_HAND)
def test_who_develops_is_told_of_what_is_kept_by_hand(site, keep, given):
    """An error names the function and the place."""
    site.view("page", lambda self: keep(self, given) + show("b"))
    answer = site.get("page", debug=True)
    assert (answer.status, calls, site.errors) == (500, [], [FuturesError.__name__])
    assert "where everybody would get it" in site.error_log[0]["value"]


PER_PASS = {"view": view.memoize, "instance": instance.memoize}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("memoize", PER_PASS.values(), ids=PER_PASS)
def test_what_a_view_memoizes_is_for_its_pass(site, memoize, given):
    """A view and its request are new in each pass: nobody has to wait in turn."""
    site.view("page", lambda self: self.kept() + show("b"), kept=memoize(lambda self: given()))
    answer = site.get("page", debug=True)
    assert (answer.passes, answer.body) == (["Suspended", "200"], "[A][B]")


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_an_attribute_of_a_content_object_is_written_once(site, given):
    """A discarded pass is aborted, so what it wrote is gone."""

    def page(self):
        if getattr(self.context, "kept", None) is None:
            self.context.kept = given()
        return self.context.kept

    site.view("page", page)
    assert [site.get("page").body for _ in range(2)] == ["[A]", "[A]"]
    assert calls == ["a"]


@pytest.mark.usefixtures("_empty_caches")
def test_a_placeholder_of_the_last_pass_is_not_kept_either(site):
    """The page is too late then, not every page after it."""
    kept = ram.cache(lambda method, self: "late")(fragment(lambda self: hang_on("x")))
    site.view("page", kept)
    answer = site.get("page", deadline=0.2)
    assert (answer.status, site.errors) == (504, [HoldExpired.__name__])
    kept = [entry["path"] for entry in getUtility(IRAMCache).getStatistics()]
    assert [path for path in kept if path.startswith(ME)] == []


@pytest.mark.usefixtures("_empty_caches")
def test_who_develops_is_told_of_a_part_that_a_cache_would_keep(site):
    """In debug mode it is an error that says how to do it right."""
    site.view("page", in_ram(GIVEN["placeholder"]))
    answer = site.get("page", debug=True)
    assert (answer.status, calls, site.errors) == (500, [], [FuturesError.__name__])
    assert f"{ME}.show is a fragment" in site.error_log[0]["value"]
    assert f"{ME}.in_ram.<locals>.<lambda> caches" in site.error_log[0]["value"]


@pytest.mark.usefixtures("_empty_caches")
def test_who_develops_is_told_of_a_default_that_a_cache_would_keep(site):
    """The same, with the name of the future and of the cached function."""
    site.view("page", in_ram(GIVEN["default"]))
    answer = site.get("page", debug=True)
    assert (answer.status, calls, site.errors) == (500, [], [FuturesError.__name__])
    assert "holdsite.ask has no result yet" in site.error_log[0]["value"]
    assert f"{ME}.in_ram.<locals>.<lambda> is cached" in site.error_log[0]["value"]
