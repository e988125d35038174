"""Notices code that takes too long, and logs its name and its stack.

A pass that runs for long keeps its slot. A greenlet that computes, or calls C code which
waits by itself, lets no other greenlet run. A real thread looks for both: the second shows in
a timer of the main loop, which no longer ticks. gevent's own monitor would trace every switch,
and notify all subscribers of ``zope.event``.
"""

from ..kernel import executors
from ..kernel.outcomes import run_to_end
from ..traces.paths import shown
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import logging
import sys
import threading
import time
import traceback

logger = logging.getLogger(__name__)

#: How many calls of a stack are logged, the innermost ones.
DEPTH = 15


class Running:
    """A pass that is being published now."""

    def __init__(self, view: Callable[[], str], path: str, trace: str) -> None:
        self.view = view
        self.path = path
        self.trace = trace
        self.began = time.monotonic()
        self.logged = False
        self._thread = threading.get_ident()
        self._greenlet = _current_greenlet()

    def stack(self) -> str:
        """Return the stack of the pass, for the log."""
        if self._greenlet is not None:
            return _stack(self._greenlet.gr_frame)
        return _stack(sys._current_frames().get(self._thread))


class Monitor:
    """Watches the passes of one worker.

    Args:
        slow_pass: Seconds until a pass that still runs is logged.
        blocked: Seconds until a greenlet that lets no other run is logged.
    """

    def __init__(self, slow_pass: float, blocked: float) -> None:
        self._slow_pass = slow_pass
        self._blocked = blocked
        self._running: dict[int, Running] = {}
        self._blockers: set[str] = set()
        self._started = False
        self._ticked = 0.0
        self.counts: Counter[str] = Counter()  #: how many "slow passes", how many "blocked"

    def run(
        self,
        view: Callable[[], str],
        path: str,
        function: Callable[[], bool],
        trace: str = "",
    ) -> bool:
        """Call *function*, which publishes a pass, and watch it.

        Args:
            view: Returns the name of the published view.
            path: The request's path, without its query string.
            function: Publishes the pass. Its result is returned.
            trace: The request's trace id, for the log.
        """
        key, running = threading.get_ident(), Running(view, path, trace)
        self._running[key] = running
        try:
            return function()
        finally:
            del self._running[key]

    def start(self) -> None:
        """Begin to look once a second, unless that has begun already."""
        if self._started:
            return
        self._started = True
        threading.Thread(target=self._look_for_ever, daemon=True, name="monitor").start()
        if executors.under_gevent():
            self._look_for_blockers()

    def look(self) -> None:
        """Log each pass that takes too long, once."""
        now = time.monotonic()
        for running in list(self._running.values()):
            if not running.logged and now - running.began > self._slow_pass:
                running.logged = True
                self.counts["slow passes"] += 1
                logger.warning(
                    "%s (%s) has been in its slot for %.1f s. Its stack is:\n%s"
                    "A slow pass keeps others waiting: declare the slow call as a future.",
                    _view_name(running.view),
                    shown(running.path),
                    now - running.began,
                    running.stack(),
                    extra={"trace_id": running.trace},
                )

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(1.0)
            with _going_on():
                self.look()

    def _look_for_blockers(self) -> None:
        from gevent.monkey import get_original

        import gevent

        self._tick()
        self._timer = gevent.get_hub().loop.timer(self._blocked / 4, self._blocked / 4, ref=False)
        self._timer.start(self._tick, update=True)
        main = get_original("threading", "get_ident")()
        sleep = get_original("time", "sleep")
        get_original("_thread", "start_new_thread")(self._watch_ticks, (main, sleep))

    def _tick(self) -> None:
        self._ticked = time.monotonic()

    def _watch_ticks(self, main: int, sleep: Callable[[float], None]) -> None:
        """Log code that keeps the main loop from ticking. Runs in a thread of the system."""
        while True:
            sleep(self._blocked / 4)
            if not self._timer.active:
                return
            late = time.monotonic() - self._ticked
            if late > self._blocked:
                with _going_on():
                    self.something_blocks(late, sys._current_frames().get(main))

    def something_blocks(self, seconds: float, frame: Any) -> None:
        """Log, once for each view or future, that it blocks the main loop for *seconds*."""
        name, trace = _name(frame)
        if name in self._blockers:
            return
        self._blockers.add(name)
        self.counts["blocked"] += 1
        _warn_from_a_thread(
            "%s has let nothing else run in this worker for %.1f s. Its stack is:\n%s"
            "Move the computation out of the pass, or into a process of its own.",
            name,
            seconds,
            _stack(frame),
            trace=trace,
        )


def _warn_from_a_thread(text: str, *args: object, trace: str) -> None:
    """Log, without the locks of the handlers.

    The locks are gevent's. A greenlet that waits for a lock while a thread of the system has
    it may wait for ever. The main loop stands still now, so nobody else is about to log.
    """
    parts = (logger.name, logging.WARNING, __file__, 0, text, args, None)
    record = logger.makeRecord(*parts, extra={"trace_id": trace})
    current: logging.Logger | None = logger
    while current is not None and record.levelno >= logger.getEffectiveLevel():
        for handler in current.handlers:
            if record.levelno >= handler.level and handler.filter(record):
                handler.emit(record)
        current = current.parent if current.propagate else None


@contextmanager
def _going_on() -> Iterator[None]:
    """Survive errors, so that the thread looks again: frames change while it looks."""
    try:
        yield
    except Exception:
        traceback.print_exc()  # not to the log, which may have failed


def _view_name(view: Callable[[], str]) -> str:
    """Return the name of a view whose request may have ended by now."""
    try:
        return str(view())
    except Exception as error:
        return f"A view that cannot be named ({type(error).__name__})"


def _name(frame: Any) -> tuple[str, str]:
    """Return the view or future whose stack *frame* ends, and the trace of a view."""
    while frame is not None:
        if frame.f_code is Monitor.run.__code__:
            running = frame.f_locals["running"]
            return _view_name(running.view), running.trace
        if frame.f_code is run_to_end.__code__:
            return str(frame.f_locals["name"]), ""
        frame = frame.f_back
    return "Something that is neither a view nor a future", ""


def _current_greenlet() -> Any:
    if not executors.under_gevent():
        return None
    import gevent

    return gevent.getcurrent()


def _stack(frame: Any) -> str:
    if frame is None:
        return "  (the code has just ended)\n"
    return "".join(traceback.format_stack(frame)[-DEPTH:])
