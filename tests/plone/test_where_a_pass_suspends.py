"""A suspension passes cleanly through whatever stands around it.

No entry in the error log, no error page, and the right answer in the next pass; also
where others catch exceptions around the place, and where they catch everything.
"""

from AccessControl.class_init import InitializeClass
from AccessControl.SecurityInfo import ClassSecurityInfo
from collective.wsgifutures import AskedAfterCommit
from collective.wsgifutures.publisher import events
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import swallow
from OFS.SimpleItem import SimpleItem
from plone import api
from plone.app.layout.viewlets import ViewletBase
from plone.app.portlets.portlets import base
from plone.portlets.interfaces import IPortletAssignmentMapping
from plone.portlets.interfaces import IPortletDataProvider
from plone.portlets.interfaces import IPortletManager
from plone.portlets.interfaces import IPortletRenderer
from plone.rest import Service
from plone.restapi.interfaces import IExpandableElement
from plone.restapi.interfaces import ISerializeToJson
from plone.subrequest import subrequest
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from zope.component import getGlobalSiteManager
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserView
from zope.publisher.interfaces.browser import IDefaultBrowserLayer
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubBeforeCommit
from ZPublisher.interfaces import IPubStart
from ZPublisher.interfaces import IPubSuccess

import pytest
import transaction

JSON = "application/json"


def assert_held_cleanly(site, answer):
    """It took two passes, one call, and left no trace in a log."""
    assert answer.passes == ["Suspended", "200"]
    assert "[A]" in answer.body
    assert calls == ["a"]
    assert site.errors == []
    assert site.logged == []


def bracketed(*args):
    """Ask, from wherever this is called."""
    return f"[{ask('a')}]"


# templates

TEMPLATES = {
    "path": '<b tal:content="view/ask" />',
    "python": '<b tal:content="python: view.ask()" />',
    "define": '<tal:b define="text view/ask">${text}</tal:b>',
    "on-error": '<b tal:on-error="string:broken"><i tal:content="view/ask" /></b>',
    "page": """
        <html metal:use-macro="context/@@main_template/macros/master">
        <metal:main fill-slot="main"><b tal:content="view/ask" /></metal:main></html>""",
    "macro": '<b metal:use-macro="context/@@macros/ask" />',
    "in a macro's slot": """
        <b metal:use-macro="context/@@macros/slot">
        <metal:i fill-slot="inside">${view/ask}</metal:i></b>""",
}

MACROS = """
<b metal:define-macro="ask" tal:content="view/ask" />
<b metal:define-macro="slot"><i metal:define-slot="inside" /></b>
"""


class Macros(BrowserView):
    def __getitem__(self, name):
        return self.index.macros[name]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_page_template_when_it_suspends_renders_no_error(site, template):
    """Chameleon catches everything, and raises it again as something of its own."""
    site.view("macros", template=MACROS, __getitem__=Macros.__getitem__)
    site.view("page", template=template, ask=bracketed)
    assert_held_cleanly(site, site.get("page"))


# parts of a page


PARTS = {"code": None, "a template": '<b tal:content="view/ask" />'}

parts = pytest.mark.parametrize("template", PARTS.values(), ids=PARTS)


class Viewlet(ViewletBase):
    ask = bracketed

    def index(self):
        return self.ask()


@parts
def test_a_viewlet_when_it_suspends_is_not_an_error_of_its_manager(site, template):
    """The manager of viewlets catches exceptions and puts an apology in their place."""
    site.zcml(
        f"""<browser:viewlet
            name="ask" class="test_where_a_pass_suspends.Viewlet" permission="zope2.Public"
            {f'template="{site.template(template)}"' if template else ""}
            manager="plone.app.layout.viewlets.interfaces.IAboveContent" />"""
    )
    assert_held_cleanly(site, site.get(""))


class IAskPortlet(IPortletDataProvider):
    """A portlet."""


@implementer(IAskPortlet)
class Assignment(base.Assignment):
    title = "Ask"


