"""A function and its arguments, for another process or another day.

The function goes by its name, and its arguments are pickled. ``pack`` tries both at once, so
that whoever makes the call gets the error.
"""

from .calls import Call
from .errors import ArgumentRefused
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import functools
import importlib
import pickle


class Declared:
    """The object that a decorator puts in the place of a function."""

    plain: Callable[..., Any]  #: the function that was declared


class Packed(NamedTuple):
    """A call by the name of its function."""

    name: str  #: for people
    module: str
    qualname: str
    arguments: bytes

    def call(self) -> Call:
        """Return the call, its function found and its arguments unpacked.

        Raises:
            ImportError, AttributeError: There is no such function.
        """
        function = find(self.module, self.qualname)
        args, kwargs = pickle.loads(self.arguments)
        return Call(self.name, self, function, args, kwargs)


def pack(call: Call) -> bytes:
    """Return *call* as bytes.

    Raises:
        ArgumentRefused: The name of the function does not lead to it, or the arguments do
            not pickle.
    """
    function = call.function
    assert function is not None  # noqa: S101  as a future has it
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
        raise ArgumentRefused(call.name, "its function", reason)
    try:
        packed = pickle.dumps((call.args, call.kwargs))
        pickle.loads(packed)
    except Exception as error:
        reason = f"they do not pickle ({error}); pass plainer data to a process."
        raise ArgumentRefused(call.name, "its arguments", reason) from None
    return pickle.dumps((call.name, module, qualname, packed))


def unpack(packed: bytes) -> Packed:
    """Return what ``pack`` packed."""
    return Packed(*pickle.loads(packed))


def find(module: str, qualname: str) -> Any:
    """Return the plain function of that name.

    Raises:
        ImportError, AttributeError: The name leads nowhere.
    """
    found = functools.reduce(getattr, qualname.split("."), importlib.import_module(module))
    return found.plain if isinstance(found, Declared) else found
