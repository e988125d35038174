"""One commit: a discarded pass leaves nothing, the last one is a normal publication."""

from collective.wsgifutures.publisher import events
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import swallow
from plone import api
from Products.CMFCore.indexing import processQueue
from Products.MailHost.MailHost import MailBase
from Products.statusmessages.interfaces import IStatusMessage
from ZODB.POSException import ConflictError

import pytest
import transaction


def test_a_counter_when_the_view_waits_grows_by_one(site):
    """Writes of a discarded pass are never committed."""

    def view(self):
        count(self)
        ask("a")
        count(self)
        return ask("b")

    site.view("write", view)
    answer = site.get("write")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert (site.portal.counter, site.commits) == (2, 1)


def test_a_content_when_its_creation_waits_is_there_once_and_indexed(site):
    """A content that was made before the wait is made once."""

    def view(self):
        with api.env.adopt_roles(["Manager"]):
            made = api.content.create(self.context, "Document", title="News")
            return f"{made.getId()} {ask('a')}"

    site.view("create", view)
    answer = site.get("create")
    assert answer.passes == ["Suspended", "200"]
    assert "news A" in answer.body
    assert [i for i in site.portal.objectIds() if "news" in i] == ["news"]
    assert [b.getPath() for b in site.portal.portal_catalog(Title="News")] == ["/plone/news"]


class Manager:
    """A data manager that writes down what it is told."""

    transaction_manager = transaction.manager

    def __init__(self):
        self.told = []

    def sortKey(self):
        return "manager"

    def __getattr__(self, name):
        if name not in {"abort", "commit", "tpc_abort", "tpc_begin", "tpc_finish", "tpc_vote"}:
            raise AttributeError(name)
        return lambda txn: self.told.append(name)


def test_a_data_manager_when_its_pass_is_the_last_is_told_what_it_always_is(site):
    """It commits, and is not aborted after that."""
    managers = []

    def view(self):
        managers.append(Manager())
        transaction.get().join(managers[-1])
        return ask("a")

    site.view("joins", view)
    assert site.get("joins").text == "A"
    discarded, last = [manager.told for manager in managers]
    assert set(discarded) == {"abort"}
    assert last == ["tpc_begin", "commit", "tpc_vote", "tpc_finish"]


class Mailer:
    """Takes a mail where SMTP would."""

    sent: list[str] = []

    def send(self, from_address, to_addresses, message):
        self.sent.append(message)

    def vote(self, *args):
        pass

    def abort(self):
        pass


def test_a_mail_when_the_view_waits_goes_out_once(site, monkeypatch):
    """A mail is sent when the last pass is committed."""
    monkeypatch.setattr(MailBase, "_makeMailer", lambda self: Mailer())
    monkeypatch.setattr(Mailer, "sent", [])

    def view(self):
        self.context.MailHost.send("Hello", mto="a@b.c", mfrom="d@e.f", subject="Hold")
        assert Mailer.sent == []
        return ask("a")

    site.view("mail", view)
    answer = site.get("mail")
    assert answer.passes == ["Suspended", "200"]
    assert len(Mailer.sent) == 1


@pytest.mark.parametrize("asks", [ask, ask.submit, lambda text: swallow(ask, text)])
def test_hooks_when_the_view_waits_are_called_in_the_last_pass_only(site, asks):
    """Those of a discarded pass are not called, not even with False."""
    log = []

    def view(self):
        txn = transaction.get()
        txn.addBeforeCommitHook(lambda: log.append("before"))
        txn.addAfterCommitHook(lambda committed: log.append(f"after: {committed}"))
        asks("a")

    site.view("hooks", view)
    assert len(site.get("hooks").passes) == 2
    assert log == ["before", "after: True"]


@pytest.mark.parametrize("waits", ["suspends", "submits"])
def test_a_discarded_pass_when_it_answered_in_part_leaks_nothing_of_it(site, waits):
    """Cookies, headers, status and messages of a discarded pass are not sent."""

    def view(self):
        response = self.request.response
        if not calls:
            response.setCookie("first", "pass")
            response.setHeader("X-First", "pass")
            response.setStatus(202)
            IStatusMessage(self.request).add("first pass")
        else:
            response.setHeader("X-Last", "pass")
        future = ask.submit("a")
        return future.result() if waits == "suspends" else "submitted"

    site.view("leaks", view)
    answer = site.get("leaks")
    assert answer.passes == ["Suspended", "200"]
    assert answer.status == 200
    assert answer.headers["x-last"] == "pass"
    assert not {"x-first", "set-cookie"} & set(answer.headers)
    assert "first pass" not in answer.body


def test_a_discarded_pass_when_it_reindexed_leaves_an_empty_queue(site):
    """What a discarded pass put into the indexing queue is not indexed later."""

    def view(self):
        page = self.context.page
        page.title = "Changed"
        page.reindexObject()
        if not calls:
            ask("a")
        raise ValueError("x")

    api.content.create(site.portal, "Document", "page", title="Page")
    transaction.commit()
    site.view("reindex", view)
    answer = site.get("reindex")
    assert answer.passes == ["Suspended", "500"]
    assert answer.left_over == []
    assert processQueue() == 0
    assert [b.Title for b in site.portal.portal_catalog(path="/plone/page")] == ["Page"]


