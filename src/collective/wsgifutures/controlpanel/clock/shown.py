"""The timed work of a site as the control panel shows it."""

from ...browser.jobs.shown import site_url
from ...browser.jobs.words import word_for
from ...browser.times import local
from ...clock import acts
from ...clock.entries import Entry
from ...clock.offered import why_not
from ...clock.records import Kept
from ...clock.words import describe
from ...interfaces import _
from ...jobs.records import Job
from typing import Any
from typing import NamedTuple

import math
import time

#: What is said of slots that nobody saw in time, and of the last job that is not over.
MISSED = {
    "skip": _("Times at which all servers were down are left out."),
    "once": _("Times at which all servers were down are made up for by one job."),
    "all": _("Times at which all servers were down are made up for, each by a job of its own."),
}
OVERLAP = {
    "skip": _("While the last job is not over, there is no other one."),
    "queue": _("While the last job is not over, the next one waits for it."),
}


class ShownLast(NamedTuple):
    """The last job of an entry."""

    id: str
    url: str  #: of the page that follows it
    state: str
    word: Any  #: that, for people
    when: str  #: since when it is in that state
    error: str  #: why it is dead; empty: it is not


class ShownEntry(NamedTuple):
    """An entry in the page."""

    name: str
    title: Any
    words: Any  #: when it is due
    cron: str
    context: str
    run_as: str  #: the id of a user; empty: Zope's own
    roles: str  #: those of a user of Zope that has no others; empty: it has all rights, if Zope's
    missed: Any
    overlap: Any
    next: str  #: when it is due next; empty: it is paused, or never again
    paused: str  #: since when; empty: it is not
    wrong: str  #: why it cannot be done; empty: it can
    skipped: str  #: when it was left out last, since its last job was not over
    last: ShownLast | None
    by: str  #: who added it; empty: it is declared in ZCML


def show_entry(entry: Entry) -> ShownEntry:
    """Return an entry of the current site."""
    kept, now = acts.kept_of(entry) or Kept(entry.rule, 0.0), time.time()
    due = math.inf if kept.paused else entry.next_after(now)
    job = acts.last_job(entry)
    return ShownEntry(
        name=entry.name,
        title=acts.title_of(entry),
        words=describe(entry),
        cron=entry.cron,
        context=entry.context,
        run_as=entry.run_as,
        roles=", ".join(entry.roles),
        missed=MISSED[entry.missed],
        overlap=OVERLAP[entry.overlap],
        next="" if math.isinf(due) else local(due),
        paused=_local(kept.paused),
        wrong=why_not(entry) or kept.error,
        skipped=_local(kept.skipped) if kept.skipped > kept.slot else "",
        last=None if job is None else _show_last(job),
        by=entry.by,
    )


def _show_last(job: Job) -> ShownLast:
    url = f"{site_url()}/@@wsgifutures-job/{job.id}"
    error = job.error if job.state.value == "dead" else ""
    return ShownLast(job.id, url, job.state.value, word_for(job).title, local(job.since), error)


def _local(seconds: float) -> str:
    return local(seconds) if seconds else ""
