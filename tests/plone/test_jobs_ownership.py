"""Whose jobs are: of the database, not of a copy of the site; what an uninstall says."""

from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import ROOT
from collective.wsgifutures.setuphandlers import tell_of_jobs
from plone import api
from plone.uuid.interfaces import ATTRIBUTE_NAME
from Products.statusmessages.interfaces import IStatusMessage
from zope.globalrequest import getRequest

import io
import pytest
import transaction


@task(attempts=1)
def touch(context):
    context.description = "touched"


@pytest.fixture
def page(site):
    made = api.content.create(site.portal, "Document", "page", title="Old")
    transaction.commit()
    return made


def test_an_export_of_a_site_has_no_job(page):
    """The queue is in the root of the database."""
    touch.submit(page)
    transaction.commit()
    portal = api.portal.get()
    file = io.BytesIO()
    portal._p_jar.exportFile(portal._p_oid, file)
    assert b"wsgifutures.jobs" not in file.getvalue()
    assert ROOT in portal._p_jar.root()


def test_a_job_about_what_was_renamed_and_moved_finds_it(page):
    """By its UID."""
    folder = api.content.create(api.portal.get(), "Folder", "folder", title="Folder")
    job = touch.submit(page)
    moved = api.content.move(page, folder, "other")
    transaction.commit()
    jobs.run()
    assert (job.state, moved.description) == (JobState.DONE, "touched")


def test_a_job_about_what_was_deleted_is_dead_with_the_reason(page):
    """Nobody else is taken for it."""
    job = touch.submit(page)
    api.content.delete(page)
    transaction.commit()
    jobs.run()
    assert job.state is JobState.DEAD
    assert "was deleted from the site at /plone" in job.error


def test_a_job_of_a_site_that_is_another_one_now_is_dead(page):
    """A site of the same name, imported in its place, is not the site."""
    job = touch.submit(api.portal.get())
    transaction.commit()
    setattr(api.portal.get(), ATTRIBUTE_NAME, "another")
    transaction.commit()
    jobs.run()
    assert job.state is JobState.DEAD
    assert "The site at /plone is gone, or is another one now" in job.error


def test_the_uninstall_says_what_becomes_of_waiting_jobs(page):
    """They are not lost in silence."""
    touch.submit(page)
    tell_of_jobs(None)
    (message,) = IStatusMessage(getRequest()).show()
    assert message.message.startswith("Jobs of this site that wait or run: 1.")


def test_the_uninstall_says_nothing_without_jobs(page):
    """Nor of those that are over."""
    tell_of_jobs(None)
    assert IStatusMessage(getRequest()).show() == []
