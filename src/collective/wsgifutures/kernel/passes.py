"""One publication of a request: the calls it asks its hold for, and what its end means.

A pass decides how it ends: held, published again, or answered. Its hold keeps the decision.
Each pass runs in a fresh copy of its request's context. So it sees the context variables that
were set around the request, and the next pass in its slot sees none that it sets.
"""

from .calls import Call
from .calls import CallState
from .calls import Outcome
from .checks import tell_of_wait_inside
from .checks import warn_once
from .errors import AskedAfterCommit
from .errors import FuturesError
from .errors import NoWebSockets
from .errors import StandsForSuspension
from .errors import Suspended
from .hold import Hold
from .hold import HoldState
from .placeholders import find_usable
from .placeholders import Fragment
from .put_away import PutAway
from .sites import read
from .sites import sites
from .sites import SiteSettings
from collections.abc import Callable
from collections.abc import Iterable
from contextvars import Context
from contextvars import ContextVar
from typing import Any
from typing import NoReturn


class Publisher:
    """The contract of what publishes a pass. Each pass gets its publisher once, at its start.

    This class knows nothing of what is published. Zope's publisher is in the room ``publisher``.
    """

    def view_name(self) -> str:
        """Return the name of the published view; empty if it is not known."""
        return ""

    def is_answer(self, error: BaseException) -> bool:
        """Tell whether *error* is the client's answer: Unauthorized, NotFound or a redirect."""
        return False

    def discard(self) -> None:
        """Prepare for the discard of the pass, which suspends."""

    @property
    def defers(self) -> bool:
        """Tell whether the browser can fetch a deferred fragment of this pass by itself."""
        return False

    def defer(self, fragment: Fragment) -> str | None:
        """Return the text that is sent in place of a deferred *fragment*.

        The browser fetches the fragment with it. None if it could not: then the pass waits.
        """
        return None

    def stream(self, answer: Any) -> None:
        """Prepare the response for a ``StreamAnswer``, which the view is going to return."""

    def public_url(self) -> str:
        """Return where visitors have the site: scheme and host. Empty if that is not known."""
        return ""


def cannot_wait(call: Call) -> None:
    """Refuse to wait for *call* while a pass goes on: nothing here could run it."""
    raise RuntimeError(f"{call.name} is new in a pass that is kept, and nothing runs it meanwhile")


def _no_websockets(answer: Any, public: str) -> NoReturn:
    raise NoWebSockets(answer.source.name)


_NO_PUBLISHER = Publisher()  #: of a pass before its start and after its end


