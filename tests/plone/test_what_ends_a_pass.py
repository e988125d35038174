"""The table of DESIGN.md, row by row: what ends a pass, and what comes then."""

from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import swallow
from zExceptions import BadRequest
from zExceptions import Forbidden
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized
from ZODB.POSException import ConflictError

import pytest
import transaction


def raise_(error):
    """Return what raises *error*."""

    def end(view):
        raise error

    return end


def redirect(view):
    view.request.response.redirect("http://nohost/plone/elsewhere")


def set_not_found(view):
    view.request.response.setStatus(404)


def go_on(view):
    """Nothing ends the view but its return."""


# (a) something suspended

LOST = [
    pytest.param(go_on, "Suspended", 200, [], id="returned"),
    pytest.param(redirect, "Suspended", 302, [], id="redirected"),
    pytest.param(set_not_found, "Suspended", 404, [], id="set a status"),
    pytest.param(raise_(ValueError("x")), "ValueError", 500, ["ValueError"], id="ValueError"),
    pytest.param(raise_(Redirect("/elsewhere")), "302", 302, [], id="Redirect"),
    pytest.param(raise_(NotFound("x")), "404", 404, [], id="NotFound"),
    pytest.param(raise_(Unauthorized("x")), "401", 302, [], id="Unauthorized"),
]


@pytest.mark.parametrize(("end", "first", "status", "errors"), LOST)
def test_a_pass_when_its_suspension_was_swallowed_is_held_whatever_came_next(
    site, end, first, status, errors
):
    """(a) Whatever became of a suspension: discarded, and published again."""

    def view(self):
        count(self)
        swallow(ask, "a")
        end(self)
        return ask("a")

    site.view("lost", view)
    answer = site.get("lost")

    assert answer.passes[0] == first
    assert len(answer.passes) == 2
    assert answer.status == status
    assert calls == ["a"]
    assert site.errors == errors  # those of the last pass
    assert site.commits == (0 if errors or first in ("302", "404", "401") else 1)


def test_a_pass_when_a_conflict_follows_a_swallowed_suspension_is_held(site):
    """(a) Zope tries again inside of the pass; that one suspends too."""
    log = []

    def view(self):
        count(self)
        log.append(swallow(ask, "a"))
        if len(log) == 1:
            raise ConflictError
        return ask("a")

    site.view("conflict", view)
    answer = site.get("conflict")

    assert answer.passes == ["Suspended", "200"]
    assert log == [None, None, "A"]
    assert calls == ["a"]
    assert site.errors == []
    assert site.commits == 1


@pytest.mark.parametrize("careless", [False, True])
def test_a_pass_when_its_exception_view_suspends_is_held(site, careless):
    """(a) An exception view may wait; what it renders then is the answer."""

    class Sorry(ValueError):
        pass

    def sorry(self):
        return swallow(ask, "sorry") if careless else ask("sorry")

    site.view("index.html", sorry, for_=Sorry)
    site.view("broken", raise_(Sorry("x")))
    answer = site.get("broken")

    assert answer.passes == ["Suspended", "500"]
    assert "SORRY" in answer.body
    assert calls == ["sorry"]
    assert site.errors == ["Sorry"]
    assert site.commits == 0


class Refused(Exception):
    """What a commit raises."""


class Refusing:
    """A data manager that refuses to commit."""

    def tpc_vote(self, txn):
        raise Refused

    def sortKey(self):
        return "refusing"

    def nothing(self, txn):
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = nothing


def test_a_pass_when_its_commit_failed_may_still_wait_in_an_exception_view(site):
    """(a) Nothing is committed, so it may be published again."""

    def view(self):
        count(self)
        transaction.get().join(Refusing())

    site.view("index.html", lambda self: ask("sorry"), for_=Refused)
    site.view("refused", view)
    answer = site.get("refused")
    assert answer.passes == ["Suspended", "500"]
    assert answer.text == "SORRY"
    assert (calls, site.commits, site.errors) == (["sorry"], 0, ["Refused"])


