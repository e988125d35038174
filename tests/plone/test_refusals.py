"""What a view must not hand to a future: named, with what to pass instead."""

from Acquisition import aq_base
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import future
from collective.wsgifutures import ResultRefused
from DateTime import DateTime
from holdsite import ask
from holdsite import calls
from plone import api
from plone.app.textfield.value import RichTextValue
from plone.namedfile.file import NamedBlobFile
from Products.CMFPlone import PloneMessageFactory
from Products.Five import BrowserView

import pytest


@future
def take(value):
    calls.append(value)


class View(BrowserView):
    def method(self):
        return ask("a")

    @future(key="on a view")
    def declared_on_a_class(self):
        return 1


#: What a view has at hand, and what the refusal says of it.
REFUSED = {
    "a content": ("acquisition wrapper", "UID, path or text"),
    "a content without its wrapper": ("persistent object", "UID, path or text"),
    "the site": ("acquisition wrapper", "UID, path or text"),
    "a tool": ("acquisition wrapper", "pass"),
    "the request": ("request", "form values or headers"),
    "the response": ("response", "pass"),
    "a view": ("view", "plain values"),
    "a view's method": ("bound method of a view", "function of a module"),
    "a content's method": ("bound method of an object in an acquisition wrapper", "function of a"),
    "an unwrapped content's method": ("bound method of a persistent object", "function of a"),
    "a brain": ("acquisition wrapper", "path"),
    "the brains of a query": ("LazyMap", "pass"),
    "a DateTime": ("DateTime", "pass value.asdatetime()"),
    "a message": ("Message", "pass its translation"),
    "a rich text": ("RichTextValue", "pass value.raw"),
    "a file": ("persistent object", "pass value.data"),
    "the user": ("MemberData", "pass"),
}


@pytest.fixture
def things(site, functional):
    """Return what a view has at hand, by its name."""
    page = api.content.create(site.portal, "Document", "page", title="Page")
    request = functional["request"]
    brains = site.portal.portal_catalog(id="page")
    view = View(page, request)
    return {
        "a content": page,
        "a content without its wrapper": aq_base(page),
        "the site": site.portal,
        "a tool": site.portal.portal_catalog,
        "the request": request,
        "the response": request.response,
        "a view": view,
        "a view's method": view.method,
        "a content's method": page.Title,
        "an unwrapped content's method": aq_base(page).Title,
        "a brain": brains[0],
        "the brains of a query": brains,
        "a DateTime": DateTime(),
        "a message": PloneMessageFactory("label", default="Label"),
        "a rich text": RichTextValue("<p>x</p>", "text/html", "text/html"),
        "a file": NamedBlobFile(b"x", filename="x.txt"),
        "the user": api.user.get_current(),
    }


@pytest.mark.parametrize(("name", "says"), REFUSED.items(), ids=REFUSED)
def test_an_argument_when_it_belongs_to_zope_is_refused_by_its_name(things, name, says):
    """The message says which argument, what it is and what to pass instead."""
    with pytest.raises(ArgumentRefused) as refusal:
        take.submit(things[name])
    message = str(refusal.value)
    assert message.startswith("test_refusals.take cannot take value: ")
    assert [part for part in says if part not in message] == []
    assert calls == []


def test_an_argument_when_it_stands_deep_in_a_list_is_refused_by_its_place(things):
    """Plain containers are looked through."""
    with pytest.raises(ArgumentRefused, match=r"take value\[0\]\['page'\]: .*wrapper"):
        take.submit([{"page": things["a content"]}])


OF_A_PASS = [name for name in REFUSED if "acquisition" in REFUSED[name][0]]
OF_A_PASS += ["a content without its wrapper", "the request", "a view", "a view's method"]


@pytest.mark.parametrize("name", OF_A_PASS)
def test_a_function_when_it_closes_over_an_object_of_the_pass_is_refused(things, name):
    """A closure carries what an argument may not."""
    thing = things[name]
    with pytest.raises(ArgumentRefused, match="closure over thing"):
        future(key="closure")(lambda: calls.append(thing))
    assert calls == []


@pytest.mark.parametrize("name", ["a view's method", "a content's method"])
def test_a_method_when_declared_as_a_future_is_refused(things, name):
    """A method carries its object."""
    with pytest.raises(ArgumentRefused, match="bound method"):
        future(things[name])


def test_a_method_when_declared_on_a_view_is_refused_where_it_is_called(things):
    """``self`` is the view."""
    with pytest.raises(ArgumentRefused, match="self: it is a view"):
        things["a view"].declared_on_a_class()


@pytest.mark.parametrize("name", [*OF_A_PASS, "the brains of a query", "a rich text", "the user"])
def test_a_result_when_it_belongs_to_zope_is_refused(site, things, name):
    """A future that gives an object of Zope fails where its result is asked for."""
    given.append(things[name])
    site.view("gives", lambda self: give("a"))
    answer = site.get("gives")
    assert (answer.status, site.errors) == (500, [ResultRefused.__name__])
    assert "cannot be kept: it is or contains" in site.error_log[0]["value"]


given = []


@future
def give(text):
    return given.pop()


def test_a_refusal_when_it_happens_in_a_request_is_an_error_that_calls_nothing(site):
    """A mistake of the view's shows in the first pass."""
    site.view("refused", lambda self: take(self.context))
    answer = site.get("refused")
    assert (answer.status, answer.passes) == (500, ["500"])
    assert (calls, site.errors) == ([], ["ArgumentRefused"])
