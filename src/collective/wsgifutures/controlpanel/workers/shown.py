"""Workers, queues and keys of a site as the control panel shows them."""

from ...amqp.publishing import QUEUE as OF_MESSAGES
from ...browser.status.words import age
from ...browser.status.words import seen
from ...browser.times import local
from ...interfaces import _
from ...jobs.looking import may_manage
from ...jobs.records import Job
from ...jobs.tasks import tasks
from ...keys.ring import KEPT
from ...workers.acts import ShownKey
from ...workers.registry import FORGET_AFTER
from ...workers.registry import Worker
from ...workers.registry import WorkerState
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

#: How many of the jobs of a worker are listed.
MOST_JOBS = 10

#: Seconds by which the clock of a worker may be off until the page says so.
SKEW = 5.0


class ShownJob(NamedTuple):
    """A job that a worker has."""

    id: str
    label: str
    queue: str
    runs_for: str
    url: str  #: of the page that follows it; empty: the user may not see that page


class ShownWorker(NamedTuple):
    """A worker in the page."""

    id: str
    name: str
    fingerprint: str
    address: str
    state: str
    wanted: tuple[str, ...]  #: the queues that it asks for
    queues: tuple[str, ...]  #: those that it is approved for
    since: str  #: when it came into its state
    by: str  #: who brought it there
    left: str  #: of one that waits, for how long it is still known
    seen: Any  #: when it last got a token, in words
    skew: Any  #: how far its clock is off, in words; None: it is right, or not known
    jobs: list[ShownJob]  #: those that it has now, the oldest
    number: int  #: how many these are in all


def show_worker(worker: Worker, jobs: list[Job], site_url: str, now: float) -> ShownWorker:
    """Return a worker that has these *jobs*."""
    return ShownWorker(
        id=worker.id,
        name=worker.name,
        fingerprint=worker.fingerprint,
        address=worker.address,
        state=worker.state.value,
        wanted=worker.queues_wanted,
        queues=worker.queues,
        since=local(worker.since),
        by=worker.by,
        left=age(max(0.0, worker.introduced + FORGET_AFTER - now)),
        seen=seen(worker.seen, bool(jobs), now),
        skew=describe_skew(worker.skew),
        jobs=[_show_job(job, site_url, now) for job in jobs[:MOST_JOBS]],
        number=len(jobs),
    )


def describe_skew(skew: float | None) -> Any:
    """Return in words how far a clock is off; None: it is right, or not known."""
    if skew is None or abs(skew) < SKEW:
        return None
    facts = {"seconds": f"{abs(skew):.0f}"}
    if skew > 0:
        return _("Its clock is ${seconds} s ahead of this server's.", mapping=facts)
    return _("Its clock is ${seconds} s behind this server's.", mapping=facts)


def _show_job(job: Job, site_url: str, now: float) -> ShownJob:
    url = f"{site_url}/@@wsgifutures-job/{job.id}" if may_manage(job) else ""
    runs_for = age(max(0.0, now - job.since))
    return ShownJob(job.id, job.wanted.label, job.wanted.queue, runs_for, url)


class ShownQueue(NamedTuple):
    """A queue whose jobs are for workers elsewhere."""

    name: str
    tasks: str  #: the titles or names of the tasks
    workers: int  #: how many are approved for it


def show_queues(workers: Iterable[Worker]) -> list[ShownQueue]:
    """Return the queues of the tasks elsewhere of this process."""
    approved = [one.queues for one in workers if one.state is WorkerState.APPROVED]
    found: dict[str, list[str]] = {}
    for task in tasks.values():
        if task.elsewhere and task.queue != OF_MESSAGES:
            found.setdefault(task.queue, []).append(task.title or task.name)
    return [
        ShownQueue(name, ", ".join(sorted(found[name])), sum(name in each for each in approved))
        for name in sorted(found)
    ]


class ShownSignature(NamedTuple):
    """A key in the page."""

    id: str
    fingerprint: str
    made: str
    until: str  #: when the next one takes over, or when its last token has ended
    signs: bool


def show_key(key: ShownKey) -> ShownSignature:
    """Return a key."""
    until = key.rotates if key.ended is None else key.ended + KEPT
    return ShownSignature(
        key.id, key.fingerprint, local(key.made), local(until or key.made), key.ended is None
    )
