"""What a held method takes: Zope's form variables, and results that no form can set."""

from collective.wsgifutures import held
from holdsite import ask
from holdsite import calls
from Products.Five import BrowserView
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse

import pytest

HELD = {"weather": lambda self: ask.submit("sun"), "news": lambda self: ask.submit("calm")}


@held(**HELD)
def told(self, weather, news, page=1, word="none"):
    """Tell everything that arrived."""
    return f"{weather} {news} {page!r} {word!r}"


class Told(BrowserView):
    told = told


@implementer(IPublishTraverse)
class Traversed(BrowserView):
    told = told

    def publishTraverse(self, request, name):
        return getattr(self, name)


WITH_TEMPLATE = """
<browser:page
    name="told" for="*" permission="zope2.Public" class="test_arguments_of_views.Rendered"
    template="{template}" />
"""


class Rendered(BrowserView):
    @held(**HELD)
    def __call__(self, weather, news, page=1, word="none"):
        return self.index(told=f"{weather} {news} {page!r} {word!r}")


@pytest.fixture(params=["call", "attribute", "template", "traversed"])
def path(site, request):
    """Return the path of a view that is registered in one way or another."""
    if request.param == "call":
        site.view("told", told)
        return "told"
    if request.param == "attribute":
        site.zcml(
            """<browser:page
                name="told" for="*" permission="zope2.Public" attribute="told"
                class="test_arguments_of_views.Told" />"""
        )
        return "told"
    if request.param == "template":
        template = site.template('<p tal:content="options/told" />')
        site.zcml(WITH_TEMPLATE.format(template=template))
        return "told"
    site.zcml(
        """<browser:page
            name="traversed" for="*" permission="zope2.Public" allowed_attributes="told"
            class="test_arguments_of_views.Traversed" />"""
    )
    return "traversed/told"


def test_a_held_method_when_the_form_is_empty_gets_its_defaults(site, path):
    """Its other arguments have their defaults."""
    answer = site.get(path)
    assert answer.text == "SUN CALM 1 'none'"
    assert answer.passes == ["Suspended", "200"]
    assert sorted(calls) == ["calm", "sun"]


def test_a_held_method_when_the_form_has_values_gets_them_converted(site, path):
    """Its other arguments are filled from the request, with Zope's converters."""
    answer = site.get(path, query={"page:int": "7", "word": "x"})
    assert answer.text == "SUN CALM 7 'x'"


def test_a_held_method_when_the_form_names_a_result_ignores_that(site, path):
    """Nobody outside can say what a future gave."""
    answer = site.get(path, query={"weather": "rain", "news:int": "3", "word": "x"})
    assert answer.text == "SUN CALM 1 'x'"
    assert sorted(calls) == ["calm", "sun"]


def test_a_held_method_when_posted_to_gets_the_form_in_each_pass(site, path):
    """A body is there in every pass."""
    answer = site.post(path, {"page:int": "7", "weather": "rain"})
    assert answer.passes == ["Suspended", "200"]
    assert answer.text == "SUN CALM 7 'none'"


def test_a_held_method_when_an_argument_is_missing_is_a_bad_request(site):
    """Zope says which one, and nothing is called."""

    @held(weather=lambda self: ask.submit("sun"))
    def needs(self, weather, word):
        return word

    site.view("needs", needs)
    answer = site.get("needs")
    assert (answer.status, calls) == (400, [])
