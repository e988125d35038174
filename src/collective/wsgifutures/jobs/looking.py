"""Finds jobs for people: each sees their own, and who manages jobs sees all of the site's."""

from .origin import take_origin
from .records import Job
from .records import JobState
from .records import user_key
from .store import find_job
from .store import find_store
from .store import jobs_of
from .store import main_connection
from AccessControl import getSecurityManager
from plone import api
from typing import Any
from zope.globalrequest import getRequest

import itertools

#: The permission to see and change everybody's jobs.
MANAGE = "collective.wsgifutures: Manage jobs"

#: How many places of lines a search looks at; of one user's jobs, how many of their own.
FAR = 20_000


def get(id: str) -> Job | None:
    """Return the job of that id; None if there is none, or the current user may not see it."""
    job = find_job(_store(), id)
    return job if job is not None and may_see(job) else None


def mine(most: int = 50) -> list[Job]:
    """Return the current user's jobs in this site, the newest first, at most so many."""
    own = user_key(_me())
    if not own:
        return []
    site = "/".join(api.portal.get().getPhysicalPath())
    entries = (entry for entry in jobs_of(_store()) if entry.user == own)
    jobs = (entry.job for entry in itertools.islice(entries, FAR))
    found = [job for job in jobs if job.wanted.origin.site == site]
    return sorted(found, key=lambda job: -job.wanted.submitted)[:most]


def of_site(
    *, state: JobState | None = None, queue: str = "", task: str = "", most: int = 1_000
) -> list[Job]:
    """Return the jobs of this site, the newest first, at most so many; for who manages them.

    Args:
        state: Only those in this state.
        queue: Only those of this queue.
        task: Only those of the task of this name.
        most: How many are returned; the oldest are left out.
    """
    site = "/".join(api.portal.get().getPhysicalPath())
    entries = (
        entry
        for entry in itertools.islice(jobs_of(_store()), FAR)
        if queue in ("", entry.queue) and task in ("", entry.task)
    )
    jobs = (entry.job for entry in entries if state in (None, entry.job.state))
    found = [job for job in jobs if job.wanted.origin.site == site]
    return sorted(found, key=lambda job: -job.wanted.submitted)[:most]


def may_see(job: Job) -> bool:
    """Tell whether the current user may see *job*, and cancel it: it is theirs."""
    own = user_key(_me())
    return (bool(own) and own == user_key(job.wanted.origin)) or may_manage(job)


def may_manage(job: Job) -> bool:
    """Tell whether the current user manages the jobs of this site, of which *job* is one."""
    portal = api.portal.get()
    of_site = job.wanted.origin.site == "/".join(portal.getPhysicalPath())
    return of_site and bool(getSecurityManager().checkPermission(MANAGE, portal))


def _me() -> Any:
    return take_origin(getRequest(), getSecurityManager().getUser())


def _store() -> Any:
    return find_store(main_connection(api.portal.get()._p_jar))
