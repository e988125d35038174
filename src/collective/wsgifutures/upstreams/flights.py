"""One call for all who want the same answer at the same time.

The call belongs to its upstream: who asked first may go, and it goes on for the others. It
is cancelled when the last of them has gone. Each waits for as long as it wants to itself.

Under gevent it is a greenlet of the loop that serves. Who asks in a thread of the system has
a loop that ends with what that thread does: there the call gets a thread of its own.
"""

from ..kernel.calls import Call
from ..kernel.executors import Executors
from ..kernel.executors.base import Job
from ..kernel.outcomes import Outcome
from ..kernel.outcomes import Raised
from ..kernel.runtime import current
from ..kernel.runtime import Inbox
from ..kernel.runtime import inbox
from ..traces import ids
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any

import time

#: Makes a call, given what tells whether nobody waits for it any more. Raises nothing.
Make = Callable[[Callable[[], bool]], Outcome]


class _Flight(Call):
    """A call of nobody's hold, and who waits for it."""

    __slots__ = ("_make", "job", "owned", "waiters")

    def __init__(self, key: Hashable, name: str, make: Make, owned: bool) -> None:
        super().__init__(name, key, None)
        self.owned = owned  #: nobody need wait for it
        self.waiters: list[Inbox] = []
        self.job: Job | None = None
        self._make = make

    def work(self) -> Outcome:
        """Make it, for as long as somebody wants it."""
        return self._make(lambda: not self.wanted)

    @property
    def wanted(self) -> bool:
        return self.owned or bool(self.waiters)


class Flights:
    """The shared calls of one upstream that are being made."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._executors = Executors()
        self._lock = current().lock()

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
            flight = flight or _Flight(key, name, make, owned=False)
            flight.waiters.append(mine)
            self._flights[key] = flight
        try:
            if first:
                self._start(key, flight)
            mine.signal.wait(max(0.0, until - time.monotonic()))
            found = mine.take_all()
            return (found[0], first) if found else None
        finally:
            self._leave(key, flight, mine)

    def renew(self, key: Hashable, name: str, make: Make) -> None:
        """Make the call *key* for nobody, where it is not made already."""
        with self._lock:
            if key in self._flights:
                return
            flight = self._flights[key] = _Flight(key, name, make, owned=True)
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
    return None if current().outlives_its_callers() else "threads"
