"""A future's arguments: plain data, copied, and recognized by value.

One walk over a value gives both its identity and its copy, so the two cannot differ.
A value that cannot cross from a pass into a future is refused here; the message says why,
and what to pass instead. Nothing of Zope is imported: Zope's objects are recognized by
their shape.
"""

from collections.abc import Hashable
from collections.abc import Iterator
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
    """A value cannot be passed on: ``where`` it is, and the ``reason``.

    A ``foreign`` value belongs to Zope or to one pass, and may not leave that pass at all.
    """

    def __init__(self, where: str, reason: str, foreign: bool = False) -> None:
        super().__init__(where, reason, foreign)
        self.where = where
        self.reason = reason
        self.foreign = foreign


class Taken(NamedTuple):
    """A value as a future keeps it."""

    identity: Hashable
    copy: Any


_ITSELF = frozenset({type(None), bool, int, str, bytes, date, timedelta, UUID})


def is_immutable(value: object) -> bool:
    """Tell whether several passes may share *value* itself."""
    kind = type(value)
    if kind in (tuple, frozenset):
        return all(map(is_immutable, value))  # type: ignore[call-overload]
    return kind in _ITSELF or kind in (float, complex, Decimal, datetime, time)


def take(value: Any, where: str) -> Taken:
    """Return the identity and a copy of the plain data *value*.

    Args:
        value: None, bool, numbers, str, bytes, Decimal, UUID, dates and times, enums,
            tuples, lists, sets, dicts and frozen dataclasses of those.
        where: The name of *value* in a refusal, as ``text``.

    Raises:
        Unfit: *value*, or something in it, is not plain data.
    """
    try:
        return _take(value, where, ())
    except RecursionError:
        raise Unfit(where, "it is nested too deeply; pass flatter data.") from None


def _take(value: Any, where: str, parents: tuple[int, ...]) -> Taken:
    kind = type(value)
    if kind in _ITSELF:
        return Taken((kind, value), value)
    if kind is float:  # compared by digits: NaN equals itself, 0.0 is not -0.0
        return Taken((float, value.hex()), value)
    if kind is complex:
        return Taken((complex, value.real.hex(), value.imag.hex()), value)
    if kind is Decimal:  # 1.0 and 1.00 print differently
        return Taken((Decimal, str(value)), value)
    if kind in (datetime, time):
        zone = value.tzinfo
        parts = (value.replace(tzinfo=None), value.fold, type(zone), str(zone))
        return Taken((kind, parts, value.utcoffset()), value)
    if isinstance(value, Enum):  # a flag made of unknown bits has no name
        return Taken((kind, value.name or value.value), value)
    if isinstance(value, tzinfo):
        return Taken((kind, str(value)), value)
    if id(value) in parents:
        raise Unfit(where, "it contains itself; pass data without a cycle.")
    return _take_container(value, kind, where, (*parents, id(value)))


def _take_container(value: Any, kind: Any, where: str, parents: tuple[int, ...]) -> Taken:
    if kind in (list, tuple) or (isinstance(value, tuple) and hasattr(kind, "_make")):
        items = [_take(v, f"{where}[{i}]", parents) for i, v in enumerate(value)]
        make = getattr(kind, "_make", kind)  # a named tuple's class takes no iterable
        copy = make(item.copy for item in items)
        return Taken((kind, tuple(item.identity for item in items)), copy)
    if kind in (set, frozenset):
        items = [_take(v, f"an item of {where}", parents) for v in value]
        identities = frozenset(item.identity for item in items)
        return Taken((kind, identities), kind(item.copy for item in items))
    if kind is dict:
        pairs = [
            (_take(k, f"a key of {where}", parents), _take(v, f"{where}[{k!r}]", parents))
            for k, v in value.items()
        ]
        identities = frozenset((k.identity, v.identity) for k, v in pairs)
        return Taken((dict, identities), {k.copy: v.copy for k, v in pairs})
    if _is_frozen_dataclass(kind) and not foreign(value):
        copy = object.__new__(kind)
        parts = []
        for name in [field.name for field in fields(kind)]:
            part = _take(getattr(value, name), f"{where}.{name}", parents)
            object.__setattr__(copy, name, part.copy)
            parts.append(part.identity)
        return Taken((kind, tuple(parts)), copy)
    raise Unfit(where, refusal(value), foreign(value) is not None)


def _is_frozen_dataclass(kind: type) -> bool:
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


#: What to pass instead of some of Plone's values, by the names of their classes.
_INSTEAD = {
    "DateTime": "value.asdatetime()",
    "Message": "its translation, translate(value, context=request)",
    "NamedFile": "value.data",
    "NamedBlobFile": "value.data",
    "RichTextValue": "value.raw",
}


