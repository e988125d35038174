"""Hands passes to slots: a few at a time, resumed ones first, and fair to new ones.

A slot is one of the few places where Zope publishes. Under gevent it is a greenlet that
lives as long as the worker, so that what Plone caches per thread is made once per slot
and not once per connection. On a threaded server it is a permission: the pass runs in
the server's own thread.
"""

from . import executors
from collections import deque
from collections.abc import Callable
from typing import Any
from typing import Protocol

import math
import queue
import threading
import time

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


class Slot(Protocol):
    """One place to publish."""

    def run(self, function: Callable[[], Any], until: float, free: Callable[[], None]) -> Any:
        """Call *function* and return what it returns; call *free* when it has ended.

        Raises:
            NoAnswer: It has not ended by *until*. It goes on; what it returns is closed.
        """


class Gate:
    """A few slots and two lines of passes that wait for one.

    Resumed passes are limited by how many responses are held. Of new ones only so many
    may wait, and each only for so long: ``NewLine`` refuses those that would wait longer.

    Args:
        slots: How many passes run at a time.
        max_waiting: How many new ones may wait for a slot.
        max_wait: How long each of these may wait, in seconds.
    """

    def __init__(
        self, slots: int, max_waiting: float = math.inf, max_wait: float = math.inf
    ) -> None:
        make = _greenlet_slots() if executors.under_gevent() else ThreadSlot
        self.slots = slots
        self._max_wait = max_wait
        self._free: deque[Slot] = deque(make() for _ in range(slots))
        self._new = NewLine(max_waiting, max_wait)
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
        return len(self._new) + len(self._resumed)

    def check(self) -> None:
        """Refuse, before anything is done for it, a new request that would have to wait.

        Raises:
            Refused: ``max_waiting`` wait, or it would wait for too long.
        """
        with self._lock:
            self._new.check()

    def run_new(self, function: Callable[[], Any]) -> Any:
        """Call *function*, the first pass of a request, in a slot; return what it returns.

        Raises:
            Refused: As ``check``; or no slot was free within ``max_wait``.
        """
        with self._lock:
            self._new.check()
            ticket = self._enter(self._new)
        try:
            slot = self._wait(ticket, self._new, time.monotonic() + self._max_wait)
        except NoAnswer:
            raise Refused("max_wait") from None
        return slot.run(function, math.inf, lambda: self._give_back(slot))

    def run_resumed(self, function: Callable[[], Any], until: float = math.inf) -> Any:
        """Call *function*, a later pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            until: When to give up, in seconds of ``time.monotonic``.

        Raises:
            NoAnswer: No slot was free by *until*, or (in a greenlet) it had not ended.
        """
        with self._lock:
            ticket = self._enter(self._resumed)
        slot = self._wait(ticket, self._resumed, until)
        return slot.run(function, until, lambda: self._give_back(slot))

    def _enter(self, line: "deque[_Ticket]") -> "_Ticket":
        ticket = _Ticket()
        if self._free:
            ticket.serve(self._free.popleft())
        else:
            line.append(ticket)
        return ticket

    def _wait(self, ticket: "_Ticket", line: "deque[_Ticket]", until: float) -> Slot:
        try:
            if ticket.wait(until):
                return ticket.slot
            raise NoAnswer("no slot was free in time")
        except BaseException:  # out of time, or this greenlet is killed
            self._leave(ticket, line)
            raise

    def _leave(self, ticket: "_Ticket", line: "deque[_Ticket]") -> None:
        with self._lock:
            if ticket in line:
                line.remove(ticket)
                return
        self._give_back(ticket.slot)  # it was served at the last moment

    def _give_back(self, slot: Slot) -> None:
        with self._lock:
            if self._new or self._resumed:
                self._next_line().popleft().serve(slot)
            else:
                self._free.append(slot)

    def _next_line(self) -> "deque[_Ticket]":
        turn_of_new = self._resumed_in_a_row >= SHARE - 1
        if self._resumed and not (self._new and turn_of_new):
            self._resumed_in_a_row += 1
            return self._resumed
        self._resumed_in_a_row = 0
        return self._new


