"""Traversal, services of plone.restapi, XML-RPC, events and error pages may wait."""

from AccessControl.class_init import InitializeClass
from AccessControl.SecurityInfo import ClassSecurityInfo
from App.config import getConfiguration
from holdsite import ADMIN
from holdsite import calls
from holdsite import count
from holdsite import fail
from OFS.SimpleItem import SimpleItem
from places import bracketed
from places import JSON
from places import publish
from places import register
from plone import api
from plone.app.contenttypes.interfaces import IDocument
from plone.indexer.decorator import indexer
from plone.indexer.interfaces import IIndexer
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.deserializer import json_body
from plone.restapi.interfaces import IFieldDeserializer
from plone.restapi.interfaces import IFieldSerializer
from plone.restapi.interfaces import ISerializeToJsonSummary
from plone.restapi.services import Service
from Products.CMFPlone.interfaces import IPloneSiteRoot
from Products.Five import BrowserView
from Products.PythonScripts.PythonScript import PythonScript
from Products.ZCatalog.interfaces import ICatalogBrain
from zExceptions import NotFound
from zope.component import getGlobalSiteManager
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.interface import Interface
from zope.lifecycleevent.interfaces import IObjectAddedEvent
from zope.lifecycleevent.interfaces import IObjectModifiedEvent
from zope.publisher.interfaces import IPublishTraverse
from zope.publisher.interfaces.browser import IBrowserRequest
from zope.schema.interfaces import ITextLine
from zope.schema.interfaces import IVocabularyFactory
from zope.schema.vocabulary import SimpleVocabulary
from zope.traversing.interfaces import IBeforeTraverseEvent
from zope.traversing.interfaces import ITraversable
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubBeforeAbort
from ZPublisher.interfaces import IPubFailure

import json
import pytest
import transaction
import xmlrpc.client


class Writing(BrowserView):
    """A page that writes, and says what it knows."""

    told = ""

    def __call__(self):
        count(self)
        return f"told: {self.told}"


def counted(site, *args, wrote=1, **more):
    """Publish what writes once."""
    answer = publish(site, *args, wrote=wrote, **more)
    assert site.portal.counter == 1
    return answer


def rest(site, method, path, data=None, **more):
    """Publish a request to plone.restapi, as a Manager."""
    body = json.dumps(data).encode() if data else b""
    return publish(
        site, "request", method, path, body=body, kind=JSON, user=ADMIN, accept=JSON, **more
    )


# a page view


def test_a_page_view_when_it_suspends_writes_once(site):
    """What it did before is undone, and done again."""

    class Page(Writing):
        def __call__(self):
            self.context.counter = getattr(self.context, "counter", 0) + 1
            return f"told: {bracketed()}"

    register("page", Page)
    assert counted(site, "get", "page").text == "told: [A]"


# on the way to the view


@implementer(IPublishTraverse)
class Traversing(Writing):
    def publishTraverse(self, request, name):
        self.told = f"{name}: {bracketed()}"
        return self


def test_publish_traverse_when_it_suspends_is_asked_again(site):
    """It has its name and the request in each pass; nobody is logged in yet."""
    register("traversing", Traversing)
    assert counted(site, "get", "traversing/name").text == "told: name: [A]"


class BrowserDefault(Writing):
    def browserDefault(self, request):
        self.told = bracketed()
        return self, ()


def test_browser_default_when_it_suspends_is_asked_again(site):
    """It says what is published where the path ends."""
    register("default", BrowserDefault)
    assert counted(site, "get", "default").text == "told: [A]"


@implementer(ITraversable)
class Namespace:
    """``++ask++name`` in a path."""

    def __init__(self, context, request):
        self.context = context
        self.request = request

    def traverse(self, name, further):
        view = api.content.get_view("writing", self.context, self.request)
        view.told = f"{name}: {bracketed()}"
        return view


def test_a_namespace_when_it_suspends_is_asked_again(site):
    """Zope makes NotFound of a LocationError there, and of nothing else."""
    register("writing", Writing)
    site.adapter(Namespace, (Interface, IBrowserRequest), ITraversable, "ask")
    assert counted(site, "get", "++ask++name").text == "told: name: [A]"


