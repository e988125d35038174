"""Notices code that takes too long, and logs its name and its stack.

A pass that runs for long keeps its slot. A greenlet that computes, or that calls C code which
waits by itself, lets no other greenlet run. C code that keeps Python's lock lets no thread run.
The runtime notices what lets nothing else run: see its ``watch``. gevent's own monitor would trace
every switch of greenlets, and notify all subscribers of ``zope.event``.
"""

from ..kernel.calls import run_to_end
from ..kernel.runtime import current
from ..traces.paths import render_path
from .waits import Waits
from .watched import DEPTH
from .watched import survive_errors
from .watched import view_name
from .watched import Watched
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import logging
import threading
import time
import traceback

logger = logging.getLogger(__name__)

#: How many times as long the first answer of a worker may block it. It compiles templates.
FIRST = 5


class Monitor:
    """Watches the passes of one worker.

    Args:
        slow_pass: Seconds until a pass that still runs is logged.
        blocked: Seconds until code that lets nothing else run is logged.
        is_new: Tells whether the worker has answered nothing yet. Its first page compiles
            templates and theme, and may take ``FIRST`` times as long.
        debug: Log each pass that waits for the outside world, too.
    """

    def __init__(
        self,
        slow_pass: float,
        blocked: float,
        *,
        is_new: Callable[[], bool] = lambda: False,
        debug: bool = False,
    ) -> None:
        self._slow_pass = slow_pass
        self._blocked = blocked
        self._is_new = is_new
        self._debug = debug
        #: The passes that are being published, by their ``id``. Each adds and removes itself.
        self.running: dict[int, Watched] = {}
        self._runtime = current()
        self._blockers: set[str] = set()
        self._started = False
        self.counts: Counter[str] = Counter()  #: of "slow passes" and "blocked"

    def start(self) -> None:
        """Start to look once a second, unless the monitor has started already."""
        if self._started:
            return
        self._started = True
        threading.Thread(target=self._look_for_ever, daemon=True, name="monitor").start()
        self._end_watch = self._runtime.watch(self._blocked, self._report_blocker)
        if self._debug:
            Waits(self.running, self._runtime).start()

    def look(self) -> None:
        """Log each pass that takes too long, once."""
        now = time.monotonic()
        for attempt in list(self.running.values()):  # in one step: others come and go
            if not attempt.is_logged and now - attempt.began > self._slow_pass:
                attempt.is_logged = True
                self.counts["slow passes"] += 1
                logger.warning(
                    "%s (%s) has been in its slot for %.1f s. Its stack is:\n%s"
                    "A slow pass keeps others waiting: declare the slow call as a future.",
                    view_name(attempt),
                    render_path(attempt.path),
                    now - attempt.began,
                    _stack(self._runtime.frame_of(attempt.where)),
                    extra={"trace_id": attempt.trace},
                )

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(1.0)
            with survive_errors():
                self.look()

    def _report_blocker(self, seconds: float, frame: FrameType | None) -> None:
        with survive_errors():
            self.something_blocks(seconds, frame)

    def something_blocks(self, seconds: float, frame: Any) -> None:
        """Log that a view or future let nothing else run for *seconds*, once for each."""
        name, trace = self._name(frame)
        if name in self._blockers or (self._is_new() and seconds < FIRST * self._blocked):
            return
        self._blockers.add(name)
        self.counts["blocked"] += 1
        warn = _warn if self._runtime.threads_may_log else _warn_from_a_thread
        warn(
            "%s has let nothing else run in this worker for %.1f s. Its stack is:\n%s"
            "Move the computation out of the pass, or into a process of its own.",
            name,
            seconds,
            _stack(frame),
            trace=trace,
        )

    def _name(self, frame: FrameType | None) -> tuple[str, str]:
        """Return the view or future whose stack *frame* ends, and the trace of a view."""
        while frame is not None:
            if frame.f_code is run_to_end.__code__:
                return str(frame.f_locals["name"]), ""
            attempt = self.running.get(id(frame.f_locals.get("self")))
            if attempt is not None:
                return view_name(attempt), attempt.trace
            frame = frame.f_back
        return "Something that is neither a view nor a future", ""


def _warn(text: str, *args: object, trace: str) -> None:
    logger.warning(text, *args, extra={"trace_id": trace})


def _warn_from_a_thread(text: str, *args: object, trace: str) -> None:
    """Log without the locks of the handlers.

    The locks are gevent's. If a thread of the system has a lock, a greenlet that waits for the
    lock may wait for ever. The main loop stands still now, so no greenlet logs at the same time.
    """
    parts = (logger.name, logging.WARNING, __file__, 0, text, args, None)
    record = logger.makeRecord(*parts, extra={"trace_id": trace})
    current: logging.Logger | None = logger
    while current is not None and record.levelno >= logger.getEffectiveLevel():
        for handler in current.handlers:
            if record.levelno >= handler.level and handler.filter(record):
                handler.emit(record)
        current = current.parent if current.propagate else None


def _stack(frame: Any) -> str:
    if frame is None:
        return "  (the code has just ended)\n"
    return "".join(traceback.format_stack(frame)[-DEPTH:])