class Pass:
    """What one publication asks of its hold. The pass is closed when the publication ends.

    Args:
        hold: The hold of the request, which is READY.
        now: When the pass begins, in seconds.
        wait_inside: Lets a call run while the pass goes on, until it has settled or the hold has
            expired.

    Raises:
        RuntimeError: The hold is not READY.
    """

    def __init__(
        self, hold: Hold, now: float, wait_inside: Callable[[Call], None] = cannot_wait
    ) -> None:
        hold.begin(now)
        self.hold = hold
        self.wait_inside = wait_inside
        self.closed = False
        self.publisher = _NO_PUBLISHER  #: set once, where the publication begins
        self.awaited: dict[Call, None] = {}  #: the calls that the page suspended on
        self.values: dict[Call, Any] = {}  #: the pass's own copies of results
        self.fragments: list[Fragment] = []  #: that are being made, the innermost one last
        self.placed: dict[Call, None] = {}  #: the calls that fragments suspended on
        self.suspended_parts: dict[int, tuple[object, str]] = {}  #: by id, and their placeholders
        self.alone: object = None  #: the part that is all that is published
        self.put_away: PutAway | None = None  #: what was given for this pass alone, if anything
        #: Raises StreamBusy if there is no room for the stream of that name.
        self.check_room: Callable[[str], None] = lambda name: None
        #: Raises HandshakeRefused if the request cannot have the websocket of that answer.
        self.check_handshake: Callable[[Any, str], None] = _no_websockets
        self._again_in: float | None = None
        self._forgotten: list[Call] = []
        self._follow_ups: list[Callable[[], None]] = []
        self._answered = False
        self._commit_failed: Callable[[], bool] | None = None

    @property
    def site(self) -> SiteSettings:
        """The settings of the site that is being published. Read once, and kept by the hold."""
        if self.hold.site is None and sites:
            found = read()
            if found is not None:  # else the traversal has not reached a site yet
                self.hold.limit(found)
        return self.hold.site or SiteSettings()

    def submit(self, call: Call) -> Call:
        """Register *call*, or return the known call of the same identity.

        Raises:
            AskedAfterCommit: *call* is new, and the pass is committed.
        """
        known = self.hold.calls.get(call.identity)
        if known is not None:
            return known
        if self.committed:
            raise AskedAfterCommit(call.name)
        call.first_pass = self.hold.passes
        self.hold.calls[call.identity] = call
        if self.hold.kept and not self.hold.expired:
            tell_of_wait_inside(self.publisher.view_name(), call.name, self.hold.trace)
            self.wait_inside(call)
        return call

    def give(self, call: Call, outcome: Outcome) -> Call:
        """Register *call* with an *outcome* that is there already: the call never starts.

        A known call of the same identity is returned as it is.
        """
        known = self.hold.calls.setdefault(call.identity, call)
        if known is call and call.state is CallState.REGISTERED:
            call.first_pass = self.hold.passes
            call.settle(outcome)
        return known

    def follow_up(self, function: Callable[[], None]) -> None:
        """Have *function* called when this pass has ended by waiting or with 2xx, and only then.

        This is for work that nobody waits for.
        """
        self._follow_ups.append(function)

    def suspend(self, calls: Iterable[Call] = ()) -> NoReturn:
        """End this pass until all *calls* have settled; inside of a fragment, end only that.

        Args:
            calls: Pending calls. If empty: the calls that the pass suspended on already, or
                else all pending calls.

        Raises:
            Suspended: The pass may wait.
            HoldExpired: This is the last pass.
            HoldCancelled: This is the last pass, because an operator cancelled the hold.
            AskedAfterCommit: The pass is committed.
            TooManyPasses: The limit of passes is reached.
        """
        calls = tuple(calls) or self.suspended_on or self.hold.pending
        if self.committed:
            raise AskedAfterCommit(calls[0].name)
        fragment = self.fragment()
        if fragment is None:
            self._refuse_what_was_kept()
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

    def _refuse_what_was_kept(self) -> None:
        if self.put_away and self.hold.watch and (kept := self.put_away.put_back()):
            self.mark_answered()  # no placeholder is the cause of this error
            raise FuturesError(kept[0])

    @property
    def suspended_on(self) -> tuple[Call, ...]:
        """The calls that the page and its fragments suspended on."""
        return (*self.awaited, *self.placed)

    def fragment(self) -> Fragment | None:
        """Return the fragment that a suspension here ends; None if it ends the pass.

        It is the innermost deferred fragment, or else the innermost fragment.

        Raises:
            FuturesError: A cache would keep its placeholder, and the hold is in debug mode.
        """
        if not self.fragments:
            return None
        usable = find_usable(self.fragments, refuses=self.hold.watch is not None)
        deferred = [fragment for fragment in usable if self._defers(fragment)]
        return next(reversed(deferred or usable), None)

    def _defers(self, fragment: Fragment) -> bool:
        return fragment.deferred and self.publisher.defers

    def publish_alone(self, part: object) -> None:
        """Note that only *part* is published: its suspension ends the pass."""
        self.alone = part

    def cancel(self, call: Call) -> bool:
        """Cancel a pending *call*; it is stopped when the pass ends."""
        if call.state is CallState.SETTLED:
            return False
        self.hold.stop([call])
        call.cancel()
        return True

    def forget(self, call: Call) -> None:
        """Drop *call*: the next call that is submitted with its identity is a new one.

        A conflict undoes that.
        """
        self.cancel(call)
        self.hold.calls.pop(call.identity, None)
        self._forgotten.append(call)

    def waits_for(self, error: object) -> bool:
        """Tell whether the pass waits although *error* leaves it.

        It does if the error stands for a suspension, or may come from a fragment's placeholder.
        """
        if self.committed or self._answered or self.hold.expired:
            return False
        if self.placed and isinstance(error, Exception) and not self.publisher.is_answer(error):
            return True
        stands_for_it = isinstance(error, StandsForSuspension) and error.is_of_pass
        return stands_for_it and bool(self.hold.pending)

    def waits(self, successful: bool) -> bool:
        """Tell whether the pass, if it ends now, is discarded and its response held.

        Args:
            successful: The pass returned with a 2xx status. After another status or an
                exception, calls that are only pending do not hold the response.
        """
        if self.committed:
            return False
        if self.awaited or self._again_in is not None:
            return True
        if not successful or self.hold.expired or self.hold.kept or self._answered:
            return False
        calls = self.hold.calls.values()
        return bool(self.placed) or any(c.state is not CallState.SETTLED for c in calls)

    def suspend_if_it_waits(self, *, successful: bool) -> None:
        """Suspend now if the pass would wait at its end.

        This is for a publisher that can still abort; *successful* is as in ``waits``.

        Raises:
            Suspended: The pass waits.
            TooManyPasses: It would wait, and may not be published again.
        """
        self._refuse_what_was_kept()
        if self.waits(successful):
            self.suspend()

    def mark_answered(self) -> None:
        """Note that the answer is an error's: it is final, unless its view suspended."""
        self._answered = True

    def mark_committed(self, failed: Callable[[], bool] = lambda: False) -> None:
        """Note that the pass is final from here on.

        Args:
            failed: Tells whether the commit failed: then the pass is open again.
        """
        self._commit_failed = failed

    def conflict(self, again_in: float) -> NoReturn:
        """End this pass and forget its calls: the request is published again from its start.

        Args:
            again_in: Seconds until then.

        Raises:
            Suspended: Always.
        """
        self._again_in = again_in
        self.awaited.clear()
        self.placed.clear()
        self.publisher.discard()
        raise Suspended("conflict")

    def end(self, now: float, *, successful: bool) -> bool:
        """End the pass: held, published again, or answered. Tell whether it is answered.

        *successful* is as in ``waits``.

        Raises:
            TooManyPasses: It would wait, and may not be published again.
        """
        hold, waits = self.hold, self.waits(successful)
        again_in, forgotten, awaited = self._again_in, self._forgotten, self.suspended_on
        if again_in is None and hold.watch is not None:
            last = hold.expired or hold.out_of_passes
            hold.watch.pass_ends(hold.pending, hold.passes, waits=waits, is_last=last)
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
        """Close the pass: nothing can be asked for in it from here on."""
        for kept in self.put_away.put_back() if self.put_away else ():
            warn_once(f"{kept} Here it was taken out again.")
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
        self.publisher = _NO_PUBLISHER

    @property
    def committed(self) -> bool:
        """Tell whether the pass is final, or is about to be."""
        return self._commit_failed is not None and not self._commit_failed()


