"""Hands the chunks of one stream to its reader, within the stream's limits.

Like the way of a request, this is written as steps: whoever takes them waits. Nothing here knows
of WSGI. A stream ends with its generator, at one of its limits, or when it is told to.
"""

from ..calls import Outcome
from ..errors import FuturesError
from ..errors import HoldCancelled
from ..errors import StreamTimeout
from ..executors.base import Executor
from ..executors.base import Job
from ..waiting import Steps
from ..waiting import Wait
from .answers import StreamAnswer
from .buffer import Buffer
from .producing import Production
from collections.abc import Callable

import math

#: Why a stream ends before its generator: what its reader is told.
FAILED = "failed"
LATE = "timeout"
STOPPED = "stopped"
CANCELLED = "cancelled"


class BrokenOff(Exception):
    """The reader cannot be told by words that the stream is not whole: break the connection."""


class Flow:
    """One stream that runs.

    Args:
        answer: What the view has returned.
        executor_of: Returns the executor of a name.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        answer: StreamAnswer,
        executor_of: Callable[[str | None], Executor],
        clock: Callable[[], float],
    ) -> None:
        self.name = answer.source.name
        self.error: BaseException | None = None  #: why it is not whole, if an error is the reason
        self.over = False  #: its last chunk was returned
        self.ended_by = ""  #: the reason of its end, if that was not its generator's
        self.is_whole = False  #: its generator has ended well, and all of it was handed over
        self._limits = answer.limits
        self._format = answer.format
        self._heartbeat = answer.heartbeat if answer.format.heartbeat else math.inf
        self._clock = clock
        self._buffer = Buffer()
        self._reason = ""
        self._items = 0
        self._job: Job | None = None
        production = Production(
            *(answer.source, answer.format, self._buffer, executor_of),
            *(answer.last_event_id, answer.following),
        )
        self._executor = executor_of(production.executor)
        self._production: Production | None = production
        self.ends_at = self._quiet_until = 0.0  # until it starts

    def start(self) -> None:
        """Start the generator.

        Raises:
            ExecutorBusy: Too many others wait.
        """
        now = self._clock()
        self.ends_at = now + self._limits.timeout
        self._quiet_until = now + self._limits.between
        production, self._production = self._production, None
        assert production is not None  # noqa: S101  it is started once
        self._job = self._executor.start(production, self._ends)

    def first(self, until: float) -> Steps[bytes]:
        """Return the first chunk, b"" if there is none: the stream has ended well.

        Args:
            until: When it has to be there, in seconds of the clock.

        Raises:
            StreamTimeout: It was not there in time.
            HoldCancelled: An operator did not want to wait for it.
            Exception: The generator's own.
        """
        while True:
            self._buffer.arrived.clear()
            outcome = self._buffer.outcome  # first: what it has put before is there then
            chunk = self._take()
            if chunk or (outcome is not None and outcome.exception() is None):
                return chunk
            if outcome is not None:
                outcome.get()
            left = min(until, self._quiet_until) - self._clock()
            if self._reason:
                raise HoldCancelled(self.name)
            if left <= 0 and until < self._quiet_until:
                raise StreamTimeout(self.name, self._waited(), "deadline")
            if left <= 0:
                raise self._late()
            yield Wait(self._buffer.arrived, left)

    def chunks(self) -> Steps[bytes]:
        """Return the next chunk; the last one if ``over`` is set then.

        Raises:
            BrokenOff: The stream is not whole, and its format has no words for that.
        """
        while True:
            self._buffer.arrived.clear()
            if self._reason or self._clock() >= self.ends_at:
                return self.end(self._reason or LATE)
            outcome = self._buffer.outcome  # first: what it has put before is there then
            chunk = self._take()
            if chunk:
                return chunk
            if outcome is not None:
                return self._end_with(outcome)
            due = min(self._quiet_until, self.ends_at)
            left = due - self._clock()
            if left <= 0:
                return self.end(LATE)
            in_time = yield Wait(self._buffer.arrived, min(left, self._heartbeat))
            if not in_time and self._heartbeat < left:
                return self._format.heartbeat

    def end(self, reason: str) -> bytes:
        """End the stream before its end; return what tells its reader.

        Raises:
            BrokenOff: There are no words for that.
        """
        self.ended_by = reason
        if reason == LATE and self.error is None:
            self.error = self._late()
        self.stop()
        last = self._format.broken(reason)
        if last is None:
            raise BrokenOff(reason)
        return last

    def cancel(self) -> None:
        """Let the stream end soon. May be called in any thread."""
        self._reason = self._reason or CANCELLED
        self._buffer.arrived.set()

    def stop(self) -> None:
        """Stop the generator, and hand over nothing more."""
        self.over = True
        job, self._job = self._job, None
        if job is not None and self._buffer.outcome is None:
            job.cancel()  # first: a task would else go on, and be cancelled while it closes
        self._buffer.close()

    def _ends(self, outcome: Outcome) -> None:
        self._buffer.end(outcome)

    def _take(self) -> bytes:
        items = self._buffer.items
        if items != self._items:  # those without a byte too
            self._items = items
            self._quiet_until = self._clock() + self._limits.between
        return self._buffer.take()

    def _end_with(self, outcome: Outcome) -> bytes:
        error = outcome.exception()
        if error is None:
            self.is_whole = True
            self.stop()
            return self._format.end()
        self.error = error
        return self.end(LATE if isinstance(error, TimeoutError) else FAILED)

    def _late(self) -> FuturesError:
        if self._clock() >= self.ends_at:
            return StreamTimeout(self.name, self._limits.timeout, "timeout")
        return StreamTimeout(self.name, self._waited(), "between")

    def _waited(self) -> float:
        """Return for how many seconds no item came."""
        return round(self._clock() - (self._quiet_until - self._limits.between), 1)
