"""So many run, so many wait in a line, and the rest is refused.

Threads and processes of futures and the calls of an upstream are limited by it. The slots of a
worker have a gate of their own: two lines, one of which is limited by time.
"""

from .runtime import current
from collections import deque
from typing import Generic
from typing import TypeVar

T = TypeVar("T")


class Full(Exception):
    """All places are taken, and so is the line."""


class Places(Generic[T]):
    """The places of one kind, and the line for them.

    Args:
        limit: How many are taken at a time.
        max_waiting: How many may wait for one.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.taken = 0
        self._line: deque[T] = deque()
        self._lock = current().lock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    @property
    def is_full(self) -> bool:
        """Tell whether there is neither a place nor room in the line."""
        return self.taken >= self.limit and len(self._line) >= self.max_waiting

    def enter(self, item: T) -> bool:
        """Take a place for *item*, or let it wait; tell whether it has a place.

        Raises:
            Full: Too many wait already.
        """
        with self._lock:
            if self.taken < self.limit:
                self.taken += 1
                return True
            if self.is_full:
                raise Full
            self._line.append(item)
            return False

    def leave(self, item: T) -> bool:
        """Take *item* out of the line; False if it does not wait: it may have a place by now."""
        with self._lock:
            waits = item in self._line
            if waits:
                self._line.remove(item)
            return waits

    def pass_on(self) -> T | None:
        """Give a place back; return the item that has it now, None if it is free."""
        with self._lock:
            if self._line:
                return self._line.popleft()
            self.taken -= 1
            return None
