"""Where there is no hold a future simply runs, in place."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import held
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import fail

import pytest
import threading


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
