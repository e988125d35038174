"""What arrives for a request that waits.

Under gevent the queues of the standard library are gevent's, made for many greenlets on
either side, at 2 KB each. A held request needs a list and one who waits.
"""

from .executors import under_gevent
from typing import Any
from typing import Protocol

import queue


class Inbox(Protocol):
    """What ``queue.SimpleQueue`` does, as far as it is needed."""

    def put(self, item: Any) -> None:
        """Add *item*, from wherever."""

    def get(self, *, timeout: float) -> Any:
        """Return the first item; wait for it, or raise ``queue.Empty`` after *timeout*."""

    def empty(self) -> bool:
        """Tell whether there is none."""


class GreenletInbox:
    """For one greenlet that takes; greenlets, and threads, put."""

    __slots__ = ("_items", "_waiter")

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._waiter: Any = None

    def put(self, item: Any) -> None:
        """Add *item*, and wake whoever waits."""
        self._items.append(item)
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.hub.loop.run_callback_threadsafe(waiter.switch, None)

    def get(self, *, timeout: float) -> Any:
        """Return the first item; wait for it, or raise ``queue.Empty`` after *timeout*."""
        if not self._items:
            self._wait(timeout)
        if not self._items:
            raise queue.Empty
        return self._items.pop(0)

    def empty(self) -> bool:
        """Tell whether there is none."""
        return not self._items

    def _wait(self, timeout: float) -> None:
        from gevent.hub import Waiter  # never at the top: gunicorn's arbiter reads this

        self._waiter = waiter = Waiter()
        timer = waiter.hub.loop.timer(timeout)
        timer.start(waiter.switch, None)
        try:
            if not self._items:  # a thread may have put one meanwhile
                waiter.get()
        finally:
            timer.close()
            self._waiter = None


def inbox() -> Inbox:
    """Return a new one of the kind that suits this process."""
    return GreenletInbox() if under_gevent() else queue.SimpleQueue[Any]()
