"""Limits how many calls one upstream gets at once; the next ones wait in a short line.

Ours and no library's: a semaphore, of ``threading`` or gevent, and pyresilience's bulkhead on top
of one, have no limit on the line, do not say how long it is, and under gevent cannot be waited for
by greenlets and threads of the system alike.
"""

from ..kernel.runtime import current
from ..kernel.runtime import Signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """No place became free; ``waited`` for so many seconds, 0 where the line is full."""

    def __init__(self, waited: float) -> None:
        super().__init__(waited)
        self.waited = waited


class Bulkhead:
    """The places of one upstream.

    Args:
        places: How many calls are made at once.
        line: How many more may wait.
    """

    def __init__(self, places: int, line: int) -> None:
        self.taken = 0
        self._places = places
        self._length = line
        self._line: deque[Signal] = deque()
        self._lock = current().lock()

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def full(self) -> bool:
        """Tell whether there is neither a place nor room in the line."""
        return self.taken >= self._places and len(self._line) >= self._length

    @contextmanager
    def place(self, patience: float) -> Iterator[None]:
        """Have a place; wait for it for up to *patience* seconds.

        Raises:
            Full: There is none.
        """
        self._take(patience)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, patience: float) -> None:
        with self._lock:
            if self.taken < self._places:
                self.taken += 1
                return
            if self.full:
                raise Full(0.0)
            turn = current().signal()
            self._line.append(turn)
        had_it = False
        try:
            had_it = turn.wait(max(0.0, patience))
        finally:
            if not had_it:
                self._leave(turn)
        if not had_it:
            raise Full(patience)

    def _leave(self, turn: Signal) -> None:
        """Leave the line; who was given a place meanwhile gives it back."""
        with self._lock:
            if turn in self._line:
                self._line.remove(turn)
                return
        self._give_back()

    def _give_back(self) -> None:
        with self._lock:
            if not self._line:
                self.taken -= 1
                return
            turn = self._line.popleft()
        turn.set()
