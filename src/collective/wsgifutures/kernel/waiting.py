"""How a request waits between two of its passes.

Code that waits is written once, as *steps*: see ``runtime.steps``.

Between two passes a ``Waiter`` starts the futures, collects their outcomes and keeps their time
limits, until the hold can be published again. It does all of that in the request's thread:
executors only put outcomes into its inbox.
"""

from .calls import Call
from .calls import Outcome
from .calls import Raised
from .errors import FutureCancelled
from .executors.base import Executor
from .executors.base import Job
from .hold import Hold
from .hold import HoldState
from .runtime import current
from .runtime import Signal
from .runtime.steps import drive
from .runtime.steps import Steps
from .runtime.steps import Wait
from collections.abc import Callable
from typing import Any

import functools
import time

__all__ = ["Inbox", "Steps", "Wait", "Waiter", "drive"]


class Inbox:
    """Items that any thread puts, and that one thread or greenlet takes.

    The queues of the standard library serve many on either side, and take 2 KB each under
    gevent. A held request needs a list and a signal.

    Args:
        signal: A new signal.
    """

    __slots__ = ("_items", "signal")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal  #: set when an item has arrived
        self._items: list[Any] = []

    def put(self, item: Any) -> None:
        """Add *item*."""
        self._items.append(item)
        self.signal.set()

    def take_all(self) -> list[Any]:
        """Return all items that have arrived, the first item first. Never waits."""
        self.signal.clear()  # first: an item that is put from here on sets it again
        items = []
        while self._items:
            items.append(self._items.pop(0))
        return items


class Waiter:
    """Runs the futures of one hold.

    Args:
        hold: The hold of the futures.
        executor_of: Returns the executor of a name.
        clock: Returns the time in seconds.
        signal: A new signal of this process's runtime.
    """

    def __init__(
        self,
        hold: Hold,
        executor_of: Callable[[str | None], Executor],
        clock: Callable[[], float] = time.monotonic,
        signal: Signal | None = None,
    ) -> None:
        self._hold = hold
        self._executor_of = executor_of
        self._clock = clock
        self._jobs: dict[Call, Job] = {}
        self._inbox = Inbox(signal or current().signal())

    def wait(self) -> Steps[None]:
        """Return when the hold is READY: its futures have settled or are out of time."""
        self.start()
        while True:
            self.collect()
            if self._hold.state is not HoldState.WAITING:
                return
            yield Wait(self._inbox.signal, max(0.0, self._hold.next_time_out - self._clock()))

    def wait_inside(self, call: Call) -> None:
        """Let *call* run and wait for it in the pass that asks for it, which goes on then."""
        if self._hold.done:  # given up meanwhile
            return
        self._hold.wait_inside(call, self._clock())
        try:
            drive(self.wait())
        except BaseException:  # a time limit of the view's own
            self.settle(call, Raised(FutureCancelled(call.name)))
            raise
        finally:
            self._hold.go_on(self._clock())

    def cancel(self) -> None:
        """Let the last pass begin as soon as the hold waits. May be called in any thread."""
        self._inbox.put(None)

    def start(self) -> None:
        """Start the calls that the pass registered, stop those that it cancelled."""
        self._clean_up()
        for call in self._hold.take_starts():
            done = functools.partial(self._put, call)
            try:
                self._jobs[call] = self._executor_of(call.executor).start(call, done)
            except Exception as error:  # for example, the line is full
                self._put(call, Raised(error))

    def collect(self) -> None:
        """Take the outcomes that have arrived, end calls that are out of time. Never waits."""
        for item in self._inbox.take_all():
            if item is None:
                self._hold.note_pending(self._clock())
                self._hold.cancel()
            elif not item[0].stopped:  # what a stopped call gives tells of its stop
                self._settle(*item)
        if self._hold.state is HoldState.WAITING:
            self._hold.time_out(self._clock())
        self._clean_up()

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Give *call* its outcome, and stop the job that runs for it."""
        job = self._jobs.get(call)
        if job is not None:
            job.cancel()
        self._settle(call, outcome)

    def close(self) -> None:
        """Drop the hold and stop all that runs for it."""
        if self._hold.state is not HoldState.DONE:
            self._hold.close()
        self._clean_up()
        self._inbox.signal.set()  # a pass may wait inside

    def _put(self, call: Call, outcome: Outcome) -> None:
        call.ended = self._clock()  # now, not when the request's thread takes it
        self._inbox.put((call, outcome))

    def _settle(self, call: Call, outcome: Outcome) -> None:
        self._jobs.pop(call, None)
        self._hold.settle(call, outcome)

    def _clean_up(self) -> None:
        """Stop the calls that are to be stopped, and call the pass's follow-ups."""
        hold = self._hold
        for call in hold.take_stops() if hold.to_stop else ():
            job = self._jobs.pop(call, None)
            if job is not None:
                job.cancel()
        for follow_up in hold.take_follow_ups() if hold.follow_ups else ():
            follow_up()
