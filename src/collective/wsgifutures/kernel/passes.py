"""One publication of a request: what it asks of its hold, and which one runs where.

A pass decides what its end means: held, published again, or answered. It tells its hold, and
that keeps what follows. Each pass runs in a fresh copy of its request's context: what was set
up around the request is seen inside, and nothing that a pass sets is seen by the next one in
its slot.
"""

from .calls import Call
from .calls import CallState
from .calls import Outcome
from .errors import AskedAfterCommit
from .errors import FuturesError
from .errors import StandsForSuspension
from .errors import Suspended
from .hold import Hold
from .hold import HoldState
from .placeholders import find_usable
from .placeholders import Fragment
from .sites import read
from .sites import sites
from .sites import SiteSettings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from contextvars import Context
from contextvars import ContextVar
from types import CodeType
from typing import Any
from typing import NoReturn


class Publisher:
    """What publishes a pass, in the kernel's words; given once, where the publication begins.

    This one is anybody's, and has nothing to tell. Zope's is in the room ``publisher``.
    """

    #: The code of functions that keep what another one gives, with the name of their variable
    #: which has that one.
    caches: Mapping[CodeType, str] = {}

    def view_name(self) -> str:
        """Return the name of what is being published, nothing where that is not known."""
        return ""

    def is_answer(self, error: BaseException) -> bool:
        """Tell whether *error* is what the client is to get: Unauthorized, NotFound, a redirect."""
        return False

    def discard(self) -> None:
        """Know that the pass suspends: it is going to be discarded."""

    @property
    def defers(self) -> bool:
        """Tell whether the browser can fetch a deferred fragment of this pass by itself."""
        return False

    def defer(self, fragment: Fragment) -> str | None:
        """Return what is sent in place of a deferred *fragment*, for the browser to fetch it.

        None where it cannot be found again: then the pass waits for it.
        """
        return None


#: The publisher of a pass until it is told its own.
_ANYBODY = Publisher()

#: What a site wants that nobody knows.
_NO_SITE = SiteSettings()