@parts
def test_a_portlet_when_it_suspends_is_not_an_error_of_its_manager(site, template):
    """The manager of portlets does the same."""

    class Renderer(base.Renderer):
        ask = bracketed
        render = ViewPageTemplateFile(site.template(template)) if template else bracketed

    required = (Interface, IDefaultBrowserLayer, IBrowserView, IPortletManager, IAskPortlet)
    site.adapter(Renderer, required, IPortletRenderer)
    column = getUtility(IPortletManager, name="plone.leftcolumn", context=site.portal)
    mapping = getMultiAdapter((site.portal, column), IPortletAssignmentMapping)
    mapping["ask"] = Assignment()
    transaction.commit()
    assert_held_cleanly(site, site.get(""))


@parts
def test_a_subrequest_when_it_suspends_ends_the_whole_pass(site, template):
    """plone.subrequest renders an error of its own for exceptions."""
    call = None if template else bracketed
    site.view("inner", call, template=template, ask=bracketed)
    site.view("outer", lambda self: subrequest("/plone/inner").getBody())
    assert_held_cleanly(site, site.get("outer"))


# plone.restapi


class AskService(Service):
    """A service."""

    def render(self):
        return bracketed()


def test_a_service_when_it_suspends_answers_no_error_as_json(site):
    """plone.rest renders exceptions as JSON."""
    site.zcml(
        """<plone:service
            name="@ask" method="GET" for="*" permission="zope2.Public"
            factory="test_where_a_pass_suspends.AskService" />"""
    )
    assert_held_cleanly(site, site.get("@ask", accept=JSON))


@implementer(IExpandableElement)
class Expander:
    def __init__(self, context, request):
        self.context = context

    def __call__(self, expand=False):
        return {"ask": bracketed()}


def test_an_expander_when_it_suspends_is_asked_again(site):
    """An expander runs inside of a serializer, which knows nothing of it."""
    site.adapter(Expander, (Interface, Interface), IExpandableElement, "ask")
    assert_held_cleanly(site, site.get("", accept=JSON, user=ADMIN))


class IThing(Interface):
    """A content."""


class Serializer(Expander):
    def __call__(self, *args, **kwargs):
        return {"ask": bracketed()}


def test_a_serializer_when_it_suspends_is_asked_again(site):
    """A content's own serializer may wait."""
    alsoProvides(api.content.create(site.portal, "Document", "page"), IThing)
    transaction.commit()
    site.adapter(Serializer, (IThing, Interface), ISerializeToJson)
    assert_held_cleanly(site, site.get("page", accept=JSON, user=ADMIN))


class Thing(SimpleItem):
    """A content that publishes itself."""

    security = ClassSecurityInfo()
    security.declareObjectPublic()

    @security.public
    def index_html(self):
        """Publish it."""
        return bracketed()


InitializeClass(Thing)


def test_a_contents_index_html_when_it_suspends_is_published_again(site):
    """What is published need not be a view."""
    site.portal._setObject("thing", Thing("thing"))
    transaction.commit()
    assert_held_cleanly(site, site.get("thing"))


# around the view


def after_traversal(site, function):
    site.subscriber(IPubAfterTraversal, lambda event: function())


def at_the_start(site, function):
    site.subscriber(IPubStart, lambda event: function())


def before_the_commit(site, function):
    site.subscriber(IPubBeforeCommit, lambda event: function())


def in_a_hook(site, function):
    site.subscriber(
        IPubAfterTraversal, lambda event: transaction.get().addBeforeCommitHook(function)
    )


def in_a_hook_of_a_hook(site, function):
    """A hook that was added when the others ran already."""
    in_a_hook(site, lambda: transaction.get().addBeforeCommitHook(function))


def in_a_transform(site, function):
    site.transform(function, order=10000)  # after all others


PLACES = [
    at_the_start,
    after_traversal,
    before_the_commit,
    in_a_hook,
    in_a_hook_of_a_hook,
    in_a_transform,
]


def writing(self):
    count(self)
    return f"[{ask('a') if calls else ''}]"


