"""``@jobs``: the jobs of a site, for scripts and for Volto.

::

    GET    @jobs                       one's own, the newest first, in batches
    GET    @jobs?all=1&state=dead      all of the site, for who manages jobs; also queue=, task=
    GET    @jobs/<id>                  one of them
    GET    @jobs/<id>?wait=20&since=…  answered when its version is another one, or after 20 s
    DELETE @jobs/<id>                  cancels it: a waiting one at once, a running one is asked to
    POST   @jobs/<id>/cancel           the same
    POST   @jobs/<id>/retry, /discard  for who manages jobs

A user sees here what the pages show to this user: arguments never, tracebacks only who manages
jobs. A job that the user may not see is not found. A form changes nothing: a page of another site
may have it.
"""

from ..browser.jobs import acts
from ..browser.jobs import following
from ..browser.jobs.shown import Shown
from ..browser.jobs.shown import site_url
from ..browser.times import iso
from ..browser.views import asked
from ..jobs import looking
from ..jobs.errors import NotInThatState
from ..jobs.records import Job
from ..jobs.records import JobState
from .services import PathService
from collections.abc import Callable
from plone import api
from plone.restapi.batching import HypermediaBatch
from typing import Any
from zExceptions import BadRequest

import math
import time

#: How many of one's own jobs there are in all batches.
MOST = 1_000


class JobsService(PathService):
    """What the services have in common: the job that the address names."""

    own_name = "@jobs"

    @property
    def url(self) -> str:
        """The address of all."""
        return f"{site_url()}/@jobs"

    def find_job(self) -> Job:
        """Return the job that the address names.

        Raises:
            Unauthorized: Nobody is logged in.
            NotFound: There is none, or the user may not see it.
        """
        return acts.find_job(self.names[0])

    def describe(self, job: Job) -> dict[str, Any]:
        """Return *job* as JSON has it."""
        shown, wanted = Shown(job), job.wanted
        about = shown.context
        told = {
            "@id": f"{self.url}/{job.id}",
            "id": job.id,
            "task": wanted.task,
            "title": self.translate(shown.label),
            "queue": wanted.queue,
            "state": shown.state,
            "state_title": self.translate(shown.word.title),
            "version": following.version_of(job),
            "progress": job.side.progress,
            "words": job.side.words,
            "attempt": job.attempt,
            "attempts": wanted.attempts,
            "submitted": iso(wanted.submitted),
            "since": iso(job.since),
            "due": iso(job.due) if job.state is JobState.WAITING else None,
            "deadline": iso(wanted.deadline),
            "context": None if about is None else {"@id": about.url, "title": about.title},
            "goes_to": shown.goes_to,
            "result": shown.result,
            "error": shown.error or None,
            "can_cancel": shown.can_cancel,
            "can_retry": shown.can_retry,
        }
        if shown.may_manage:
            told["user"] = wanted.origin.user_name
            told["traceback"] = job.traceback or None
        return told


class Get(JobsService):
    """Returns one job, or a list."""

    def reply(self) -> dict[str, Any]:
        """Return the job that the address names; without a name, a batch of jobs."""
        if len(self.names) > 1:
            raise self.not_found()
        if not self.names:
            return self._list()
        job = self.find_job()
        seconds = self._seconds()
        if seconds:
            following.wait_for_change(job, self._asked("since"), seconds)
        return {**self.describe(job), "again": following.seconds_to_pause(job, time.time())}

    def _list(self) -> dict[str, Any]:
        acts.check_logged_in()
        batch = HypermediaBatch(self.request, self._find_all())
        told = {
            "@id": batch.canonical_url,
            "items": [self.describe(job) for job in batch],
            "items_total": batch.items_total,
        }
        return {**told, "batching": batch.links} if batch.links else told

    def _find_all(self) -> list[Job]:
        if self._asked("all") in ("", "0"):
            return looking.mine(MOST)
        if not api.user.has_permission(looking.MANAGE, obj=api.portal.get()):
            raise acts.needs_permission()
        return looking.of_site(
            state=self._state(), queue=self._asked("queue"), task=self._asked("task"), most=MOST
        )

    def _state(self) -> JobState | None:
        asked = self._asked("state")
        try:
            return JobState(asked) if asked else None
        except ValueError:
            known = ", ".join(state.value for state in JobState)
            raise BadRequest(f"state={asked!r} is none of: {known}.") from None

    def _seconds(self) -> float:
        asked = self._asked("wait") or "0"
        try:
            seconds = float(asked)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise BadRequest(f"wait={asked!r} is not a number of seconds.")
        return seconds

    def _asked(self, name: str) -> str:
        return asked(self.request, name)


class Change(JobsService):
    """What services that change a job have in common."""

    def change(self, act: Callable[[Job], None]) -> dict[str, Any]:
        """Let *act* change the job; return the job as it is then, or an error."""
        self.let_write()
        job = self.find_job()
        try:
            act(job)
        except NotInThatState as error:
            self.request.response.setStatus(409)
            return {"type": "Conflict", "message": str(error)}
        return self.describe(job)

    def cancel(self, job: Job) -> None:
        """Cancel *job*; 202 if it runs, and was asked to end."""
        if not acts.cancel(job):
            self.request.response.setStatus(202)


class Delete(Change):
    """Cancels a job."""

    def reply(self) -> dict[str, Any]:
        """Do it.

        Raises:
            NotFound: The address does not name a job.
        """
        if len(self.names) != 1:
            raise self.not_found()
        return self.change(self.cancel)


class Post(Change):
    """Does with a job what the end of the address says."""

    def reply(self) -> dict[str, Any]:
        """Do it.

        Raises:
            NotFound: The address does not end with something that can be done.
        """
        known = {"cancel": self.cancel, "retry": acts.retry, "discard": acts.discard}
        if len(self.names) != 2 or self.names[1] not in known:
            raise self.not_found()
        return self.change(known[self.names[1]])
