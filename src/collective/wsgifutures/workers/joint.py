"""Gives each worker of this process the line in which workers elsewhere wait."""

from ..jobs.counts import counts
from ..wsgi.findings import Finding
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.worker import Worker
from .audit import of_workers
from .waiting import LARGEST
from .waiting import NAME
from .waiting import split_line
from .waiting import ticket_of
from .waiting import wait_of
from .waiting import Waiters
from .waiting import waiters_in
from typing import Any

#: How the path of a claim ends.
CLAIM_PATH = "/@jobs/claim"


class WorkersJoint(Joint):
    """What workers elsewhere have to do with a worker of the server.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self._waiters: Waiters | None = None

    def worker_starts(self, worker: Worker) -> None:
        """Let its requests stand in the line."""
        limits = dict(worker.settings.job_limits)
        self._waiters = waiters_in(self._database, limits)
        worker.executors.by_name[NAME] = self._waiters

    def findings(self, workers: int) -> list[Finding]:
        """Return what the audit has to know of keys, clocks and workers elsewhere."""
        return list(of_workers(self._database))

    def report(self) -> dict[str, Any]:
        """Return which claims wait in this process, and what workers elsewhere did here."""
        claims = {} if self._waiters is None else self._waiters.claims()
        waiting = [_describe(*split_line(line), claims[line]) for line in sorted(claims)]
        return {"claims": {"waiting": waiting, "totals": dict(counts)}}

    def wait_first(self, visit: Any, body: Any) -> Any:
        """Let a claim that came to nothing a moment ago go into the line at once."""
        if body is None or not visit.path.endswith(CLAIM_PATH) or body.size > LARGEST:
            return None
        with body.open() as opened:
            authorization = visit.environ.get("HTTP_AUTHORIZATION", "")
            ticket = ticket_of(visit.path, authorization, opened.read())
        waiters = visit.worker.executors.by_name.get(NAME)
        asked = None if waiters is None or ticket is None else waiters.recognize(ticket)
        return None if asked is None else wait_of(visit.hold, asked)


def _describe(uid: str, site: str, queue: str, number: int) -> dict[str, Any]:
    return {"site": site, "queue": queue, "claims": number}


def zope_has_started(event: Any) -> None:
    """Join the worker with those who wait for jobs of this Zope's database."""
    join(WorkersJoint(event.database))
