"""Jobs in a Plone site: submitted in a transaction, run as who submitted them."""

from collective.wsgifutures.jobs import run
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import task
from holdsite import ask
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
