"""Jobs in a Plone site: submitted in a transaction, run as who submitted them."""

from collective.wsgifutures import current_job
from collective.wsgifutures import publish
from collective.wsgifutures import Retry
from collective.wsgifutures.jobs import run
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.testing import Futures
from holdsite import ask
from holdsite import calls
from holdsite import hang_on
from plone import api

import pytest
import time
import transaction

log = []


@task
def write_title(context, title):
    context.title = title
    log.append((api.user.get_current().getId(), context.absolute_url()))
    return title


@task
def ask_and_write(context, text):
    context.title = ask(text)


@task(attempts=2, backoff=10)
def fail(context):
    context.title = "half"
    raise LookupError("no such book")


@task(attempts=1, timeout=0.05)
def take_long(context):
    context.title = "half"
    time.sleep(0.1)


@task(attempts=1, timeout=0.2)
def wait_long(context):
    context.title = hang_on("for long")


@task(attempts=3, backoff=1000)
def try_later(context):
    raise Retry(30, "The service is closed until noon.")


@task(attempts=1, secret=True)
def keep_a_secret(context, token):
    raise ValueError(f"wrong: {token}")


@task
def tell_of_itself(context):
    job = current_job()
    job.progress(0.5, "half")
    return [job.id, job.key, job.attempt, job.cancelled]


@task
def give_title(context):
    return context.title


@pytest.fixture
def page(site):
    log.clear()
    made = api.content.create(site.portal, "Document", "page", title="Old")
    transaction.commit()
    return made


def test_a_job_is_done_after_the_commit_as_who_submitted_it(page):
    """What it changes is committed together with "done"."""
    job = write_title.submit(page, "New")
    assert job.state is JobState.WAITING
    with pytest.raises(RuntimeError, match="commit"):
        run()
    transaction.commit()
    assert [done.id for done in run()] == [job.id]
    assert (job.state, page.title, job.result) == (JobState.DONE, "New", "New")
    assert log == [("test_user_1_", "http://nohost/plone/page")]


def test_a_job_of_an_aborted_transaction_does_not_exist(page):
    """Nothing phantom."""
    write_title.submit(page, "New")
    transaction.abort()
    assert run() == []


def test_a_job_may_wait_for_futures(page):
    """Its pass is held, as a request's."""
    job = ask_and_write.submit(page, "loud")
    transaction.commit()
    run()
    assert (job.state, page.title) == (JobState.DONE, "LOUD")


def test_a_failed_attempt_leaves_nothing_and_waits_for_the_next(page):
    """Out of attempts the job is dead, with its error."""
    job = fail.submit(page)
    transaction.commit()
    run()
    assert (job.state, job.attempt, page.title) == (JobState.WAITING, 1, "Old")
    assert 5 <= job.due - time.time() <= 15
    run(time.time() + 20)
    assert (job.state, job.error, page.title) == (
        JobState.DEAD,
        "LookupError: no such book",
        "Old",
    )
    assert "raise LookupError" in job.traceback


def test_an_attempt_that_takes_too_long_commits_nothing(page):
    """Whether it computes or waits."""
    computes, waits = take_long.submit(page), wait_long.submit(page)
    transaction.commit()
    run()
    assert (computes.state, waits.state, page.title) == (JobState.DEAD, JobState.DEAD, "Old")
    assert "took longer than 0.05 s, and nothing of it is committed" in computes.error
    assert waits.error.startswith("HoldExpired: ")


def test_a_task_says_when_its_next_attempt_is(page):
    """And why, for people."""
    job = try_later.submit(page)
    transaction.commit()
    run()
    assert (job.state, job.error) == (JobState.WAITING, "The service is closed until noon.")
    assert 25 <= job.due - time.time() <= 30


def test_what_a_secret_task_raised_is_told_without_values(page):
    """Where it was raised may be seen."""
    job = keep_a_secret.submit(page, "s3cret")
    transaction.commit()
    run()
    assert job.error == "ValueError (the task is secret)"
    assert "keep_a_secret" in job.traceback
    assert "s3cret" not in job.traceback


