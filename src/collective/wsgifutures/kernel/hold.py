"""All that one held request keeps, and how it moves from state to state.

This module decides, and only decides: no input or output, no clock of its own,
nothing of Zope, WSGI or gevent. So every move can be tested with plain values::

    READY --begin--> PUBLISHING --close--> DONE
      ^                  |
      |                 wait_for, publish_again
      |                  v
      +--settle------ WAITING
      +--time_out----
      +--expire------           (then one last pass, which cannot wait)
      +--cancel------           (the same, by an operator)

    PUBLISHING --wait_inside--> WAITING --settle, time_out, expire--> READY --go_on--> PUBLISHING

The last line is a pass that has done what cannot be undone, and waits without an end.

A hold belongs to the one thread of its request. While that thread publishes, no call
settles: outcomes that arrive then are put aside, so nothing changes within a pass.
"""

from .calls import Call
from .calls import CallState
from .calls import NOTHING
from .calls import Outcome
from .calls import Raised
from .checks import Watch
from .checks import what_differs
from .errors import FutureTimeout
from .errors import HoldCancelled
from .errors import HoldExpired
from .errors import TooManyPasses
from .sites import SiteSettings
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from enum import Enum

import functools
import uuid

#: How many of the last passes TooManyPasses searches for new futures.
_RECENT_PASSES = 3


class HoldState(Enum):
    """The state of a held request."""

    READY = "ready to be published"
    PUBLISHING = "being published"
    WAITING = "waiting for its futures"
    DONE = "answered"


