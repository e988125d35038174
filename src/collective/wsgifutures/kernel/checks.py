"""What is careless in a view, and told to who develops it: the setting ``debug``.

A hold has a ``Watch`` then. It sees what each pass asks for, and looks at it when a pass
waits. Each finding of a view is logged once in a process. Arguments are told by their
names, never by their values.
"""

from .calls import Call
from collections.abc import Hashable
from collections.abc import Iterable
from types import CodeType
from types import FrameType

import logging
import sys

logger = logging.getLogger("collective.wsgifutures")

#: So many waits for new futures, one after the other, are told. Two may have a reason.
WATERFALL = 3

#: Where something is asked for: a line of a function.
Place = tuple[CodeType, int]

_PACKAGE = __name__.partition(".kernel")[0]

#: What was told already: the view, and which finding.
_told: set[tuple[str, str]] = set()


def what_differs(calls: Iterable[Call]) -> str:
    """Return the arguments in which *calls* of one function differ, as `` (city, when)``."""
    values: dict[str, set[Hashable]] = {}
    for call in calls:
        for argument, value in call.arguments:
            values.setdefault(argument, set()).add(value)
    names = [argument for argument, different in values.items() if len(different) > 1]
    return f" ({', '.join(names)})" if names else ""


class Watch:
    """What the passes of one hold have asked for.

    Args:
        trace: The hold's, told with each finding.
    """

    def __init__(self, trace: str = "") -> None:
        self._trace = trace
        #: What is being published, where the publisher can tell.
        self.view = ""
        #: The names of what was started, for each wait for something new.
        self._waits: list[list[str]] = []
        self._asked: dict[Place, list[Call]] = {}
        self._asked_before: dict[Place, list[Call]] = {}
        #: What a place asked for in the passes up to now, as long as it never was the same.
        self._changing: dict[Place, list[Call]] = {}
        #: The pass in which mail was sent at once, by its number.
        self.mailed_in = 0

    def asks(self, call: Call) -> None:
        """Note that *call* is asked for, now and by the function that this was called from."""
        calls = self._asked.setdefault(_place(), [])
        if call not in calls:
            calls.append(call)

    def tell(self, finding: str, text: str, *facts: object) -> None:
        """Log a finding about what is being published, once.

        Args:
            finding: What it is called here.
            text: For people, after the name of the view; with a place for each of *facts*.
        """
        view = self.view or "A request"
        if (view, finding) not in _told:
            _told.add((view, finding))
            logger.warning("%s " + text, view, *facts, extra={"trace_id": self._trace})

    def pass_waits(self, new: Iterable[Call]) -> None:
        """Look at a pass that has ended by waiting; *new* is what it waits for anew."""
        if not self._look_for_changes():
            self._look_for_a_waterfall([call.name for call in new])
        self._asked_before, self._asked = self._asked, {}

    def _look_for_changes(self) -> bool:
        """Tell what a place asks for with other arguments in each pass."""
        changing = {}
        for place, calls in self._asked.items():
            before = self._asked_before.get(place, [])
            if before and _are_others(before, calls):
                changing[place] = [*self._changing.get(place, before), *calls]
        self._changing = changing
        found = [calls for calls in changing.values() if len({c.first_pass for c in calls}) > 2]
        for calls in found:
            self.tell(f"arguments of {calls[0].name}", _CHANGES, _named(calls))
        return bool(found)

    def _look_for_a_waterfall(self, new: list[str]) -> None:
        """Tell what waits for one thing after the other."""
        if new:
            self._waits.append(new)
        if len(self._waits) == WATERFALL:
            names = ", then ".join(map(" and ".join, self._waits))
            self.tell("waterfall", _WATERFALL, names)


_CHANGES = (
    "asks for %s anew in each pass: the arguments named are others each time, so what was "
    "there is not found again. Pass the same ones in each pass: no time stamp, no random "
    "value, nothing made of what default= gave."
)

_WATERFALL = (
    "waits again and again, for one thing after the other: %s. What does not need another's "
    "result is better asked for at once, in one wait: submit() all of it first and gather(), "
    "or write @held on the view's method, or @fragment on the parts of the page."
)


def _are_others(before: list[Call], calls: list[Call]) -> bool:
    """Tell whether the same functions were called, and each with other arguments."""
    same_functions = [c.name for c in before] == [c.name for c in calls]
    return same_functions and not {c.identity for c in before} & {c.identity for c in calls}


def _named(calls: list[Call]) -> str:
    return calls[0].name + what_differs(call for call in calls if call.name == calls[0].name)


def _place() -> Place:
    """Return where the code outside of this package stands that asks."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    return frame.f_code, frame.f_lineno


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name == _PACKAGE or name.startswith(_PACKAGE + ".")
