"""A job is published through the site's own pipeline; "done" is committed with its effects."""

from cachedsite import in_ram
from cachedsite import switch_on
from collective.wsgifutures import gather
from collective.wsgifutures.jobs.errors import NotHeld
from collective.wsgifutures.jobs.errors import TransactionChanged
from collective.wsgifutures.jobs.origin import make_environ
from collective.wsgifutures.jobs.publishing import find_run
from collective.wsgifutures.jobs.publishing import JOB
from collective.wsgifutures.jobs.publishing import Run
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.publisher.interfaces import IDeferral
from collective.wsgifutures.publisher.work import find_work
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import swallow
from jobruns import ANONYMOUS
from jobruns import Jobs
from jobruns import origin_of
from plone.app.testing import TEST_USER_ID
from plone.protect import CheckAuthenticator
from plone.protect import protect
from transaction.interfaces import TransientError
from zExceptions import Redirect
from ZODB.POSException import ConflictError
from zope.interface import Interface
from ZPublisher.interfaces import IPubBeforeAbort
from ZPublisher.interfaces import IPubBeforeCommit
from ZPublisher.interfaces import IPubFailure
from ZPublisher.interfaces import IPubSuccess
from ZPublisher.WSGIPublisher import publish_module

import pytest
import traceback
import transaction

USER = origin_of(TEST_USER_ID)


@pytest.fixture
def jobs(site):
    return Jobs(site)


def add(context):
    """Write into the site: one more."""
    context.counter = getattr(context, "counter", 0) + 1


def effects(site, jobs):
    """Return how often the work and "done" were committed."""
    return getattr(site.portal, "counter", 0), jobs.written


# Its end


def test_a_job_commits_done_with_its_effects_in_one_transaction(site, jobs):
    """The result is what "done" gets, and the connection is the one that wrote."""
    connections = []

    def work(context, request):
        connections.append(context._p_jar)
        add(context)
        return {"some": "result"}

    def done(connection, result):
        connections.append(connection)
        jobs._write_done(connection, (result, connection.root()["Application"].plone.counter))

    run = jobs.run(work, USER, done=done)
    assert jobs.done == [({"some": "result"}, 1)]
    assert connections[0] is connections[1]
    assert (effects(site, jobs), site.commits) == ((1, 1), 1)
    assert (run.committed, run.status, run.error) == (True, 200, None)
    assert jobs.left_over == []


def test_a_job_that_waits_is_published_again_and_done_once(site, jobs):
    """Three waits and a conflict: each future is called once, and one transaction commits."""
    conflicts = [ConflictError()]

    def work(context, request):
        add(context)
        texts = [ask("a"), *gather(ask.submit("b"), ask.submit("c")), ask("d")]
        if conflicts:
            raise conflicts.pop()
        return texts

    run = jobs.run(work, USER)
    assert jobs.passes == ["Suspended"] * 4 + ["204"]
    assert sorted(calls) == ["a", "b", "c", "d"]
    assert (run.result, jobs.done) == (["A", "B", "C", "D"], [["A", "B", "C", "D"]])
    assert (effects(site, jobs), site.commits, run.committed) == ((1, 1), 1, True)


def test_a_job_that_conflicts_while_it_is_done_is_published_again(site, jobs):
    """As a conflict of the commit itself: not an error of the job."""
    conflicts = [ConflictError()]

    def done(connection, result):
        jobs._write_done(connection, result)
        if conflicts:
            raise conflicts.pop()

    run = jobs.run(lambda context, request: add(context), USER, done=done)
    assert jobs.passes == ["Suspended", "204"]
    assert (effects(site, jobs), run.committed, run.error) == ((1, 1), True, None)


def test_a_job_that_is_published_again_is_watched_anew(site, jobs):
    """The conflict came at the end of the pass before, and its view may not commit now."""
    conflicts = [ConflictError()]

    def work(context, request):
        if not conflicts:
            commits(context, request)

    def done(connection, result):
        raise conflicts.pop()

    with pytest.raises(TransactionChanged) as caught:
        jobs.run(work, USER, done=done)
    assert caught.value.how == "committed"
    assert (effects(site, jobs), jobs.passes) == ((0, 0), ["Suspended", "TransactionChanged"])


def test_a_job_that_always_conflicts_ends_with_the_conflict(site, jobs):
    """It is told as it is, without an error page."""
    failed = note_failures(site)

    def work(context, request):
        raise ConflictError

    with pytest.raises(TransientError):
        jobs.run(work, USER)
    assert jobs.passes == ["Suspended"] * 3 + ["ConflictError"]
    assert (site.errors, [retry for retry in failed if not retry]) == ([], [])


