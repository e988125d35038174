"""What the tab for jobs shows of workers elsewhere, and of the relay and its broker."""

from ...amqp.duty import sign_of
from ...amqp.publishing import QUEUE as OF_MESSAGES
from ...interfaces import _
from ...workers.held import jobs_by_worker
from ...workers.registry import MANAGE
from ...workers.registry import workers_of
from ...workers.registry import WorkerState
from . import words
from collections.abc import Iterable
from collections.abc import Mapping
from functools import cached_property
from plone import api
from typing import Any
from typing import NamedTuple

import time

#: Seconds that a job may wait in a queue that nobody serves until the page warns.
LATE = 60.0


class ElsewhereQueue(NamedTuple):
    """A queue of jobs for workers elsewhere."""

    name: str
    waiting: int
    oldest: str
    running: int
    claims: int  #: how many claims wait for its jobs
    is_served: bool
    paused: str  #: for how long it is paused; empty if it is not


class ElsewhereWorker(NamedTuple):
    """An approved worker of the site."""

    id: str
    name: str
    queues: str
    seen: Any  #: in words
    jobs: int


class Relay(NamedTuple):
    """The relay, and the broker behind it."""

    colour: str
    icon: str
    state: Any  #: in words
    broker: str
    server: str  #: what the broker is, and its version; empty: not known
    trouble: str  #: why the broker does not do its work
    ago: str  #: since when the relay has told nothing
    depths: list[tuple[str, int]]  #: how many hints lie at the broker, by queue
    unsent: int  #: messages that no broker has confirmed
    oldest: str  #: how long the first one waits; empty: none does
    confirmed: int  #: hints and messages, since the relay started


class Elsewhere:
    """Workers elsewhere of a site, as the live status sees them.

    Args:
        site: The site.
        told: That part of the overview.
        paused: The queues that somebody has paused, and since when.
    """

    def __init__(self, site: Any, told: Mapping[str, Any], paused: Mapping[str, float]) -> None:
        self._site = site
        self._told = told
        self._paused = paused

    @property
    def is_used(self) -> bool:
        """Tell whether there is something to show."""
        return bool(self.workers or self.queues or self.jobs or self.relay)

    @property
    def may_manage(self) -> bool:
        """Tell whether the user may open the control panel of workers."""
        return bool(api.user.has_permission(MANAGE, obj=self._site))

    @cached_property
    def waiting(self) -> dict[str, int]:
        """How many jobs wait, by queue."""
        return {queue: n for queue, n in self._told["waiting"].items() if queue != OF_MESSAGES}

    @cached_property
    def oldest(self) -> dict[str, float]:
        """For how long the oldest job waits, by queue, in seconds."""
        return {queue: n for queue, n in self._told["oldest"].items() if queue != OF_MESSAGES}

    @cached_property
    def queues(self) -> list[ElsewhereQueue]:
        """The queues of which something waits or runs."""
        names = {*self.waiting, *self._told["running"], *self._told["claims"]}
        return [self._queue(name) for name in sorted(names)]

    def _queue(self, name: str) -> ElsewhereQueue:
        oldest, paused = self.oldest.get(name), self._paused.get(name)
        return ElsewhereQueue(
            name=name,
            waiting=self.waiting.get(name, 0),
            oldest="-" if oldest is None else words.age(oldest),
            running=self._told["running"].get(name, 0),
            claims=self._told["claims"].get(name, 0),
            is_served=name not in self.unserved,
            paused="" if paused is None else words.ago(paused),
        )

    @cached_property
    def unserved(self) -> list[str]:
        """The queues whose jobs no worker asks for or has, as far as this host knows."""
        late = which_are_late(self._told["unserved"], self.oldest)
        return [name for name in late if name not in self._paused]

    @cached_property
    def workers(self) -> list[ElsewhereWorker]:
        """The approved workers of the site, and what each has."""
        jobs, now = jobs_by_worker(self._site), time.time()
        return [
            ElsewhereWorker(
                id=one.id,
                name=one.name,
                queues=", ".join(one.queues),
                seen=words.seen(one.seen, one.id in jobs, now),
                jobs=len(jobs.get(one.id, ())),
            )
            for one in workers_of(self._site)
            if one.state is WorkerState.APPROVED
        ]

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs that run elsewhere, each with the name of its worker."""
        names = {one.id: one.name for one in self.workers}
        return [{**job, "name": names.get(job["worker"], "")} for job in self._told["jobs"]]

    @property
    def more_jobs(self) -> int:
        """How many jobs run elsewhere and are not listed."""
        return int(self._told["more_jobs"])

    @cached_property
    def relay(self) -> Relay | None:
        """The relay; None if this database never had one."""
        told = sign_of(self._site._p_jar)
        return None if told is None else self._relay(told)

    def _relay(self, told: Mapping[str, Any]) -> Relay:
        colour, icon, state = RELAYS[state_of(told)]
        oldest = self._told["oldest"].get(OF_MESSAGES)
        return Relay(
            colour=colour,
            icon=icon,
            state=state,
            broker=told.get("broker", ""),
            server=told.get("server", ""),
            trouble=told.get("trouble", ""),
            ago=words.ago(told.get("at", time.time())),
            depths=sorted(told.get("depths", {}).items()),
            unsent=self._told["waiting"].get(OF_MESSAGES, 0),
            oldest="" if oldest is None else words.age(oldest),
            confirmed=told.get("hints", 0) + told.get("messages", 0),
        )


def which_are_late(queues: Iterable[str], oldest: Mapping[str, float]) -> list[str]:
    """Return those of *queues* whose oldest job waits for so long that the page warns."""
    return [name for name in queues if oldest.get(name, 0.0) > LATE]


#: Colour, icon and words for each state of a relay.
RELAYS = {
    "up": ("success", "check-circle", _("Connected")),
    "trouble": ("danger", "x-octagon", _("The broker does not do its work")),
    "ended": ("danger", "slash-circle", _("No relay runs")),
}


def state_of(told: Mapping[str, Any]) -> str:
    """Return the state of the relay that has *told* this, as far as its record says.

    A relay without work is silent, so how long it was silent does not count.
    """
    if told["has_ended"]:
        return "ended"
    return "trouble" if told.get("trouble") else "up"
