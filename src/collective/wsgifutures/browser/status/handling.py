"""What a person does with jobs: retry, discard, cancel, pause.

A manager of a site handles the jobs of that site; who also manages Zope's root handles all. All of
it is done in the transaction of the request.
"""

from ...jobs import desk
from ...jobs.errors import NotInThatState
from ...jobs.looking import MANAGE
from ...jobs.records import Job
from ...jobs.records import JobState
from ...jobs.records import Store
from ...jobs.store import find_job
from ...jobs.store import find_store
from ...jobs.store import main_connection
from ...jobs.store import make_store
from ...status.overview import is_below
from AccessControl import Unauthorized
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from functools import cached_property
from itertools import islice
from plone import api
from typing import Any
from typing import NamedTuple

import logging
import time

logger = logging.getLogger(__name__)

#: How many dead jobs are looked at, and how many are handled at a time.
FAR = 1_000


class Verb(Enum):
    """What can be done. The value is that in a form."""

    RETRY = "retry"
    DISCARD = "discard"
    CANCEL = "cancel"
    RETRY_ALL = "retry-all"
    DISCARD_ALL = "discard-all"
    PAUSE = "pause"
    RESUME = "resume"


#: What is done with each dead job of a task: the same as with one.
FOR_EACH = {Verb.RETRY_ALL: Verb.RETRY, Verb.DISCARD_ALL: Verb.DISCARD}

#: What a person can do about a job in a state.
POSSIBLE = {
    JobState.WAITING: (Verb.CANCEL,),
    JobState.RUNNING: (Verb.CANCEL,),
    JobState.DONE: (),
    JobState.DEAD: (Verb.RETRY, Verb.DISCARD),
    JobState.CANCELLED: (Verb.RETRY,),
}


class Kind(NamedTuple):
    """The dead jobs of one task."""

    task: str
    label: str
    number: int


class Handling:
    """The jobs that the current user may see in *site*, and what may be done with them.

    Args:
        site: The site.
        place: The user sees the status below this path.
    """

    def __init__(self, site: Any, place: str) -> None:
        self._site = site
        self._place = place
        #: Whether the user may handle jobs: those of which sites, ``handles`` tells.
        self.is_allowed = may_manage_jobs(site)

    @cached_property
    def _store(self) -> Store | None:
        return find_store(main_connection(self._site._p_jar))

    @cached_property
    def _handled(self) -> str:
        """The user handles jobs of the sites below this path."""
        is_for_all = self._place == "/" and may_manage_jobs(self._site.getPhysicalRoot())
        return "/" if is_for_all else "/".join(self._site.getPhysicalPath())

    @cached_property
    def dead(self) -> list[Job]:
        """The dead jobs, the last one first; at most ``FAR`` are looked at."""
        store = self._store
        jobs = [] if store is None else list(islice(store.dead.values(), FAR))
        visible = [job for job in jobs if is_below(job.wanted.origin.site, self._place)]
        return sorted(visible, key=lambda job: -job.since)

    @cached_property
    def kinds(self) -> list[Kind]:
        """The tasks that have several dead jobs to handle, those with the most first."""
        dead = [job for job in self.dead if self.handles(job.wanted.origin.site)]
        numbers = Counter(job.wanted.task for job in dead)
        labels = {job.wanted.task: job.wanted.label for job in dead}
        return [Kind(task, labels[task], n) for task, n in numbers.most_common() if n > 1]

    @cached_property
    def paused(self) -> dict[str, float]:
        """The queues that somebody has paused, and since when."""
        return {} if self._store is None else dict(self._store.paused)

    def find(self, id: str) -> Job | None:
        """Return the job of that id; None if there is none that the user may handle."""
        job = find_job(self._store, id)
        return job if job is not None and self.handles(job.wanted.origin.site) else None

    def of_task(self, task: str) -> list[Job]:
        """Return the dead jobs of *task* that the user may handle."""
        found = (job for job in self.dead if job.wanted.task == task)
        return [job for job in found if self.handles(job.wanted.origin.site)]

    def handles(self, site: str) -> bool:
        """Tell whether the user may handle the jobs of *site*, a path, and see their errors."""
        return self.is_allowed and is_below(site, self._handled)

    def do(self, verb: Verb, name: str) -> int:
        """Do it; return with how many jobs or queues that was possible.

        Args:
            verb: What to do.
            name: The id of a job, the name of a task or a queue.
        """
        number = sum(self._do(verb, name))
        user = api.user.get_current().getId()
        logger.info("%s: %s %s (%d)", user, verb.value, name, number)
        return number

    def _do(self, verb: Verb, name: str) -> Iterator[bool]:
        now = time.time()
        if verb in (Verb.PAUSE, Verb.RESUME):
            yield self._pause(verb, name, now)
        elif verb in FOR_EACH:
            for job in self.of_task(name):
                yield self._do_one(FOR_EACH[verb], job, now)
        elif (found := self.find(name)) is not None:
            yield self._do_one(verb, found, now)

    def _do_one(self, verb: Verb, job: Job, now: float) -> bool:
        with suppress(NotInThatState):
            if verb is Verb.CANCEL:
                desk.cancel(job, now)
            else:
                act = desk.retry if verb is Verb.RETRY else desk.discard
                act(make_store(main_connection(self._site._p_jar)), job, now)
            return True
        return False

    @cached_property
    def may_pause(self) -> bool:
        """Whether the user may pause queues: all sites of this Zope share them."""
        if not self.is_allowed:
            return False
        sites = list(self._site.getPhysicalRoot().objectIds("Plone Site"))
        return self._handled == "/" or sites == [self._site.getId()]

    def _pause(self, verb: Verb, queue: str, now: float) -> bool:
        if not self.may_pause:
            raise Unauthorized("All sites share the queues: pausing needs the permission there.")
        store = make_store(main_connection(self._site._p_jar))
        if verb is Verb.PAUSE:
            desk.pause_queue(store, queue, now)
        else:
            desk.resume_queue(store, queue)
        return True


def may_manage_jobs(site: Any) -> bool:
    """Tell whether the user may handle everybody's jobs."""
    return bool(api.user.has_permission(MANAGE, obj=site))
