"""The jobs that a worker of a site has now, and how they are taken away from it."""

from ..jobs import desk
from ..jobs.leases import leases_of
from ..jobs.records import Job
from ..jobs.store import find_store
from ..keys.places import place_of
from typing import Any

import logging

logger = logging.getLogger(__name__)


def jobs_by_worker(site: Any) -> dict[str, list[Job]]:
    """Return the jobs of a site that run elsewhere, the oldest first, by the ids of their workers.

    Those that were claimed with a capability are nobody's: nothing tells who had it.
    """
    place = place_of(site)
    store = find_store(place.connection)
    leases = [] if store is None else [one for one in leases_of(store) if place.has(one.job)]
    found: dict[str, list[Job]] = {}
    for lease in sorted(leases, key=lambda lease: float(lease.job.since)):
        found.setdefault(lease.worker, []).append(lease.job)
    return found


def take_back(site: Any, worker: str, now: float) -> int:
    """Let the jobs of a worker wait for others, at once; return how many there were.

    That was no attempt. Whatever the worker still sends of them is refused.
    """
    return _take_back(site, worker, jobs_by_worker(site).get(worker, []), now)


def take_all_back(site: Any, now: float) -> int:
    """Let all jobs of a site that run elsewhere wait once more; return how many there were."""
    found = jobs_by_worker(site)
    return sum(_take_back(site, worker, jobs, now) for worker, jobs in found.items())


def _take_back(site: Any, worker: str, jobs: list[Job], now: float) -> int:
    store = find_store(place_of(site).connection)
    for job in jobs:
        desk.let_go(store, job, now)  # type: ignore[arg-type]
        logger.info("Job %s was taken from the worker %s.", job.id, worker)
    return len(jobs)
