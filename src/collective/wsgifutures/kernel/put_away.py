"""What a function puts away by hand of what is meant for one pass.

A function that gets a placeholder or a default may keep it, or a text with it, without any
cache: as a global of its module, in a dict there, as an attribute of an object there, or as an
attribute of a persistent object that no transaction undoes. When the pass ends, that is put back
to what it was.
"""

from .arguments import is_view
from .checks import is_of_package
from .keepers import aq_base
from .keepers import name_of
from .keepers import owner_of
from types import FrameType
from types import FunctionType
from types import ModuleType
from typing import Any
from typing import NamedTuple
from typing import Protocol

import operator
import sys

_MISSING = object()

#: The largest dict in which an entry is looked for.
_MOST_ENTRIES = 10_000

_PUT_AWAY = (
    "{} has put a placeholder or a default= into {}, where everybody would get it. Keep only "
    "what result() returns without a default, or keep the answer of the call itself with cache= "
    "of an Upstream."
)

#: The shortest text that is looked for in longer ones that replace another value.
_SHORTEST = 4

#: What has no attributes that a function would use to keep something.
_NO_KEEPERS = (FunctionType, ModuleType, type)


#: What calls views and functions, and has no text of a page in a module.
_FRAMEWORK = frozenset(
    {
        *sys.stdlib_module_names,
        *("AccessControl", "App", "chameleon", "gevent", "gunicorn", "transaction", "waitress"),
        *("z3c", "zope", "Zope2", "ZPublisher"),
    }
)


class _Place(NamedTuple):
    """Where a function may put something away."""

    function: str  #: its name
    where: str
    names: dict[Any, Any]
    before: dict[Any, Any]
    volatile: bool  #: only attributes that a transaction does not undo are looked at

    def changes(self) -> list[tuple[Any, Any]]:
        """Return the entries that are new or have another value."""
        same = len(self.names) == len(self.before)
        if same and all(map(operator.is_, list(self.names.values()), self.before.values())):
            return []
        return [
            (key, value)
            for key, value in list(self.names.items())
            if value is not self.before.get(key, _MISSING)
            and (not self.volatile or str(key).startswith("_v_"))
        ]

    def restore(self, key: Any) -> None:
        """Put back what was there under *key*."""
        if key in self.before:
            self.names[key] = self.before[key]
        else:
            self.names.pop(key, None)

    def describe(self, key: Any) -> str:
        """Return where *key* is; of a dict no key, which may be a secret."""
        return self.where if self.where.endswith("]") else f"{self.where}{key}"


class Lender(Protocol):
    """A pass, which notes what is given for it alone."""

    put_away: "PutAway | None"


def lend(this: Lender, value: object) -> None:
    """Note that the caller gives *value* for *this* pass alone: nothing may keep it."""
    this.put_away = this.put_away or PutAway()
    this.put_away.give(value, sys._getframe(2))


#: Those of the passes that run now, which ``give`` and ``put_back`` keep up to date.
_running: list["PutAway"] = []


class PutAway:
    """What was given in one pass, and what was there before, where it may be kept."""

    def __init__(self) -> None:
        self._given: list[Any] = []
        self._places: dict[int, _Place] = {}
        self._looked_at: dict[int, Any] = {}  # those in which other dicts were looked for

    def give(self, value: Any, frame: FrameType | None) -> None:
        """Note that *value*, which is for one pass, is given to *frame* and its callers."""
        self._given.append(value)
        if self not in _running:
            _running.append(self)
        while frame is not None:
            module = str(frame.f_globals.get("__name__"))
            if module.partition(".")[0] not in _FRAMEWORK and not is_of_package(frame):
                self._note(frame)
            frame = frame.f_back

    def _note(self, frame: FrameType) -> None:
        if id(frame.f_globals) not in self._looked_at:
            self._look(frame, str(frame.f_globals.get("__name__")), frame.f_globals, False)
        owner = owner_of(frame)
        if is_view(type(owner), owner):  # it lasts one pass; its context may last longer
            owner = aq_base(getattr(owner, "context", None))
        names = _attributes_of(owner)
        if names is None or id(names) in self._looked_at:
            return
        if _is_persistent(owner) or id(names) in self._places:  # else it may last one pass
            self._look(frame, type(owner).__qualname__, names, _is_persistent(owner))

    def _look(self, frame: FrameType, where: str, names: dict[Any, Any], volatile: bool) -> None:
        """Remember what is in *names*, and in the dicts and the objects there."""
        function = name_of(frame)
        self._looked_at[id(names)] = names
        self._remember(_Place(function, f"{where}.", names, {}, volatile))
        for name, value in list(names.items()):
            inner = value if type(value) is dict else _attributes_of(value)
            if inner is not None and not str(name).startswith("__"):
                within = f"{where}.{name}{'[...]' if inner is value else '.'}"
                self._remember(_Place(function, within, inner, {}, _is_persistent(value)))

    def _remember(self, place: _Place) -> None:
        if id(place.names) not in self._places and len(place.names) < _MOST_ENTRIES:
            self._places[id(place.names)] = place._replace(before=dict(place.names))

    def put_back(self) -> list[str]:
        """Put back what was put away; return messages that say who had done it, and where."""
        places, messages = self._places.values(), []
        for place in places:
            for key in [k for k, value in place.changes() if self._has_put(k, value, place)]:
                messages.append(_PUT_AWAY.format(place.function, place.describe(key)))
                for other in list(_running):
                    other.forget(place, key)
                place.restore(key)
        if self in _running:
            _running.remove(self)
        self._given, self._places, self._looked_at = [], {}, {}
        return messages

    def _has_put(self, key: Any, value: Any, place: _Place) -> bool:
        """Tell whether *value* comes of what was given, and not of another request."""
        if key not in place.before:
            return _holds(value, self._given)
        if _says_nothing(value):
            return False
        return _holds(value, [given for given in self._given if _may_be_in(given, value)])

    def forget(self, other: _Place, key: Any) -> None:
        """Note that what another pass has put under *key* of its place was not there before."""
        place = self._places.get(id(other.names))
        if place is None or place is other:
            return
        if place.before.get(key, _MISSING) is not other.names.get(key):
            return
        if key in other.before:
            place.before[key] = other.before[key]
        else:
            del place.before[key]


def _holds(value: Any, given: list[Any], depth: int = 3) -> bool:
    """Tell whether *value* is one of those *given*, a text with one, or has one in it."""
    parts = value if depth and isinstance(value, tuple | list) else ()
    if any(_holds(part, given, depth - 1) for part in parts):
        return True
    return any(_is_in(one, value) for one in given)


def _is_in(given: Any, value: Any) -> bool:
    if given is value:
        return True
    if isinstance(given, str) and isinstance(value, str):
        return given in value if given else not value
    return False


def _says_nothing(value: Any) -> bool:
    """Tell whether anybody may set *value* for another reason."""
    return value is None or value == "" or isinstance(value, bool | int | float)


def _may_be_in(given: Any, value: Any) -> bool:
    """Tell whether *given*, if *value* has it, is there for its own sake: many have a dash."""
    if not (isinstance(given, str) and isinstance(value, str)):
        return True
    return len(given) >= _SHORTEST or len(value) <= _SHORTEST * len(given)


def _is_persistent(value: Any) -> bool:
    return hasattr(type(value), "_p_jar")


def _attributes_of(value: Any) -> dict[Any, Any] | None:
    if issubclass(type(value), _NO_KEEPERS):
        return None
    try:
        names = object.__getattribute__(value, "__dict__")
    except Exception:  # a property may have that name, and raise anything
        return None
    return names if type(names) is dict else None
