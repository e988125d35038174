"""What a view does to the world before it suspends is told to who develops it."""

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


def mail(view, immediate):
    """Send mail, to nobody: what is heard of is that it is tried."""
    host = view.context.MailHost
    host.smtp_host, host.smtp_port = "127.0.0.1", 9
    transaction.savepoint()
    try:
        host.send("Hello", "a@example.com", "b@example.com", "Hello", immediate=immediate)
    except OSError:
        assert immediate


def mails_at_once(self):
    mail(self, immediate=True)
    return ask("a")


def mails_at_once_in_a_page_with_fragments(self):
    mail(self, immediate=True)
    return fragment(ask)("a")


@pytest.mark.parametrize("view", [mails_at_once, mails_at_once_in_a_page_with_fragments])
def test_mail_that_is_sent_at_once_before_a_suspension_is_told(told, view):
    """It goes out in each pass."""
    messages = [message for message in told(view) if "ZODB" not in message]
    assert len(messages) == 1
    assert (
        "@@careless has sent mail at once when it suspends: the mail is sent again in each pass."
        in messages[0]
    )


def mails_when_committed(self):
    mail(self, immediate=False)
    return ask("a")


def mails_after_it_asked(self):
    text = ask("a")
    mail(self, immediate=True)
    return text


@pytest.mark.parametrize("view", [mails_when_committed, mails_after_it_asked])
def test_mail_of_a_view_that_does_it_right_is_not_told(told, view):
    """It goes out once."""
    assert [message for message in told(view) if "mail" in message] == []


def test_the_view_is_named_in_what_the_kernel_finds(told):
    """Also where the request is gone when its pass has ended."""
    (message,) = told(lambda self: "".join([ask("a"), ask("b"), ask("c")]))
    assert "@@careless waits again and again" in message
    assert message.count("holdsite.ask") == 3


@pytest.mark.parametrize("view", [writes_first, mails_at_once])
def test_nothing_is_told_without_debug(told, view):
    """There is nobody who develops."""
    assert told(view, debug=False) == []
