"""The tab ``@@futures-jobs`` of the live status: jobs that wait, run and are dead."""

from ...interfaces import _
from ...jobs.records import Job
from ..times import local
from . import words
from .asking import Asked
from .asking import Asking
from .elsewhere import Elsewhere
from .elsewhere import which_are_late
from .handling import FOR_EACH
from .handling import Handling
from .handling import POSSIBLE
from .handling import Verb
from .page import Data
from .page import Page
from .parts import Parts
from .parts import StatusView
from .parts import Tile
from collections.abc import Mapping
from functools import cached_property
from plone import api
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from typing import NamedTuple

#: How many dead jobs the page lists.
MOST_DEAD = 50

JOBS = "@@futures-jobs"
ACT = "@@futures-jobs-act"


class Queue(NamedTuple):
    """A queue in the list."""

    name: str
    waiting: int
    oldest: str
    paused: str  #: for how long it is paused; empty if it is not
    is_served: bool


class Dead(NamedTuple):
    """A dead job in the list."""

    id: str
    label: str
    user: str
    ago: str
    attempts: str
    error: str
    is_ours: bool  #: whether the user may handle it


class JobsView(StatusView):
    """What the views of the tab have in common."""

    @cached_property
    def handling(self) -> Handling:
        """The jobs of the database, for the current user, who has to see the status, too."""
        return Handling(self.context, self.seen.place)

    @property
    def may_handle(self) -> bool:
        """Tell whether the user may handle jobs."""
        return self.handling.is_allowed

    def act_url(self, what: str, name: str) -> str:
        """Return the address of the page that asks before *what* is done."""
        return self.url(ACT, what=f"{what}:{name}")


class JobsParts(JobsView, Parts):
    """The parts of the tab that change."""

    parts = ViewPageTemplateFile("jobs.pt")
    elsewhere_parts = ViewPageTemplateFile("elsewhere.pt")

    @property
    def jobs(self) -> dict[str, Any]:
        """What the runners of all workers do."""
        found: dict[str, Any] = self.overview["jobs"]
        return found

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """Workers elsewhere, and the relay."""
        return Elsewhere(self.context, self.overview["elsewhere"], self.handling.paused)

    @property
    def tiles(self) -> list[Tile]:
        """The numbers at the top."""
        jobs = self.jobs
        recent = jobs["recent"]
        failed = recent.get("failed", 0) + recent.get("dead", 0)
        return [
            Tile(
                *("running", "play-circle", _("Running"), jobs["running"], jobs["most"] or None),
                _("processes that run jobs: ${n}", mapping={"n": jobs["runners"]}),
                may_warn=False,
            ),
            Tile(
                *("jobs-waiting", "hourglass-split", _("Waiting"), self._waiting),
                *(None, self._oldest),
                may_warn=False,
            ),
            Tile(
                *("dead", "x-octagon", _("Dead"), jobs["dead"], None),
                _("they wait for a person") if jobs["dead"] else _("nothing to do"),
            ),
            Tile(
                *("done", "check-circle", _("Done"), recent.get("done", 0), None),
                _("in ten minutes; failed: ${n}", mapping={"n": failed}),
                may_warn=False,
            ),
        ]

    @property
    def _waiting(self) -> int:
        here: dict[str, int] = self.jobs["waiting"]
        return sum(here.values()) + sum(self.elsewhere.waiting.values())

    @property
    def _oldest(self) -> Any:
        ages = [*self.jobs["oldest"].values(), *self.elsewhere.oldest.values()]
        if not ages:
            return _("nothing is due")
        seconds = max(ages)
        return _("the oldest for ${time}", mapping={"time": words.age(seconds)})

    @cached_property
    def unserved(self) -> list[str]:
        """The queues whose jobs nobody runs, as far as this host knows."""
        return which_are_late(self.jobs["unserved"], self.jobs["oldest"])

    @cached_property
    def queues(self) -> list[Queue]:
        """The queues with jobs that wait, and those that somebody has paused."""
        names = sorted({*self.jobs["waiting"], *self.handling.paused, *self._running_in})
        return [self._queue(name) for name in names]

    @property
    def _running_in(self) -> set[str]:
        return {job["queue"] for job in self.jobs["jobs"]}

    def _queue(self, name: str) -> Queue:
        oldest, paused = self.jobs["oldest"].get(name), self.handling.paused.get(name)
        return Queue(
            name=name,
            waiting=self.jobs["waiting"].get(name, 0),
            oldest="-" if oldest is None else words.age(oldest),
            paused="" if paused is None else words.ago(paused),
            is_served=name not in self.unserved,
        )

    @cached_property
    def dead(self) -> list[Dead]:
        """The dead jobs that are listed."""
        return [self._dead(job) for job in self.handling.dead[:MOST_DEAD]]

    def _dead(self, job: Job) -> Dead:
        is_ours = self.handling.handles(job.wanted.origin.site)
        return Dead(
            id=job.id,
            label=job.wanted.label,
            user=job.wanted.origin.user_name,
            ago=words.ago(job.since),
            attempts=f"{job.attempt} / {job.wanted.attempts}",
            error=job.error if is_ours else "",
            is_ours=is_ours,
        )

    @property
    def more_dead(self) -> int:
        """How many dead jobs are not listed."""
        return max(0, len(self.handling.dead) - MOST_DEAD)

    def percent(self, job: Mapping[str, Any]) -> str:
        """Return how far *job* is."""
        return f"{round(100 * job['progress'])} %" if job["progress"] else "-"

    @cached_property
    def totals(self) -> list[tuple[Any, int]]:
        """What was counted since the workers started, in words."""
        return [(words.JOB_ENDS[name], n) for name, n in self.jobs["totals"].items()]