class Thing(SimpleItem):
    """A content that finds its parts itself."""

    security = ClassSecurityInfo()
    security.declareObjectPublic()

    def __bobo_traverse__(self, request, name):
        view = api.content.get_view("writing", self.__parent__, request)
        view.told = f"{name}: {bracketed()}"
        return view


InitializeClass(Thing)


def test_a_content_that_traverses_when_it_suspends_is_asked_again(site):
    """The old way of traversal."""
    register("writing", Writing)
    site.portal._setObject("thing", Thing("thing"))
    transaction.commit()
    assert counted(site, "get", "thing/part").text == "told: part: [A]"


TRAVERSAL = {"before": (IPloneSiteRoot, IBeforeTraverseEvent), "after": (IPubAfterTraversal,)}


@pytest.mark.parametrize("events", TRAVERSAL.values(), ids=TRAVERSAL)
def test_a_subscriber_of_traversal_when_it_suspends_is_asked_again(site, events):
    """Each request passes there: a look-up for the whole site may wait."""
    getGlobalSiteManager().registerHandler(bracketed, events)
    register("writing", Writing)
    assert counted(site, "get", "writing").text == "told:"


# what the view does: contents and their events


def renamed(thing, event):
    thing.description = bracketed()


ON_A_CONTENT = {
    "added": ("POST", "", {"@type": "Document", "title": "Page"}, IObjectAddedEvent, "201"),
    "modified": ("PATCH", "page", {"title": "Page"}, IObjectModifiedEvent, "204"),
}


@pytest.mark.parametrize(
    ("method", "path", "data", "event", "status"), ON_A_CONTENT.values(), ids=ON_A_CONTENT
)
def test_a_subscriber_of_a_content_when_it_suspends_writes_once(
    site, method, path, data, event, status
):
    """The content, what the subscriber made of it and the catalog are written in one commit."""
    if path:
        api.content.create(site.portal, "Document", path, title="Old")
        transaction.commit()
    getGlobalSiteManager().registerHandler(renamed, (IDocument, event))
    rest(site, method, path, data, passes=["Suspended", status], wrote=1)
    brains = site.portal.portal_catalog(portal_type="Document")
    assert [(b.getId, b.Title, b.Description) for b in brains] == [("page", "Page", "[A]")]


def test_an_indexer_when_it_suspends_at_the_commit_indexes_once(site):
    """The catalog is written in a before-commit hook."""

    @indexer(IDocument)
    def description(thing):
        return bracketed()

    site.adapter(description, (IDocument, Interface), IIndexer, "Description")
    data = {"@type": "Document", "title": "Page"}
    rest(site, "POST", "", data, passes=["Suspended", "201"], wrote=1)
    assert [b.Description for b in site.portal.portal_catalog(id="page")] == ["[A]"]


def test_a_python_script_when_it_swallows_a_suspension_is_held(site):
    """Restricted code may have a bare except."""
    script = PythonScript("py")
    script.write("""
try:
    return context.restrictedTraverse("asks")()
except:
    return "lost"
""")
    site.portal._setObject("py", script)
    transaction.commit()
    site.view("asks", bracketed)
    assert publish(site, "get", "py").text == "[A]"


# plone.restapi


