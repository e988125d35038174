"""What a future is called with: plain data, copied, and known again by its value.

One walk over a value gives both its identity and its copy, so the two cannot differ.
What cannot cross from a pass into a future is refused here, with the reason and with
what to pass instead. Nothing of Zope is imported: its objects are told by their shape.
"""

from collections.abc import Hashable
from dataclasses import fields
from dataclasses import is_dataclass
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import tzinfo
from decimal import Decimal
from enum import Enum
from inspect import Signature
from types import BuiltinMethodType
from types import CellType
from types import FunctionType
from types import MethodType
from types import ModuleType
from typing import Any
from typing import NamedTuple
from uuid import UUID

import functools


class Unfit(Exception):
    """A value cannot be passed on; ``where`` it stands and the ``reason``."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason


class Taken(NamedTuple):
    """A value as a future keeps it."""

    identity: Hashable
    copy: Any


_ITSELF = frozenset({type(None), bool, int, complex, str, bytes, date, timedelta, UUID})


def is_immutable(value: object) -> bool:
    """Tell whether several passes may share *value* itself."""
    kind = type(value)
    if kind in (tuple, frozenset):
        return all(map(is_immutable, value))  # type: ignore[call-overload]
    return kind in _ITSELF or kind in (float, Decimal, datetime, time)


def take(value: Any, where: str) -> Taken:
    """Return the identity and a copy of the plain data *value*.

    Args:
        value: None, bool, numbers, str, bytes, Decimal, UUID, dates and times, enums,
            tuples, lists, sets, dicts and frozen dataclasses of those.
        where: What to call it in a refusal, as ``text``.

    Raises:
        Unfit: *value*, or something in it, is not plain data.
    """
    try:
        return _take(value, where, ())
    except RecursionError:
        raise Unfit(where, "it is nested too deeply; pass something flatter.") from None


def _take(value: Any, where: str, parents: tuple[int, ...]) -> Taken:
    kind = type(value)
    if kind in _ITSELF:
        return Taken((kind, value), value)
    if kind is float:  # told by its digits: NaN equals itself, 0.0 is not -0.0
        return Taken((float, value.hex()), value)
    if kind is Decimal:  # 1.0 and 1.00 print differently
        return Taken((Decimal, str(value)), value)
    if kind in (datetime, time):
        zone = value.tzinfo
        told = (value.replace(tzinfo=None), value.fold, type(zone), str(zone))
        return Taken((kind, told, value.utcoffset()), value)
    if isinstance(value, (Enum, tzinfo)):
        told = value.name if isinstance(value, Enum) else str(value)
        return Taken((kind, told), value)
    if id(value) in parents:
        raise Unfit(where, "it contains itself; pass data without a cycle.")
    return _take_container(value, kind, where, (*parents, id(value)))


def _take_container(value: Any, kind: type, where: str, parents: tuple) -> Taken:
    if kind in (list, tuple) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        items = [_take(v, f"{where}[{i}]", parents) for i, v in enumerate(value)]
        copies = [item.copy for item in items]
        copy = kind(copies) if kind in (list, tuple) else kind(*copies)
        return Taken((kind, tuple(item.identity for item in items)), copy)
    if kind in (set, frozenset):
        items = [_take(v, f"an item of {where}", parents) for v in value]
        identity = frozenset(item.identity for item in items)
        return Taken((kind, identity), kind(item.copy for item in items))
    if kind is dict:
        pairs = [
            (_take(k, f"a key of {where}", parents), _take(v, f"{where}[{k!r}]", parents))
            for k, v in value.items()
        ]
        identity = frozenset((k.identity, v.identity) for k, v in pairs)
        return Taken((dict, identity), {k.copy: v.copy for k, v in pairs})
    if is_dataclass(kind) and kind.__dataclass_params__.frozen and not foreign(value):  # type: ignore[attr-defined]
        copy = object.__new__(kind)
        identity = []
        for field in fields(kind):
            name = field.name
            part = _take(getattr(value, name), f"{where}.{name}", parents)
            object.__setattr__(copy, name, part.copy)
            identity.append(part.identity)
        return Taken((kind, tuple(identity)), copy)
    raise Unfit(where, refusal(value))


def refusal(value: object) -> str:
    """Say what *value* is and what to pass instead."""
    known = foreign(value)
    if known:
        return f"it is {known}."
    kind = type(value)
    if is_dataclass(kind):
        return f"{kind.__qualname__} is a dataclass that can change; declare it frozen=True."
    for plain in (str, bytes, int, float, dict, list, set, tuple):
        if isinstance(value, plain):
            return f"{kind.__qualname__} is not plain data; pass {plain.__name__}(value)."
    if callable(value):
        return "it is a function or a class; call it inside the future, by its name."
    return (
        f"{kind.__module__}.{kind.__qualname__} is not plain data; pass the strings, "
        "numbers, lists and dicts that the call needs."
    )


def foreign(value: object, seen: frozenset[int] = frozenset()) -> str | None:
    """Say what *value* is where it belongs to Zope or to one pass, else None.

    Such a value must not leave its pass in any wrapping: not as an argument, not inside
    a result, not bound to a method, not closed over.
    """
    if isinstance(value, type | ModuleType) or id(value) in seen:
        return None
    seen |= {id(value)}
    kind = type(value)
    for what, test in _FOREIGN.items():
        if test(kind, value):
            return what
    if kind is MethodType or kind is BuiltinMethodType:
        owner = value.__self__  # type: ignore[attr-defined]
        if owner is None or isinstance(owner, type | ModuleType):
            return None
        of = foreign(owner, seen) or f"a {type(owner).__qualname__}"
        return f"a bound method of {of}; use a function of a module"
    if isinstance(value, functools.partial):
        parts = (value.func, *value.args, *value.keywords.values())
        return _first(((f"a partial of {{}}", part) for part in parts), seen)
    if kind is FunctionType:
        closed = _closed_over(value)
        return _first(((f"a closure over {name}, {{}}", v) for name, v in closed), seen)
    return None


def _first(parts: Any, seen: frozenset[int]) -> str | None:
    for template, part in parts:
        found = foreign(part, seen)
        if found:
            return template.format(found)
    return None


def _is_wrapper(kind: type, value: object) -> bool:
    return kind.__module__.partition(".")[0] == "Acquisition"


def _is_persistent(kind: type, value: object) -> bool:
    return hasattr(kind, "_p_jar") and hasattr(kind, "_p_oid")


def _is_request(kind: type, value: object) -> bool:
    return any(
        c.__module__.startswith(("ZPublisher.", "zope.publisher."))
        and c.__name__.endswith(("Request", "Response"))
        for c in kind.__mro__
    )


def _is_view(kind: type, value: object) -> bool:
    own = getattr(value, "__dict__", {})
    return ("request" in own and "context" in own) or any(
        c.__name__ in ("BrowserView", "BrowserPage") for c in kind.__mro__
    )


_FOREIGN = {
    "an object in an acquisition wrapper; pass the plain values that the call needs, "
    "such as its UID, path or text": _is_wrapper,
    "a persistent object; pass the plain values that the call needs, such as its UID, "
    "path or text": _is_persistent,
    "a request or response; pass the form values or headers that the call needs": _is_request,
    "a view; pass the plain values that the call needs and declare the future outside "
    "of the class": _is_view,
}


def _closed_over(function: FunctionType) -> list[tuple[str, Any]]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return [(name, cell.cell_contents) for name, cell in cells if not _is_empty(cell)]


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def take_closure(function: Any) -> Taken:
    """Return what *function* closes over, and a copy of it which keeps those values.

    The plain values count like arguments. Others (modules, helpers, a client made once
    per process) are used as they are.

    Raises:
        Unfit: It closes over something of Zope or of one pass.
    """
    found = foreign(function)
    if found:
        raise Unfit("its function", f"it is {found}.")
    if type(function) is not FunctionType or not function.__closure__:
        return Taken((), function)
    identity = []
    cells = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        try:
            taken = take(cell.cell_contents, name)
        except (Unfit, ValueError):  # not plain, or not assigned yet
            cells.append(cell)
        else:
            identity.append((name, taken.identity))
            cells.append(CellType(taken.copy))
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return Taken(tuple(identity), copy)


def take_arguments(signature: Signature, args: tuple, kwargs: dict[str, Any]) -> Taken:
    """Bind a call's arguments, defaults applied, and return identity and copy of all.

    Raises:
        Unfit: An argument is not plain data.
        TypeError: The arguments do not fit *signature*.
    """
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    taken = {name: take(value, name) for name, value in bound.arguments.items()}
    bound.arguments.update((name, part.copy) for name, part in taken.items())
    identity = tuple((name, part.identity) for name, part in taken.items())
    return Taken(identity, (bound.args, bound.kwargs))