def test_a_task_knows_its_job(page):
    """The key is the same in each attempt."""
    job = tell_of_itself.submit(page)
    assert current_job() is None
    transaction.commit()
    run()
    assert job.result == [job.id, job.key, 1, False]


def test_the_result_goes_to_another_task(page):
    """As who submitted the first one, recorded with its effects."""
    give_title.using(then=write_title).submit(page)
    page.title = "Other"
    transaction.commit()
    assert len(run()) == 2
    assert log == [("test_user_1_", "http://nohost/plone/page")]


def test_a_task_that_was_removed_is_tried_again(page, monkeypatch):
    """Another process may know it; else the job is dead, with what to do."""
    job = write_title.submit(page, "New")
    transaction.commit()
    monkeypatch.delitem(tasks, write_title.name)
    now = time.time()
    for days in range(5):
        run(now + days * 86400)
    assert job.state is JobState.DEAD
    assert job.error.startswith("There is no task 'test_jobs.write_title' here.")


def test_a_job_with_a_delay_waits_for_its_time(page):
    """Not before."""
    job = write_title.using(delay=60).submit(page, "Later")
    transaction.commit()
    now = time.time()
    run(now)
    assert job.state is JobState.WAITING
    run(now + 61)
    assert (job.state, page.title) == (JobState.DONE, "Later")


def test_a_job_after_its_deadline_is_dead_with_the_reason(page):
    """Nobody does it late."""
    job = write_title.using(deadline=100).submit(page, "Late")
    transaction.commit()
    run(time.time() + 101)
    assert (job.state, page.title) == (JobState.DEAD, "Old")
    assert job.error.startswith("The job was not done within the 100 s that it had.")


@pytest.mark.parametrize(
    ("answer", "state"), [(200, JobState.DONE), (302, JobState.WAITING), (500, JobState.WAITING)]
)
def test_a_published_view_is_done_if_it_answers_2xx(site, page, answer, state):
    """Any other answer fails the attempt, and commits nothing."""

    def view(self):
        self.context.title = self.request.form["title"]
        self.request.response.setStatus(answer)
        return "seen"

    site.view("rename", view)
    job = publish.submit(page, "@@rename", form={"title": "New"}, method="POST")
    transaction.commit()
    run()
    assert job.state is state
    assert page.title == ("New" if state is JobState.DONE else "Old")


def test_a_view_that_does_not_exist_fails_the_attempt(page):
    """With its status."""
    job = publish.submit(page, "@@nobody")
    transaction.commit()
    run()
    assert (job.state, job.attempt) == (JobState.WAITING, 1)
    assert "NotFound" in job.error


def test_futures_of_a_job_give_what_the_test_has_settled(page):
    """Nothing is asked of the outside world."""
    with Futures() as futures:
        futures.settle(ask, "loud", value="settled")
        job = ask_and_write.submit(page, "loud")
        other = ask_and_write.submit(page, "not settled")
        transaction.commit()
        run()
        assert (job.state, page.title) == (JobState.DONE, "settled")
        assert other.error.startswith("UnexpectedCall: ")
        futures.unexpected.clear()
    assert calls == []


@pytest.mark.parametrize("then", [write_title.using(delay=5), "write_title"])
def test_what_is_no_task_gets_no_result(then):
    """It is refused where it is written."""
    with pytest.raises(TypeError, match="is not a task"):
        give_title.using(then=then)


def test_a_published_view_has_no_result_for_another_task():
    """Nor is it lost in silence."""
    with pytest.raises(TypeError, match="has no result"):
        publish.using(then=write_title)


def test_a_key_and_a_lock_are_of_their_site(page):
    """Another site in the same database has other jobs."""
    job = write_title.using(key="a").submit(page, "New")
    assert job.wanted.unique.startswith("/plone ")
