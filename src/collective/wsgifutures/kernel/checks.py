"""Warns developers of careless views: the setting ``debug``.

In debug mode a hold has a ``Watch``. It notes the calls that each pass asks for, and looks at
them when a pass ends. Each finding about a view is logged once in a process. A finding names
arguments, but never shows their values.

A pass that waits in its slot is logged without debug mode too.
"""

from .calls import Call
from collections.abc import Hashable
from collections.abc import Iterable
from types import CodeType
from types import FrameType
from typing import Any

import logging
import sys

logger = logging.getLogger("collective.wsgifutures")

#: How many waits for new futures, one after the other, are logged. Two may have a reason.
WATERFALL = 3

#: Where a call is asked for: a line of a function.
Place = tuple[CodeType, int]

_PACKAGE = __name__.partition(".kernel")[0]

#: What was logged already: messages, findings about views.
_logged: set[Hashable] = set()


def what_differs(calls: Iterable[Call]) -> str:
    """Return the arguments in which *calls* of one function differ, as `` (city, when)``."""
    values: dict[str, set[Hashable]] = {}
    for call in calls:
        for argument, value in call.arguments:
            values.setdefault(argument, set()).add(value)
    names = [argument for argument, different in values.items() if len(different) > 1]
    return f" ({', '.join(names)})" if names else ""


def tell(view: str, finding: str, text: str, *facts: object, trace: str) -> None:
    """Log a finding about a view, once.

    Args:
        view: The name of the view, empty if it is not known.
        finding: The name of the finding.
        text: Follows the name of the view, and has a ``%s`` for each of *facts*.
        facts: What is logged with the text.
        trace: The hold's ID.
    """
    view = view or "A request"
    _warn_once((view, finding), "%s " + text, view, *facts, extra={"trace_id": trace})


def warn_once(message: str) -> None:
    """Log *message*, once in this process."""
    _warn_once(message, "%s", message)


def _warn_once(what: Hashable, text: str, *facts: object, **options: Any) -> None:
    if what not in _logged:
        _logged.add(what)
        logger.warning(text, *facts, **options)


def tell_of_wait_inside(view: str, name: str, trace: str) -> None:
    """Log that the pass of *view* waits inside for the future *name*: without debug too."""
    tell(view, "waits inside", _WAITS_INSIDE, name, trace=trace)


class Watch:
    """The calls that the passes of one hold have asked for, and where.

    Args:
        trace: The hold's ID, logged with each finding.
    """

    def __init__(self, trace: str = "") -> None:
        self._trace = trace
        #: The view that is being published, if the publisher knows it.
        self.view = ""
        #: For each wait for new calls, their names.
        self._waits: list[list[str]] = []
        self._asked: dict[Place, list[Call]] = {}
        self._asked_before: dict[Place, list[Call]] = {}
        #: The calls of places that have asked with other arguments in each pass up to now.
        self._changing: dict[Place, list[Call]] = {}

    def asks(self, call: Call) -> None:
        """Note that *call* is asked for, and from which line outside of this package."""
        calls = self._asked.setdefault(_place(), [])
        if call not in calls:
            calls.append(call)

    def tell(self, finding: str, text: str, *facts: object) -> None:
        """Log a finding about the view that is being published, once.

        Args:
            finding: The name of the finding.
            text: Follows the name of the view, and has a ``%s`` for each of *facts*.
        """
        tell(self.view, finding, text, *facts, trace=self._trace)

    def pass_ends(
        self, pending: Iterable[Call], number: int, *, waits: bool, is_last: bool
    ) -> None:
        """Look at a pass that has ended, by waiting or with an answer.

        Args:
            pending: The calls that have no outcome.
            number: How often the request has been published.
            waits: The response is held.
            is_last: The pass might not have waited.
        """
        if waits:
            self._look_at_a_wait([call.name for call in pending if call.first_pass == number])
        elif not is_last:
            self._look_for_dropped_calls(pending)

    def _look_at_a_wait(self, new: list[str]) -> None:
        if not self._look_for_changes():
            self._look_for_a_waterfall(new)
        self._asked_before, self._asked = self._asked, {}

    def _look_for_dropped_calls(self, pending: Iterable[Call]) -> None:
        """Log the calls that an answer drops: they are never made, or stopped."""
        for call in pending:
            self.tell(f"answer without {call.name}", _DROPPED, call.name, self._place_of(call))

    def _place_of(self, call: Call) -> str:
        """Return the line that asks for *call*, as ``acme/views.py, line 12``."""
        asked = [*self._asked.items(), *self._asked_before.items()]
        lines = [f"{code.co_filename}, line {n}" for (code, n), calls in asked if call in calls]
        return next(iter(lines), "in an earlier pass")

    def _look_for_changes(self) -> bool:
        """Log places that ask with other arguments in each pass; tell whether there are any."""
        changing = {}
        for place, calls in self._asked.items():
            before = self._asked_before.get(place, [])
            if before and _are_others(before, calls):
                changing[place] = [*self._changing.get(place, before), *calls]
        self._changing = changing
        found = [calls for calls in changing.values() if len({c.first_pass for c in calls}) > 2]
        for calls in found:
            self.tell(f"arguments of {calls[0].name}", _CHANGES, _describe(calls))
        return bool(found)

    def _look_for_a_waterfall(self, new: list[str]) -> None:
        """Log a view that waits for one call after the other."""
        if new:
            self._waits.append(new)
        if len(self._waits) == WATERFALL:
            names = ", then ".join(map(" and ".join, self._waits))
            self.tell("waterfall", _WATERFALL, names)


_WAITS_INSIDE = (
    "asks for %s after it has done what cannot be undone, such as sending mail at once. So its "
    "pass keeps its slot and its ZODB connection while it waits. Ask for the results first, or "
    "redirect afterwards."
)

_CHANGES = (
    "asks for %s anew in each pass: the arguments named differ each time, so no pass finds "
    "the result of another. Pass the same arguments in each pass: no time stamp, no random "
    "value, nothing made from a default=."
)

_WATERFALL = (
    "waits again and again, for one call after the other: %s. Ask at once, in one wait, for "
    "calls that do not need each other's results: submit() all of them first and gather(), "
    "or write @held on the view's method, or @fragment on the parts of the page."
)

_DROPPED = (
    "asks for %s (%s) and does not wait for it: the answer is a redirect, an error or another "
    "status than 2xx. A call that has not started by then is never made, and a call that runs is "
    "stopped. If the call has to be made, ask for its result() before you answer. If not, submit "
    "it after what may end the request."
)


def _are_others(before: list[Call], calls: list[Call]) -> bool:
    """Tell whether *calls* are of the same functions as *before*, all with other arguments."""
    same_functions = [c.name for c in before] == [c.name for c in calls]
    return same_functions and not {c.identity for c in before} & {c.identity for c in calls}


def _describe(calls: list[Call]) -> str:
    """Return the name of the first of *calls*, and the arguments in which its calls differ."""
    return calls[0].name + what_differs(call for call in calls if call.name == calls[0].name)


def _place() -> Place:
    frame = asking_frame()
    return frame.f_code, frame.f_lineno


def asking_frame() -> FrameType:
    """Return the innermost frame outside of this package: the line that asks."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_of_package(frame):
        frame = frame.f_back
    return frame


def is_of_package(frame: FrameType) -> bool:
    """Tell whether *frame* is of this package."""
    name: str = frame.f_globals.get("__name__", "")
    return name == _PACKAGE or name.startswith(_PACKAGE + ".")
