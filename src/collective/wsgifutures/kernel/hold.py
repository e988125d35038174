"""What one held request keeps, and what happens to it next.

This module decides, and only decides: no input or output, no clock of its own,
nothing of Zope, WSGI or gevent. So every move can be tested with plain values::

    READY --begin--> PUBLISHING --end--> DONE
      ^                  |
      |                 end, where the pass waits
      |                  v
      +--settle------ WAITING
      +--time_out----
      +--expire------           (then one last pass, which cannot wait)
      +--cancel------           (the same; an operator wants it so)

A hold belongs to the one thread of its request. While that thread publishes nothing
settles: what arrives then is put aside, so nothing changes within a pass.
"""

from .checks import Watch
from .checks import what_differs
from .errors import AskedAfterCommit
from .errors import FutureCancelled
from .errors import FuturesError
from .errors import FutureTimeout
from .errors import HoldCancelled
from .errors import HoldExpired
from .errors import Suspended
from .errors import TooManyPasses
from .outcomes import Outcome
from .outcomes import Raised
from .outcomes import run_to_end
from .placeholders import Fragment
from .placeholders import kept_by_a_cache
from .sites import read
from .sites import SiteSettings
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Hashable
from collections.abc import Iterable
from enum import Enum
from typing import Any
from typing import NoReturn

import functools
import uuid

#: How many of the last passes TooManyPasses looks at for what keeps changing.
_RECENT_PASSES = 3


class HoldState(Enum):
    """Where a request stands."""

    READY = "ready to be published"
    PUBLISHING = "being published"
    WAITING = "waiting for its futures"
    DONE = "answered"


class CallState(Enum):
    """Where a future stands."""

    REGISTERED = "asked for in a pass that has not ended"
    RUNNING = "started"
    SETTLED = "has its outcome"


class Call:
    """One future of one hold: what to run, and what became of it.

    Args:
        name: The future's name, for people.
        identity: Its name and arguments, to know it again.
        run: Makes the call and returns its outcome; raises nothing.
        timeout: How long it may take, in seconds, from its start.
        arguments: Their names and identities, to tell how two calls differ.
        executor: The name of what is to run it; None for what suits the process.
        parts: What ``run`` is made of, for an executor that does not call it: its function
            and arguments.
    """

    __slots__ = (
        "arguments",
        "cancelled",
        "due",
        "ended",
        "executor",
        "first_pass",
        "identity",
        "name",
        "outcome",
        "parts",
        "run",
        "started",
        "state",
        "stopped",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        identity: Hashable,
        run: Callable[[], Outcome],
        timeout: float,
        arguments: Iterable[tuple[str, Hashable]] = (),
        executor: str | None = None,
        parts: Any = None,
    ) -> None:
        self.name = name
        self.identity = identity
        self.run = run
        self.timeout = timeout
        self.arguments = arguments
        self.executor = executor
        self.parts = parts
        self.state = CallState.REGISTERED
        self.outcome: Outcome | None = None
        self.cancelled = False
        self.stopped = False
        self.first_pass = 0
        self.due = 0.0
        self.started = 0.0
        self.ended = 0.0

    @property
    def function_name(self) -> str:
        """Its name, without anything of what it is called with."""
        return self.name

    def work(self) -> Outcome:
        """Make the call, away from whoever asked for it."""
        return run_to_end(self.name, self.run)

    def settle(self, outcome: Outcome) -> None:
        """Keep *outcome*."""
        self.state = CallState.SETTLED
        self.outcome = outcome

    def cancel(self) -> None:
        """Settle as cancelled."""
        self.cancelled = True
        self.settle(Raised(FutureCancelled(self.name)))


