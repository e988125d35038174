"""Futures as greenlets: the default where gevent has patched."""

from ..calls import Call
from ..calls import Raised
from .base import Job
from collections.abc import Callable
from typing import Any

import contextvars
import gevent


class Greenlets:
    """A greenlet for each call. A cancelled one is killed, its sockets are closed."""

    name = "greenlets"

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Spawn a greenlet for *call*."""
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
    """Name the remedy if *error* comes of several greenlets in one thread."""
    if isinstance(error, RuntimeError) and "running event loop" in str(error):
        error.add_note(
            "All futures on greenlets share one thread, which runs one loop of asyncio at a time. "
            "Declare this future as async def, or with executor='threads'."
        )


class _GreenletJob:
    __slots__ = ("_greenlet",)

    def __init__(self, greenlet: Any) -> None:
        self._greenlet = greenlet

    def cancel(self) -> None:
        self._greenlet.kill(block=False)
