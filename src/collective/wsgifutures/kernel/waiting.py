"""What happens between two passes of one request.

Futures are started, their outcomes collected and their time limits kept, until the hold
can be published again. The thread of the request does all of it: executors only put
what they have into its inbox.
"""

from . import runtime
from .calls import Call
from .executors.base import Executor
from .executors.base import Job
from .hold import Hold
from .hold import HoldState
from .outcomes import Outcome
from .outcomes import Raised
from .runtime import Steps
from .runtime import Wait
from collections.abc import Callable

import functools
import time


class Waiter:
    """Runs the futures of one hold.

    Args:
        hold: Whose futures they are.
        executor_of: Returns what runs them, by name.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        hold: Hold,
        executor_of: Callable[[str | None], Executor],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hold = hold
        self._executor_of = executor_of
        self._clock = clock
        self._jobs: dict[Call, Job] = {}
        self._inbox = runtime.inbox()

    def wait(self) -> Steps[None]:
        """Return when the hold is READY: what it waits for has settled or is out of time."""
        self.start()
        while True:
            self.collect()
            if self._hold.state is not HoldState.WAITING:
                return
            yield Wait(self._inbox.signal, max(0.0, self._hold.next_time_out - self._clock()))

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
                self._jobs[call] = self._executor_of(call.executor).start(call, done)
            except Exception as error:  # the line is full, say
                self._put(call, Raised(error))

    def collect(self) -> None:
        """Take what has arrived and end what is out of time. Never waits."""
        for item in self._inbox.take_all():
            self._take(item)
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
