"""``then=``: a job gets what a stream gave, once, as who asked for the stream."""

from collective.wsgifutures import jobs
from collective.wsgifutures import stream
from collective.wsgifutures import StreamEvent
from collective.wsgifutures import task
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from holdsite import ADMIN
from holdsite import ask
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import pytest
import transaction

kept = []


@task
def keep(context, text):
    kept.append((context.getId(), text, api.user.get_current().getId()))


@task(lock=lambda context, text: text)
def keep_alone(context, text):
    kept.append(text)


@stream
def tell(*words):
    yield from words


@stream
def fail(*words):
    yield from words
    raise KeyError


@pytest.fixture(autouse=True)
def _nothing_kept():
    kept.clear()


def view(make):
    """Return a view that may write, and answers with what *make* returns of it."""

    def call(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return make(self)

    return call


def recorded(site):
    site.sync()
    store = find_store(site.portal._p_jar)
    return [] if store is None else [entry.job for entry in jobs_of(store)]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda view: tell(ask("a"), "b").text(then=keep, context=view.context), "Ab"),
        (
            lambda view: tell("a", StreamEvent("b", id="7"), {"c": 1}).events(
                then=keep, context=view.context
            ),
            'ab{"c":1}',
        ),
        (
            lambda view: tell("a", 1).lines(then=keep.using(delay=9), context=view.context),
            '"a"\n1\n',
        ),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_task_gets_the_text_when_the_stream_has_ended(site, make, text, held):
    """Once, as its user; without a hold, too."""
    site.view("words", view(make))
    assert site.get("@@words", user=ADMIN, held=held).status == 200
    (job,) = recorded(site)
    assert (job.state, job.awaits_stream) == (JobState.WAITING, False)
    jobs.run()
    assert kept == [("plone", text, "admin")]


def test_text_of_a_stream_that_fails_is_not_stored(site):
    """Its job is dead, for a person to see."""
    site.view("words", view(lambda self: fail("a").events(then=keep, context=self.context)))
    assert site.get("@@words", user=ADMIN).body.endswith("data: failed\n\n")
    (job,) = recorded(site)
    assert (job.state, kept) == (JobState.DEAD, [])
    assert "did not come to its end" in job.error


def test_job_of_a_stream_that_fails_before_its_first_item_is_dead(site):
    """The pass is committed, and so is its job."""
    site.view("words", view(lambda self: fail().text(then=keep, context=self.context)))
    assert site.get("@@words", user=ADMIN).status == 500
    (job,) = recorded(site)
    assert job.state is JobState.DEAD


def test_job_of_a_stream_that_never_begins_is_cancelled(site):
    """A HEAD makes nothing."""
    site.view("words", view(lambda self: tell("a").text(then=keep, context=self.context)))
    assert site.request("HEAD", "@@words", user=ADMIN).status == 200
    assert {job.state for job in recorded(site)} <= {JobState.CANCELLED}


def test_job_whose_stream_died_with_its_process_is_dead_and_says_so(site):
    """It is due when the stream must have ended."""

    def lose(self):
        answer = tell("a").text(then=keep, context=self.context)
        answer.following = None
        return answer

    site.view("words", view(lose))
    site.get("@@words", user=ADMIN)
    (job,) = recorded(site)
    assert (job.state, job.awaits_stream) == (JobState.WAITING, True)
    jobs.run()
    site.sync()
    if job.state is JobState.WAITING:  # it is due in minutes
        job.due = 0.0
        find_store(site.portal._p_jar).line_up(job)
        transaction.commit()
        jobs.run()
        site.sync()
    assert (job.state, kept) == (JobState.DEAD, [])
    assert "its process did before" in job.error


def test_pass_that_is_not_committed_has_no_job(site):
    """As any other submission."""

    def doomed(self):
        answer = tell("a").text(then=keep, context=self.context)
        transaction.doom()
        return answer

    site.view("words", view(doomed))
    assert site.get("@@words", user=ADMIN).status == 403
    assert recorded(site) == []


@pytest.mark.parametrize("then", [len, "keep", keep_alone, keep.using(key="one")])
def test_what_cannot_follow_a_stream_is_refused(site, then):
    """In the view."""
    refused = []

    def refuse(self):
        with pytest.raises(TypeError) as caught:
            tell("a").text(then=then, context=self.context)
        refused.append(str(caught.value))
        return "refused"

    site.view("words", view(refuse))
    assert site.get("@@words", user=ADMIN).body == "refused"
    assert len(refused) == 1
