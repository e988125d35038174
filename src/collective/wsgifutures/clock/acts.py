"""What people do with the timed work of a site: look at it, pause it, run it now.

``changes`` has how they add, change and remove it.

Each function is about the current site, in the transaction of its caller, who asks whether the
user may.
"""

from ..jobs.errors import TaskUnknown
from ..jobs.records import Job
from ..jobs.store import find_job
from ..jobs.store import find_store
from ..jobs.store import main_connection
from ..jobs.tasks import find_task
from .entries import declared
from .entries import Entry
from .entries import Overlap
from .errors import EntryUnknown
from .records import find
from .records import Kept
from .records import make
from .sites import submit_here
from .stored import stored
from plone import api
from plone.uuid.interfaces import IUUID
from typing import Any

import time


def entries() -> list[Entry]:
    """Return the entries of the site, by their names."""
    path = _path()
    found = {entry.name: entry for entry in declared() if not entry.site}
    found.update({entry.name: entry for entry in declared() if entry.site == path})
    found.update({entry.name: entry for entry in stored(_connection()) if _is_here(entry, path)})
    return [found[name] for name in sorted(found)]


def find_entry(name: str) -> Entry:
    """Return the entry of that name.

    Raises:
        EntryUnknown: There is none.
    """
    for entry in entries():
        if entry.name == name:
            return entry
    raise EntryUnknown(name, _path())


def kept_of(entry: Entry) -> Kept | None:
    """Return what is kept of *entry*; None if no clock has seen it yet."""
    return find(_connection(), _path(), entry.name)


def last_job(entry: Entry) -> Job | None:
    """Return the last job of *entry*; None if there was none, or it was purged."""
    kept = kept_of(entry)
    return None if kept is None else find_job(find_store(_connection()), kept.job)


def title_of(entry: Entry) -> Any:
    """Return the title of what *entry* does, for people; the name of its task if it has none."""
    try:
        return find_task(entry.task).title or entry.task
    except TaskUnknown:
        return entry.task


def pause(name: str) -> None:
    """Let nothing of an entry be due until it is resumed.

    Raises:
        EntryUnknown: There is no such entry.
    """
    kept = _make(find_entry(name))
    kept.paused = kept.paused or time.time()


def resume(name: str) -> None:
    """Let an entry be due again: what was due meanwhile is not made up for.

    Raises:
        EntryUnknown: There is no such entry.
    """
    entry = find_entry(name)
    kept = _make(entry)
    if kept.paused:
        kept.paused = 0.0
        kept.begin_anew(entry.rule, time.time())


def run_now(name: str) -> Job:
    """Submit a job of an entry now, besides those of its times; return it.

    While the last job is not over and the entry does not queue, that one is returned.

    Raises:
        EntryUnknown: There is no such entry.
        ContextMissing, UserGone, TaskUnknown, ArgumentRefused, TypeError: It cannot be done now.
    """
    entry = find_entry(name)
    last = last_job(entry)
    if last is not None and not last.ended and Overlap(entry.overlap) is Overlap.SKIP:
        return last
    job = submit_here(api.portal.get(), entry)
    kept = _make(entry)
    kept.job, kept.error = job.id, ""
    return job


def _is_here(entry: Entry, path: str) -> bool:
    return (entry.site, entry.site_uid) == (path, IUUID(api.portal.get()))


def _make(entry: Entry) -> Kept:
    return make(_connection(), _path(), entry.name, entry.rule, time.time())


def _connection() -> Any:
    return main_connection(api.portal.get()._p_jar)


def _path() -> str:
    return "/".join(api.portal.get().getPhysicalPath())