@pytest.mark.parametrize("place", PLACES)
def test_a_place_around_the_view_when_it_suspends_commits_nothing(site, place):
    """Subscribers, hooks and transforms may wait, as long as nothing is committed."""
    place(site, bracketed)
    site.view("write", writing)
    assert_held_cleanly(site, site.get("write"))
    assert (site.portal.counter, site.commits) == (1, 1)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_around_the_view_when_it_swallows_a_suspension_commits_nothing(site, place):
    """The end of a pass is looked at twice, the second time after everything else."""
    place(site, lambda: swallow(ask, "a"))
    site.view("write", writing)
    assert_held_cleanly(site, site.get("write"))
    assert (site.portal.counter, site.commits) == (1, 1)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_around_the_view_when_it_submits_commits_nothing(site, place):
    """What was only submitted holds the response as well."""
    place(site, lambda: ask.submit("a"))
    site.view("write", writing)
    assert_held_cleanly(site, site.get("write"))
    assert (site.portal.counter, site.commits) == (1, 1)


@pytest.fixture
def last_in_line(site):
    """Let our subscriber of IPubStart be the last one, as another order of ZCML would."""
    registry = getGlobalSiteManager()
    while not registry.unregisterHandler(events.pass_starts, (IPubStart,)):
        (registry,) = registry.__bases__
    yield lambda: site.subscriber(IPubStart, events.pass_starts)
    registry.registerHandler(events.pass_starts, (IPubStart,))


def test_a_suspension_when_lost_before_our_subscriber_leaves_no_trace(site, last_in_line):
    """A subscriber of IPubStart may run before ours."""
    site.subscriber(IPubStart, lambda event: swallow(ask, "a"))
    last_in_line()

    def view(self):
        if not calls:
            raise ValueError("x")
        return bracketed()

    site.view("broken", view)
    answer = site.get("broken")
    assert answer.passes == ["ValueError", "200"]
    assert (calls, site.errors, site.logged) == (["a"], [], [])


def test_the_second_look_when_another_hook_wants_to_be_last_too_gives_way(site):
    """Two of a kind do not push each other on for ever."""

    def stay_last():
        txn = transaction.get()
        if list(txn.getBeforeCommitHooks())[-1][0] is not stay_last:
            txn.addBeforeCommitHook(stay_last)

    in_a_hook(site, stay_last)
    site.view("plain", lambda self: "plain")
    assert site.get("plain").passes == ["200"]
    site.view("asks", bracketed)
    assert_held_cleanly(site, site.get("asks"))


# after the commit


def test_a_future_when_asked_for_in_a_subscriber_of_success_is_refused(site):
    """What is committed is not published again."""
    site.subscriber(IPubSuccess, lambda event: ask("a"))
    site.view("write", writing)
    answer = site.get("write")

    assert (answer.status, answer.passes) == (500, ["500"])
    assert calls == []
    assert site.errors == [AskedAfterCommit.__name__]
    assert (site.portal.counter, site.commits) == (1, 1)


@pytest.mark.parametrize("asks", [ask, ask.submit])
def test_a_future_when_asked_for_in_an_after_commit_hook_is_refused(site, asks):
    """An after-commit hook that raises is logged by ``transaction``."""

    def hook(committed):
        asks("a")

    def view(self):
        transaction.get().addAfterCommitHook(hook)
        return writing(self)

    site.view("write", view)
    answer = site.get("write")

    assert (answer.status, answer.passes) == (200, ["200"])
    assert calls == []
    assert ["Error in hook exec" in message for message in site.logged] == [True]
    assert (site.portal.counter, site.commits) == (1, 1)


def test_a_future_that_is_there_when_asked_for_after_the_commit_gives_its_value(site):
    """Only a pending one is refused."""
    log = []
    site.subscriber(IPubSuccess, lambda event: log.append(ask("a")))
    site.view("asks", bracketed)
    assert_held_cleanly(site, site.get("asks"))
    assert log == ["A"]


# plone.transformchain


@pytest.mark.parametrize("careless", [False, True])
def test_the_transformchain_when_the_pass_is_known_to_wait_is_switched_off(site, careless):
    """Nothing is made of a page that nobody gets."""
    log = []
    in_a_transform(site, lambda: log.append("transformed"))
    site.view("asks", lambda self: str(swallow(ask, "a")) if careless else ask("a"))
    answer = site.get("asks")
    assert answer.passes == ["Suspended", "200"]
    assert log == ["transformed"]