def test_done_is_written_after_all_other_hooks(site, jobs):
    """Also after those that hooks and subscribers add."""
    log = []

    def hook(name, *more):
        def call():
            log.append(name)
            for each in more:
                transaction.get().addBeforeCommitHook(hook(*each))

        return call

    def work(context, request):
        transaction.get().addBeforeCommitHook(hook("view", ("its hook", ("and its",))))

    late = hook("subscriber", ("late",))
    site.subscriber(IPubBeforeCommit, lambda event: transaction.get().addBeforeCommitHook(late))
    jobs.run(work, USER, done=lambda connection, result: log.append("done"))
    assert log == ["view", "subscriber", "its hook", "late", "and its", "done"]


def test_a_job_whose_claim_is_outdated_commits_nothing(site, jobs):
    """What "done" raises leaves as it is, and the effects are gone."""

    def done(connection, result):
        jobs._write_done(connection, result)
        raise LookupError("outdated")

    with pytest.raises(LookupError, match="outdated"):
        jobs.run(lambda context, request: add(context), USER, done=done)
    assert (effects(site, jobs), site.commits, site.errors) == ((0, 0), 0, [])


@pytest.mark.parametrize("asks", [ask, ask.submit, lambda text: swallow(ask, text)])
def test_done_is_not_written_by_a_pass_that_waits(site, jobs, asks):
    """However it waits, and in a hook too."""
    dones = []

    def work(context, request):
        transaction.get().addBeforeCommitHook(asks, ("late",))
        return asks("early")

    jobs.run(work, USER, done=lambda connection, result: dones.append(list(calls)))
    assert len(dones) == 1
    assert set(dones[0]) == set(calls) == {"early", "late"}


# Other endings


def commits(context, request):
    add(context)
    transaction.commit()
    add(context)


def commits_in_silence(context, request):
    add(context)
    swallow(transaction.commit)
    swallow(transaction.commit)


def aborts(context, request):
    add(context)
    transaction.abort()


def aborts_and_commits(context, request):
    transaction.abort()
    add(context)
    transaction.commit()


def begins(context, request):
    add(context)
    transaction.begin()


def dooms(context, request):
    add(context)
    transaction.doom()


def dooms_in_a_hook(context, request):
    add(context)
    transaction.get().addBeforeCommitHook(transaction.doom)


@pytest.mark.parametrize(
    ("work", "how"),
    [
        (commits, "committed"),
        (commits_in_silence, "committed"),
        (aborts, "ended"),
        (aborts_and_commits, "ended"),
        (begins, "ended"),
        (dooms, "doomed"),
        (dooms_in_a_hook, "doomed"),
    ],
)
def test_a_job_that_ends_its_own_transaction_is_not_done(site, jobs, work, how):
    """Neither the effects without "done" nor "done" without the effects."""
    with pytest.raises(TransactionChanged, match=r"@@wsgifutures-task \w+ ") as caught:
        jobs.run(work, USER)
    assert caught.value.how == how
    assert (effects(site, jobs), jobs.done, site.commits) == ((0, 0), [], 0)
    assert jobs.left_over == []


def test_a_published_view_that_aborts_is_not_done(site, jobs):
    """It is not a task, and may be anybody's; it is refused at its end."""
    site.view("aborts", lambda self: aborts(self.context, self.request))
    with pytest.raises(TransactionChanged, match="@@aborts"):
        jobs.publish(USER, view="@@aborts")
    assert (effects(site, jobs), jobs.done) == ((0, 0), [])


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (lambda response: response.redirect("http://nohost/elsewhere"), 302),
        (lambda response: response.setStatus(500), 500),
        (lambda response: response.setStatus(204), 204),
    ],
)
def test_a_published_view_that_answers_with_a_status_is_committed(site, jobs, act, status):
    """As its request would be. What the status means is for the runner to say."""

    def view(self):
        count(self)
        act(self.request.response)

    site.view("acts", view)
    run = jobs.publish(USER, view="@@acts")
    assert (run.status, run.committed, effects(site, jobs)) == (status, True, (1, 1))


def note_failures(site):
    """Return a list that gets an item for each event of a failure."""
    failed = []
    for interface in (IPubBeforeAbort, IPubFailure):
        site.subscriber(interface, lambda event: failed.append(event.retry))
    return failed


@pytest.mark.parametrize("error", [LookupError("no"), Redirect("http://nohost/x"), OSError("disk")])
def test_an_error_leaves_as_it_is(site, jobs, error):
    """With its traceback; no page of it, no entry in the error log, no transform."""
    failed = note_failures(site)

    def work(context, request):
        add(context)
        raise error

    with pytest.raises(type(error)) as caught:
        jobs.run(work, USER)
    assert caught.value is error
    assert "work" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert (effects(site, jobs), jobs.done) == ((0, 0), [])
    assert (failed, site.errors, site.logged) == ([], [], [])
    assert jobs.left_over == []


