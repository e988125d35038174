"""A limited number of places, and a limited line for them. Whatever comes then is refused.

It limits the threads and processes of futures and the calls of an upstream. The slots of a
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
        limit: How many places there are.
        max_waiting: How many items may wait for a place.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.taken = 0
        self._line: deque[T] = deque()
        self._lock = current().lock()

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._line)

    @property
    def is_full(self) -> bool:
        """Tell whether all places are taken, and so is the line."""
        return self.taken >= self.limit and len(self._line) >= self.max_waiting

    def enter(self, item: T) -> bool:
        """Take a place for *item*, or let it wait; tell whether it has a place.

        Raises:
            Full: All places are taken, and so is the line.
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
        """Take *item* out of the line; False if it is not there: it may have a place by now."""
        with self._lock:
            waits = item in self._line
            if waits:
                self._line.remove(item)
            return waits

    def pass_on(self) -> T | None:
        """Give a place back; return the item that gets the place, None if nothing waits."""
        with self._lock:
            if self._line:
                return self._line.popleft()
            self.taken -= 1
            return None