class Hold:
    """All that one client's request keeps while its response is held.

    Args:
        now: The time at which the request was there, in seconds.
        deadline: How long its response may be held, in seconds.
        max_passes: How often it may be published.
        debug: Somebody develops: refuse what is only careless.
        trace: What tells it in logs and traces from others; empty where it is not told.
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
        self.conflicts = 0  #: passes that are only published again, by ``Pass.conflict``
        self.expired = False
        self.late = False  #: its last pass began with less than all that it waited for
        self.cancelled = False  #: by an operator
        self.deadline = deadline
        self.trace = trace
        #: Looks at what the passes ask for, while somebody develops.
        self.watch = Watch(trace) if debug else None
        #: Whose request it is, where the publisher can tell: what it is (``user`` or
        #: ``address``), and which.
        self.client: Hashable = None
        self.ends_at = now + deadline
        self.max_passes = max_passes
        #: What its site wants, once that was asked for.
        self.site: SiteSettings | None = None
        #: How long it waited between its passes, in seconds.
        self.waited = 0.0
        #: Which calls ran, and how long each of them took, in seconds.
        self.times: list[tuple[str, float]] = []
        #: Which calls took longer than their timeouts.
        self.timed_out: tuple[str, ...] = ()
        #: Whether who gets the response may know both. Decided anew in each pass.
        self.tells_times = False
        self.calls: dict[Hashable, Call] = {}
        self._pass: Pass | None = None
        self._awaited: tuple[Call, ...] = ()
        self._again_at: float | None = None
        self._waits_since: float | None = None
        self._arrived: list[tuple[Call, Outcome]] = []
        self._to_start: list[Call] = []
        self._to_stop: list[Call] = []
        self._follow_ups: list[Callable[[], None]] = []

    @functools.cached_property
    def key(self) -> str:
        """A random name of this request, the same in all of its passes."""
        return uuid.uuid4().hex

    # what the request's thread does

    def begin(self, now: float) -> "Pass":
        """Begin a pass; past the deadline it is the last one.

        Raises:
            RuntimeError: The hold is not READY.
        """
        if self.state is not HoldState.READY:
            raise RuntimeError(f"the hold is {self.state.value}, not ready to be published")
        self.expired = self.late = self.expired or now >= self.ends_at
        if self._waits_since is not None:
            self.waited += now - self._waits_since
        self.tells_times = False
        self.state = HoldState.PUBLISHING
        self.passes += 1
        self._pass = Pass(self)
        return self._pass

    def end(self, now: float, *, successful: bool) -> None:
        """End the pass and decide: held (WAITING, or READY at once), or DONE.

        Args:
            now: Futures that start have their timeout counted from here, in seconds.
            successful: It returned with a 2xx status. What an answer of another status
                or an exception leaves pending does not hold it.

        Raises:
            TooManyPasses: It would wait and may not be published again. It is DONE.
        """
        this, self._pass = self._pass, None
        if this is None:
            raise RuntimeError(f"the hold is {self.state.value}, not being published")
        waits, again_in, forgotten = this.waits(successful), this.again_in, this.forgotten
        awaited = this.suspended_on or self.pending
        if self.watch is not None and waits and again_in is None:
            self.watch.pass_waits(self)
        if again_in is None and (waits or successful):
            self._follow_ups += this.follow_ups
        this.close()
        if again_in is not None:
            self._publish_again(now, again_in, forgotten)
        elif waits:
            self._wait_for(awaited, now)
        else:
            self.close()

    def _wait_for(self, awaited: tuple[Call, ...], now: float) -> None:
        if self.out_of_passes:
            error = self.too_many_passes()
            self.close()
            raise error
        if now < self.ends_at:
            self._start_registered(now)
        self._awaited = awaited
        self._begin_to_wait(now)

    def _publish_again(self, now: float, again_in: float, forgotten: list[Call]) -> None:
        """Undo what this pass asked for and forgot, and wait for the time only."""
        for call in reversed(forgotten):
            self.calls[call.identity] = call
        for call in [c for c in self.calls.values() if c.first_pass == self.passes]:
            del self.calls[call.identity]
        self.conflicts += 1
        self._again_at = now + again_in
        self._begin_to_wait(now)

    def _begin_to_wait(self, now: float) -> None:
        self.state = HoldState.WAITING
        self._waits_since = now
        arrived, self._arrived = self._arrived, []
        for call, outcome in arrived:
            self.settle(call, outcome)
        self._resume_when_settled()

    def close(self) -> None:
        """Drop everything; what runs is to be stopped. May be called in any state.

        A pass that is still being published suspends where it asks for something: nobody
        waits for what it would make of it.
        """
        self.state = HoldState.DONE
        self.expired = True
        self._to_start.clear()
        self._stop(self.calls.values())
        self.calls.clear()
        self._arrived.clear()
        self._awaited = ()
        self._pass = None

    def take_starts(self) -> list[Call]:
        """Return the calls to start now, each of them once."""
        starts, self._to_start = self._to_start, []
        return starts

    def take_stops(self) -> list[Call]:
        """Return the calls to stop now, each of them once."""
        stops, self._to_stop = self._to_stop, []
        return stops

    def take_follow_ups(self) -> list[Callable[[], None]]:
        """Return what is to be called now that a pass has ended, each of them once."""
        found, self._follow_ups = self._follow_ups, []
        return found

    # what comes from outside

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Give *call* its outcome; one that has its outcome, or comes too late, keeps it."""
        if self.state is HoldState.PUBLISHING:
            self._arrived.append((call, outcome))
        elif call.state is CallState.RUNNING and self.calls.get(call.identity) is call:
            call.settle(outcome)
            self._note_time(call, call.ended)
            self._resume_when_settled()

    def time_out(self, now: float) -> None:
        """Settle what runs for longer than its timeout, and expire at the deadline."""
        if self.state is not HoldState.WAITING:
            return
        for call in self.pending:
            if call.due <= now:
                self._stop([call])
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
        """Let the last pass begin, with what is there. Only a WAITING hold expires."""
        if self.state is HoldState.WAITING:
            self.expired = True
            self._again_at = None
            self._stop(self.calls.values())
            self.state = HoldState.READY

    def cancel(self) -> None:
        """Let the last pass begin, before the deadline. Within a pass nothing changes."""
        if self.state in (HoldState.READY, HoldState.WAITING):
            self.expired = self.cancelled = True
            self.expire()

    def limit(self, site: SiteSettings) -> None:
        """Do as *site* wants: it may lower the deadline and the limit of passes."""
        self.site = site
        if site.deadline is not None and site.deadline < self.deadline:
            self.ends_at -= self.deadline - site.deadline
            self.deadline = site.deadline
        self.max_passes = min(self.max_passes, site.max_passes or self.max_passes)

    @property
    def publishing(self) -> "Pass | None":
        """The pass that is being published, None where there is none."""
        return self._pass

    @property
    def done(self) -> bool:
        """Tell whether the request is answered, or given up."""
        return self.state is HoldState.DONE

    @property
    def since(self) -> float:
        """When its request was there, in seconds."""
        return self.ends_at - self.deadline

    @property
    def next_time_out(self) -> float:
        """When ``time_out`` has something to do next, in seconds."""
        times = [self.ends_at, *(call.due for call in self.pending)]
        return min(times if self._again_at is None else [self._again_at, *times])

    @property
    def pending(self) -> tuple[Call, ...]:
        """The calls without an outcome, in the order in which they were asked for."""
        return tuple(c for c in self.calls.values() if c.state is not CallState.SETTLED)

    @property
    def out_of_passes(self) -> bool:
        """Tell whether it may not be published again. A conflict does not count."""
        return self.passes - self.conflicts >= self.max_passes

    def too_many_passes(self) -> TooManyPasses:
        """Return the error that names what was asked for anew in the last passes."""
        recent = self.passes - _RECENT_PASSES
        new: dict[str, list[Call]] = {}
        for call in self.calls.values():
            if call.first_pass > recent:
                new.setdefault(call.name, []).append(call)
        names = [name + what_differs(calls) for name, calls in new.items()]
        return TooManyPasses(self.max_passes, names)

    def too_late(self, name: str) -> HoldCancelled | HoldExpired:
        """Return the error of the last pass, for the future *name* that is not there."""
        return HoldCancelled(name) if self.cancelled else HoldExpired(name, self.deadline)

    def _start_registered(self, now: float) -> None:
        for call in self.pending:
            if call.state is CallState.REGISTERED:
                call.state = CallState.RUNNING
                call.started = now
                call.due = now + call.timeout
                self._to_start.append(call)

    def note_pending(self, now: float) -> None:
        """Keep how long those took up to now that run and are to be stopped."""
        for call in self.pending:
            if not call.stopped:
                self._note_time(call, now)

    def _note_time(self, call: Call, now: float) -> None:
        """Keep how long *call* took; not of one that was settled by hand, say."""
        if call.state is not CallState.REGISTERED and now >= call.started:
            self.times.append((call.function_name, now - call.started))

    def _resume_when_settled(self) -> None:
        settled = all(call.state is CallState.SETTLED for call in self._awaited)
        if self.state is HoldState.WAITING and settled and self._again_at is None:
            self._awaited = ()
            self.state = HoldState.READY

    def _stop(self, calls: Iterable[Call]) -> None:
        for call in calls:
            if call.state is CallState.RUNNING and not call.stopped:
                call.stopped = True
                self._to_stop.append(call)


