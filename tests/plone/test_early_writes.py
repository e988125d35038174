"""What a view writes before it suspends is told to whoever develops it."""

from collective.wsgifutures import fragment
from collective.wsgifutures.kernel import checks
from holdsite import ask
from holdsite import count
from holdsite import swallow

import pytest
import transaction


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    """Each test begins as a process does."""
    monkeypatch.setattr(checks, "_logged", set())


@pytest.fixture
def told(site):
    """Publish a view; return what was told."""

    def publish(view, debug=True):
        site.view("careless", view)
        site.log.clear()
        assert site.get("careless", debug=debug).passes[0] == "Suspended"
        records = [r for r in site.log.records if r.name == "collective.wsgifutures"]
        return [r.getMessage() for r in records]

    return publish


def writes_first(self):
    count(self)
    return ask("a")


def writes_and_saves_first(self):
    count(self)
    transaction.savepoint()
    return ask("a")


def writes_first_and_swallows(self):
    count(self)
    return swallow(ask, "a") or ""


def writes_first_and_submits(self):
    count(self)
    return ask.submit("a").result(default="")


FIRST = [writes_first, writes_and_saves_first, writes_first_and_swallows, writes_first_and_submits]


@pytest.mark.parametrize("view", FIRST)
def test_writes_before_a_suspension_are_told(told, view):
    """With the view and the classes of what was written."""
    (message,) = told(view)
    assert "@@careless has written into the ZODB (PloneSite) when it suspends: " in message
    assert "Ask for the results first, and write afterwards." in message


def asks_first(self):
    text = ask("a")
    count(self)
    return text


def only_reads(self):
    return f"{self.context.Title()} {ask('a')}"


def of_a_page_whose_fragments_ask(self):
    count(self)
    return fragment(ask)("a")


RIGHT = [asks_first, only_reads, of_a_page_whose_fragments_ask]


@pytest.mark.parametrize("view", RIGHT)
def test_writes_of_a_view_that_does_it_right_are_not_told(told, view):
    """Or of a page which cannot know what its parts will ask for."""
    assert told(view) == []


def test_the_view_is_named_in_what_the_kernel_finds(told):
    """Also where the request is gone when its pass has ended."""
    (message,) = told(lambda self: "".join([ask("a"), ask("b"), ask("c")]))
    assert "@@careless waits again and again" in message
    assert message.count("holdsite.ask") == 3


@pytest.mark.parametrize("view", [writes_first, writes_first_and_swallows])
def test_nothing_is_told_without_debug(told, view):
    """There is nobody who develops."""
    assert told(view, debug=False) == []