def refusal(value: object) -> str:
    """Say what *value* is and what to pass instead."""
    kind = type(value)
    known = foreign(value)
    for base in kind.__mro__:
        if base.__name__ in _INSTEAD:
            what = f"it is {noun(value)}" if known else f"{kind.__qualname__} is not plain data"
            return f"{what}; pass {_INSTEAD[base.__name__]}."
    if known:
        return f"it is {known}."
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
    """Say what *value* is if it belongs to Zope or to one pass; otherwise return None.

    A foreign value must not leave its pass in any wrapping: not as an argument, not inside
    a result, not bound to a method, not closed over. The text may have advice behind a
    semicolon.
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
        return f"a bound method of {noun(owner)}; use a function of a module"
    for what, part in _parts(value):
        found = foreign(part, seen)
        if found:
            return f"{what} {found}"
    return None


def noun(value: object) -> str:
    """Return what *value* is, without advice."""
    return (foreign(value) or f"a {type(value).__qualname__}").partition(";")[0]


def _parts(value: object) -> Iterator[tuple[str, Any]]:
    """Yield what a function or a partial carries with it, each with words for that."""
    if isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield "a partial of", part
    if type(value) is FunctionType:
        for name, cell in _cells(value):
            if not _is_empty(cell):
                yield f"a closure over {name},", cell.cell_contents


def _is_request(kind: type, value: object) -> bool:
    return any(
        c.__module__.startswith(("ZPublisher.", "zope.publisher."))
        and c.__name__.endswith(("Request", "Response"))
        for c in kind.__mro__
    )


def is_view(kind: type, value: object) -> bool:
    """Tell whether *value*, of the class *kind*, is a view, a viewlet or a portlet renderer."""
    own = getattr(value, "__dict__", {})
    return ("request" in own and "context" in own) or any(
        c.__name__ in ("BrowserView", "BrowserPage") for c in kind.__mro__
    )


_FOREIGN = {
    "an object in an acquisition wrapper; pass the plain values that the call needs, "
    "such as its UID, path or text": lambda kind, _: kind.__module__.split(".")[0] == "Acquisition",
    "a persistent object; pass the plain values that the call needs, such as its UID, "
    "path or text": lambda kind, _: hasattr(kind, "_p_jar") and hasattr(kind, "_p_oid"),
    "a request or response; pass the form values or headers that the call needs": _is_request,
    "a view; pass the plain values that the call needs and declare the future outside "
    "of the class": is_view,
}


def _cells(function: FunctionType) -> list[tuple[str, CellType]]:
    names = function.__code__.co_freevars
    return list(zip(names, function.__closure__ or (), strict=True))


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def take_closure(function: Any, seen: frozenset[int] = frozenset()) -> Taken:
    """Return what *function* closes over, and a copy of it which keeps those values.

    Plain values count like arguments, and so do those of an inner function. Other values
    (modules, helpers, a client made once per process) are used as they are, and are equal
    only if they are the same object.

    Raises:
        Unfit: *function* closes over a value that belongs to Zope or to one pass.
    """
    found = foreign(function)
    if found:
        raise Unfit("its function", f"it is {found}.", True)
    if type(function) is not FunctionType:
        return Taken((), function)
    seen |= {id(function)}
    identity = []
    cells = []
    for name, cell in _cells(function):
        if _is_empty(cell):  # not assigned yet
            cells.append(cell)
            continue
        part = _take_closed_over(name, cell.cell_contents, seen)
        identity.append((name, part.identity))
        cells.append(CellType(part.copy))  # a new cell: a loop goes on changing the original
    # A function that closes over nothing stays itself: another process finds it by its name.
    copied = _with_cells(function, tuple(cells)) if cells else function
    return Taken(tuple(identity), copied)


def _take_closed_over(name: str, value: Any, seen: frozenset[int]) -> Taken:
    if type(value) is FunctionType:
        if id(value) in seen:  # a recursive function counts once
            return Taken((), value)
        inner = take_closure(value, seen)
        return Taken((value.__code__, inner.identity), inner.copy)
    try:
        return take(value, name)
    except Unfit as unfit:
        inside = filter(None, map(foreign, getattr(value, "__dict__", {}).values()))
        what = unfit.reason if unfit.foreign else next(inside, None)
        if what is None:
            return Taken(_Same(value), value)
        what = what.removeprefix("it is ").rstrip(".")
        reason = f"it is a closure over {unfit.where}, {what}."
        raise Unfit("its function", reason, True) from None


class _Same:
    """Equals only another ``_Same`` of the very same object."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def _with_cells(function: FunctionType, cells: tuple[CellType, ...]) -> FunctionType:
    code, names = function.__code__, function.__globals__
    copy = FunctionType(code, names, function.__name__, function.__defaults__, cells)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def take_arguments(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Taken:
    """Bind a call's arguments, apply defaults, and return the identity and copy of all.

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
