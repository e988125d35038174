"""A function and its arguments, for another process or another day.

The function goes by its name, and its arguments are pickled. ``pack`` tries both at once, so
that whoever makes the call gets the error.
"""

from .errors import ArgumentRefused
from collections.abc import Callable
from typing import Any

import functools
import importlib
import pickle


class Declared:
    """The object that a decorator puts in the place of a function."""

    plain: Callable[..., Any]  #: the function that was declared


def pack(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> bytes:
    """Return a call of *function* as bytes; *name* is for people.

    Raises:
        ArgumentRefused: The name of the function does not lead to it, or the arguments do
            not pickle.
    """
    module, qualname = function.__module__, function.__qualname__
    try:
        found = find(module, qualname)
    except (ImportError, AttributeError):
        found = None
    if found is not function:
        reason = (
            f"a process cannot find it as {module}.{qualname}; declare it at the top of a "
            "module, with @future above all other decorators."
        )
        raise ArgumentRefused(name, "its function", reason)
    try:
        packed = pickle.dumps((args, kwargs))
        pickle.loads(packed)
    except Exception as error:
        reason = f"they do not pickle ({error}); pass plainer data to a process."
        raise ArgumentRefused(name, "its arguments", reason) from None
    return pickle.dumps((name, module, qualname, packed))


def unpack(packed: bytes) -> tuple[str, Callable[[], Any]]:
    """Return the name for people of a call that ``pack`` packed, and a function that makes it."""
    name, module, qualname, arguments = pickle.loads(packed)

    def call() -> Any:
        function = find(module, qualname)
        args, kwargs = pickle.loads(arguments)
        return function(*args, **kwargs)

    return name, call


def find(module: str, qualname: str) -> Any:
    """Return the plain function of that name.

    Raises:
        ImportError, AttributeError: The name leads nowhere.
    """
    found = functools.reduce(getattr, qualname.split("."), importlib.import_module(module))
    return found.plain if isinstance(found, Declared) else found
