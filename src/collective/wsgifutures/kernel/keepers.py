"""The functions on the stack whose values a cache keeps for later passes.

A placeholder and a default are meant for one pass. Where a cache would keep what is made of
them, neither is given. A cache is recognized by its package. ``functools.lru_cache`` has no frame
of its own: it is found where its function is called from, or in the function's module.
"""

from .arguments import is_view
from .checks import is_of_package
from .names import dotted_name
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from types import CodeType
from types import FrameType
from types import FunctionType
from types import MethodType
from typing import Any
from typing import NamedTuple

import functools
import sys

#: Modules whose functions keep what a function returns; those below them do so too.
CACHES = (
    "beaker.cache",
    "beaker.container",
    "cached_property",
    "cachetools",
    "diskcache",
    "dogpile",
    "functools",
    "joblib",
    "plone.memoize",
    "repoze.lru",
    "zope.cachedescriptors",
)

#: These keep it for as long as an object lives, which may be as long as the pass.
_OF_AN_OBJECT = (
    "cached_property",
    "cachetools._cachedmethod",
    "functools",
    "plone.memoize.instance",
    "zope.cachedescriptors",
)

#: These keep it for as long as the request object lives, which is one pass.
_OF_A_PASS = ("plone.memoize.request", "plone.memoize.view")

#: The only function of ``functools`` that keeps anything and has a frame.
_CACHED_PROPERTY = functools.cached_property.__get__.__code__

_Wrapper: Any = type(functools.lru_cache(len))


class _Module(NamedTuple):
    """What was found in a module."""

    size: int  #: of its globals, when it was searched
    caches: bool
    of_an_object: bool
    wrappers: tuple[Any, ...]  #: of ``functools.lru_cache``


_NONE = _Module(0, False, False, ())

_modules: dict[str, _Module] = {}


def walk(frame: FrameType | None, name: str = "") -> Iterator[tuple[FrameType, str]]:
    """Yield *frame* and those that it was called from, the innermost first.

    With each frame comes the name of the function whose value is kept there, else an empty text.

    Args:
        frame: Where to begin.
        name: What to call the value itself, which a cache may keep that is called there.
    """
    codes: set[int] = set()  # of the frames up to here, by their id: to hash one is dear
    called: FrameType | None = None  # the innermost frame but those of caches and of this package
    module = _NONE if frame is None else _look_at(frame.f_globals)
    while frame is not None:
        codes.add(id(frame.f_code))
        caller = frame.f_back
        callers = _NONE if caller is None else _look_at(caller.f_globals)
        if not module.caches:
            wrappers = module.wrappers + callers.wrappers
            if caller is not None and "<" in frame.f_code.co_qualname:  # made in a function
                wrappers += tuple(_wrappers_in(caller.f_locals.values()))
            yield frame, _kept_by(wrappers, frame, codes) if wrappers else ""
            called = called if is_of_package(frame) else frame
        elif _keeps(frame, module, called):
            yield frame, name if called is None else name_of(called)
        frame, module = caller, callers


def find(frame: FrameType | None) -> str:
    """Return the name of the innermost function whose value is kept; empty if there is none."""
    return next((name for _, name in walk(frame) if name), "")


def _keeps(frame: FrameType, module: _Module, called: FrameType | None) -> bool:
    """Tell whether *frame*, in a *module* of caches, keeps what *called* returns."""
    if frame.f_globals["__name__"] == "functools" and frame.f_code is not _CACHED_PROPERTY:
        return False
    return called is None or not (module.of_an_object and _is_of_a_view(called))


def _is_of_a_view(frame: FrameType) -> bool:
    """Tell whether *frame* runs a method of a view, a viewlet or the like: they last one pass."""
    owner = owner_of(frame)
    return is_view(type(owner), owner)


def owner_of(frame: FrameType) -> Any:
    """Return the first argument of the function that *frame* runs, if it still has that name."""
    names = frame.f_code.co_varnames
    owner = frame.f_locals.get(names[0]) if names else None
    owner = owner[0] if isinstance(owner, tuple) and owner else owner  # *args
    return aq_base(owner)


def aq_base(value: Any) -> Any:
    """Return *value* without its acquisition wrapper, if it has one."""
    # Asks no other object for an attribute: its __getattr__ may do anything.
    is_wrapped = type(value).__module__.partition(".")[0] == "Acquisition"
    return value.aq_base if is_wrapped else value


def name_of(frame: FrameType) -> str:
    """Return the dotted name of the function that *frame* runs."""
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


# functools.lru_cache


def _kept_by(wrappers: Iterable[Any], frame: FrameType, codes: set[int]) -> str:
    """Return the name of the function of *frame* if one of *wrappers* has called it."""
    for wrapper in wrappers:
        around = _codes(wrapper)
        here = around and around[0] is frame.f_code and codes.issuperset(map(id, around))
        if here and not _is_of_a_view(frame):
            return dotted_name(wrapper)
    return ""


def _codes(wrapper: Any) -> list[CodeType]:
    """Return the code of the function that *wrapper* calls, and of the functions below that."""
    found, function = [], getattr(wrapper, "__wrapped__", None)
    while function is not None:
        function = function.__func__ if isinstance(function, MethodType) else function
        code = getattr(function, "__code__", None)
        if code is not None:
            found.append(code)
        function = getattr(function, "__wrapped__", None)
    return found


def _look_at(names: Mapping[str, Any]) -> _Module:
    """Return what there is in the module that has *names*; it is searched again if it has grown."""
    name = str(names.get("__name__"))
    known = _modules.get(name)
    if known is not None and known.size == len(names):
        return known
    # If it is not a module, it was made by exec: a template, say.
    is_module = getattr(sys.modules.get(name), "__dict__", None) is names
    found = _Module(
        len(names),
        _is_below(name, CACHES) and not _is_below(name, _OF_A_PASS),
        _is_below(name, _OF_AN_OBJECT),
        tuple(_wrappers_of_module(name, list(names.values()))) if is_module else (),
    )
    if is_module:
        _modules[name] = found
    return found


def _is_below(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _wrappers_of_module(name: str, values: list[Any]) -> Iterator[Any]:
    yield from _wrappers_in(values)
    for value in values:
        if issubclass(type(value), type) and value.__module__ == name:  # asks no proxy
            yield from _wrappers_in(map(_plain, list(vars(value).values())))


def _plain(attribute: Any) -> Any:
    """Return the function of a class method, a static method or a property."""
    if type(attribute) is property:
        return attribute.fget
    return attribute.__func__ if type(attribute) in (classmethod, staticmethod) else attribute


def _wrappers_in(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        while type(value) is FunctionType and "__wrapped__" in vars(value):
            value = vars(value)["__wrapped__"]
        if type(value) is _Wrapper:
            yield value
