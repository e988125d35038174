"""A job is submitted where it is kept and meant, else refused with what to do."""

from AccessControl import getSecurityManager
from collective.wsgifutures.jobs.allowed import check_may_submit
from collective.wsgifutures.jobs.errors import Refusal
from collective.wsgifutures.jobs.errors import SubmitRefused
from collective.wsgifutures.kernel.errors import FuturesError
from holdsite import ADMIN
from holdsite import ask
from holdsite import count
from jobruns import ANONYMOUS
from jobruns import Jobs
from jobruns import origin_of
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from plone.protect import auto
from plone.protect.authenticator import createToken
from plone.protect.interfaces import IDisableCSRFProtection
from plone.subrequest import subrequest
from zope.component import getSiteManager
from zope.globalrequest import getRequest
from zope.interface import alsoProvides
from zope.traversing.interfaces import IBeforeTraverseEvent
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubFailure
from ZPublisher.interfaces import IPubSuccess

import json
import pickle
import pytest
import transaction

MEMBER = (TEST_USER_NAME, TEST_USER_PASSWORD)


class Submissions(list):
    """What became of each submission: None, or why it was refused."""

    def submit(self):
        """Submit, and write into the site as a job's record does."""
        try:
            check_may_submit(getRequest())
        except SubmitRefused as refused:
            self.append(refused.reason)
        else:
            self.append(None)


