"""Timed work that writes down which times it was for, by a clock that a test may put ahead."""

from .jobs import shelf
from .views import View
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.clock import loop
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from types import SimpleNamespace

import json
import os
import time

#: By how many seconds the time of the day is ahead on this host.
AHEAD = float(os.environ.get("HOLDTESTS_CLOCK_AHEAD", "0"))

if AHEAD:
    loop.time = SimpleNamespace(time=lambda: time.time() + AHEAD)


@task(attempts=3, backoff=0.2)
def note_slot(context, name):
    """Write down the time that this is for."""
    done = shelf(context, "holdtests_done")
    done[name] = (*done.get(name, ()), current_job().slot.timestamp())


class Told(View):
    """Tells the times of all jobs and of those that were done, by entry, and how many wait."""

    def __call__(self):
        jobs = [entry.job for entry in jobs_of(find_store(self.context._p_jar))]
        submitted = {}
        for job in jobs:
            name = job.wanted.lock.rpartition(" ")[2]  # all of them queue
            submitted.setdefault(name, []).append(job.wanted.slot[0])
        return json.dumps(
            {
                "submitted": {name: sorted(slots) for name, slots in submitted.items()},
                "done": {k: sorted(v) for k, v in shelf(self.context, "holdtests_done").items()},
                "waiting": sum(not job.ended for job in jobs),
            }
        )