class NewLine(deque["_Ticket"]):
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

    def __init__(self) -> None:
        self._served = threading.Event()

    def wait(self, until: float) -> bool:
        return self._served.wait(_seconds(until))

    def serve(self, slot: Slot) -> None:
        self.slot = slot
        self._served.set()


class ThreadSlot:
    """Runs a pass in its caller's thread, and so to its end."""

    def run(self, function: Callable[[], Any], until: float, free: Callable[[], None]) -> Any:
        """Call *function* here."""
        try:
            return function()
        finally:
            free()


def _greenlet_slots() -> Callable[[], Slot]:
    """Return what makes the slots of one gate."""
    turns = Turns()
    return lambda: GreenletSlot(turns)


class Turns:
    """Lets the slots begin one after the other, each in a turn of the loop of its own.

    A pass that never waits, on a FileStorage say, would else be followed at once by those
    of the other slots, and nobody new be heard before all of them have ended.
    """

    def __init__(self) -> None:
        import gevent

        self._line: deque[Any] = deque()
        # Of all that is due in a turn of the loop it comes last.
        self._timer = gevent.get_hub().loop.timer(0.0, priority=-2)

    def wait(self) -> None:
        """Return when it is this greenlet's turn."""
        from gevent.hub import Waiter

        waiter = Waiter()
        self._line.append(waiter)
        if len(self._line) == 1:
            self._timer.start(self._next)
        waiter.get()

    def _next(self) -> None:
        waiter = self._line.popleft()
        if self._line:
            self._timer.start(self._next)
        waiter.switch(None)


class GreenletSlot:
    """Runs passes, one after the other, in one greenlet.

    Args:
        turns: Of the slots of its gate.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._spawn()

    def run(self, function: Callable[[], Any], until: float, free: Callable[[], None]) -> Any:
        """Let the greenlet call *function*, and wait for it."""
        work = _Work(function, free)
        self._work.put(work)
        return work.result(until)

    def _spawn(self) -> None:
        import gevent  # never at the top: gunicorn's arbiter reads this before it patches

        # A slot never ends. Should something kill its greenlet, another takes over.
        gevent.spawn(self._publish).link(lambda ended: self._spawn())

    def _publish(self) -> None:
        while True:
            self._publish_next(self._work.get())

    def _publish_next(self, work: "_Work") -> None:
        try:
            self._turns.wait()
        finally:  # also where something kills this greenlet: the pass is waited for
            work()


class _Work:
    """One pass in a slot, and whoever waits for it."""

    def __init__(self, function: Callable[[], Any], free: Callable[[], None]) -> None:
        self._function = function
        self._free = free
        self._ended = threading.Event()
        self._abandoned = False
        self._result: Any = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if self._abandoned:  # before it has begun
            self._free()
            return
        try:
            self._result = self._function()
        except Exception as error:
            self._error = error
        except BaseException as error:
            # It would end the greenlet of the connection, and the client have no answer.
            self._error = RuntimeError(f"The view raised {type(error).__name__}.")
            self._error.__cause__ = error
        finally:
            self._free()
            self._ended.set()
        if self._abandoned:
            self._drop()

    def result(self, until: float) -> Any:
        try:
            if not self._ended.wait(_seconds(until)):
                raise NoAnswer("the pass did not end in time")
        except BaseException:  # out of time, or this greenlet is killed
            self._abandoned = True
            if self._ended.is_set():
                self._drop()
            raise
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback keeps this frame
        return self._result

    def _drop(self) -> None:
        _close(self._result)
        self._result = self._error = None  # its traceback keeps this object, and the pass


def _seconds(until: float) -> float | None:
    return None if until == math.inf else max(0.0, until - time.monotonic())


def _close(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()
