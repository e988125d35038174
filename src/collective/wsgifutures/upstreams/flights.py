"""One call for all requests that want the same answer at the same time.

The call belongs to its upstream: the request that asked first may go, and the call goes on for
the others. The call is cancelled when its last waiter has gone. Each waiter has its own limit.

Under gevent the call is a greenlet of the loop that serves. A thread of the system has a loop
that ends with the thread's work: there the call gets a thread of its own.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.calls import Raised
from ..kernel.executors import Executors
from ..kernel.executors.base import Executor
from ..kernel.executors.base import Job
from ..kernel.executors.threads import Threads
from ..kernel.runtime import current
from ..kernel.waiting import Inbox
from ..traces import ids
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any

import time

#: Makes a call. Its argument tells whether nobody waits any more. Raises nothing.
Make = Callable[[Callable[[], bool]], Outcome]


class _Flight(Call):
    """A call that belongs to no hold, and its waiters."""

    __slots__ = ("_make", "job", "owned", "waiters")

    def __init__(self, key: Hashable, name: str, make: Make, owned: bool) -> None:
        super().__init__(name, key, None)
        self.owned = owned  #: the call goes on even if nobody waits
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
    """The shared calls of one upstream that are in flight."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._executors = Executors()
        self._threads = Threads()
        self._lock = current().lock()

    def join(
        self, key: Hashable, name: str, make: Make, until: float
    ) -> tuple[Outcome, bool] | None:
        """Wait for the call *key*; return its outcome and whether this waiter started it.

        Args:
            key: Identifies the call.
            name: The call's name in messages.
            make: Makes the call, if it is not in flight already.
            until: When to stop waiting and return None, in seconds of ``time.monotonic``.
        """
        mine = Inbox(current().signal())
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
        """Start the call *key* without a waiter, unless it is in flight already."""
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
            for waiter in waiters:
                waiter.put(outcome)

        # In a context of its own, which keeps nothing of the request that comes first but the id
        # of its trace.
        try:
            flight.job = ids.alone().run(self._executor().start, flight, done)
        except Exception as error:  # for example a full line: all waiters get the error
            done(Raised(error))

    def _leave(self, key: Hashable, flight: _Flight, mine: Inbox) -> None:
        with self._lock:
            flight.waiters.remove(mine)
            last = not flight.wanted and self._flights.get(key) is flight
            if last:
                del self._flights[key]
        if last and flight.job is not None:
            flight.job.cancel()

    def _executor(self) -> Executor:
        """Return an executor that outlives the waiter that starts the call."""
        if current().outlives_its_callers():
            return self._executors.get(None)
        return self._threads