class Pass:
    """What one publication asks of its hold. Closed when the publication ends."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.closed = False
        self.awaited: dict[Call, None] = {}
        self.values: dict[Call, Any] = {}
        #: The fragments that are being made, the innermost one last.
        self.fragments: list[Fragment] = []
        #: What fragments suspended on: the pass goes on to its end, and is discarded then.
        self.placed: dict[Call, None] = {}
        #: The viewlets and the like which suspended, by their identity: not asked again. Each
        #: with what stands for it.
        self.suspended_parts: dict[int, tuple[object, str]] = {}
        #: Returns what is sent in place of a deferred fragment, for the browser to fetch it;
        #: None where it cannot be found again. Without this none is deferred.
        self.defer: Callable[[Fragment], str | None] | None = None
        #: The part that is published by itself: what it asks for is the pass's own.
        self.alone: object = None
        #: Called with nothing when the pass suspends, before ``Suspended`` is raised.
        self.on_suspend: Callable[[], None] | None = None
        #: Returns the name of what is being published, where the publisher can tell.
        self.view: Callable[[], str] | None = None
        #: In how many seconds it is published again, where ``conflict`` ended it.
        self.again_in: float | None = None
        #: Called with nothing before it is decided whether the pass waits at its end.
        self.on_end: Callable[[], None] | None = None
        #: Tells whether an error is an answer: Unauthorized, NotFound, a redirect.
        self.is_answer: Callable[[BaseException], bool] = lambda error: False
        #: Errors that stand for a suspension where they leave the pass.
        self.waiting_errors: tuple[type[Exception], ...] = ()
        self.forgotten: list[Call] = []
        self.follow_ups: list[Callable[[], None]] = []
        self._answered = False
        self._commit_failed: Callable[[], bool] | None = None

    @property
    def site(self) -> SiteSettings:
        """What the site that is being published wants. Read once, and kept by the hold."""
        if self.hold.site is None:
            found = read()
            if found is None:  # no site yet: where the path has not got to one
                return SiteSettings()
            self.hold.limit(found)
        return self.hold.site or SiteSettings()

    def submit(self, call: Call) -> Call:
        """Register *call*, or return the one that is known already.

        Raises:
            AskedAfterCommit: It is new, and the pass is committed.
        """
        known = self.hold.calls.get(call.identity)
        if known is not None:
            return known
        if self._committed:
            raise AskedAfterCommit(call.name)
        call.first_pass = self.hold.passes
        self.hold.calls[call.identity] = call
        return call

    def give(self, call: Call, outcome: Outcome) -> Call:
        """Register *call* with an *outcome* that is there already: it never starts.

        One that is known already is returned as it is.
        """
        known = self.hold.calls.setdefault(call.identity, call)
        if known is call and call.state is CallState.REGISTERED:
            call.first_pass = self.hold.passes
            call.settle(outcome)
        return known

    def follow_up(self, function: Callable[[], None]) -> None:
        """Have *function* called when this pass has ended by waiting, or with 2xx.

        As with a future: where it ends with another answer or an error, or in a conflict,
        it is not. For what is nobody's to wait for.
        """
        self.follow_ups.append(function)

    def suspend(self, calls: Iterable[Call]) -> NoReturn:
        """End this pass until all *calls* have settled; inside of a fragment, only that.

        Args:
            calls: One or more pending ones.

        Raises:
            Suspended: Always, where the pass may still wait.
            HoldExpired: It is the last pass.
            HoldCancelled: It is, since an operator wants it so.
            AskedAfterCommit: It is committed.
            TooManyPasses: The limit of passes is reached.
        """
        calls = tuple(calls)
        if self._committed:
            raise AskedAfterCommit(calls[0].name)
        fragment = self.fragment()
        if fragment is None or not self._defers(fragment):
            if self.hold.expired and not self.hold.done:
                raise self.hold.too_late(calls[0].name)
            self._check_passes()
        kept = self.awaited if fragment is None else self.placed
        kept.update((self.submit(call), None) for call in calls)
        if fragment is not None:
            fragment.suspended = True
        elif self.on_suspend:
            self.on_suspend()
        raise Suspended(*(call.name for call in calls))

    def wait(self) -> NoReturn:
        """Suspend on what something suspended on already, or else on all that is pending.

        Raises:
            Suspended, HoldExpired, AskedAfterCommit, TooManyPasses: As ``suspend``.
        """
        self.suspend(self.suspended_on or self.hold.pending)

    @property
    def suspended_on(self) -> tuple[Call, ...]:
        """The calls that the page and its fragments suspended on."""
        return (*self.awaited, *self.placed)

    def fragment(self) -> Fragment | None:
        """Return the fragment that a suspension here ends, None where it ends the pass.

        It is the innermost one, or the innermost deferred one around it.

        Raises:
            FuturesError: A cache would keep its placeholder, and somebody develops.
        """
        if not self.fragments:
            return None
        kept_by, inside = kept_by_a_cache()
        if kept_by and self.hold.watch is not None:
            raise FuturesError(
                f"{self.fragments[-1].name} is a fragment and suspends while {kept_by} caches "
                "what it gives: its placeholder would be kept for everybody. Make the cached "
                "function the one that gets the result as an argument, or keep the answer of "
                "the call itself with cache= of an Upstream."
            )
        usable = self.fragments[: len(self.fragments) - inside]
        deferred = [fragment for fragment in usable if self._defers(fragment)]
        return next(reversed(deferred or usable), None)

    def _defers(self, fragment: Fragment) -> bool:
        return fragment.deferred and self.defer is not None

    def registered_since(self, known: Container[Hashable]) -> list[Call]:
        """Return what was asked for, and has not started, whose identities are not *known*."""
        calls = self.hold.calls.values()
        return [c for c in calls if c.identity not in known and c.state is CallState.REGISTERED]

    def put_off(self, fragment: Fragment, known: Container[Hashable]) -> str:
        """Return what stands for a deferred *fragment* that has suspended.

        What it asked for is forgotten: it is asked for again where the browser fetches it.

        Args:
            fragment: It has ended.
            known: The identities of what was asked for before.
        """
        calls = self.registered_since(known)
        for call in calls:
            self.placed.pop(call, None)
        text = self.defer(fragment) if self.defer else None
        if text is None:
            self.placed.update(dict.fromkeys(calls))
            return fragment.placeholder
        for call in calls:
            del self.hold.calls[call.identity]
        return text

    def cancel(self, call: Call) -> bool:
        """Cancel a pending *call*; it is stopped when the pass ends."""
        if call.state is CallState.SETTLED:
            return False
        self.hold._stop([call])
        call.cancel()
        return True

    def forget(self, call: Call) -> None:
        """Drop *call*: what is submitted with its identity from here on is another one.

        A conflict undoes that.
        """
        self.cancel(call)
        self.hold.calls.pop(call.identity, None)
        self.forgotten.append(call)

    def waits_for(self, error: object) -> bool:
        """Tell whether *error*, where it leaves the pass, is no reason not to wait.

        It stands for a suspension, or may come from a fragment's placeholder.
        """
        if self._committed or self._answered or self.hold.expired:
            return False
        if self.placed and isinstance(error, Exception) and not self.is_answer(error):
            return True
        return isinstance(error, self.waiting_errors) and bool(self.hold.pending)

    def waits(self, successful: bool) -> bool:
        """Tell whether the pass, ending now, is to be discarded and its response held."""
        if self._committed:
            return False
        if self.on_end:
            self.on_end()
        if self.awaited or self.again_in is not None:
            return True
        open_ones = bool(self.placed or self.hold.pending)
        return successful and not self.hold.expired and not self._answered and open_ones

    def check(self, *, successful: bool) -> None:
        """Suspend now where the pass would wait at its end.

        For a publisher that can still abort; ``successful`` as in ``Hold.end``.

        Raises:
            Suspended: It waits.
            TooManyPasses: It would wait and may not be published again.
        """
        if self.waits(successful):
            self.wait()

    def answer(self) -> None:
        """Whatever is pending, an error's answer is final: it only waits if it suspended."""
        self._answered = True

    def commit(self, failed: Callable[[], bool] = lambda: False) -> None:
        """The pass is final from here on.

        Args:
            failed: Tells whether the commit failed. Then nothing is committed and the pass
                is open again, for an exception view say.
        """
        self._commit_failed = failed

    def conflict(self, again_in: float) -> NoReturn:
        """End this pass, and forget what it asked for: it is published again from its start.

        Args:
            again_in: After so many seconds.

        Raises:
            Suspended: Always.
        """
        self.again_in = again_in
        self.awaited.clear()
        self.placed.clear()
        if self.on_suspend:
            self.on_suspend()
        raise Suspended("conflict")

    def close(self) -> None:
        """Nothing can be asked for in it from here on."""
        self.closed = True
        self.awaited.clear()
        self.placed.clear()
        self.fragments = []
        self.suspended_parts = {}
        self.values.clear()
        self.forgotten = []
        self.follow_ups = []
        self.on_suspend = self.on_end = self.view = self.defer = self.alone = None
        self._commit_failed = None

    @property
    def _committed(self) -> bool:
        return self._commit_failed is not None and not self._commit_failed()

    def _check_passes(self) -> None:
        if self.hold.out_of_passes:
            raise self.hold.too_many_passes()
