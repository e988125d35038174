"""Notices what takes too long, and logs who it is and where it stands.

A pass that runs for long keeps its slot. A greenlet that computes, or calls C code which
waits by itself, lets no other run: gevent's monitor, a real thread, looks for that.
"""

from ..kernel import executors
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

    def __init__(self, view: Callable[[], str], path: str) -> None:
        self.view = view
        self.path = path
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
        self.counts: Counter[str] = Counter()  #: of "slow passes" and "blocked"

    @contextmanager
    def watch(self, view: Callable[[], str], path: str) -> Iterator[None]:
        """Watch the pass that the context is.

        Args:
            view: Returns the name of what is being published.
            path: Of the request, without its query string.
        """
        key = threading.get_ident()
        self._running[key] = Running(view, path)
        try:
            yield
        finally:
            del self._running[key]

    def start(self) -> None:
        """Begin to look, once a second."""
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
                    one.view(),
                    one.path,
                    now - one.began,
                    one.stack(),
                )

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(1.0)
            self.look()

    def _look_for_blockers(self) -> None:
        import gevent
        import gevent.events

        gevent.config.max_blocking_time = self._blocked
        gevent.config.print_blocking_reports = False
        gevent.events.subscribers.append(self._something_blocks)
        gevent.get_hub().start_periodic_monitoring_thread()

    def _something_blocks(self, event: Any) -> None:
        """Log who blocks, once. Called in the monitor's thread, with all events of gevent."""
        from gevent.events import EventLoopBlocked

        if not isinstance(event, EventLoopBlocked):
            return
        one = self._running.get(id(event.greenlet))
        name = one.view() if one else getattr(event.greenlet, "name", "something")
        if name in self._blockers:
            return
        self._blockers.add(name)
        self.counts["blocked"] += 1
        logger.warning(
            "%s lets nothing else run in this worker for more than %g s. It stands here:\n%s"
            "Move what it computes out of the pass, or into a process of its own.",
            name,
            self._blocked,
            _stack(sys._current_frames().get(event.hub.thread_ident)),
        )


def _current_greenlet() -> Any:
    if not executors.under_gevent():
        return None
    import gevent

    return gevent.getcurrent()


def _stack(frame: Any) -> str:
    if frame is None:
        return "  (it has just ended)\n"
    return "".join(traceback.format_stack(frame)[-DEPTH:])
