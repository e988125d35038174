"""Notices what takes too long, and logs who it is and where it stands.

A pass that runs for long keeps its slot. A greenlet that computes, or calls C code which
waits by itself, lets no other run. A real thread looks for that, and whether a timer of
the main loop still ticks. gevent's own monitor would trace every switch, and tell its
finds to all subscribers of ``zope.event``.
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

#: How many lines of a stack are logged: the innermost calls.
DEPTH = 15


class Running:
    """A pass that is being published now."""

    def __init__(self, view: Callable[[], str], path: str, trace: str) -> None:
        self.view = view
        self.path = path
        self.trace = trace
        self.began = time.monotonic()
        self.told = False
        self._thread = threading.get_ident()
        self._greenlet = _current_greenlet()

    def stack(self) -> str:
        """Return where it stands."""
        if self._greenlet is not None:
            return _stack(self._greenlet.gr_frame)
        return _stack(sys._current_frames().get(self._thread))


class Monitor:
    """Watches the passes of one worker.

    Args:
        slow_pass: A pass that takes longer is logged, in seconds.
        blocked: A greenlet that lets no other run for longer is logged, in seconds.
    """

    def __init__(self, slow_pass: float, blocked: float) -> None:
        self._slow_pass = slow_pass
        self._blocked = blocked
        self._running: dict[int, Running] = {}
        self._blockers: set[str] = set()
        self._started = False
        self._ticked = 0.0
        self.counts: Counter[str] = Counter()  #: of "slow passes" and "blocked"

    def run(
        self,
        view: Callable[[], str],
        path: str,
        function: Callable[[], bool],
        trace: str = "",
    ) -> bool:
        """Call *function*, which publishes a pass, and watch it.

        Args:
            view: Returns the name of what is being published.
            path: Of the request, without its query string.
            function: What is called. What it returns is returned.
            trace: Of the request, told with what is logged.
        """
        key, one = threading.get_ident(), Running(view, path, trace)
        self._running[key] = one
        try:
            return function()
        finally:
            del self._running[key]

    def start(self) -> None:
        """Begin to look, once a second; where it has begun, do nothing."""
        if self._started:
            return
        self._started = True
        threading.Thread(target=self._look_for_ever, daemon=True, name="monitor").start()
        if executors.under_gevent():
            self._look_for_blockers()

    def look(self) -> None:
        """Log the passes that take too long, each of them once."""
        now = time.monotonic()
        for one in list(self._running.values()):
            if not one.told and now - one.began > self._slow_pass:
                one.told = True
                self.counts["slow passes"] += 1
                logger.warning(
                    "%s (%s) has been in its slot for %.1f s. It stands here:\n%s"
                    "A pass that waits keeps others waiting: declare what it calls as a future.",
                    _told(one.view),
                    shown(one.path),
                    now - one.began,
                    one.stack(),
                    extra={"trace_id": one.trace},
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
        """Log what keeps the main loop from ticking. Runs in a thread of the system."""
        while True:
            sleep(self._blocked / 4)
            if not self._timer.active:
                return
            late = time.monotonic() - self._ticked
            if late > self._blocked:
                with _going_on():
                    self.something_blocks(late, sys._current_frames().get(main))

    def something_blocks(self, seconds: float, frame: Any) -> None:
        """Log, once for each view or future, what has let nothing else run for *seconds*."""
        name, trace = _name(frame)
        if name in self._blockers:
            return
        self._blockers.add(name)
        self.counts["blocked"] += 1
        _warn_from_a_thread(
            "%s lets nothing else run in this worker, for %.1f s by now. It stands here:\n%s"
            "Move what it computes out of the pass, or into a process of its own.",
            name,
            seconds,
            _stack(frame),
            trace=trace,
        )


def _warn_from_a_thread(text: str, *args: object, trace: str) -> None:
    """Log, without the locks of the handlers.

    They are gevent's. A greenlet that waits for one of them while a thread of the system has
    it may wait for ever. The main loop stands still now, so nobody else is about to log.
    """
    told = (logger.name, logging.WARNING, __file__, 0, text, args, None)
    record = logger.makeRecord(*told, extra={"trace_id": trace})
    one: logging.Logger | None = logger
    while one is not None and record.levelno >= logger.getEffectiveLevel():
        for handler in one.handlers:
            if record.levelno >= handler.level and handler.filter(record):
                handler.emit(record)
        one = one.parent if one.propagate else None


@contextmanager
def _going_on() -> Iterator[None]:
    """Look again whatever goes wrong in one look: frames and requests change meanwhile."""
    try:
        yield
    except Exception:
        traceback.print_exc()  # not by the log, which may be what goes wrong


def _told(view: Callable[[], str]) -> str:
    """Return the name of a view whose request may have ended by now."""
    try:
        return str(view())
    except Exception as error:
        return f"A view that cannot be named ({type(error).__name__})"


def _name(frame: Any) -> tuple[str, str]:
    """Return the view or the future that a stack is of; of a view its trace, too."""
    while frame is not None:
        if frame.f_code is Monitor.run.__code__:
            one = frame.f_locals["one"]
            return _told(one.view), one.trace
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
        return "  (it has just ended)\n"
    return "".join(traceback.format_stack(frame)[-DEPTH:])
