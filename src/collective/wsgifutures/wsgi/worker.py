"""What all requests of one worker share: settings, slots, limits and counters.

The middleware of a server has one worker. It does not depend on the kind of server.
"""

from ..kernel import runtime
from ..kernel.arrivals import Refused
from ..kernel.executors import Executors
from ..kernel.gate import Gate
from ..kernel.hold import Hold
from ..kernel.waiting import Waiter
from .joints import good_slots
from .joints import joints
from .joints import max_slots
from .limits import Refusals
from .limits import Room
from .monitor import Monitor
from .record import HeldResponses
from .record import Record
from .settings import Settings
from .settings import SLOTS
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import logging
import sys
import time

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class NotConfigured(RuntimeError):
    """Zope runs without the ZCML of this package."""


class Worker:
    """What all requests of one worker share.

    Args:
        application: The WSGI application, loaded completely.
        settings: The settings. Default: those of the environment.
        clock: Gives the time of a hold, in seconds.
        waiter: Makes the waiter of a hold. Default: waiters that use this worker's executors.

    Raises:
        NotConfigured: The application is Zope, and the ZCML of this package is not loaded.
    """

    def __init__(
        self,
        application: Application,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        waiter: Callable[[Hold], Waiter] | None = None,
    ) -> None:
        if "ZPublisher.WSGIPublisher" in sys.modules and not joints:
            raise NotConfigured(
                "Zope runs without the ZCML of collective.wsgifutures, so a held request "
                "would be committed in each of its passes. Add the package to the "
                'instance\'s zcml, or write <include package="collective.wsgifutures" />.'
            )
        self.application = application
        self.settings = settings = settings or Settings.read()
        self.clock = clock
        self.waiter = waiter
        self.record = Record()
        self.held = HeldResponses(settings, self.record)
        self.refusals = Refusals(settings)
        self.monitor = Monitor(
            settings.slow_pass,
            settings.blocked,
            is_new=lambda: not self.record.passes,
            debug=settings.debug,
        )
        self.runtime = runtime.current()
        self.interrupts = self.runtime.interrupts()
        self.bodies = Room(settings.max_bodies)
        self.gate = Gate(_slots(settings), settings.max_waiting, settings.max_wait)
        self.executors = Executors(
            settings.max_threads,
            settings.max_processes,
            settings.max_queued,
            blocked=settings.blocked,
        )
        #: Returns an executor by its name.
        self.executor_of = self.executors.by_name.__getitem__
        self._started = False

    def start(self, tell: Callable[..., None] = logger.info) -> None:
        """Start the monitor and the joints of this worker, unless they have started already.

        Args:
            tell: Logs how responses are held.
        """
        if self._started:
            return
        self._started = True
        told = (self._describe(), *(joint.describe(self.settings) for joint in joints))
        tell("%s", " ".join(filter(None, told)))
        self.monitor.start()
        for joint in joints:
            joint.worker_starts(self)

    def _describe(self) -> str:
        settings = self.settings
        return (
            f"Responses are held ({self.runtime.name}): {self.gate.slots} slots, at most "
            f"{settings.max_held} held, {settings.held_by_one_client} of them for one client, "
            f"deadline {settings.deadline:g} s."
        )

    def refuses(self, path: str | None = None) -> str | None:
        """Return the limit for which a new request would be refused now, None if there is none.

        Args:
            path: The path of the request, as in ``PATH_INFO``; None: whichever it is.
        """
        try:
            self.gate.check(path)
        except Refused as refused:
            return refused.limit
        return None

    def refuse(self, limit: str, path: str = "") -> None:
        """Count and log a request that is refused.

        Args:
            limit: The name of the setting whose limit is reached.
            path: The request's path, without its query string, if it is known.
        """
        self.refusals.note(limit)
        self.record.refuse(limit, path)


def count_slots(settings: Settings) -> int:
    """Return how many slots a worker has: not more than the publisher can serve."""
    wanted = _wanted(settings)
    return min(wanted, max_slots() or wanted)


def _slots(settings: Settings) -> int:
    slots, wanted = count_slots(settings), _wanted(settings)
    if slots < wanted:
        logger.warning("%d slots, not %d: the ZODB pool has no more.", slots, wanted)
    return slots


def _wanted(settings: Settings) -> int:
    return settings.slots or good_slots() or SLOTS
