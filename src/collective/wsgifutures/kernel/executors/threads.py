"""Futures as threads of this process: the default where gevent has not patched.

There are only so many: the others stand in a line, which processes and the helper have too.
"""

from ..calls import Call
from ..calls import Outcome
from ..calls import Raised
from ..errors import ExecutorBusy
from ..gate import Full
from ..gate import Places
from ..runtime import current
from ..runtime import Startable
from .base import Job
from collections.abc import Callable
from typing import Any

import contextvars
import logging
import time

logger = logging.getLogger(__name__)

#: Seconds until it is logged again that a line has formed.
LOG_EVERY = 10.0


class Turn:
    """A call that runs when it is its turn, unless it is cancelled by then.

    Args:
        name: The name of its future.
        line: Where it stands.
        work: Runs the call and waits for its outcome.
        done: Gets the outcome.
    """

    def __init__(
        self, name: str, line: "Line", work: Callable[[], Outcome], done: Callable[[Outcome], None]
    ) -> None:
        self.name = name
        self._line = line
        self._work: Callable[[], Outcome] | None = work
        self._done: Callable[[Outcome], None] | None = done

    def run(self) -> None:
        """Run the call, and tell its outcome if somebody waits for it."""
        work, self._work = self._work, None
        if work is None:
            return
        try:
            outcome = work()
        except Exception as error:  # for example, no process can be started
            outcome = Raised(error)
        done = self._done
        if done is not None:
            done(outcome)

    def cancel(self) -> None:
        """Never run a call that waits; drop the outcome of a call that runs."""
        self._work = self._done = None
        self._line.leave(self)


class Line:
    """Runs so many jobs side by side; others wait, the first one first, up to a limit.

    Args:
        kind: What runs them, for people.
        limit: How many run.
        max_waiting: How many wait.
        thread: Makes a thread that calls what it is given.
    """

    def __init__(
        self, kind: str, limit: int, max_waiting: int, thread: Callable[..., Startable]
    ) -> None:
        self._kind = kind
        self._thread = thread
        self._logged_at = -LOG_EVERY
        self.places = Places[Turn](limit, max_waiting)

    def enter(self, job: Turn) -> None:
        """Run *job*, now or when it is its turn.

        Raises:
            ExecutorBusy: Too many wait already.
        """
        places = self.places
        try:
            has_place = places.enter(job)
        except Full:
            raise ExecutorBusy(job.name, self._kind, places.limit, places.max_waiting) from None
        if has_place:
            self._begin(job)
        else:
            self._log()

    def leave(self, job: Turn) -> None:
        """Take *job* out, where it waits."""
        self.places.leave(job)

    def _log(self) -> None:
        now = time.monotonic()
        if now >= self._logged_at + LOG_EVERY:
            self._logged_at = now
            logger.warning("All %d %s for futures are busy.", self.places.limit, self._kind)

    def _begin(self, job: Turn) -> None:
        try:
            self._thread(target=lambda: self._work(job)).start()
        except BaseException:  # the system has no thread left
            self.places.pass_on()
            raise

    def _work(self, job: Turn | None) -> None:
        while job is not None:
            job.run()
            job = self.places.pass_on()


class Threads:
    """A daemon thread of the system for each call, up to a limit; the others wait in line.

    A thread cannot be killed. A cancelled call that runs already goes on until it returns,
    counts against the limit for so long, and its result is dropped.

    Args:
        limit: How many run side by side.
        length: How many may wait.
    """

    name = "threads"

    def __init__(self, limit: int = 64, length: int = 1000) -> None:
        self._line = Line(self.name, limit, length, current().thread)

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Start a thread for *call*, or let it stand in line."""
        context, work = contextvars.copy_context(), call.work
        job = Turn(call.name, self._line, lambda: context.run(work), done)
        self._line.enter(job)
        return job

    def close(self) -> None:
        """They are daemons: the process does not wait for them."""
