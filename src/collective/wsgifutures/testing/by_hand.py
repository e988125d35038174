"""A hold without a server: passes, futures and the time move when the test says so."""

from ..kernel.calls import Call
from ..kernel.calls import CallState
from ..kernel.hold import Hold
from ..kernel.passes import Pass
from ..kernel.passes import publish
from ..kernel.waiting import Waiter
from .settled import MISSING
from .settled import settled
from collections.abc import Callable
from typing import Any
from typing import Final

import contextvars
import time


class _Held:
    def __repr__(self) -> str:
        return "HELD"


#: What a pass gives that is not the last one.
HELD: Final = _Held()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now  #: in seconds

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


class ByHand:
    """An executor that runs what it was given when it is told to, one after the other.

    It stands for all of them, whatever a future was declared with.
    """

    name = "by hand"

    def __init__(self) -> None:
        self.jobs: list[JobByHand] = []  #: all that were started, the first one first

    def get(self, name: str | None) -> "ByHand":
        """Return itself, whatever executor is asked for."""
        return self

    def start(self, call: Call, done: Callable[[Any], None]) -> "JobByHand":
        """Keep *call* until it is told to run."""
        job = JobByHand(call, done)
        self.jobs.append(job)
        return job

    def close(self) -> None:
        """There is nothing to end."""

    def run_all(self) -> None:
        """Run every job that was neither run nor cancelled."""
        for job in self.jobs:
            job.run()


class JobByHand:
    """A call that was started and waits for the test."""

    def __init__(self, call: Call, done: Callable[[Any], None]) -> None:
        self._call = call
        self._context = contextvars.copy_context()
        self._done = done
        self.ran = False
        self.cancelled = False

    def run(self) -> None:
        """Run it, once, unless it was cancelled."""
        if not self.ran and not self.cancelled:
            self.ran = True
            self._done(self._context.run(self._call.work))

    def cancel(self) -> None:
        """Never run it."""
        self.cancelled = True


class HeldRequest:
    """One request, published without a server, a pass at a time.

    Args:
        view: What is published: a view, or a function without arguments.
        deadline: How long the response may be held, in seconds of ``clock``.
        max_passes: How often it may be published.
    """

    def __init__(
        self, view: Callable[[], Any], *, deadline: float = 55.0, max_passes: int = 25
    ) -> None:
        self.clock = Clock()
        self.executor = ByHand()
        self.hold = Hold(self.clock(), deadline=deadline, max_passes=max_passes)
        self._view = view
        self._waiter = Waiter(self.hold, self.executor.get, self.clock)

    @property
    def passes(self) -> int:
        """How often it was published."""
        return self.hold.passes

    @property
    def running(self) -> list[str]:
        """The names of the futures that run, the first one first."""
        return [call.name for call in self._running()]

    def publish(self) -> Any:
        """Publish once; return what the view returned, or ``HELD``.

        Raises:
            RuntimeError: What it waits for has not settled, or it was answered.
            BaseException: What the view raised, where that is the answer.
        """
        answer: list[Any] = []

        def publish() -> bool:
            answer.append(self._view())
            return is_successful(self._view)

        last = False
        try:
            last = publish_once(self.hold, publish, self.clock)
        finally:
            self._waiter.start()
            self._waiter.collect()
        return answer[0] if last else HELD

    def settle(
        self,
        what: Any,
        /,
        *args: Any,
        value: Any = MISSING,
        error: Exception | None = None,
        **kwargs: Any,
    ) -> None:
        """Let a future that runs give *value*, or raise *error*.

        Of several that fit, the one that was asked for first.

        Args:
            what: As in ``Futures.settle``; so are *args* and *kwargs*.
            value: What it gives.
            error: What it raises in place of that.
            args: What it was asked for with.
            kwargs: Further arguments of the call.

        Raises:
            LookupError: None that fits runs.
        """
        said = settled(what, args, kwargs, value, error)
        for call in self._running():
            if said.fits(call) and said.outcome is not None:
                self._waiter.settle(call, said.outcome)
                return
        raise LookupError(f"no future {said.name!r} runs; there are: {self.running}")

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and run out of time what does."""
        self.clock.advance(seconds)
        self._waiter.collect()

    def run(self) -> Any:
        """Publish until it is answered, running its futures in between; return the answer."""
        while True:
            answer = self.publish()
            if answer is not HELD:
                return answer
            self.executor.run_all()
            self._waiter.collect()

    def _running(self) -> list[Call]:
        return [c for c in self.hold.pending if c.state is CallState.RUNNING]


def publish_once(
    hold: Hold, function: Callable[[], bool], clock: Callable[[], float] = time.monotonic
) -> bool:
    """Publish a request once, by a function; return True where that was its last pass.

    Args:
        hold: The request's; READY.
        function: Publishes. Returns True for a response with a 2xx status.
        clock: Gives the time in seconds.

    Raises:
        TooManyPasses, BaseException: As ``kernel.passes.publish``.
    """
    return publish(Pass(hold, clock()), function, clock, contextvars.copy_context())


def is_successful(view: object) -> bool:
    """Tell whether the response of *view*, where it has one, has a status of success."""
    response = getattr(getattr(view, "request", None), "response", None)
    get = getattr(response, "getStatus", lambda: 200)
    return not 300 <= get() < 599  # zope.publisher's is 599 until somebody sets it