def test_each_pass_when_the_request_is_held_authenticates_again(site):
    """The user is found, and permissions are checked, in every pass."""
    log = []

    def view(self):
        log.append(api.user.get_current().getUserName())
        return ask("a")

    site.view("who", view, permission="cmf.ManagePortal")
    assert site.get("who", user=ADMIN).passes == ["Suspended", "200"]
    assert log == ["admin", "admin"]


# conflicts


def conflict_once(when):
    """Return what raises a ConflictError the first time that it is called for *when*."""
    log = []

    def maybe(now):
        log.append(now)
        if now == when and log.count(when) == 1:
            raise ConflictError

    return maybe


@pytest.mark.parametrize("conflicts", [0, 1, 2])
def test_pause_after_a_conflict_grows_as_zopes_does(conflicts):
    """Those that conflicted do not all come back at the same moment."""
    pauses = [events._pause(conflicts) for _ in range(200)]
    assert 0 <= min(pauses) < 0.2 * 2**conflicts
    assert 0.8 * 2**conflicts < max(pauses) <= 2**conflicts


def test_a_conflict_when_the_result_is_there_calls_upstream_once_in_all(site):
    """The pass is discarded; the one after it finds the result too."""
    conflict = conflict_once("A")
    log = []

    def view(self):
        count(self)
        text = ask("a")
        log.append(text)
        conflict(text)
        return text

    site.view("conflict", view)
    answer = site.get("conflict")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert log == ["A", "A"]
    assert calls == ["a"]
    assert (site.portal.counter, site.commits, site.errors) == (1, 1, [])


def test_a_conflict_when_something_was_submitted_before_forgets_it(site):
    """What only the attempt before asked for is not made."""
    conflict = conflict_once("submitted")
    attempts = []

    def view(self):
        count(self)
        attempts.append("once")
        ask.submit("first" if len(attempts) == 1 else "second")
        conflict("submitted")
        return "done"

    site.view("conflict", view)
    answer = site.get("conflict")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert calls == ["second"]
    assert (len(attempts), site.commits) == (3, 1)


def test_a_conflict_at_the_commit_when_a_future_is_pending_holds_once(site):
    """A conflict that shows at the commit is published again as any other."""
    log = []

    def view(self):
        count(self)
        text = ask("a")
        log.append(text)
        if len(log) == 1:
            write_from_elsewhere(site)
        return text

    site.view("conflict", view)
    site.portal.counter = 0
    transaction.commit()
    before = site.commits
    answer = site.get("conflict")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert log == ["A", "A"]
    assert calls == ["a"]
    assert site.portal.counter == 11
    assert site.commits == before + 2


def write_from_elsewhere(site):
    """Commit a change of the same object on another connection."""
    manager = transaction.TransactionManager()
    connection = site.portal._p_jar.db().open(manager)
    connection.root()["Application"]["plone"].counter = 10
    manager.commit()
    connection.close()


def test_a_conflict_when_it_never_ends_is_answered_as_without_us(site):
    """After as many retries as Zope makes it is an error; the future ran once."""

    def view(self):
        ask("a")
        raise ConflictError

    site.view("conflict", view)
    answer = site.get("conflict")
    assert answer.status == 500
    assert answer.passes == ["Suspended"] * 4 + ["500"]
    assert calls == ["a"]
    assert site.commits == 0


# plone.protect

WAITS = {
    "suspends": lambda: ask("a"),
    "submits": lambda: ask.submit("a") and "",
    "asks for nothing": lambda: "",
}


@pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("user", [ADMIN, None], ids=["logged in", "anonymous"])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_write_on_get_when_held_is_treated_as_without_us(site, waits, user, kind):
    """plone.protect sees one publication, and asks a logged-in user to confirm it."""

    def view(self):
        count(self)
        self.request.response.setHeader("Content-Type", kind)
        return f"<html><body>written {waits()}</body></html>"

    site.view("write", view)
    plain = site.get("write", user=user, held=False)
    written = site.commits
    calls.clear()
    held = site.get("write", user=user)

    assert held.status == plain.status == (302 if user and kind == "text/html" else 200)
    assert location(held) == location(plain)
    assert site.commits == 2 * written == (0 if user else 2)
    assert site.errors == site.logged == []


def location(answer):
    """Return where it redirects to, without the token that is new each time."""
    return answer.headers.get("location", "").partition("_authenticator")[0]


def test_a_write_on_post_when_it_carries_a_token_is_committed_once(site):
    """A form of Plone's that waits, sent by a logged-in user."""

    def token(self):
        from plone.protect.authenticator import createToken

        return createToken()

    def view(self):
        count(self)
        return f"{self.request.form['text']} {ask('a')}"

    site.view("token", token)
    site.view("write", view)
    form = {"_authenticator": site.get("token", user=ADMIN).text, "text": "hello"}
    answer = site.post("write", form, user=ADMIN)
    assert answer.passes == ["Suspended", "200"]
    assert answer.text == "hello A"
    assert (site.portal.counter, site.commits) == (1, 1)
