"""The checks before a worker may serve that are about jobs: does anybody run them?"""

from ..publisher.joint import WAITING_STORAGES
from ..publisher.zope_audit import layers
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from ..wsgi.settings import Settings
from . import desk
from .leases import leases_of
from .neighbours import find_place
from .neighbours import is_dead
from .options import OURS
from .records import Entry
from .records import Store
from .store import find_store
from .store import jobs_of
from collections.abc import Iterator
from itertools import chain
from itertools import islice
from typing import Any

import time

#: How many of the newest places in the lines are looked at.
FAR = 1_000

#: Seconds that a job may wait until its queue counts as forgotten.
LATE = 60.0

ELSEWHERE = "Jobs are submitted here and run elsewhere."


def describe(settings: Settings) -> str:
    """Return whether a process with these *settings* runs jobs."""
    if not settings.jobs:
        return ELSEWHERE
    of = f" of {', '.join(settings.job_queues)}" if settings.job_queues else ""
    return f"Jobs{of} run here: at most {settings.max_jobs} at a time."


def of_jobs(database: Any, settings: Settings) -> Iterator[Finding]:
    """Check that jobs of *database* which are submitted here are run, with these *settings*."""
    if settings.jobs:
        yield ok("jobs", describe(settings))
    elif not _is_served(database):
        yield warning(
            "jobs",
            "jobs is off, and no other process can open this database (FileStorage): the jobs that "
            "are submitted here wait for ever.",
            "Leave out WSGIFUTURES_JOBS=off, or move the database to ZEO or RelStorage.",
        )
    else:
        yield _runners_elsewhere(database)


def _is_served(database: Any) -> bool:
    """Tell whether several processes can open *database*."""
    packages = {type(layer).__module__.partition(".")[0] for layer in layers(database.storage)}
    return not packages.isdisjoint(WAITING_STORAGES)


def _runners_elsewhere(database: Any) -> Finding:
    with desk.changing(database) as connection:
        store, now = find_store(connection), time.time()
        late = [] if store is None or _somebody_runs_jobs(store) else list(_late(store, now))
    if not late:
        return ok("jobs", ELSEWHERE)
    seconds = now - min(entry.due for entry in late)
    queues = ", ".join(sorted({entry.queue for entry in late}))
    return warning(
        "jobs",
        f"No process runs jobs now: {len(late)} wait, the oldest for {seconds:.0f} s (queues: "
        f"{queues}).",
        "Start a process that runs jobs, or leave out WSGIFUTURES_JOBS=off in one that serves.",
    )


def of_jobs_elsewhere(database: Any) -> Iterator[Finding]:
    """Warn of queues whose jobs wait for workers elsewhere, and none has one of them."""
    with desk.changing(database) as connection:
        store, now = find_store(connection), time.time()
        served = set() if store is None else {one.job.wanted.queue for one in leases_of(store)}
        found = [] if store is None else list(_late(store, now, elsewhere=True))
    late = [one for one in found if one.queue not in served and not one.queue.startswith(OURS)]
    if late:
        seconds = now - min(entry.due for entry in late)
        queues = ", ".join(sorted({entry.queue for entry in late}))
        yield warning(
            "workers",
            f"No worker elsewhere does the jobs of these queues: {queues}. {len(late)} wait, the "
            f"oldest for {seconds:.0f} s.",
            "Start a worker for them, or look at its log. It has to be approved for these queues.",
        )


def _somebody_runs_jobs(store: Store) -> bool:
    here = find_place()
    return any(not is_dead(runner, 0.0, here) for runner in store.runners.values())


def _late(store: Store, now: float, *, elsewhere: bool = False) -> Iterator[Entry]:
    """Yield the places of jobs that wait although they might have begun a while ago."""
    again = (Entry(*value) for value in reversed(store.again.values()))
    for entry in islice(chain(again, jobs_of(store)), FAR):
        is_late = entry.due < now - LATE and entry.queue not in store.paused
        is_late = is_late and entry.elsewhere is elsewhere
        if is_late and entry.job.waits(entry.generation):
            yield entry