@pytest.fixture
def tried(site):
    """The site has a view that submits, one that says that it is safe, one for a token."""
    tried = Submissions()

    def submits(self):
        tried.submit()
        count(self)
        return json_or_page(self.request)

    def safe(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return submits(self)

    site.view("submits", submits)
    site.view("safe", safe)
    site.view("token", lambda self: createToken())
    return tried


def json_or_page(request):
    if request.form.get("as") != "json":
        return "<html><body>done</body></html>"
    request.response.setHeader("Content-Type", "application/json")
    return "{}"


def send(site, method, user=None, token="", name="submits", way="page"):
    """Send a request with *token* in the form, or in a header where the body is JSON."""
    if way == "json":
        headers = {"HTTP_X_CSRF_TOKEN": token} if token else {}
        body = (
            {}
            if method != "POST"
            else {"body": json.dumps({}).encode(), "kind": "application/json"}
        )
        return site.request(method, name, user=user, headers=headers, query={"as": "json"}, **body)
    form = {"_authenticator": token} if token else {}
    if method == "POST":
        return site.post(name, {**form, "some": "field"}, user=user)
    return site.request(method, name, user=user, query=form)


WAYS = ["page", "json"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_logged_in_users_request_without_a_token_is_refused(site, tried, method, way):
    """plone.protect drops some of these in silence, and lets others through unseen."""
    send(site, method, ADMIN, way=way)
    assert tried == [Refusal.UNPROTECTED]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_logged_in_users_request_with_a_token_is_allowed_and_kept(site, tried, method, way):
    """In the form or in the header."""
    token = site.get("token", user=ADMIN).text
    send(site, method, ADMIN, token, way=way)
    assert tried == [None]
    assert site.portal.counter == 1


def test_the_token_of_somebody_else_is_none(site, tried):
    """Nor is a wrong one."""
    for token in (site.get("token", user=MEMBER).text, site.get("token").text, "wrong"):
        send(site, "POST", ADMIN, token)
    assert tried == [Refusal.UNPROTECTED] * 3
    assert not hasattr(site.portal, "counter")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("way", WAYS)
def test_an_anonymous_request_that_only_reads_is_refused(site, tried, method, way):
    """Crawlers send those."""
    send(site, method, way=way)
    assert tried == [Refusal.ANONYMOUS]


@pytest.mark.parametrize("way", WAYS)
def test_an_anonymous_post_is_allowed_and_kept(site, tried, way):
    """A form for visitors."""
    send(site, "POST", way=way)
    assert (tried, site.portal.counter) == ([None], 1)


@pytest.mark.parametrize("user", [None, ADMIN])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_was_said_to_be_safe_is_allowed_and_kept(site, tried, user, method):
    """Knowingly, as services of plone.restapi do."""
    send(site, method, user, name="safe")
    assert (tried, site.portal.counter) == ([None], 1)


def test_without_plone_protect_crawlers_are_refused_all_the_same(site, tried, monkeypatch):
    """``PLONE_CSRF_DISABLED`` is about forged requests."""
    monkeypatch.setattr(auto, "CSRF_DISABLED", True)
    send(site, "GET", ADMIN)
    send(site, "GET")
    assert tried == [None, Refusal.ANONYMOUS]


def test_in_zopes_root_there_is_no_token(site, tried):
    """Nor are there keys to make one with."""
    send(site, "POST", ADMIN, site.get("token", user=ADMIN).text, name="../submits")
    assert tried == [Refusal.UNPROTECTED]


def test_a_savepoint_before_it_changes_nothing(site, tried):
    """plone.protect does not see what was written before one."""

    def view(self):
        count(self)
        transaction.savepoint()
        tried.submit()

    site.view("saves", view)
    send(site, "GET", ADMIN, name="saves")
    assert tried == [Refusal.UNPROTECTED]


@pytest.mark.parametrize(
    ("user", "signed", "method", "reason"),
    [
        (None, False, "POST", None),
        (None, False, "GET", Refusal.ANONYMOUS),
        (MEMBER, True, "POST", None),
        (MEMBER, False, "POST", Refusal.UNPROTECTED),
    ],
)
@pytest.mark.parametrize("acts", ["adopt_user", "adopt_roles"])
def test_who_sent_the_request_counts_and_not_whom_the_view_acts_as(
    site, tried, user, signed, method, reason, acts
):
    """A token is its user's, and plone.protect looks when the view has returned."""
    adopted = {"adopt_user": "admin", "adopt_roles": ["Manager"]}

    def view(self):
        with getattr(api.env, acts)(adopted[acts]):
            before = getSecurityManager()
            tried.submit()
            assert getSecurityManager() is before
            assert api.user.get_permissions(obj=self.context)["Manage portal"]
        count(self)

    site.view("adopts", view)
    token = site.get("token", user=user).text if signed else ""
    send(site, method, user, token, name="adopts")
    assert tried == [reason]
    assert getattr(site.portal, "counter", 0) == (reason in (None, Refusal.ANONYMOUS))


@pytest.mark.parametrize("user", [None, MEMBER])
def test_a_subrequest_is_part_of_its_request(site, tried, user):
    """plone.subrequest makes a GET without a form of each."""
    site.view("outer", lambda self: subrequest("/plone/submits") and "outer")
    token = site.get("token", user=user).text
    send(site, "POST", user, token, name="outer")
    send(site, "GET", user, name="outer")
    assert tried == [None, Refusal.UNPROTECTED if user else Refusal.ANONYMOUS]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("says_so", ["the request", "the subrequest"])
def test_a_subrequest_is_as_safe_as_its_request_was_said_to_be(site, tried, says_so, method):
    """Either says so for both: plone.protect goes by the request, when all is over."""

    def outer(self):
        if says_so == "the request":
            alsoProvides(self.request, IDisableCSRFProtection)
        subrequest("/plone/submits" if says_so == "the request" else "/plone/safe")

    site.view("outer", outer)
    send(site, method, MEMBER, name="outer")
    assert (tried, site.portal.counter) == ([None], 1)


@pytest.mark.parametrize("user", [None, ADMIN])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["token", "safe"])
def test_a_subscriber_on_the_way_to_the_view_is_refused(site, tried, user, method, name):
    """Nobody is known there yet, so the job of whoever sent it would be nobody's."""
    on_the_way = Submissions()
    site.subscriber(IBeforeTraverseEvent, lambda event: on_the_way.submit())
    send(site, method, user, name=name)
    assert set(on_the_way) == {Refusal.EARLY}


def test_a_subscriber_at_the_end_of_the_way_is_asked_as_the_view_is(site, tried):
    """The user is known."""
    site.subscriber(IPubAfterTraversal, lambda event: tried.submit())
    token = site.get("token", user=ADMIN).text
    tried.clear()
    send(site, "GET", ADMIN, name="token")
    send(site, "GET", ADMIN, token, name="token")
    assert tried == [Refusal.UNPROTECTED, None]


def test_a_hook_before_the_commit_is_allowed(site, tried):
    """It is part of the transaction."""
    site.view("hooks", lambda self: transaction.get().addBeforeCommitHook(tried.submit))
    send(site, "POST", name="hooks")
    assert tried == [None]


# After the commit


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_after_the_commit_it_is_refused(site, tried, held, waits):
    """An after-commit hook and ``IPubSuccess`` come too late; what was allowed before is not."""

    def view(self):
        transaction.get().addAfterCommitHook(lambda committed: tried.submit())
        tried.submit()
        return ask("a") if waits else ""

    site.view("late", view)
    site.subscriber(IPubSuccess, lambda event: tried.submit())
    site.post("late", {"a": "b"}, held=held)
    twice = held and waits
    assert tried == [None] * (1 + twice) + [Refusal.COMMITTED] * 2


def test_after_the_request_is_closed_it_is_refused_too(site, tried):
    """Zope calls what a response wants to be called after it; no request is current then."""

    def view(self):
        self.request.response.after_list += (tried.submit,)

    site.view("after", view)
    send(site, "POST", name="after")
    assert tried == [Refusal.COMMITTED]


@pytest.mark.parametrize("held", [True, False])
def test_after_a_failure_it_is_refused(site, tried, held):
    """What is written there is gone."""
    site.view("fails", lambda self: 1 / 0)
    site.subscriber(IPubFailure, lambda event: tried.submit())
    site.post("fails", {"a": "b"}, held=held)
    assert tried == [Refusal.COMMITTED]


def test_after_the_commit_a_script_is_refused_too(site, tried):
    """In its after-commit hook."""
    transaction.get().addAfterCommitHook(lambda committed: tried.submit())
    site.portal.counter = 1
    transaction.commit()
    tried.submit()
    assert tried == [Refusal.COMMITTED, None]


class Full:
    """A data manager that cannot commit."""

    def tpc_vote(self, txn):
        raise OSError("no space left")

    def sortKey(self):
        return "full"

    def tpc_begin(self, txn):
        """Do nothing."""

    abort = commit = tpc_abort = tpc_begin


def test_after_a_commit_that_failed_a_script_is_refused_too(site, tried):
    """Nothing would commit the job."""
    transaction.get().addAfterCommitHook(lambda committed: tried.submit())
    transaction.get().join(Full())
    with pytest.raises(OSError, match="no space left"):
        transaction.commit()
    transaction.abort()
    assert tried == [Refusal.COMMITTED]


# Without a request


def test_a_script_is_allowed(site, tried, functional):
    """No request at all, or one that nobody sent."""
    check_may_submit(None)
    check_may_submit(functional["request"])
    assert getSiteManager() is not None


@pytest.mark.parametrize("origin", [ANONYMOUS, origin_of(TEST_USER_ID)])
def test_a_job_is_allowed(site, tried, origin):
    """It is no request of a browser. After its commit, nothing is."""
    jobs = Jobs(site)
    site.subscriber(IPubSuccess, lambda event: tried.submit())

    def work(context, request):
        tried.submit()
        subrequest("/plone/submits")

    assert jobs.run(work, origin).committed
    assert tried == [None, None, Refusal.COMMITTED]


# What it says


@pytest.mark.parametrize(
    ("reason", "remedies"),
    [
        (Refusal.COMMITTED, ["in the view", "before-commit hook"]),
        (Refusal.EARLY, ["in the view", "IPubAfterTraversal"]),
        (
            Refusal.UNPROTECTED,
            [
                "GET",
                "POST",
                "@@authenticator/authenticator",
                "@@authenticator/token",
                "X-CSRF-TOKEN",
                "plone.restapi",
                "alsoProvides(request, IDisableCSRFProtection)",
            ],
        ),
        (Refusal.ANONYMOUS, ["GET", "crawler", "POST", "IDisableCSRFProtection"]),
    ],
)
def test_a_refusal_says_what_to_do(reason, remedies):
    """And keeps its facts, also when it is pickled."""
    refused = pickle.loads(pickle.dumps(SubmitRefused(reason, "GET")))
    assert isinstance(refused, FuturesError)
    assert (refused.reason, refused.method) == (reason, "GET")
    assert [remedy for remedy in remedies if remedy not in str(refused)] == []