class JobsPage(JobsParts, Page):
    """The tab, as a page."""

    name = JOBS
    lead = _("Work that goes on after the answer, in all workers of this host.")
    kept: dict[str, str] = {}
    may_cancel = False


class JobsData(JobsParts, Data):
    """The refresh of the tab."""


ASKED = {
    Verb.RETRY: Asked(
        _("Retry this job?"),
        _("The job waits again, with all of its attempts."),
        _("Retry the job"),
        "primary",
    ),
    Verb.DISCARD: Asked(
        _("Discard this job?"),
        _("Its work is given up. The job can be retried until it is forgotten."),
        _("Discard the job"),
    ),
    Verb.CANCEL: Asked(
        _("Cancel this job?"),
        _(
            "A job that waits is cancelled at once. A job that runs is asked to end, and what it "
            "waits for is cancelled."
        ),
        _("Cancel the job"),
    ),
    Verb.RETRY_ALL: Asked(
        _("Retry all of these dead jobs?"),
        _("The jobs wait again, with all of their attempts."),
        _("Retry these jobs"),
        "primary",
    ),
    Verb.DISCARD_ALL: Asked(
        _("Discard all of these dead jobs?"),
        _("Their work is given up. The jobs can be retried until they are forgotten."),
        _("Discard these jobs"),
    ),
}

#: What the page says when it is done.
DONE = {
    Verb.RETRY: _("The job waits again."),
    Verb.DISCARD: _("The job is discarded."),
    Verb.CANCEL: _("The job is cancelled, or asked to end."),
    Verb.RETRY_ALL: _("Jobs that wait again: ${n}."),
    Verb.DISCARD_ALL: _("Jobs that are discarded: ${n}."),
    Verb.PAUSE: _("The queue is paused. Jobs that run go on."),
    Verb.RESUME: _("The queue is no longer paused."),
}

TOO_LATE = _("The job is not in that state any more, so nothing was changed.")


class Act(JobsView, Asking):
    """Shows a job and asks what to do with it; does what is posted."""

    index = ViewPageTemplateFile("act.pt")
    at = staticmethod(local)

    def act(self) -> str:
        """Do it, and go back to the tab."""
        if self.verb is not None:
            number = self.handling.do(self.verb, self.name)
            done = _(DONE[self.verb], mapping={"n": number})
            api.portal.show_message(done if number else TOO_LATE, self.request)
        return self.url(JOBS)

    @property
    def verb(self) -> Verb | None:
        """What is to be done; None: only to look."""
        return self.read_what(Verb)[0]

    @property
    def name(self) -> str:
        """The id of a job, or the name of a task or queue."""
        return self.read_what(Verb)[1]

    @property
    def asks(self) -> Asked | None:
        """What the page asks; None if it shows what can be done."""
        return ASKED.get(self.verb) if self.verb is not None else None

    @property
    def page_title(self) -> Any:
        """The title of the page."""
        if not self.jobs:
            return _("There is no such job any more")
        return self.asks.title if self.asks else _("Job ${id}", mapping={"id": self.name})

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs that it is about."""
        if not self.is_one:
            return self.handling.of_task(self.name)
        job = self.handling.find(self.name)
        return [] if job is None else [job]

    @property
    def is_one(self) -> bool:
        """Tell whether it is about one job, which is shown."""
        return self.verb not in FOR_EACH

    @property
    def meaning(self) -> Any:
        """What happens if it is done; None if nothing is asked."""
        return self.asks.meaning if self.asks else None

    @property
    def buttons(self) -> list[tuple[str, Any, str]]:
        """Value, words and colour of each button."""
        possible = POSSIBLE[self.jobs[0].state]
        verbs = possible if self.verb is None or not self.asks else (self.verb,)
        return [self._button(verb) for verb in verbs]

    def _button(self, verb: Verb) -> tuple[str, Any, str]:
        asked = ASKED[verb]
        return f"{verb.value}:{self.name}", asked.button, asked.colour

    @property
    def state(self) -> Any:
        """The state of the job, in words."""
        return words.JOB_STATES[self.jobs[0].state]
