"""All futures of one test: what each gives is said by the test, and no other runs.

Time passes where a response is held, and at once: the clock is moved to when the next thing
happens. So no test sleeps, and each has the same times whenever it runs.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.calls import Raised
from ..kernel.errors import FutureTimeout
from ..kernel.futures import stand_ins
from ..kernel.hold import Hold
from ..kernel.hold import HoldState
from ..kernel.names import dotted_name
from ..kernel.waiting import drive
from ..kernel.waiting import Steps
from ..kernel.waiting import Waiter
from ..upstreams.upstream import UpstreamCall
from .by_hand import Clock
from .by_hand import HELD
from .by_hand import is_successful
from .by_hand import publish_once
from .settled import ANY
from .settled import MISSING
from .settled import Settled
from .settled import settled
from .settled import unexpected
from .settled import UnexpectedCall
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import math
import sys
import time


class Futures:
    """All futures of one test: nothing calls the outside world while it is entered.

    The fixture ``futures`` of pytest and the layer for zope.testrunner enter it for each
    test. Elsewhere::

        with Futures() as futures:
            futures.settle(summary, "text", value="short")
            assert futures.publish(view) == "short"
    """

    def __init__(self) -> None:
        #: How long a response may be held, in seconds of ``clock``.
        self.deadline = 55.0
        #: How often a request may be published.
        self.max_passes = 25
        #: What time it is. It moves where a response is held, and where the test moves it.
        self.clock = Clock(time.monotonic())  # the gate has no other clock than that
        #: How often the last request was published.
        self.passes = 0
        #: The names of the futures that were started, for each wait of the last request.
        self.waits: list[list[str]] = []
        #: What was asked for and not settled.
        self.unexpected: list[UnexpectedCall] = []
        self._settled: list[Settled] = []
        self._jobs: list[_Job] = []
        self._began = 0.0
        self._exit = ExitStack()

    def __enter__(self) -> "Futures":
        """Let no future run from here on."""
        stand_ins.append(self._in_place)
        self._exit.callback(stand_ins.remove, self._in_place)
        return self

    def __exit__(self, kind: type | None, error: object, traceback: object) -> None:
        """Let them run again.

        Raises:
            UnexpectedCall: One was asked for that nobody settled, and a view went on.
        """
        self._exit.close()
        if kind is None and self.unexpected:
            raise self.unexpected[0]

    # What the test says

    def settle(
        self,
        what: Any,
        /,
        *args: Any,
        value: Any = MISSING,
        error: Exception | None = None,
        after: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Say what a call returns or raises. If said twice, the last time counts.

        Args:
            what: What ``@future`` made of a function, or a method of an ``Upstream``; a key of
                ``compat``, or a name.
            args: What the call is asked for with; ``...`` alone means with whatever.
            value: What it gives.
            error: What it raises in place of that.
            after: How many seconds it takes. Where that is more than its ``timeout`` it is
                out of time. ``math.inf`` needs neither *value* nor *error*.
            kwargs: Further arguments of the call.

        Raises:
            ArgumentRefused, ResultRefused: It is not plain data.
            TypeError: There is no such call, or it is not said what comes of it.
        """
        self._settled.insert(0, settled(what, args, kwargs, value, error, after))

    # What the test does

    def publish(self, view: Callable[[], Any]) -> Any:
        """Call *view* once for each pass, up to its answer, and return that.

        What a pass that is not the last one wrote into the ZODB is undone. Give a function
        that makes the view, to have a new one in each pass, as in a server.

        Raises:
            UnexpectedCall: Something was asked for that nobody settled.
            BaseException: What *view* raised in the last pass.
        """
        self._begin()
        hold = Hold(self.clock(), deadline=self.deadline, max_passes=self.max_passes, debug=True)
        if hold.watch is not None:
            hold.watch.view = dotted_name(view)
        waiter = self._waiter(hold)
        try:
            while True:
                answer = self._publish_once(hold, view)
                if answer is not HELD:
                    return answer
                drive(waiter.wait())
        finally:
            waiter.close()
            self._end()

    def hold(self, application: Any) -> Callable[..., Any]:
        """Return the WSGI *application* with a hold around it, as a server has it."""
        from ..wsgi.middleware import Middleware
        from ..wsgi.settings import Settings
        from ..wsgi.worker import Worker

        self._join_zope()

        def publish(environ: dict[str, Any], start_response: Any) -> Any:
            self.passes += 1
            return application(environ, start_response)

        def held(environ: dict[str, Any], start_response: Any) -> Any:
            self._begin()
            settings = Settings(deadline=self.deadline, max_passes=self.max_passes, debug=True)
            worker = Worker(publish, settings, clock=self.clock, waiter=self._waiter)
            try:
                return Middleware(worker)(environ, start_response)
            finally:
                self._end()

        return held

    def browser(self, app: Any) -> Any:
        """Return a ``plone.testing.zope.Browser`` whose requests are held.

        Args:
            app: Zope's, as ``layer["app"]``.
        """
        from .publication import held_browser

        return held_browser(app, self.hold)

    # What became of it

    @property
    def waited(self) -> float:
        """How long the response of the last request was held, in seconds of ``clock``."""
        return round(self.clock() - self._began, 6)

    def _begin(self) -> None:
        self.passes = 0
        self.waits = []
        self._jobs = []
        self._began = self.clock()

    def _end(self) -> None:
        """Let no view go on without what it asked for."""
        if self.unexpected and not isinstance(sys.exception(), UnexpectedCall):
            raise self.unexpected[-1]

    def _publish_once(self, hold: Hold, view: Callable[[], Any]) -> Any:
        answers: list[Any] = []

        def publish() -> bool:
            self.passes += 1
            answers.append(view())
            return is_successful(view)

        undo = _savepoint()
        try:
            last = publish_once(hold, publish, self.clock)
        except BaseException:
            undo()
            raise
        if last:
            return answers[0]
        undo()
        return HELD

    def _waiter(self, hold: Hold) -> Waiter:
        return _WaiterByHand(hold, self)

    def _join_zope(self) -> None:
        if "ZPublisher.WSGIPublisher" in sys.modules:
            from .publication import join_zope

            self._exit.callback(join_zope())

    # What an executor does

    def get(self, name: str | None) -> "Futures":
        """Return itself, whatever executor is asked for."""
        return self

    name = "by hand"

    def start(self, call: Call, done: Callable[[Any], None]) -> "_Job":
        """Let *call* have its outcome when the test says so."""
        self.waits[-1].append(call.name)
        job = _Job(*self._look_up(call), self.clock(), done)
        self._jobs.append(job)
        return job

    def close(self) -> None:
        """There is nothing to end."""

    def let_pass(self, until: float) -> None:
        """Move the clock to when the next outcome is there, or to *until*."""
        self.clock.now = min([until, *(job.due for job in self._jobs)])
        if self.clock.now == math.inf:
            raise RuntimeError("a response that has no deadline waits for what never comes")
        ready = [job for job in self._jobs if job.due <= self.clock.now]
        self._jobs = [job for job in self._jobs if job not in ready]
        for job in ready:
            job.end()

    def _in_place(self, call: Call) -> Outcome:
        outcome, after = self._look_up(call)
        if outcome is None or after > call.timeout:
            return Raised(FutureTimeout(call.name, call.timeout))
        return outcome

    def _look_up(self, call: Call) -> tuple[Outcome | None, float]:
        """Return what comes of *call*, and after how many seconds."""
        fitting = [one for one in self._settled if one.fits(call)]
        fitting.sort(key=lambda one: one.arguments is ANY)
        if not fitting:
            self.unexpected.append(unexpected(call, self._settled))
            raise self.unexpected[-1]
        one = fitting[0]
        if isinstance(call, UpstreamCall):
            most, error = call.out_of_time()
            if one.after > most:
                return Raised(error), most
        return one.outcome, one.after


class _Job:
    """A call that was started."""

    def __init__(
        self, outcome: Outcome | None, after: float, now: float, done: Callable[[Any], None]
    ) -> None:
        self.due = now + after
        self._outcome = outcome
        self._done = done

    def end(self) -> None:
        if self._outcome is not None:
            self._done(self._outcome)

    def cancel(self) -> None:
        self.due = math.inf
        self._outcome = None


class _WaiterByHand(Waiter):
    """Lets the time pass in place of waiting."""

    def __init__(self, hold: Hold, futures: Futures) -> None:
        super().__init__(hold, futures.get, futures.clock)
        self._futures = futures

    def wait(self) -> Steps[None]:
        self._futures.waits.append([])
        self.start()
        self.collect()
        while self._hold.state is HoldState.WAITING:
            self._futures.let_pass(self._hold.next_time_out)
            self.collect()
        yield from ()


def _savepoint() -> Callable[[], None]:
    """Return what undoes, in this transaction, what happens from here on."""
    transaction: Any = sys.modules.get("transaction")
    if transaction is None:
        return lambda: None
    savepoint = transaction.savepoint(optimistic=True)
    return lambda: savepoint.rollback() if savepoint.valid else None
