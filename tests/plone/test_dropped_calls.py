"""A call that an answer drops is told to who develops the view."""

from collective.wsgifutures.kernel import checks
from holdsite import ask
from holdsite import calls
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized

import pytest
import transaction


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    """Each test begins as a process does."""
    monkeypatch.setattr(checks, "_logged", set())


def redirects(self):
    ask.submit("a")
    return self.request.response.redirect("http://nohost/")


def raises(error):
    def view(self):
        ask.submit("a")
        raise error("no")

    return view


def redirects_later(self):
    ask("first")
    return redirects(self)


DROPS = [redirects, redirects_later, *map(raises, (Redirect, NotFound, Unauthorized, KeyError))]


@pytest.mark.parametrize("view", DROPS)
def test_a_call_that_is_never_made_is_told_with_its_view_and_line(site, view):
    """However the pass ends."""
    site.view("careless", view)
    site.log.clear()
    site.get("careless", debug=True)
    (message,) = _told(site)
    assert f"@@careless asks for holdsite.ask ({__file__}, line " in message
    assert "a" not in calls


def waits(self):
    ask.submit("a")
    return "2xx"


def aborts(self):
    transaction.doom()
    return waits(self)


def redirects_with_its_result(self):
    ask("a")
    return self.request.response.redirect("http://nohost/")


@pytest.mark.parametrize("view", [waits, aborts, redirects_with_its_result])
def test_a_call_that_is_made_is_not_told(site, view):
    """Its result was asked for, or the pass waits at its end."""
    site.view("careful", view)
    site.log.clear()
    site.get("careful", debug=True)
    assert (_told(site), calls) == ([], ["a"])


def test_nothing_is_told_without_debug(site):
    """There is nobody who develops."""
    site.view("careless", redirects)
    site.get("careless")
    assert _told(site) == []


def _told(site):
    records = [r for r in site.log.records if r.name == "collective.wsgifutures"]
    return [r.getMessage() for r in records]
