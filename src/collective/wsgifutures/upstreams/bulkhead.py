"""Limits how many calls one upstream gets at once; the next calls wait in a short line.

The bulkhead is ours and no library's. A semaphore, of ``threading`` or gevent, and pyresilience's
bulkhead on top of one, have no limit on the line, do not say how long it is, and under gevent
cannot be waited for by greenlets and threads of the system alike.
"""

from ..kernel.gate import Full
from ..kernel.gate import Places
from ..kernel.runtime import current
from ..kernel.runtime import Signal
from collections.abc import Iterator
from contextlib import contextmanager


class NoPlace(Full):
    """No place became free; ``waited`` for so many seconds, 0 if the line is full."""

    def __init__(self, waited: float) -> None:
        super().__init__(waited)
        self.waited = waited


class Bulkhead(Places[Signal]):
    """The places of one upstream."""

    @contextmanager
    def place(self, patience: float) -> Iterator[None]:
        """Have a place; wait for it for up to *patience* seconds.

        Raises:
            NoPlace: There is none.
        """
        self._take(patience)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, patience: float) -> None:
        turn = current().signal()
        try:
            has_place = self.enter(turn)
        except Full:
            raise NoPlace(0.0) from None
        if not has_place:
            self._wait(turn, patience)

    def _wait(self, turn: Signal, patience: float) -> None:
        in_time = False
        try:
            in_time = turn.wait(max(0.0, patience))
        finally:
            # A call that was given a place at the last moment gives it back.
            if not in_time and not self.leave(turn):
                self._give_back()
        if not in_time:
            raise NoPlace(patience)

    def _give_back(self) -> None:
        turn = self.pass_on()
        if turn is not None:
            turn.set()
