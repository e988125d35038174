"""One job as the current user may see it: for its page, for lists and for ``@jobs``.

Arguments are shown to nobody. The result of a secret task is not shown either.
"""

from ...interfaces import _
from ...jobs import looking
from ...jobs.errors import TaskUnknown
from ...jobs.records import Job
from ...jobs.records import JobState
from ...jobs.tasks import find_task
from ..times import local
from . import words
from functools import cached_property
from plone import api
from typing import Any
from typing import NamedTuple
from urllib.parse import quote

#: The longest result that a page shows, in letters.
LONGEST_RESULT = 500

#: The view of a job, and that of the list.
PAGE = "@@wsgifutures-job"
LIST = "@@wsgifutures-my-jobs"


class Link(NamedTuple):
    """Something with an address."""

    title: str
    url: str


class Fact(NamedTuple):
    """A line of what is known."""

    label: Any
    text: Any


class Shown:
    """What may be shown of *job* to the current user, who may see it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.id = job.id
        self.label = job.wanted.label
        self.state = job.state.value
        self.word = words.word_for(job)

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"{site_url()}/{PAGE}/{quote(self.id)}"

    @cached_property
    def context(self) -> Link | None:
        """What the job is about; None if it is gone, or the user may not see it."""
        uid = self.job.wanted.context
        if not uid:
            return Link(str(api.portal.get().Title()), site_url())
        found = api.content.find(UID=uid, show_inactive=True)
        return Link(found[0].Title or found[0].getId, found[0].getURL()) if found else None

    @property
    def goes_to(self) -> str:
        """Where the task leads at its end."""
        start = self.context.url if self.context is not None else site_url()
        try:
            path = find_task(self.job.wanted.task).goes_to
        except TaskUnknown:  # it was removed since
            path = ""
        return f"{start}/{path.lstrip('/')}" if path else start

    @property
    def leads_to(self) -> str | None:
        """Where its page leads on; None unless the job is done."""
        return self.goes_to if self.job.state is JobState.DONE else None

    @property
    def submitted(self) -> str:
        """When it was submitted."""
        return local(self.job.wanted.submitted)

    # How far it is

    @property
    def percent(self) -> int | None:
        """How far it is; None if it does not say, or is not under way."""
        side = self.job.side
        if self.job.state is not JobState.RUNNING or not (side.progress or side.words):
            return None
        return int(100 * side.progress)

    @property
    def progress_words(self) -> str:
        """Where it is, in the words of the task."""
        return str(self.job.side.words) if self.job.state is JobState.RUNNING else ""

    @property
    def result(self) -> str | int | float | None:
        """A result that is a short text or a number; None otherwise."""
        if self.job.wanted.secret or self.job.state is not JobState.DONE:
            return None
        try:
            result = self.job.result
        except Exception:  # its class was removed since
            return None
        is_short = isinstance(result, str) and 0 < len(result) <= LONGEST_RESULT
        is_number = isinstance(result, int | float) and not isinstance(result, bool)
        return result if is_short or is_number else None

    @property
    def facts(self) -> list[Fact]:
        """What else is known."""
        return [fact for fact in self._facts() if fact.text]

    def _facts(self) -> list[Fact]:
        job, wanted = self.job, self.job.wanted
        return [
            Fact(_("Submitted"), self.submitted),
            Fact(_("Submitted by"), self.may_manage and wanted.origin.user_name),
            Fact(_("Not before"), not job.attempt and self.due and local(self.due)),
            Fact(_("Next attempt"), job.attempt and self.due and local(self.due)),
            Fact(_("Attempt"), self._attempts),
            Fact(_("Ended"), job.ended and local(job.since)),
            Fact(_("Number of the job"), self.id),
        ]

    @property
    def due(self) -> float | None:
        """When it may begin, if it waits and that was not at once."""
        job = self.job
        waits = job.state is JobState.WAITING and job.due > job.since
        return job.due if waits else None

    @property
    def _attempts(self) -> Any:
        job = self.job
        number = min(job.attempt + (not job.ended), job.wanted.attempts)
        if not job.attempt or job.state is JobState.CANCELLED:
            return None
        return _("${n} of ${most}", mapping={"n": number, "most": job.wanted.attempts})

    # What may be done

    @cached_property
    def may_manage(self) -> bool:
        """Whether the user manages jobs: sees tracebacks, and tries again."""
        return looking.may_manage(self.job)

    @property
    def can_cancel(self) -> bool:
        """Whether it can be cancelled now."""
        return not self.job.ended and not self.job.side.cancel

    @property
    def can_retry(self) -> bool:
        """Whether the user can let it be tried again now."""
        return self.job.state in (JobState.DEAD, JobState.CANCELLED) and self.may_manage

    @property
    def error(self) -> str:
        """Why the last attempt failed."""
        return "" if self.job.state is JobState.CANCELLED else self.job.error

    @property
    def traceback(self) -> str:
        """Where it failed, for who manages jobs."""
        return self.job.traceback if self.error and self.may_manage else ""


def site_url() -> str:
    """Return the address of the site."""
    return str(api.portal.get().absolute_url())
