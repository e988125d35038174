"""Gives each worker of this process the line in which workers elsewhere wait."""

from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.worker import Worker
from .waiting import NAME
from .waiting import waiters_in
from typing import Any


class WorkersJoint(Joint):
    """What workers elsewhere have to do with a worker of the server.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def worker_starts(self, worker: Worker) -> None:
        """Let its requests stand in the line."""
        limits = dict(worker.settings.job_limits)
        worker.executors.by_name[NAME] = waiters_in(self._database, limits)


def zope_has_started(event: Any) -> None:
    """Join the worker with those who wait for jobs of this Zope's database."""
    join(WorkersJoint(event.database))
