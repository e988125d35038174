"""Hands passes to slots: a few at a time, resumed ones first, and fair to new ones.

A slot is one of the few places where Zope publishes. Under gevent it is a greenlet that
lives as long as the worker, so that what Plone caches per thread is made once per slot
and not once per connection. On a threaded server it is a permission: the pass runs in
the server's own thread.
"""

from . import runtime
from .runtime import Signal
from .runtime import Slot
from .waiting import Steps
from .waiting import Wait
from collections import deque
from collections.abc import Callable
from typing import cast
from typing import Generic
from typing import TypeVar

import math
import threading
import time

T = TypeVar("T")

#: In a lasting overload the line of new requests is so many times shorter than in a burst.
LASTING = 10

#: Of so many that were served last the pace of the line is an average.
_PACE_OF = 20

#: While new requests wait, at least one of so many passes goes to one of them.
SHARE = 4


class NoAnswer(Exception):
    """No slot was free, or the pass did not end, by the time given."""


class Refused(Exception):
    """A limit of this worker is reached; the request can be sent again later."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit  #: the setting that says how much there may be


class Gate:
    """A few slots and two lines of passes that wait for one.

    Resumed passes are limited by how many responses are held. Of new ones only so many
    may wait, and each only for so long: ``Arrivals`` refuses those that would wait longer.

    Args:
        slots: How many passes run at a time.
        max_waiting: How many new ones may wait for a slot.
        max_wait: How long each of these may wait, in seconds.
    """

    def __init__(
        self, slots: int, max_waiting: float = math.inf, max_wait: float = math.inf
    ) -> None:
        self.slots = slots
        self._runtime = runtime.current()
        self._max_wait = max_wait
        self._free = deque(self._runtime.slots(slots))
        self.new = Arrivals(max_waiting, max_wait)  #: first passes that wait for a slot
        self._resumed: deque[_Ticket] = deque()
        self._resumed_in_a_row = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many passes run now."""
        return self.slots - len(self._free)

    @property
    def waiting(self) -> int:
        """How many passes wait for a slot, resumed ones too."""
        return len(self.new) + len(self._resumed)

    def check(self) -> None:
        """Refuse, before anything is done for it, a new request that would have to wait.

        Raises:
            Refused: ``max_waiting`` wait, or it would wait for too long.
        """
        with self._lock:
            self.new.check()

    def run_new(self, function: Callable[[], T]) -> Steps[T]:
        """Call *function*, the first pass of a request, in a slot; return what it returns.

        Raises:
            Refused: As ``check``; or no slot was free within ``max_wait``.
        """
        with self._lock:
            self.new.check()
            ticket = self._enter(self.new)
        try:
            slot = yield from self._wait(ticket, self.new, time.monotonic() + self._max_wait)
        except NoAnswer:
            raise Refused("max_wait") from None
        return (yield from self._run(slot, function))

    def run_resumed(self, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        """Call *function*, a later pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            until: When to give up, in seconds of ``time.monotonic``.

        Raises:
            NoAnswer: No slot was free by *until*; or (where the slot is not its caller's thread)
                it had not ended. It goes on; what it returns is closed.
        """
        with self._lock:
            ticket = self._enter(self._resumed)
        slot = yield from self._wait(ticket, self._resumed, until)
        return (yield from self._run(slot, function, until))

    def _enter(self, line: "deque[_Ticket]") -> "_Ticket":
        ticket = _Ticket(self._runtime.signal())
        if self._free:
            ticket.serve(self._free.popleft())
        else:
            line.append(ticket)
        return ticket

    def _wait(self, ticket: "_Ticket", line: "deque[_Ticket]", until: float) -> Steps[Slot]:
        try:
            if ticket.served.is_set() or (yield Wait(ticket.served, _seconds(until))):
                return ticket.slot
            raise NoAnswer("no slot was free in time")
        except BaseException:  # out of time, or this request is interrupted
            self._leave(ticket, line)
            raise

    def _leave(self, ticket: "_Ticket", line: "deque[_Ticket]") -> None:
        with self._lock:
            if ticket in line:
                line.remove(ticket)
                return
        self._give_back(ticket.slot)  # it was served at the last moment

    def _run(self, slot: Slot, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        work = _Work(function, lambda: self._give_back(slot), self._runtime.signal())
        slot.take(work)
        return (yield from work.result(until, raises_all=slot.is_callers))

    def _give_back(self, slot: Slot) -> None:
        with self._lock:
            if self.new or self._resumed:
                self._next_line().popleft().serve(slot)
            else:
                self._free.append(slot)

    def _next_line(self) -> "deque[_Ticket]":
        turn_of_new = self._resumed_in_a_row >= SHARE - 1
        if self._resumed and not (self.new and turn_of_new):
            self._resumed_in_a_row += 1
            return self._resumed
        self._resumed_in_a_row = 0
        return self.new


class Arrivals(deque["_Ticket"]):
    """New requests that wait for a slot, in their order; refuses who would wait for too long.

    How long one more would wait is told by how fast the line has moved lately, and by how
    long it has not moved at all. (How long its first has waited would tell it too late:
    while the line gets shorter, all that are in it are old.) Half of ``max_wait`` is too
    long. Where the line has not been empty for all of ``max_wait``, this is no burst but an
    overload, and a tenth of that is: to wait longer serves nobody better then, and when it
    is over, the worker is soon back to normal.

    Args:
        most: How many may wait.
        max_wait: How long each of them may wait, in seconds.
    """

    def __init__(self, most: float, max_wait: float) -> None:
        super().__init__()
        self._most = most
        self._max_wait = max_wait
        self._since = 0.0  # when the first one came, after the line was empty
        self._moved_at: float | None = None
        self._pace = 0.0  # seconds from one that is served to the next, lately

    def check(self) -> None:
        """Raise ``Refused`` where one more may not wait."""
        if len(self) >= self._most:
            raise Refused("max_waiting")
        if not self:
            return
        now, half = time.monotonic(), self._max_wait / 2
        still = now - (self._since if self._moved_at is None else self._moved_at)
        lasting = now - self._since > self._max_wait
        if still > half or len(self) * self._pace > (half / LASTING if lasting else half):
            raise Refused("max_wait")

    def append(self, ticket: "_Ticket") -> None:
        """Let *ticket* be the last."""
        if not self:
            self._since = time.monotonic()
            self._moved_at = None
        super().append(ticket)

    def popleft(self) -> "_Ticket":
        """Take the first, which is served."""
        now = time.monotonic()
        if self._moved_at is not None:
            self._pace += (now - self._moved_at - self._pace) / _PACE_OF
        self._moved_at = now
        return super().popleft()


class _Ticket:
    """A place in a line."""

    slot: Slot

    def __init__(self, served: Signal) -> None:
        self.served = served

    def serve(self, slot: Slot) -> None:
        self.slot = slot
        self.served.set()


class _Work(Generic[T]):
    """One pass in a slot, and whoever waits for it."""

    def __init__(self, function: Callable[[], T], free: Callable[[], None], ended: Signal) -> None:
        self._function = function
        self._free = free
        self._ended = ended
        self._abandoned = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if self._abandoned:  # before it has begun
            self._free()
            return
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        finally:
            self._free()
            self._ended.set()
        if self._abandoned:
            self._drop()

    def result(self, until: float, *, raises_all: bool) -> Steps[T]:
        try:
            if not self._ended.is_set() and not (yield Wait(self._ended, _seconds(until))):
                raise NoAnswer("the pass did not end in time")
        except BaseException:  # out of time, or this request is interrupted
            self._abandoned = True
            if self._ended.is_set():
                self._drop()
            raise
        error, self._error = self._error, None
        try:
            if isinstance(error, Exception) or (raises_all and error is not None):
                raise error
            if error is not None:
                # It would end the greenlet of the connection, and the client have no answer.
                raise RuntimeError(f"The view raised {type(error).__name__}.") from error
        finally:
            del error  # its traceback keeps this frame
        return cast(T, self._result)

    def _drop(self) -> None:
        close = getattr(self._result, "close", None)
        if close is not None:
            close()
        self._result = self._error = None  # its traceback keeps this object, and the pass


def _seconds(until: float) -> float | None:
    return None if until == math.inf else max(0.0, until - time.monotonic())
