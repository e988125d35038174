"""So many run, so many wait in a line, and the rest is refused: places, and the gate to slots.

``Places`` limits the threads and processes of futures and the calls of an upstream. The ``Gate``
hands passes to slots: a few at a time, resumed passes first, and fair to new ones. Jobs come
after visitors, and never take all slots.

A slot is one of the few places where Zope publishes. Under gevent a slot is a greenlet that
lives as long as the worker, so Plone's caches per thread are filled once per slot and not
once per connection. On a threaded server a slot is a permission: the pass runs in the
server's own thread.
"""

from .arrivals import Arrivals
from .arrivals import Refused
from .arrivals import Ticket
from .runtime import current
from .runtime import Signal
from .runtime import Slot
from .waiting import Steps
from .waiting import Wait
from collections import deque
from collections.abc import Callable
from collections.abc import Hashable
from typing import cast
from typing import Generic
from typing import TypeVar

import math
import threading
import time

T = TypeVar("T")

#: While new requests wait, at least one pass in this many is the first one of a request.
SHARE = 3

#: While visitors and jobs wait, one pass in this many is a job's. If both kinds take as long,
#: visitors wait 5 % longer for that; of ten passes a second, jobs get one every two seconds.
JOB_SHARE = 20

#: Visitors are there until so many seconds after the last one came. A pass of a job lets nobody
#: else run under gevent while it computes, so whoever comes next would wait for it.
QUIET = 0.01


class NoAnswer(Exception):
    """No slot was free in time, or the pass did not end in time."""


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


