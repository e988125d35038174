"""An error of Zope or Plone inside of a future says that it ran outside of Zope."""

from collective.wsgifutures.kernel.calls import Raised
from collective.wsgifutures.kernel.calls import run
from collective.wsgifutures.kernel.calls import run_to_end
from types import ModuleType

import pytest

NOTE = (
    "acme.news ran outside of Zope, as every future does: there is no site, no request, no user "
    "and no database connection. Read what it needs in the view, and pass it as an argument."
)


def notes_of(function):
    """Return the notes of the error that *function* raises in an executor."""
    outcome = run_to_end("acme.news", lambda: run("acme.news", function))
    assert isinstance(outcome, Raised)
    return getattr(outcome.exception(), "__notes__", [])


def raises(error, module=None):
    """Return a function that raises *error*, in a function of *module* if that is given."""

    def here():
        raise error

    if module is None:
        return here
    other = ModuleType(module)
    exec("def work(error):\n    raise error\n", other.__dict__)
    return lambda: other.work(error)


def of_module(name, base=Exception):
    """Return an error whose class is in the module *name*."""
    return type("Missing", (base,), {"__module__": name})()


TYPES = [
    *("plone.api.exc", "zope.interface.interfaces", "ZODB.POSException", "transaction.interfaces"),
    "AccessControl.unauthorized",
]


@pytest.mark.parametrize("module", TYPES)
def test_an_error_of_zope_has_a_note_wherever_it_is_raised(module):
    """By its class, or one that it is derived from."""
    derived = type("Own", (type(of_module(module)),), {"__module__": "acme"})()
    assert notes_of(raises(of_module(module))) == [NOTE]
    assert notes_of(raises(derived)) == [NOTE]


MODULES = [
    *("plone.api.portal", "zope.component._api", "Products.CMFCore.utils", "plone.app.users.x"),
    *("ZODB.Connection", "zope.component"),
]


@pytest.mark.parametrize("module", MODULES)
def test_an_error_in_code_of_zope_has_a_note(module):
    """Whatever its class is."""
    assert notes_of(raises(AttributeError("x"), module)) == [NOTE]


def getRequest():
    """As zope.globalrequest's outside of a request."""


getSite = getRequest


def reads_the_request():
    return getRequest().form["x"]


def reads_an_item_of_the_site():
    return getSite()["x"]


def compares_to_none():
    return getRequest() < 1


def adapts():
    raise TypeError("Could not adapt", object(), "IThing")


NOTHING_THERE = [reads_the_request, reads_an_item_of_the_site, compares_to_none, adapts]


@pytest.mark.parametrize("function", NOTHING_THERE)
def test_what_finds_nothing_outside_of_zope_has_a_note(function):
    """The site and the request are None there, and there is no adapter."""
    assert notes_of(function) == [NOTE]


def uses_none():
    return None.form


OTHERS = [
    raises(ValueError("x")),
    raises(KeyError("x"), "requests.sessions"),
    raises(KeyError("x"), "plonex.api"),
    raises(of_module("zExceptions", LookupError)),
    raises(of_module("collective.wsgifutures.upstreams.errors")),
    uses_none,
]


@pytest.mark.parametrize("function", OTHERS)
def test_other_errors_have_no_note(function):
    """They have nothing to do with it."""
    assert notes_of(function) == []


def test_an_error_of_the_future_itself_has_no_note_if_its_package_has_such_a_name():
    """An add-on may be called plone.app.something."""
    module = ModuleType("plone.app.something.calls")
    exec("def news():\n    raise LookupError('no news')\n", module.__dict__)
    assert notes_of(module.news) == []


def test_a_call_in_place_has_no_note():
    """There it has what its caller has."""
    error = run("acme.news", raises(of_module("plone.api.exc"))).exception()
    assert getattr(error, "__notes__", []) == []


class Silent(AttributeError):
    def __str__(self):
        raise ValueError("no text")


def test_an_error_that_has_no_text_is_an_outcome_too():
    """Its thread goes on, and has no note to add."""
    assert notes_of(raises(Silent())) == []
