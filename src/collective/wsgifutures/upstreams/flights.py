"""One call for all who want the same answer at the same time.

The call belongs to its upstream: who asked first may go, and it goes on for the others. It
is cancelled when the last of them has gone. Each waits for as long as it wants to itself.

Under gevent it is a greenlet of the loop that serves. Who asks in a thread of the system has
a loop that ends with what that thread does: there the call gets a thread of its own.
"""

from ..kernel.executors import Executors
from ..kernel.executors import Job
from ..kernel.executors import real_lock
from ..kernel.executors import under_gevent
from ..kernel.inbox import Inbox
from ..kernel.inbox import inbox
from ..kernel.outcomes import Outcome
from ..kernel.outcomes import Raised
from ..traces import ids
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any

import contextlib
import queue
import time

#: Makes a call, given what tells whether nobody waits for it any more. Raises nothing.
Make = Callable[[Callable[[], bool]], Outcome]


class _Flight:
    """A call, and who waits for it. What an executor is given."""

    def __init__(self, name: str, make: Make, owned: bool) -> None:
        self.name = name
        self.parts = None
        self.owned = owned  #: nobody need wait for it
        self.waiters: list[Inbox] = []
        self.job: Job | None = None
        self._make = make

    def work(self) -> Outcome:
        return self._make(lambda: not self.wanted)

    @property
    def wanted(self) -> bool:
        return self.owned or bool(self.waiters)


class Flights:
    """The shared calls of one upstream that are being made."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._executors = Executors()
        self._lock = real_lock()

    def join(
        self, key: Hashable, name: str, make: Make, until: float
    ) -> tuple[Outcome, bool] | None:
        """Wait for the call *key*; return its outcome and whether it was started for us.

        Args:
            key: Tells which call it is.
            name: For people.
            make: Makes it, where it is not made already.
            until: Up to when to wait, in seconds of ``time.monotonic``; None is returned then.
        """
        mine = inbox()
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            flight = flight or _Flight(name, make, owned=False)
            flight.waiters.append(mine)
            self._flights[key] = flight
        try:
            if first:
                self._start(key, flight)
            with contextlib.suppress(queue.Empty):
                return mine.get(timeout=max(0.0, until - time.monotonic())), first
            return None
        finally:
            self._leave(key, flight, mine)

    def renew(self, key: Hashable, name: str, make: Make) -> None:
        """Make the call *key* for nobody, where it is not made already."""
        with self._lock:
            if key in self._flights:
                return
            flight = self._flights[key] = _Flight(name, make, owned=True)
        self._start(key, flight)

    def _start(self, key: Hashable, flight: _Flight) -> None:
        def done(outcome: Any) -> None:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                waiters = list(flight.waiters)
            for one in waiters:
                one.put(outcome)

        # In a context of nobody's: it must keep nothing of the request that happens to be first
        # but the id of its trace.
        try:
            start = self._executors.get(_kind()).start
            flight.job = ids.alone().run(start, flight, done)
        except Exception as error:  # the line is full, say: it is so for all of them
            done(Raised(error))

    def _leave(self, key: Hashable, flight: _Flight, mine: Inbox) -> None:
        with self._lock:
            flight.waiters.remove(mine)
            last = not flight.wanted and self._flights.get(key) is flight
            if last:
                del self._flights[key]
        if last and flight.job is not None:
            flight.job.cancel()


def _kind() -> str | None:
    """Return the name of the executor that outlives whoever asks first."""
    if not under_gevent():
        return None
    import gevent

    return None if gevent.get_hub().main_hub else "threads"