class Hold:
    """All that one client's request keeps while its response is held.

    Args:
        now: When the request arrived, in seconds.
        deadline: How long its response may be held, in seconds.
        max_passes: How often the request may be published.
        debug: Look for carelessness too, for developers.
        trace: The request's ID in logs and traces; empty if it has none.
    """

    def __init__(
        self,
        now: float,
        *,
        deadline: float = 55.0,
        max_passes: int = 25,
        debug: bool = False,
        trace: str = "",
    ) -> None:
        self.state = HoldState.READY
        self.passes = 0
        self.conflicts = 0  #: how many passes ended by ``Pass.conflict``
        self.expired = False  #: its last pass has begun, or begins next
        self.late = False  #: its last pass began before all of its calls had settled
        self.kept = False  #: its pass has done what cannot be undone, and is its last one
        self.cancelled = False  #: by an operator
        self.deadline = deadline
        self.trace = trace
        #: Looks at the calls that the passes ask for, in debug mode.
        self.watch = Watch(trace) if debug else None
        #: Whose request it is, if the publisher knows: ``("user", path of the user folder, id)``
        #: or ``("address", address)``.
        self.client: Hashable = None
        self.is_for_work = False  #: a program waits for work: it takes as long as it takes
        self.ends_at = now + deadline
        self.max_passes = max_passes
        self.out_of_passes = False  #: it may not be published again; conflicts do not count
        #: The settings of its site, once they were read.
        self.site: SiteSettings | None = None
        self.waited = 0.0  #: how long it waited between its passes, in seconds
        #: The functions of the calls that ran, each with how long the call took, in seconds.
        self.times: list[tuple[str, float]] = []
        #: The functions of the calls that took longer than their timeouts.
        self.timed_out: tuple[str, ...] = ()
        #: Whether the client may see ``waited`` and ``times``. Decided anew in each pass.
        self.tells_times = False
        self.calls: dict[Hashable, Call] = {}
        self._awaited: tuple[Call, ...] = ()
        self._again_at: float | None = None
        self._waits_since: float | None = None
        self._arrived: list[tuple[Call, Outcome]] = []
        self.to_start: list[Call] = []
        self.to_stop: list[Call] = []
        self.follow_ups: list[Callable[[], None]] = []  #: to call when a pass has ended

    @functools.cached_property
    def key(self) -> str:
        """A random name of this request, the same in all of its passes."""
        return uuid.uuid4().hex

    # Moves of the request's thread

    def begin(self, now: float) -> None:
        """Begin a pass; past the deadline it is the last pass.

        Raises:
            RuntimeError: The hold is not READY.
        """
        self._leave(HoldState.READY)
        self.expired = self.late = self.expired or now >= self.ends_at
        self.kept = False
        self.tells_times = False
        self._end_wait(now)
        self.passes += 1
        self._count_passes()

    def _end_wait(self, now: float) -> None:
        if self._waits_since is not None:
            self.waited += now - self._waits_since
            self._waits_since = None
        self.state = HoldState.PUBLISHING

    def wait_for(self, calls: tuple[Call, ...], now: float) -> None:
        """End the pass by waiting: WAITING, or READY at once if all *calls* have settled.

        Args:
            calls: The calls that have to settle before the request is published again.
            now: The time, in seconds, from which the timeouts of starting futures count.

        Raises:
            TooManyPasses: The request may not be published again. The hold is DONE.
        """
        self._leave(HoldState.PUBLISHING)
        if self.out_of_passes:
            error = self.too_many_passes()
            self.close()
            raise error
        self._wait_for(calls, now)

    def _wait_for(self, calls: tuple[Call, ...], now: float) -> None:
        if now < self.ends_at:
            self._start_registered(now)
        self._awaited = calls
        self._begin_to_wait(now)

    def wait_inside(self, call: Call, now: float) -> None:
        """Wait for *call* although the pass goes on: WAITING, until ``go_on``."""
        self._leave(HoldState.PUBLISHING)
        self._wait_for((call,), now)

    def go_on(self, now: float) -> None:
        """Go on with the pass after ``wait_inside``. A request that was given up stays DONE."""
        if self.state is not HoldState.DONE:
            self._leave(HoldState.READY)
            self.late = self.expired
            self._end_wait(now)

    def publish_again(self, now: float, again_in: float, forgotten: Iterable[Call] = ()) -> None:
        """End the pass by a conflict: undo its calls, and wait only for the time.

        Args:
            now: The time, in seconds.
            again_in: Seconds until the request is published again.
            forgotten: The calls that the pass had dropped, in that order.
        """
        self._leave(HoldState.PUBLISHING)
        for call in reversed(tuple(forgotten)):
            self.calls[call.identity] = call
        for call in [c for c in self.calls.values() if c.first_pass == self.passes]:
            del self.calls[call.identity]
        self.conflicts += 1
        self._again_at = now + again_in
        self._begin_to_wait(now)

    def _leave(self, state: HoldState) -> None:
        if self.state is not state:
            raise RuntimeError(f"the hold is {self.state.value}, not {state.value}")

    def _begin_to_wait(self, now: float) -> None:
        self.state = HoldState.WAITING
        self._waits_since = now
        arrived, self._arrived = self._arrived, []
        for call, outcome in arrived:
            self.settle(call, outcome)
        self._resume_when_settled()

    def close(self) -> None:
        """Drop everything, and have running calls stopped. May be called in any state.

        A pass that is still being published suspends where it asks for a result: nobody
        waits for its response.
        """
        self.state = HoldState.DONE
        self.expired = True
        self.to_start.clear()
        self.stop(list(self.calls.values()))
        self.calls.clear()
        self._arrived.clear()
        self._awaited = ()

    def take_starts(self) -> list[Call]:
        """Return the calls to start now; each call is returned once."""
        starts, self.to_start = self.to_start, []
        return starts

    def take_stops(self) -> list[Call]:
        """Return the calls to stop now; each call is returned once."""
        stops, self.to_stop = self.to_stop, []
        return stops

    def take_follow_ups(self) -> list[Callable[[], None]]:
        """Return the functions to call now; each function is returned once."""
        found, self.follow_ups = self.follow_ups, []
        return found

    # Moves from outside

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Give *call* its outcome. Ignored if the call has an outcome, or is dropped."""
        if self.state is HoldState.PUBLISHING:
            self._arrived.append((call, outcome))
        elif call.state is CallState.RUNNING and self.calls.get(call.identity) is call:
            call.settle(outcome)
            self._note_time(call, call.ended)
            self._resume_when_settled()

    def time_out(self, now: float) -> None:
        """Settle calls that run longer than their timeouts, and expire at the deadline."""
        if self.state is not HoldState.WAITING:
            return
        for call in self.pending:
            if call.due <= now:
                self.stop([call])
                call.ended = now
                self.timed_out += (call.function_name,)
                self.settle(call, Raised(FutureTimeout(call.name, call.timeout)))
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            self._resume_when_settled()
        if now >= self.ends_at and self.state is HoldState.WAITING:
            self.note_pending(now)
            self.expire()

    def expire(self) -> None:
        """Let the last pass begin, with the results that are there. Only if WAITING."""
        if self.state is HoldState.WAITING:
            self.expired = True
            self._again_at = None
            self.stop(self.calls.values())
            self.state = HoldState.READY

    def cancel(self) -> None:
        """Let the last pass begin, before the deadline. Within a pass nothing changes."""
        if self.state in (HoldState.READY, HoldState.WAITING):
            self.expired = self.cancelled = True
            self.expire()

    def wait_for_work(self, client: Hashable, seconds: float) -> None:
        """Note that *client*, a program, waits for work, and let it for so many *seconds* in all.

        That is no slow request. A site's deadline is for its visitors.
        """
        self.client, self.is_for_work = client, True
        if seconds > self.deadline:
            self.ends_at += seconds - self.deadline
            self.deadline = seconds

    def limit(self, site: SiteSettings) -> None:
        """Apply the settings of *site*, which may lower the deadline and the limit of passes."""
        self.site = site
        if site.deadline is not None and site.deadline < self.deadline:
            self.ends_at -= self.deadline - site.deadline
            self.deadline = site.deadline
        self.max_passes = min(self.max_passes, site.max_passes or self.max_passes)
        self._count_passes()

    def _count_passes(self) -> None:
        self.out_of_passes = self.passes - self.conflicts >= self.max_passes

    @property
    def came_to_nothing(self) -> bool:
        """Tell whether a program has waited for work, and there was none."""
        if not self.is_for_work or self.state is not HoldState.READY or not self.calls:
            return False
        outcome = next(reversed(self.calls.values())).outcome
        return outcome is NOTHING

    @property
    def done(self) -> bool:
        """Tell whether the request is answered, or given up."""
        return self.state is HoldState.DONE

    @property
    def since(self) -> float:
        """When its request arrived, in seconds."""
        return self.ends_at - self.deadline

    @property
    def next_time_out(self) -> float:
        """When ``time_out`` next has something to do, in seconds."""
        times = [self.ends_at, *(call.due for call in self.pending)]
        return min(times if self._again_at is None else [self._again_at, *times])

    @property
    def pending(self) -> tuple[Call, ...]:
        """The calls without an outcome, in the order in which they were asked for."""
        calls = list(self.calls.values())  # in one step: a pass that was given up may go on
        return tuple(call for call in calls if call.state is not CallState.SETTLED)

    def too_many_passes(self) -> TooManyPasses:
        """Return the error, which names the futures that are new in the last passes."""
        recent = self.passes - _RECENT_PASSES
        new: dict[str, list[Call]] = {}
        for call in self.calls.values():
            if call.first_pass > recent:
                new.setdefault(call.name, []).append(call)
        names = [name + what_differs(calls) for name, calls in new.items()]
        return TooManyPasses(self.max_passes, names)

    def check_may_wait(self, name: str) -> None:
        """Raise an error if no pass may wait for the pending future *name*.

        Raises:
            HoldExpired, HoldCancelled: This is the last pass, and the hold is not given up, or
                the pass is kept.
            TooManyPasses: The request may not be published again.
        """
        if self.expired and (self.kept or self.state is not HoldState.DONE):
            raise HoldCancelled(name) if self.cancelled else HoldExpired(name, self.deadline)
        if self.out_of_passes:
            raise self.too_many_passes()

    def _start_registered(self, now: float) -> None:
        for call in self.pending:
            if call.state is CallState.REGISTERED:
                call.state = CallState.RUNNING
                call.started = now
                call.due = now + call.timeout
                self.to_start.append(call)

    def note_pending(self, now: float) -> None:
        """Keep how long the running calls took up to now; they are to be stopped."""
        for call in self.pending:
            if not call.stopped:
                self._note_time(call, now)

    def _note_time(self, call: Call, now: float) -> None:
        """Keep how long *call* took, unless it never ran, or was settled by hand."""
        if call.state is not CallState.REGISTERED and now >= call.started:
            self.times.append((call.function_name, now - call.started))

    def _resume_when_settled(self) -> None:
        settled = all(call.state is CallState.SETTLED for call in self._awaited)
        if self.state is HoldState.WAITING and settled and self._again_at is None:
            self._awaited = ()
            self.state = HoldState.READY

    def stop(self, calls: Iterable[Call]) -> None:
        """Have the running ones of *calls* stopped."""
        for call in calls:
            if call.state is CallState.RUNNING and not call.stopped:
                call.stopped = True
                self.to_stop.append(call)
