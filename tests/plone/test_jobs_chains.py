"""With ``debug``, a task that seems to submit itself for ever is named, once."""

from collective.wsgifutures import current_job
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.jobs import by_hand
from collective.wsgifutures.jobs.chains import DEEP
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.wsgi.settings import Settings
from plone import api

import pytest
import time
import transaction

#: How many more jobs the task submits, and how.
left = [0]
using = {}


@task
def again(context, number=0):
    if left[0]:
        left[0] -= 1
        again.using(**using.get("options", {})).submit(context, number + using.get("step", 0))


@task
def other(context, number=0):
    again.submit(context, number)


@pytest.fixture
def warned(site):
    """Return the warnings about chains when a chain of so many jobs has run."""
    checks._logged.clear()

    def warned(length, first=again, now=None, **options):
        left[0] = length
        using.clear()
        using.update(options)
        first.submit(site.portal, 0)
        transaction.commit()
        jobs.run(now)
        return [r.getMessage() for r in site.log.records if "for ever" in r.getMessage()]

    yield warned
    checks._logged.clear()


def test_a_task_that_submits_the_same_again_is_named_once(warned):
    """With what to do."""
    (message,) = warned(DEEP + 5)
    assert message.startswith(f"{__name__}.again seems to submit itself for ever: {DEEP} jobs")
    assert all(word in message for word in ("key=", "delay=", "condition"))
    assert warned(DEEP + 5) == [message]


def test_a_chain_that_ends_in_time_is_no_finding(warned):
    """One job fewer."""
    assert warned(DEEP - 1) == []


@pytest.mark.parametrize("options", [{"step": 1}, {"options": {"delay": 1}}])
def test_a_chain_of_different_work_or_with_pauses_is_none(warned, options):
    """A task that does a batch at a time, or is meant to come again."""
    now = time.time() + 1000 * (DEEP + 5) if "options" in options else None
    assert warned(DEEP + 5, now=now, **options) == []
    assert left == [0]


def test_a_chain_begins_after_another_task(warned, site):
    """The first job of a task begins one, whatever submitted it."""
    assert warned(DEEP - 1, first=other) == []


def test_a_job_about_something_else_begins_a_chain(site):
    """Each child once, whatever their number."""

    @task(name="climb")
    def climb(context):
        left[0] = max(left[0], current_depth())
        if context.aq_parent.portal_type == "Folder":
            climb.submit(context.aq_parent)

    left[0] = 0
    where = site.portal
    for _ in range(3):
        where = api.content.create(where, "Folder", "folder")
    climb.submit(where)
    transaction.commit()
    assert len(jobs.run()) == 3
    assert left == [0]


def current_depth():
    return jobs.get(current_job().id).wanted.depth


def test_without_debug_nothing_is_said(warned, monkeypatch):
    """It is for developers."""
    monkeypatch.setattr(by_hand, "Settings", lambda **options: Settings())
    assert warned(DEEP + 5) == []
