"""Futures as greenlets: the default where gevent has patched."""

from ..outcomes import Raised
from .base import Job
from .base import Work
from collections.abc import Callable
from typing import Any

import contextvars


class Greenlets:
    """A greenlet for each call. A cancelled one is killed, its sockets are closed."""

    name = "greenlets"

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Spawn a greenlet for *call*."""
        import gevent  # never at the top: gunicorn's arbiter reads this before it patches

        greenlet = gevent.Greenlet(_run, call.work, done)
        greenlet.gr_context = contextvars.copy_context()
        greenlet.start()
        return _GreenletJob(greenlet)

    def close(self) -> None:
        """They end with their requests."""


def _run(function: Callable[[], Any], done: Callable[[Any], None]) -> None:
    # From here down to the call Python calls Python, with nothing like functools.partial or
    # context.run between: each takes half a kilobyte of C stack, which a greenlet that waits
    # keeps.
    outcome = function()
    if isinstance(outcome, Raised):
        _explain(outcome.original)
    done(outcome)


def _explain(error: Exception) -> None:
    """Name the remedy, where what was raised comes of several greenlets in one thread."""
    if isinstance(error, RuntimeError) and "running event loop" in str(error):
        error.add_note(
            "All futures on greenlets share one thread, which runs one loop of asyncio at a time. "
            "Declare this one as async def, or with executor='threads'."
        )


class _GreenletJob:
    __slots__ = ("_greenlet",)

    def __init__(self, greenlet: Any) -> None:
        self._greenlet = greenlet

    def cancel(self) -> None:
        self._greenlet.kill(block=False)