def test_an_error_of_a_page_is_rendered_and_logged_as_ever(site):
    """Only jobs are told their errors."""
    site.view("fails", lambda self: 1 / 0)
    assert site.get("fails").status == 500
    assert site.errors == ["ZeroDivisionError"]


def test_an_error_after_a_lost_suspension_waits_first(site, jobs):
    """The error may come of what is missing."""

    def work(context, request):
        text = swallow(ask, "a")
        return text.lower()

    run = jobs.run(work, USER)
    assert (run.result, jobs.passes) == ("a", ["AttributeError", "204"])
    assert run.error is None


def test_an_error_with_pending_futures_is_final(site, jobs):
    """Nothing starts."""

    def work(context, request):
        ask.submit("a")
        raise LookupError("no")

    with pytest.raises(LookupError):
        jobs.run(work, USER)
    assert calls == []


# What else Plone does with a request


def test_a_job_writes_without_a_question_of_plone_protect(site, jobs):
    """By GET, as somebody who is logged in, with a page."""

    def view(self):
        count(self)
        self.request.response.setHeader("Content-Type", "text/html")
        return "<html><body>written</body></html>"

    site.view("writes", view)
    assert site.get("writes", user=ADMIN).status == 302
    assert jobs.publish(USER, view="@@writes").committed
    assert effects(site, jobs) == (1, 1)


@pytest.mark.parametrize("form", [{}, {"_authenticator": "of the form as it was submitted"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_job_passes_what_its_view_asks_of_plone_protect(site, jobs, form, method):
    """Nobody can have forged it."""

    @protect(CheckAuthenticator)
    def guarded(context, REQUEST=None):
        add(context)

    site.view("guarded", lambda self: guarded(self.context, REQUEST=self.request))
    assert jobs.publish(USER, view="@@guarded", method=method, form=form).committed
    assert site.post("guarded", form, user=ADMIN).status == 403
    assert effects(site, jobs) == (1, 1)


def test_no_transform_sees_a_job(site, jobs):
    """Nobody looks at the page."""
    seen = []
    site.transform(lambda: seen.append("transformed"), 1)
    site.view("page", lambda self: "<html><body>page</body></html>")
    jobs.publish(USER, view="@@page")
    assert seen == []
    site.get("page")
    assert seen == ["transformed"]


def test_no_cache_answers_a_job_or_keeps_its_page(site, jobs, functional):
    """plone.app.caching answers whatever the method is, and goes by the address."""
    seen = []
    site.view("cached", lambda self: [seen.append(1)] and "<html><body>page</body></html>")
    switch_on(site, functional, "plone.app.caching.weakCaching", ["cached"], ramCache=True)
    for _ in range(2):
        assert jobs.publish(ANONYMOUS, view="cached").committed
    assert (len(seen), in_ram()) == (2, 0)
    for _ in range(2):
        assert site.get("cached").status == 200
    assert (len(seen), in_ram()) == (3, 1)
    assert jobs.publish(ANONYMOUS, view="cached").committed
    assert len(seen) == 4


class Deferral:
    """Could put off each part of each page."""

    def __init__(self, request):
        pass


def test_no_part_of_a_job_is_deferred(site, jobs):
    """No browser will fetch it."""
    seen = []
    site.adapter(Deferral, (Interface,), IDeferral)
    site.view("looks", lambda self: seen.append(current_pass().publisher.defers))
    jobs.publish(USER, view="@@looks")
    site.get("looks")
    assert seen == [False, True]


# What is a job


def test_a_job_without_a_hold_is_refused(site):
    """Nothing would write "done"."""
    environ = make_environ(USER, "/plone", view="@@wsgifutures-task")
    environ[JOB] = Run(USER, lambda *_: None, function=lambda context, request: add(context))
    with pytest.raises(NotHeld):
        publish_module(environ, lambda *_: None)
    site.sync()
    assert not hasattr(site.portal, "counter")


@pytest.mark.parametrize("value", ["1", b"1", {}, Run, None])
def test_only_a_run_makes_a_request_a_job(value):
    """What HTTP can put into an environ is a string."""

    class Request:
        environ = {JOB: value}

    assert find_run(Request()) is None
    assert find_work(Request.environ) is None
    assert find_run(object()) is None


def test_a_job_is_committed_before_it_succeeds(site, jobs):
    """``IPubSuccess`` sees it so; a runner that asks later does too."""
    seen = []
    site.subscriber(IPubSuccess, lambda event: seen.append(find_run(event.request).committed))
    run = jobs.run(lambda context, request: add(context), USER)
    assert (seen, run.committed) == ([True], True)


def test_a_job_that_is_doomed_too_late_is_not_committed(site, jobs):
    """Zope ends that as a success."""
    site.subscriber(IPubBeforeCommit, lambda event: transaction.doom())
    run = jobs.run(lambda context, request: add(context), USER)
    assert (run.committed, run.error, effects(site, jobs)) == (False, None, (0, 0))