class Gate:
    """A few slots, and three lines of passes that wait for a slot.

    The number of held responses limits the resumed passes. ``Arrivals`` limits the new ones:
    how many may wait, and for how long. Nothing limits how many passes of jobs wait.

    Visitors come first: a job's pass gets a slot when no visitor waits, and none came just now. If
    visitors always come, it gets its share, but then only one job runs at a time. Of several
    slots, jobs leave one to visitors, whether visitors wait or not.

    Args:
        slots: How many passes run at a time.
        max_waiting: How many new requests may wait for a slot.
        max_wait: How long each new request may wait, in seconds.
    """

    def __init__(
        self, slots: int, max_waiting: float = math.inf, max_wait: float = math.inf
    ) -> None:
        self.slots = slots
        self._runtime = current()
        self._max_wait = max_wait
        self._free = deque(self._runtime.slots(slots))
        self.new = Arrivals(max_waiting, max_wait)  #: first passes that wait for a slot
        self._resumed: deque[Ticket] = deque()
        self._resumed_in_a_row = 0
        self._jobs: deque[Ticket] = deque()
        self._most_jobs = max(1, slots - 1)
        self._let_pass = 0  # how many visitors went before the jobs that wait
        self._last_visitor = -math.inf  # when the last one came
        self.jobs_running = 0  #: how many passes of jobs run now
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many passes run now, those of jobs too."""
        return self.slots - len(self._free)

    @property
    def waiting(self) -> int:
        """How many passes of visitors wait for a slot, resumed ones too."""
        return len(self.new) + len(self._resumed)

    @property
    def jobs_waiting(self) -> int:
        """How many passes of jobs wait for a slot."""
        return len(self._jobs)

    def check(self, lane: Hashable = None) -> None:
        """Refuse a new request that may not wait in *lane*, before any work is done for it.

        Raises:
            Refused: ``max_waiting`` requests wait, or the new one would wait too long.
        """
        with self._lock:
            self.new.check(lane)

    def run_new(self, function: Callable[[], T], lane: Hashable = None) -> Steps[T]:
        """Call *function*, the first pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            lane: The line that the request stands in; the lines take turns.

        Raises:
            Refused: As ``check``, or no slot was free within ``max_wait``.
        """
        with self._lock:
            self.new.check(lane)
            ticket = self._enter(self.new, lane)
        try:
            slot = yield from self._wait(ticket, self.new, time.monotonic() + self._max_wait)
        except NoAnswer:
            raise Refused("max_wait") from None
        return (yield from self._run(slot, self.new, function))

    def run_resumed(self, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        """Call *function*, a later pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            until: When to give up, in seconds of ``time.monotonic``.

        Raises:
            NoAnswer: By *until* no slot was free, or the pass had not ended (if the slot is
                not its caller's thread). Such a pass goes on, and its response is closed.
        """
        return (yield from self._run_in(self._resumed, function, until))

    def run_job(self, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        """Call *function*, a first or later pass of a job, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            until: When to give up, in seconds of ``time.monotonic``.

        Raises:
            NoAnswer: As ``run_resumed``.
        """
        return (yield from self._run_in(self._jobs, function, until))

    def _run_in(self, line: "_Line", function: Callable[[], T], until: float) -> Steps[T]:
        with self._lock:
            ticket = self._enter(line)
        slot = yield from self._wait(ticket, line, until)
        return (yield from self._run(slot, line, function, until))

    def _enter(self, line: "_Line", lane: Hashable = None) -> Ticket:
        ticket = Ticket(self._runtime.signal(), lane)
        if line is not self._jobs:
            self._last_visitor = time.monotonic()
        if self._free and (line is not self._jobs or (not line and self._may_run_job())):
            self._serve(ticket, line, self._free.popleft())
        else:
            line.append(ticket)
        return ticket

    def _may_run_job(self) -> bool:
        """Tell whether a job may run: no visitor is there, or it has let enough of them pass."""
        if self.waiting or time.monotonic() < self._last_visitor + QUIET:
            return self._let_pass >= JOB_SHARE - 1 and not self.jobs_running
        return self.jobs_running < self._most_jobs

    def _serve(self, ticket: Ticket, line: "_Line", slot: Slot) -> None:
        if line is self._jobs:
            self.jobs_running += 1
            self._let_pass = 0
        elif self._jobs:
            self._let_pass += 1
        ticket.serve(slot)

    def _wait(self, ticket: Ticket, line: "_Line", until: float) -> Steps[Slot]:
        try:
            longest = QUIET if line is self._jobs else math.inf
            while not ticket.served.is_set():
                yield Wait(ticket.served, _seconds(min(until, time.monotonic() + longest)))
                if line is self._jobs:  # nobody else tells that visitors do not come any more
                    self._serve_jobs()
                if time.monotonic() >= until and not ticket.served.is_set():
                    raise NoAnswer("no slot was free in time")
            return ticket.slot
        except BaseException:  # out of time, or this request is interrupted
            self._leave(ticket, line)
            raise

    def _serve_jobs(self) -> None:
        """Give free slots to jobs, if visitors do not come any more."""
        with self._lock:
            while self._free and self._jobs and self._may_run_job():
                self._serve(self._jobs.popleft(), self._jobs, self._free.popleft())

    def _leave(self, ticket: Ticket, line: "_Line") -> None:
        with self._lock:
            if ticket in line:
                line.remove(ticket)
                return
        self._give_back(ticket.slot, line)  # the ticket got its slot at the last moment

    def _run(
        self, slot: Slot, line: "_Line", function: Callable[[], T], until: float = math.inf
    ) -> Steps[T]:
        work = _Work(function, lambda: self._give_back(slot, line), self._runtime.signal())
        slot.take(work)
        return (yield from work.result(until, raises_all=slot.is_callers))

    def _give_back(self, slot: Slot, line: "_Line") -> None:
        with self._lock:
            if line is self._jobs:
                self.jobs_running -= 1
            following = self._next_line()
            if following is None:
                self._free.append(slot)
            else:
                self._serve(following.popleft(), following, slot)

    def _next_line(self) -> "_Line | None":
        """Return the line whose turn it is, None if nobody may have the slot."""
        if self._jobs and self._may_run_job():
            return self._jobs
        if not self.waiting:
            return None
        turn_of_new = self._resumed_in_a_row >= SHARE - 1
        if self._resumed and not (self.new and turn_of_new):
            self._resumed_in_a_row += 1
            return self._resumed
        self._resumed_in_a_row = 0
        return self.new


_Line = Arrivals | deque[Ticket]


class _Work(Generic[T]):
    """One pass in a slot, for whose end a request waits."""

    def __init__(self, function: Callable[[], T], free: Callable[[], None], ended: Signal) -> None:
        self._function = function
        self._free = free
        self._ended = ended
        self._abandoned = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if self._abandoned:  # before the pass has begun
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
                # This would end the greenlet of the connection, and the client get no answer.
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
