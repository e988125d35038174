"""What happens between two passes of one request.

Futures are started, their outcomes collected and their time limits kept, until the hold
can be published again. The thread of the request does all of it: executors only put
what they have into its inbox.
"""

from .executors import Job
from .executors import Registry
from .hold import Call
from .hold import Hold
from .hold import HoldState
from .inbox import inbox
from .outcomes import Outcome
from .outcomes import Raised
from collections.abc import Callable

import contextlib
import functools
import queue
import time


class Waiter:
    """Runs the futures of one hold.

    Args:
        hold: Whose futures they are.
        executors: What runs them, by name.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, hold: Hold, executors: Registry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hold = hold
        self._executors = executors
        self._clock = clock
        self._jobs: dict[Call, Job] = {}
        self._inbox = inbox()

    def wait(self) -> None:
        """Return when the hold is READY: what it waits for has settled or is out of time."""
        self.start()
        while True:
            self.collect()
            if self._hold.state is not HoldState.WAITING:
                return
            with contextlib.suppress(queue.Empty):
                self._take(self._inbox.get(timeout=self._patience()))

    def cancel(self) -> None:
        """Let the last pass begin as soon as it waits. May be called in any thread."""
        self._inbox.put(None)

    def start(self) -> None:
        """Start what the last pass registered, stop what it cancelled."""
        self._stop()
        self._follow_up()
        for call in self._hold.take_starts():
            done = functools.partial(self._put, call)
            try:
                self._jobs[call] = self._executors.get(call.executor).start(call, done)
            except Exception as error:  # the line is full, say
                self._put(call, Raised(error))

    def collect(self) -> None:
        """Take what has arrived and end what is out of time. Never waits."""
        while not self._inbox.empty():
            self._take(self._inbox.get(timeout=0.0))
        self._hold.time_out(self._clock())
        self._stop()

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Give *call* its outcome in place of what runs for it."""
        job = self._jobs.get(call)
        if job is not None:
            job.cancel()
        self._settle(call, outcome)

    def close(self) -> None:
        """Drop the hold and stop whatever runs."""
        self._hold.close()
        self._stop()
        self._follow_up()

    def _put(self, call: Call, outcome: Outcome) -> None:
        call.ended = self._clock()  # not when the request's thread looks for it
        self._inbox.put((call, outcome))

    def _take(self, item: tuple[Call, Outcome] | None) -> None:
        if item is None:
            self._hold.note_pending(self._clock())
            self._hold.cancel()
        else:
            self._settle(*item)

    def _settle(self, call: Call, outcome: Outcome) -> None:
        self._jobs.pop(call, None)
        self._hold.settle(call, outcome)

    def _stop(self) -> None:
        for call in self._hold.take_stops():
            job = self._jobs.pop(call, None)
            if job is not None:
                job.cancel()

    def _follow_up(self) -> None:
        for follow_up in self._hold.take_follow_ups():
            follow_up()

    def _patience(self) -> float:
        return max(0.0, self._hold.next_time_out - self._clock())