#: The pass that is being published in this context.
_publishing: ContextVar[Pass | None] = ContextVar("wsgifutures.pass", default=None)


def current_pass() -> Pass | None:
    """Return the pass that is being published in this context, or None."""
    this = _publishing.get()
    return None if this is None or this.closed else this


def wait_first(hold: Hold, call: Call, now: float) -> None:
    """Let *hold* wait for *call* before its request is published: a pass that publishes nothing."""
    this = Pass(hold, now)
    this.awaited[this.submit(call)] = None
    this.end(now, successful=False)


def holding_pass() -> Pass | None:
    """Return the pass that holds calls; None if there is none, or the site wants none."""
    this = current_pass()
    return None if this is None or this.site.in_place else this


def publish(
    this: Pass, function: Callable[[], bool], clock: Callable[[], float], context: Context
) -> bool:
    """Publish *this* pass, a new one; tell whether its request is answered.

    Args:
        function: Publishes, and returns True for a response with a 2xx status.
        clock: Returns the time in seconds.
        context: A fresh copy of the request's context.

    Raises:
        TooManyPasses: It would wait, and may not be published again.
        BaseException: The exception of *function*, if that is final.
    """
    error: BaseException | None = None
    successful = False
    try:
        successful = context.run(_call, this, function)
    except Suspended:
        if not this.suspended_on and this._again_in is None:
            error = FuturesError(
                "Suspended was raised, but no future was asked for in this pass. "
                "Only result(), exception() and gather() may raise it."
            )
    except BaseException as raised:
        error = raised
    try:
        if this.hold.state is HoldState.DONE:  # the request was given up meanwhile
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