class Pass:
    """What one publication asks of its hold. Closed when the publication ends.

    Args:
        hold: The request's; READY.
        now: When the pass begins, in seconds.

    Raises:
        RuntimeError: The hold is not READY.
    """

    def __init__(self, hold: Hold, now: float) -> None:
        hold.begin(now)
        self.hold = hold
        self.closed = False
        #: Set once, where the publication begins.
        self.publisher = _ANYBODY
        self.awaited: dict[Call, None] = {}
        self.values: dict[Call, Any] = {}
        #: The fragments that are being made, the innermost one last.
        self.fragments: list[Fragment] = []
        #: What fragments suspended on: the pass goes on to its end, and is discarded then.
        self.placed: dict[Call, None] = {}
        #: The viewlets and the like which suspended, by their identity: not asked again. Each
        #: with what stands for it.
        self.suspended_parts: dict[int, tuple[object, str]] = {}
        self.alone: object = None
        self._again_in: float | None = None
        self._forgotten: list[Call] = []
        self._follow_ups: list[Callable[[], None]] = []
        self._answered = False
        self._commit_failed: Callable[[], bool] | None = None

    @property
    def site(self) -> SiteSettings:
        """What the site that is being published wants. Read once, and kept by the hold."""
        if self.hold.site is None and sites:
            found = read()
            if found is not None:  # else the path has not got to a site yet
                self.hold.limit(found)
        return self.hold.site or _NO_SITE

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
        self._follow_ups.append(function)

    def suspend(self, calls: Iterable[Call] = ()) -> NoReturn:
        """End this pass until all *calls* have settled; inside of a fragment, only that.

        Args:
            calls: One or more pending ones. None given: what something suspended on already,
                or else all that is pending.

        Raises:
            Suspended: Always, where the pass may still wait.
            HoldExpired: It is the last pass.
            HoldCancelled: It is, since an operator wants it so.
            AskedAfterCommit: It is committed.
            TooManyPasses: The limit of passes is reached.
        """
        calls = tuple(calls) or self.suspended_on or self.hold.pending
        if self._committed:
            raise AskedAfterCommit(calls[0].name)
        fragment = self.fragment()
        may_not_wait = self.hold.expired or self.hold.out_of_passes
        if may_not_wait and (fragment is None or not self._defers(fragment)):
            self.hold.check_may_wait(calls[0].name)
        kept = self.awaited if fragment is None else self.placed
        kept.update((self.submit(call), None) for call in calls)
        if fragment is not None:
            fragment.suspended = True
        else:
            self.publisher.discard()
        raise Suspended(*(call.name for call in calls))

    @property
    def has_suspended(self) -> bool:
        """Tell whether something suspended in it, or a conflict ended it."""
        return bool(self.suspended_on) or self._again_in is not None

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
        debugs = self.hold.watch is not None
        usable = find_usable(self.fragments, self.publisher.caches, refuses=debugs)
        deferred = [fragment for fragment in usable if self._defers(fragment)]
        return next(reversed(deferred or usable), None)

    def _defers(self, fragment: Fragment) -> bool:
        return fragment.deferred and self.publisher.defers

    def publish_alone(self, part: object) -> None:
        """Know that *part* is all that is published: what it asks for is the pass's own."""
        self.alone = part

    def cancel(self, call: Call) -> bool:
        """Cancel a pending *call*; it is stopped when the pass ends."""
        if call.state is CallState.SETTLED:
            return False
        self.hold.stop([call])
        call.cancel()
        return True

    def forget(self, call: Call) -> None:
        """Drop *call*: what is submitted with its identity from here on is another one.

        A conflict undoes that.
        """
        self.cancel(call)
        self.hold.calls.pop(call.identity, None)
        self._forgotten.append(call)

    def waits_for(self, error: object) -> bool:
        """Tell whether *error*, where it leaves the pass, is no reason not to wait.

        It stands for a suspension, or may come from a fragment's placeholder.
        """
        if self._committed or self._answered or self.hold.expired:
            return False
        if self.placed and isinstance(error, Exception) and not self.publisher.is_answer(error):
            return True
        stands_for_it = isinstance(error, StandsForSuspension) and error.is_of_pass
        return stands_for_it and bool(self.hold.pending)

    def waits(self, successful: bool) -> bool:
        """Tell whether the pass, ending now, is to be discarded and its response held.

        Args:
            successful: It returned with a 2xx status. What an answer of another status or an
                exception leaves pending does not hold it.
        """
        if self._committed:
            return False
        if self.awaited or self._again_in is not None:
            return True
        if not successful or self.hold.expired or self._answered:
            return False
        calls = self.hold.calls.values()
        return bool(self.placed) or any(c.state is not CallState.SETTLED for c in calls)

    def suspend_if_it_waits(self, *, successful: bool) -> None:
        """Suspend now where the pass would wait at its end.

        For a publisher that can still abort; ``successful`` as in ``waits``.

        Raises:
            Suspended: It waits.
            TooManyPasses: It would wait and may not be published again.
        """
        if self.waits(successful):
            self.suspend()

    def mark_answered(self) -> None:
        """Whatever is pending, an error's answer is final: it only waits if it suspended."""
        self._answered = True

    def mark_committed(self, failed: Callable[[], bool] = lambda: False) -> None:
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
        self._again_in = again_in
        self.awaited.clear()
        self.placed.clear()
        self.publisher.discard()
        raise Suspended("conflict")

    def end(self, now: float, *, successful: bool) -> bool:
        """End the pass and decide: held, published again, or answered; tell whether answered.

        Args:
            now: In seconds.
            successful: As in ``waits``.

        Raises:
            TooManyPasses: It would wait and may not be published again.
        """
        hold, waits = self.hold, self.waits(successful)
        again_in, forgotten, awaited = self._again_in, self._forgotten, self.suspended_on
        if again_in is None and waits and hold.watch is not None:
            hold.watch.pass_waits(c for c in hold.pending if c.first_pass == hold.passes)
        if again_in is None and (waits or successful):
            hold.follow_ups += self._follow_ups
        self.close()
        if again_in is not None:
            hold.publish_again(now, again_in, forgotten)
        elif waits:
            hold.wait_for(awaited or hold.pending, now)
        else:
            hold.close()
            return True
        return False

    def close(self) -> None:
        """Nothing can be asked for in it from here on."""
        self.closed = True
        self.awaited.clear()
        self.placed.clear()
        self.fragments = []
        self.suspended_parts = {}
        self.values.clear()
        self._forgotten = []
        self._follow_ups = []
        self.alone = None
        self._commit_failed = None
        self.publisher = _ANYBODY

    @property
    def _committed(self) -> bool:
        return self._commit_failed is not None and not self._commit_failed()


#: The pass that is being published in this context.
_publishing: ContextVar[Pass | None] = ContextVar("wsgifutures.pass", default=None)


def current_pass() -> Pass | None:
    """Return the pass that is being published here, None where there is none."""
    this = _publishing.get()
    return None if this is None or this.closed else this


def holding_pass() -> Pass | None:
    """Return the pass that holds what is asked for here, None where a call runs in place.

    There is no pass, or the site that is being published wants it so.
    """
    this = current_pass()
    return None if this is None or this.site.in_place else this


def publish(
    this: Pass, function: Callable[[], bool], clock: Callable[[], float], context: Context
) -> bool:
    """Publish *this* pass; return True where it was its request's last one.

    Args:
        this: A new one.
        function: Publishes. Returns True for a response with a 2xx status.
        clock: Gives the time in seconds.
        context: A fresh copy of the request's.

    Raises:
        TooManyPasses: It would have to be published again and may not.
        BaseException: What *function* raised, where that is final.
    """
    error: BaseException | None = None
    successful = False
    try:
        successful = context.run(_call, this, function)
    except Suspended:
        if not this.has_suspended:
            error = FuturesError(
                "Suspended was raised, but no future was asked for in this pass. "
                "Only result(), exception() and gather() may raise it."
            )
    except BaseException as raised:
        error = raised
    try:
        if this.hold.state is HoldState.DONE:  # it was given up meanwhile
            this.close()
            return False
        if not this.end(clock(), successful=successful):
            return False
        if error is not None:
            raise error
        return True
    finally:
        del error  # its traceback keeps this frame


def _call(this: Pass, function: Callable[[], bool]) -> bool:
    _publishing.set(this)
    try:
        return function()
    except Exception as error:
        if not this.waits_for(error):
            raise
    return this.suspend()
