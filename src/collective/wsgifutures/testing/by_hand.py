"""A hold without a server: passes, futures and the time move when the test says so."""

from ..kernel.calls import Call
from ..kernel.calls import CallState
from ..kernel.hold import Hold
from ..kernel.passes import cannot_wait
from ..kernel.passes import Pass
from ..kernel.passes import publish
from ..kernel.waiting import Waiter
from .settled import declare
from .settled import MISSING
from collections.abc import Callable
from typing import Any
from typing import Final
from typing import Self

import contextvars
import functools
import time


class _Held:
    def __repr__(self) -> str:
        return "HELD"


#: The result of a pass that is not the last one.
HELD: Final = _Held()


class Clock:
    """A clock that stands until the test moves it."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now  #: in seconds

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


class EveryExecutor:
    """Stands for all executors, whatever a future was declared with."""

    name = "by hand"

    def __init__(self) -> None:
        self.jobs: list[JobByHand] = []  #: all that were started, the first one first

    def get(self, name: str | None) -> Self:
        """Return itself, whatever executor is asked for."""
        return self

    def close(self) -> None:
        """Do nothing: there is nothing to end."""


class ByHand(EveryExecutor):
    """An executor that runs its jobs when the test says so, one after the other.

    It stands for all executors, whatever a future was declared with.
    """

    def start(self, call: Call, done: Callable[[Any], None]) -> "JobByHand":
        """Keep *call* until the test runs it."""
        work = functools.partial(contextvars.copy_context().run, call.work)
        self.jobs.append(JobByHand(work, done))
        return self.jobs[-1]

    def run_all(self) -> None:
        """Run every job that was neither run nor cancelled."""
        for job in self.jobs:
            job.run()


class JobByHand:
    """A call that was started and waits for the test.

    Args:
        work: Returns the outcome.
        done: Takes the outcome.
        due: When the outcome is there, in seconds of the test's clock.
    """

    def __init__(
        self, work: Callable[[], Any], done: Callable[[Any], None], due: float = 0.0
    ) -> None:
        self._work = work
        self._done = done
        self.due = due
        self.ran = False
        self.cancelled = False

    @property
    def waits(self) -> bool:
        """Whether the job was neither run nor cancelled."""
        return not self.ran and not self.cancelled

    def run(self) -> None:
        """Run the job, unless it was run or cancelled."""
        if self.waits:
            self.ran = True
            self._done(self._work())

    def cancel(self) -> None:
        """Never run the job."""
        self.cancelled = True


class HeldRequest:
    """One request, published without a server, a pass at a time.

    Args:
        view: A view, or a function without arguments.
        deadline: How long the response may be held, in seconds of ``clock``.
        max_passes: How often the request may be published.
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
        """How often the request was published."""
        return self.hold.passes

    @property
    def running(self) -> list[str]:
        """The names of the futures that run, the first one first."""
        return [call.name for call in self._running()]

    def publish(self) -> Any:
        """Publish once; return what the view returned, or ``HELD``.

        Raises:
            RuntimeError: The request still waits for futures, or it was answered.
            BaseException: What the view raised, if that is the answer.
        """
        try:
            return publish_view(self.hold, self._view, self.clock, self._wait_inside)
        finally:
            self._waiter.start()
            self._waiter.collect()

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

        The arguments are those of ``Futures.settle``. If they fit several futures, the first
        one that was asked for is settled.

        Raises:
            LookupError: No running future fits.
        """
        settled = declare(what, args, kwargs, value, error)
        for call in self._running():
            if settled.fits(call) and settled.outcome is not None:
                self._waiter.settle(call, settled.outcome)
                return
        raise LookupError(f"no future {settled.name!r} runs; there are: {self.running}")

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; futures and the deadline run out of time."""
        self.clock.advance(seconds)
        self._waiter.collect()

    def run(self) -> Any:
        """Publish until there is an answer, and run the futures in between; return the answer."""
        while True:
            answer = self.publish()
            if answer is not HELD:
                return answer
            self.executor.run_all()
            self._waiter.collect()

    def _wait_inside(self, call: Call) -> None:
        """Run *call* for a pass that is kept."""
        if self.hold.done:  # given up meanwhile
            return
        self.hold.wait_inside(call, self.clock())
        self._waiter.start()
        self.executor.run_all()
        self._waiter.collect()
        self.hold.go_on(self.clock())

    def _running(self) -> list[Call]:
        return [c for c in self.hold.pending if c.state is CallState.RUNNING]


def publish_view(
    hold: Hold,
    view: Callable[[], Any],
    clock: Callable[[], float],
    wait_inside: Callable[[Call], None],
) -> Any:
    """Publish *view* once; return what it returned, or ``HELD``."""
    answers: list[Any] = []

    def publish() -> bool:
        answers.append(view())
        return _is_successful(view)

    return answers[0] if publish_once(hold, publish, clock, wait_inside) else HELD


def publish_once(
    hold: Hold,
    function: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    wait_inside: Callable[[Call], None] = cannot_wait,
) -> bool:
    """Publish a request once, by *function*; return whether that was its last pass.

    The arguments and errors are those of ``kernel.passes``.
    """
    context, outside = contextvars.copy_context(), contextvars.copy_context()
    this = Pass(hold, clock(), lambda call: outside.run(wait_inside, call))
    return publish(this, function, clock, context)


def _is_successful(view: object) -> bool:
    """Tell whether the response of *view*, if it has one, has a status of success."""
    response = getattr(getattr(view, "request", None), "response", None)
    get = getattr(response, "getStatus", lambda: 200)
    return not 300 <= get() < 599  # zope.publisher's is 599 until the view sets another one
