"""Gives each process that serves or runs jobs its clock."""

from ..kernel.settings import SettingRefused
from ..wsgi.findings import Finding
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.settings import Settings
from ..wsgi.worker import Worker
from .audit import describe
from .audit import of_clock
from .entries import declared
from .loop import Clock
from typing import Any

#: The clock of this process, while its server runs.
clocks: list[Clock] = []


class ClockJoint(Joint):
    """What timed work has to do with a worker.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def worker_starts(self, worker: Worker) -> None:
        """Start the clock, also if there is no timed work yet: people may add some."""
        if not worker.settings.clock or clocks:  # one is enough for a process
            return
        clocks[:] = [Clock(self._database, declared())]
        clocks[0].start()

    def worker_stops(self) -> None:
        """Submit nothing more."""
        for clock in clocks:
            clock.stop()
        clocks.clear()

    worker_ends = worker_stops

    def findings(self, workers: int) -> list[Finding]:
        """Return whether timed work can be done, and whether somebody looks."""
        try:
            settings = Settings.read()
        except SettingRefused:  # others refuse it
            settings = Settings()
        return list(of_clock(self._database, settings))

    def describe(self, settings: Settings) -> str:
        """Return how much timed work there is, and who looks."""
        return describe(self._database, settings)

    def report(self) -> dict[str, Any]:
        """Return what the clock has found."""
        return {"clock": [figure._asdict() for figure in clocks[0].figures]} if clocks else {}


def zope_has_started(event: Any) -> None:
    """Join the worker with the timed work of this Zope's database."""
    join(ClockJoint(event.database))
