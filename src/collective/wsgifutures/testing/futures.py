"""All futures of one test: the test says what each of them gives, and no other future runs.

While a response is held, the clock jumps to when the next thing happens. So no test sleeps, and
a test has the same times whenever it runs.
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
from .by_hand import EveryExecutor
from .by_hand import HELD
from .by_hand import JobByHand
from .by_hand import publish_view
from .settled import declare
from .settled import MISSING
from .settled import report_unexpected
from .settled import Settled
from .settled import UnexpectedCall
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import math
import sys
import time


class Futures(EveryExecutor):
    """All futures of one test. While this context is entered, no future calls the outside world.

    The fixture ``futures`` of pytest and the layer for zope.testrunner enter a new one for each
    test. Elsewhere::

        with Futures() as futures:
            futures.settle(summary, "text", value="short")
            assert futures.publish(view) == "short"
    """

    def __init__(self) -> None:
        super().__init__()
        #: How long a response may be held, in seconds of ``clock``.
        self.deadline = 55.0
        #: How often a request may be published.
        self.max_passes = 25
        #: What time it is. It moves while a response is held, and when the test moves it.
        self.clock = Clock(time.monotonic())  # the gate always has this clock
        #: How often the last request was published.
        self.passes = 0
        #: The names of the futures that were started, for each wait of the last request.
        self.waits: list[list[str]] = []
        #: The calls that a view made and the test has not settled.
        self.unexpected: list[UnexpectedCall] = []
        self._settled: list[Settled] = []
        self._began = 0.0
        self._exit = ExitStack()

    def __enter__(self) -> "Futures":
        """Stop all futures from running."""
        stand_ins.append(self._in_place)
        self._exit.callback(stand_ins.remove, self._in_place)
        return self

    def __exit__(self, kind: type | None, error: object, traceback: object) -> None:
        """Let futures run again.

        Raises:
            UnexpectedCall: A view went on after a call that is not settled.
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
        """Say what a call returns or raises. If a call is settled twice, the last time counts.

        Args:
            what: A function with ``@future``, a method of an ``Upstream``, a key of
                ``compat``, or a name.
            args: The arguments of the call. ``...`` alone means any arguments, and in place of an
                argument any value of it.
            value: What the call returns.
            error: What the call raises instead.
            after: How many seconds the call takes. If that is more than its ``timeout``, the
                call is out of time. ``math.inf`` needs neither *value* nor *error*.
            kwargs: Further arguments of the call.

        Raises:
            ArgumentRefused, ResultRefused: An argument or the value is not plain data.
            TypeError: There is no such call, or *value* and *error* are both missing.
        """
        self._settled.insert(0, declare(what, args, kwargs, value, error, after))

    # What the test does

    def publish(self, view: Callable[[], Any]) -> Any:
        """Call *view* once for each pass, until there is an answer, and return the answer.

        Changes of the ZODB are undone after each pass but the last one. To have a new view in
        each pass, as in a server, give a function that makes and calls the view.

        Raises:
            UnexpectedCall: The view made a call that is not settled.
            BaseException: What *view* raised in the last pass.
        """
        self._begin()
        hold = Hold(self.clock(), deadline=self.deadline, max_passes=self.max_passes, debug=True)
        if hold.watch is not None:
            hold.watch.view = dotted_name(view)
        waiter = self._waiter(hold)
        try:
            while True:
                answer = self._publish_once(hold, view, waiter)
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

    # What happened

    @property
    def waited(self) -> float:
        """How long the response of the last request was held, in seconds of ``clock``."""
        return round(self.clock() - self._began, 6)

    def _begin(self) -> None:
        self.passes = 0
        self.waits = []
        self.jobs = []
        self._began = self.clock()

    def _end(self) -> None:
        """Fail if the view went on after a call that is not settled."""
        if self.unexpected and not isinstance(sys.exception(), UnexpectedCall):
            raise self.unexpected[-1]

    def _publish_once(self, hold: Hold, view: Callable[[], Any], waiter: Waiter) -> Any:
        self.passes += 1
        undo, answer = _savepoint(), HELD
        try:
            answer = publish_view(hold, view, self.clock, waiter.wait_inside)
        finally:
            if answer is HELD:
                undo()
        return answer

    def _waiter(self, hold: Hold) -> Waiter:
        return _WaiterByHand(hold, self)

    def _join_zope(self) -> None:
        if "ZPublisher.WSGIPublisher" in sys.modules:
            from ..publisher.layers import join_zope

            self._exit.callback(join_zope())

    # What an executor does

    def start(self, call: Call, done: Callable[[Any], None]) -> JobByHand:
        """Give *call* its outcome when the time has come."""
        self.waits[-1].append(call.name)
        outcome, after = self._look_up(call)
        self.jobs.append(JobByHand(lambda: outcome, done, self.clock() + after))
        return self.jobs[-1]

    def advance(self, until: float) -> None:
        """Move the clock to when the next outcome is there, or to *until*."""
        waiting = [job for job in self.jobs if job.waits]
        self.clock.now = min([until, *(job.due for job in waiting)])
        if self.clock.now == math.inf:
            raise RuntimeError("a response that has no deadline waits for a call that never ends")
        for job in waiting:
            if job.due <= self.clock.now:
                job.run()

    def _in_place(self, call: Call) -> Outcome:
        outcome, after = self._look_up(call)
        if outcome is None or after > call.timeout:
            return Raised(FutureTimeout(call.name, call.timeout))
        return outcome

    def _look_up(self, call: Call) -> tuple[Outcome | None, float]:
        """Return the outcome of *call*, and after how many seconds it is there."""
        fitting = [settled for settled in self._settled if settled.fits(call)]
        if not fitting:
            self.unexpected.append(report_unexpected(call, self._settled))
            raise self.unexpected[-1]
        settled = min(fitting, key=lambda fit: fit.how_many_fit)
        if isinstance(call, UpstreamCall):
            most, error = call.out_of_time()
            if settled.after > most:
                return Raised(error), most
        return settled.outcome, settled.after


class _WaiterByHand(Waiter):
    """Lets the time pass instead of waiting."""

    def __init__(self, hold: Hold, futures: Futures) -> None:
        super().__init__(hold, futures.get, futures.clock)
        self._futures = futures

    def wait(self) -> Steps[None]:
        self._futures.waits.append([])
        self.start()
        self.collect()
        while self._hold.state is HoldState.WAITING:
            self._futures.advance(self._hold.next_time_out)
            self.collect()
        yield from ()


def _savepoint() -> Callable[[], None]:
    """Return a function that undoes the changes of this transaction from here on."""
    transaction: Any = sys.modules.get("transaction")
    if transaction is None:
        return lambda: None
    savepoint = transaction.savepoint(optimistic=True)
    return lambda: savepoint.rollback() if savepoint.valid else None