def test_a_pass_when_it_suspends_twice_in_a_row_takes_three_passes(site):
    """(a) One wait for each future that is asked for on its own."""
    site.view("two", lambda self: ask("a") + ask("b"))
    answer = site.get("two")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert (answer.body, calls) == ("AB", ["a", "b"])


# (b) it ended with an answer

ANSWERS = [
    pytest.param(raise_(Unauthorized("x")), 302, [], id="Unauthorized"),
    pytest.param(raise_(Forbidden("x")), 403, ["Forbidden"], id="Forbidden"),
    pytest.param(raise_(NotFound("x")), 404, [], id="NotFound"),
    pytest.param(raise_(Redirect("http://nohost/x")), 302, [], id="Redirect"),
    pytest.param(raise_(BadRequest("x")), 400, ["BadRequest"], id="BadRequest"),
]


@pytest.mark.parametrize(("end", "status", "errors"), ANSWERS)
def test_a_pass_when_an_answer_is_raised_after_submit_is_final(site, end, status, errors):
    """(b) Unauthorized, NotFound, a redirect: no call."""

    def view(self):
        count(self)
        ask.submit("a")
        end(self)

    site.view("answered", view)
    answer = site.get("answered")

    assert answer.passes == [str(status)]
    assert calls == []
    assert site.errors == errors
    assert site.commits == 0


@pytest.mark.parametrize(("end", "status"), [(redirect, 302), (set_not_found, 404)])
def test_a_pass_when_it_returns_with_another_status_after_submit_is_final(site, end, status):
    """(b) A status outside of 2xx is an answer, and committed."""

    def view(self):
        count(self)
        ask.submit("a")
        end(self)

    site.view("answered", view)
    answer = site.get("answered")

    assert answer.passes == [str(status)]
    assert calls == []
    assert site.errors == []
    assert site.commits == 1


# (d) another exception


def test_a_pass_when_another_exception_is_raised_after_submit_is_final(site):
    """(d) An error calls nothing."""

    def view(self):
        count(self)
        ask.submit("a")
        raise ValueError("x")

    site.view("broken", view)
    answer = site.get("broken")

    assert answer.passes == ["500"]
    assert "error" in answer.body
    assert calls == []
    assert site.errors == ["ValueError"]
    assert site.commits == 0


def test_a_pass_when_its_error_is_shown_with_status_200_is_final(site):
    """(d) It is the exception that counts, not what a view makes of it."""

    def sorry(self):
        self.request.response.setStatus(200, lock=True)
        return "sorry"

    def view(self):
        ask.submit("a")
        raise ValueError("x")

    site.view("index.html", sorry, for_=ValueError)
    site.view("broken", view)
    answer = site.get("broken")
    assert (answer.status, answer.passes) == (200, ["200"])
    assert "sorry" in answer.body
    assert (calls, site.errors) == ([], ["ValueError"])


# (e) pending futures and a 2xx


@pytest.mark.parametrize("status", [200, 201])
def test_a_pass_when_it_only_submitted_is_held(site, status):
    """(e) A future that nobody asked for is made before the answer is sent."""

    def view(self):
        count(self)
        self.request.response.setStatus(status)
        return f"done: {ask.submit('a').done()}"

    site.view("submitted", view)
    answer = site.get("submitted")

    assert answer.passes == ["Suspended", str(status)]
    assert answer.status == status
    assert "done: True" in answer.body
    assert calls == ["a"]
    assert site.errors == []
    assert site.commits == 1


# (f) nothing pending


def test_a_pass_when_it_asks_for_nothing_is_final(site):
    """(f) A request without futures is published once."""

    def view(self):
        count(self)
        return "plain"

    site.view("plain", view)
    answer = site.get("plain")

    assert answer.passes == ["200"]
    assert answer.body == "plain"
    assert calls == []
    assert site.errors == []
    assert site.commits == 1


def test_a_pass_when_its_future_was_cancelled_is_final(site):
    """(f) A cancelled future is not pending, and is not made."""

    def view(self):
        ask.submit("a").cancel()
        return "plain"

    site.view("cancelled", view)
    answer = site.get("cancelled")
    assert (answer.passes, answer.body, calls) == (["200"], "plain", [])
