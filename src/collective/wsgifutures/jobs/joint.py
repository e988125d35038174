"""Gives each worker of this process its runner."""

from ..kernel.settings import SettingRefused
from ..wsgi.findings import Finding
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.settings import Settings
from ..wsgi.worker import Worker
from .audit import describe
from .audit import of_jobs
from .audit import of_jobs_elsewhere
from .publish import publish  # noqa: F401  no module tells by its name that it has this task
from .purge import Kept
from .runner import Runner
from .streams import follow_streams
from typing import Any

#: The runner of this process, while its server runs.
runners: list[Runner] = []


class JobsJoint(Joint):
    """What jobs have to do with a worker.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def worker_starts(self, worker: Worker) -> None:
        """Start the runner of *worker*."""
        settings = worker.settings
        runner = Runner(
            worker,
            self._database,
            most=settings.max_jobs,
            queues=settings.job_queues,
            limits=dict(settings.job_limits),
            kept=Kept(settings.jobs_kept, settings.dead_jobs_kept),
            claims=settings.jobs,
        )
        runners[:] = [runner]
        runner.start()

    def worker_stops(self) -> None:
        """Claim no more jobs."""
        for runner in runners:
            runner.stop()

    def is_busy(self) -> bool:
        """Tell whether jobs run."""
        return any(runner.running for runner in runners)

    def worker_ends(self) -> None:
        """Let other runners have the jobs that still run."""
        for runner in runners:
            runner.let_go()

    def findings(self, workers: int) -> list[Finding]:
        """Return whether somebody runs the jobs of this database."""
        try:
            settings = Settings.read()
        except SettingRefused:  # others refuse it
            settings = Settings()
        return [*of_jobs(self._database, settings), *of_jobs_elsewhere(self._database)]

    def describe(self, settings: Settings) -> str:
        """Return whether this process runs jobs."""
        return describe(settings)

    def report(self) -> dict[str, Any]:
        """Return what the runner does."""
        return {"jobs": runners[0].report()} if runners else {}


def zope_has_started(event: Any) -> None:
    """Join the worker with the jobs of this Zope's database."""
    join(JobsJoint(event.database))
    follow_streams()
