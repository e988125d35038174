"""Tasks with titles and results, users who submit them, and jobs in each of their states."""

from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import main_connection
from plone import api
from plone.app.testing import login
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from sitesettings import install

import time
import transaction

OWNER = (TEST_USER_NAME, TEST_USER_PASSWORD)  #: who submits, an editor

HIDDEN = "h1dden"  #: an argument: nobody reads it anywhere


@task(title="Export the <library>", goes_to="@@exported")
def export(context, argument):
    return "14 books"


@task(title="Fail on purpose", attempts=2)
def fail(context, argument):
    raise LookupError("no such book")


@task(title="Something secret", secret=True, attempts=1)
def secretly(context, argument):
    if argument == "fail":
        raise LookupError(HIDDEN)
    return HIDDEN


@task
def tell_progress(context):
    current_job().progress(0.5)


def prepare(site):
    """Install the add-on; return a page, of an editor who is logged in."""
    install(site.portal)
    site.portal.manage_permission("plone.restapi: Use REST API", ["Anonymous"], acquire=1)
    page = api.content.create(site.portal, "Document", "page", title="A <b> & page")
    setRoles(site.portal, TEST_USER_ID, ["Member", "Editor"])
    transaction.commit()
    return page


def submit(site, task, context, *args, user=TEST_USER_NAME, **kwargs):
    """Return a job that *user* has submitted, and that is committed."""
    login(site.portal, user)
    job = task.submit(context, *args, **kwargs)
    transaction.commit()
    login(site.portal, TEST_USER_NAME)
    return job


def bring(site, job, state):
    """Bring a job that waits into a state."""
    now, store = time.time(), find_store(main_connection(site.portal._p_jar))
    if state is JobState.CANCELLED:
        desk.cancel(job, now)
    elif state is JobState.DEAD:
        desk.bury(store, job, now, "LookupError: no such book", "the whole traceback")
    elif state is not JobState.WAITING:
        claim = job.claim("a-runner", now)
        if state is JobState.DONE:
            job.finish(claim, b"", now)
    transaction.commit()