class Ask(Service):
    """A service that writes."""

    def reply(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        count(self)
        return {"told": f"{json_body(self.request)} {bracketed()}"}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_service_when_it_suspends_writes_once(site, method):
    """It reads its body in each pass."""
    site.zcml(
        f"""<plone:service
            name="@ask" method="{method}" for="*" permission="zope2.View"
            factory="test_places_requests.Ask" />"""
    )
    sent = {} if method == "GET" else {"text": "hello"}
    answer = rest(site, method, "@ask", sent, wrote=1)
    assert answer.json == {"told": f"{sent} [A]"}
    assert site.portal.counter == 1


class Field:
    """Reads and writes a line of text as JSON."""

    def __init__(self, field, context, request):
        self.context = context

    def __call__(self, value=None):
        return bracketed()


class Summary:
    """Says what a content is in a list."""

    def __init__(self, context, request):
        self.context = context

    def __call__(self):
        return {"title": bracketed()}


@pytest.fixture
def document(site):
    """The site with a page."""
    api.content.create(site.portal, "Document", "page", title="Page")
    transaction.commit()
    return site


def test_a_fields_serializer_when_it_suspends_is_asked_again(document):
    """A content's serializer asks it, in the middle of others."""
    document.adapter(Field, (ITextLine, IDocument, Interface), IFieldSerializer)
    assert rest(document, "GET", "page").json["title"] == "[A]"


def test_a_fields_deserializer_when_it_suspends_writes_once(document):
    """ValueError and what is invalid are the answers of a deserializer, and nothing else."""
    document.adapter(Field, (ITextLine, IDocument, Interface), IFieldDeserializer)
    rest(document, "PATCH", "page", {"title": "x"}, passes=["Suspended", "204"], wrote=1)
    assert document.portal["page"].title == "[A]"


def test_a_summary_when_it_suspends_is_asked_again(document):
    """A list asks for one after the other."""
    document.adapter(Summary, (ICatalogBrain, Interface), ISerializeToJsonSummary)
    query = {"portal_type": "Document"}
    assert rest(document, "GET", "@search", query=query).json["items"] == [{"title": "[A]"}]


@implementer(IVocabularyFactory)
class Vocabulary:
    def __call__(self, context):
        return SimpleVocabulary.fromValues([bracketed()])


def test_a_vocabulary_of_plone_restapi_when_it_suspends_is_made_again(site):
    """As Volto asks for it."""
    getGlobalSiteManager().registerUtility(Vocabulary(), name="places.asked")
    assert "[A]" in rest(site, "GET", "@vocabularies/places.asked").body


# XML-RPC


@pytest.fixture
def rpc(site, monkeypatch):
    """Call a method by XML-RPC."""
    monkeypatch.setattr(getConfiguration(), "enable_xmlrpc", True)

    def call(name, *args, **more):
        body = xmlrpc.client.dumps(args, name).encode()
        return site.request("POST", "", body=body, kind="text/xml", **more)

    return call


def test_an_xml_rpc_method_when_it_suspends_is_called_again(site, rpc):
    """With its arguments, which are in the body."""

    def method(self, text, number):
        count(self)
        return {text: number, "told": bracketed()}

    site.view("method", method)
    site.rpc = rpc
    answer = counted(site, "rpc", "method", "one", 1)
    assert xmlrpc.client.loads(answer.body) == (({"one": 1, "told": "[A]"},), None)


def test_an_xml_rpc_method_when_its_future_fails_is_answered_as_without_us(site, rpc):
    """Plone has a page for errors, which is sent here too."""
    site.view("method", lambda self: fail("a"))
    plain, held = rpc("method", held=False), rpc("method")
    assert (held.status, held.headers["content-type"]) == (500, plain.headers["content-type"])
    assert held.passes == ["Suspended", "500"]
    assert (calls, site.errors) == (["a", "a"], ["LookupError", "LookupError"])


# error pages


def nothing_there(self):
    raise NotFound("nothing")


def test_the_page_for_not_found_when_it_suspends_is_rendered_again(site):
    """A search for something like it may take a while."""
    site.view("index.html", lambda self: f"something like it: {bracketed()}", for_=NotFound)
    answer = publish(site, "get", "nothing", passes=["Suspended", "404"])
    assert answer.text == "something like it: [A]"


FAILURES = {"before it is undone": IPubBeforeAbort, "after it was undone": IPubFailure}


@pytest.mark.parametrize("event", FAILURES.values(), ids=FAILURES)
def test_a_subscriber_of_failure_when_it_suspends_reports_once(site, event):
    """Nothing is committed there, so the request may be published again."""
    report = []
    site.subscriber(event, lambda event: report.append(bracketed()))
    site.view("nothing", nothing_there)
    publish(site, "get", "nothing", passes=["Suspended", "404"])
    assert report == ["[A]"]


def test_a_service_when_an_error_follows_on_its_values_is_an_error_in_json(site):
    """plone.rest renders what the last pass raised, once."""
    site.zcml(
        """<plone:service
            name="@ask" method="GET" for="*" permission="zope2.View"
            factory="test_places_requests.Broken" />"""
    )
    answer = site.get("@ask", user=ADMIN, accept=JSON)
    assert (answer.status, answer.passes, calls) == (500, ["Suspended", "500"], ["a"])
    assert answer.json["message"] == "told: [A]"
    assert site.errors == ["ValueError"]


class Broken(Service):
    """A service that breaks."""

    def reply(self):
        raise ValueError(f"told: {bracketed()}")
