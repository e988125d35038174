"""What a person does with one job, in its page and in ``@jobs``: in the request's transaction."""

from ...jobs import desk
from ...jobs import looking
from ...jobs.records import Job
from ...jobs.store import find_store
from ...jobs.store import main_connection
from AccessControl import Unauthorized
from plone import api
from typing import Any
from zExceptions import NotFound

import time


def check_logged_in() -> None:
    """Send somebody who is not logged in to the login form.

    Raises:
        Unauthorized: Nobody is logged in.
    """
    if api.user.is_anonymous():
        raise Unauthorized("Log in to see your jobs.")


def find_job(id: str) -> Job:
    """Return the job of that id, for the current user.

    Raises:
        Unauthorized: Nobody is logged in.
        NotFound: There is no such job, or the user may not see it.
    """
    check_logged_in()
    job = looking.get(id)
    if job is None:
        raise NotFound(id)
    return job


def cancel(job: Job) -> bool:
    """Cancel a waiting *job* at once, ask a running one to end; tell whether it is cancelled.

    Raises:
        NotInThatState: It has ended.
    """
    return desk.cancel(job, time.time())


def retry(job: Job) -> None:
    """Let *job* be tried again.

    Raises:
        Unauthorized: The user does not manage jobs.
        NotInThatState: It is neither dead nor cancelled.
    """
    desk.retry(_store_to_manage(job), job, time.time())


def discard(job: Job) -> None:
    """Let nobody look after a dead *job* any more.

    Raises:
        Unauthorized: The user does not manage jobs.
        NotInThatState: It is not dead.
    """
    desk.discard(_store_to_manage(job), job, time.time())


def _store_to_manage(job: Job) -> Any:
    """Return the store that *job* is in."""
    if not looking.may_manage(job):
        raise needs_permission()
    return find_store(main_connection(job._p_jar))


def needs_permission() -> Unauthorized:
    """Return the error of somebody who does not manage jobs."""
    return Unauthorized(f"You need the permission “{looking.MANAGE}”.")
