"""Where there is no hold a future simply runs, in place."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures.publisher import in_place
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import fail
from plone import api
from sitesettings import install

import logging
import pytest
import threading
import transaction


def test_a_view_when_there_is_no_middleware_runs_its_futures_in_place(site):
    """The same views on a server without us."""

    @held(first=lambda self: ask.submit("a"))
    def view(self, first):
        count(self)
        return " ".join([first, *gather(ask.submit("b"), ask.submit("c")), ask("d")])

    site.view("plain", view)
    answer = site.get("plain", held=False)
    assert (answer.status, answer.text, answer.passes) == (200, "A B C D", ["200"])
    assert calls == ["a", "b", "c", "d"]
    assert (site.portal.counter, site.commits) == (1, 1)


def test_a_script_when_it_calls_a_future_has_its_value(site):
    """In ``bin/instance run``, in the debug prompt, in a test."""
    assert ask(site.portal.getId()) == "PLONE"
    assert ask.submit("a").result() == "A"
    assert calls == ["plone", "a"]


def test_a_script_when_a_future_fails_has_its_exception(site):
    """``submit`` does not raise, ``result`` does."""
    failed = fail.submit("a")
    with pytest.raises(LookupError, match="a"):
        failed.result()


def test_a_script_when_it_passes_a_content_is_refused_as_under_a_hold(site):
    """What would be refused on a server is refused in a script."""
    with pytest.raises(ArgumentRefused):
        ask(site.portal)


threads = []


@future
def outer(text):
    threads.append(threading.get_ident())
    return inner(text) + inner.submit(text).result()


@future
def inner(text):
    calls.append(text)
    threads.append(threading.get_ident())
    return text.upper()


def test_a_future_when_called_in_another_future_runs_in_place(site):
    """It has no hold: it runs in its caller's thread, and each time anew."""
    threads.clear()
    site.view("nested", lambda self: outer("a"))
    answer = site.get("nested")
    assert answer.passes == ["Suspended", "200"]
    assert answer.text == "AA"
    assert calls == ["a", "a"]
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


# What is said of it


@pytest.fixture
def told(site, monkeypatch):
    """Return what was said so far; nothing was before."""
    monkeypatch.setattr(in_place, "_unsaid", set(in_place._unsaid | SAID))

    def said():
        found = [r for r in site.log.records if r.name == in_place.__name__]
        assert {r.levelno for r in found} <= {logging.WARNING}
        return [r.getMessage() for r in found]

    return said


SAID = {in_place._SERVER, in_place._CALL, in_place._SITE}

REMEDY = (
    "Start gunicorn with -k gevent -c python:collective.wsgifutures.gunicorn, or put "
    "egg:collective.wsgifutures#hold into the pipeline of zope.ini."
)


def test_a_server_that_holds_nothing_is_told_once_at_its_first_request(site, told):
    """Whatever is asked for; there may be no future in it."""
    site.view("plain", lambda self: "plain")
    for _ in range(3):
        site.get("plain", held=False)
    (line,) = told()
    assert line.startswith("Responses are not held: ")
    assert line.endswith(REMEDY)


def test_the_first_call_in_place_inside_a_request_is_told_and_no_other(site, told):
    """It is named, with its request; the reason is the same for all."""
    site.view("asks", lambda self: ask("a") + ask("b"))
    for _ in range(2):
        site.get("asks", query={"token": "s3cret"}, held=False)
    _, line = told()
    assert line.startswith("holdsite.ask runs in place: GET /plone/asks waits for it with a ")
    assert line.endswith(REMEDY)


def test_a_server_that_holds_says_nothing(site, told):
    """Nor of a future in a future, which runs in place."""
    site.view("nested", lambda self: outer("a"))
    assert site.get("nested").text == "AA"
    assert told() == []


def test_a_script_says_nothing(site, told):
    """Also one that has made a request for itself, or has one of a test."""
    assert api.portal.getRequest() is not None
    assert ask("a") == "A"
    assert told() == []


def test_a_site_that_wants_nothing_held_is_told_at_its_first_call(site, told):
    """The one who looks at the log has not switched it off, perhaps."""
    install(site.portal)
    api.portal.set_registry_record("wsgifutures.enabled", False)
    transaction.commit()
    site.view("asks", lambda self: ask("a") + ask("b"))
    for _ in range(2):
        assert site.get("asks").text == "AB"
    (line,) = told()
    assert line == (
        "holdsite.ask runs in place: GET /plone/asks waits for it in its slot, since Hold "
        "responses is switched off in the control panel of the site. To hold responses again, "
        "switch it on there."
    )
