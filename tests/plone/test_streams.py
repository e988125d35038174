"""Streams as answers of a site's views: nothing of Plone reads or keeps them."""

from cachedsite import in_ram
from cachedsite import switch_on
from collective.wsgifutures import stream
from holdsite import ask
from plone import api

import pytest
import transaction

OPERATION = "plone.app.caching.weakCaching"

begun = []


@pytest.fixture(autouse=True)
def _none_begun():
    begun.clear()


@stream
def tell(*words):
    begun.append(bool(transaction.get()._resources))
    yield from words


def test_stream_waits_for_futures_and_begins_after_the_commit(site):
    """Nothing of the transaction is left then."""

    def view(self):
        api.portal.get().title = "written"
        return tell(ask("a"), "!").text()

    site.view("words", view)
    answer = site.get("@@words")
    assert (answer.status, answer.body, answer.passes) == (200, "A!", ["Suspended", "200"])
    assert (begun, site.portal.title, answer.left_over) == ([False], "written", [])


def test_stream_is_not_put_into_the_ram_cache(site, functional):
    """It would be read for that; and no error is logged."""
    switch_on(site, functional, OPERATION, ["words"], ramCache=True)
    site.view("words", lambda self: tell("a").text())
    for _ in range(2):
        assert site.get("@@words").body == "a"
    assert (in_ram(), site.logged, len(begun)) == (0, [], 2)


def test_stream_whose_transaction_is_doomed_never_begins(site):
    """Its view says that nothing is to be saved."""

    def view(self):
        transaction.doom()
        return tell("a").text()

    site.view("words", view)
    assert (site.get("@@words").status, begun) == (403, [])


def test_stream_of_a_view_that_commits_by_itself_begins(site):
    """Its work is kept."""

    def view(self):
        answer = tell("a").text()
        transaction.commit()
        return answer

    site.view("words", view)
    assert site.get("@@words").body == "a"


def test_stream_without_a_hold_runs_in_place(site):
    """With its headers."""
    site.view("words", lambda self: tell("a").events())
    answer = site.get("@@words", held=False)
    assert answer.body == "data: a\n\nevent: end\ndata: end\n\n"
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
