"""Functions that a view names, and that run outside of Zope once its pass is committed.

What ``@stream`` and ``@websocket`` make of a function: it takes plain data, as a future does.
"""

from .. import declarations
from ..arguments import noun
from ..arguments import take_arguments
from ..arguments import take_closure
from ..arguments import Unfit
from ..by_name import Declared
from ..calls import Call
from ..errors import ArgumentRefused
from ..names import dotted_name
from collections.abc import Callable
from typing import Any
from typing import Generic
from typing import ParamSpec

import functools

P = ParamSpec("P")


class OutsideFunction(Declared, Generic[P]):
    """A declared function.

    Args:
        function: The function.
        key: Its name, instead of its dotted name.
    """

    kind = ""  #: the word for what it is

    def __init__(self, function: Callable[..., Any], key: str | None) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # a subclass is called
        self.name = key or dotted_name(function)
        self.plain = function
        self._signature = declarations.read_signature(function)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def take(self, args: Any, kwargs: Any) -> Call:
        """Return the function with copies of these arguments.

        Raises:
            ArgumentRefused: An argument is not plain data.
            TypeError: The arguments do not fit the function.
        """
        try:
            function = take_closure(self.plain).copy
            arguments = take_arguments(self._signature, args, kwargs).copy
        except Unfit as unfit:
            raise ArgumentRefused(self.name, unfit.where, unfit.reason) from None
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        return Call(self.name, None, function, *arguments)

    def __get__(self, instance: object, owner: type | None = None) -> "OutsideFunction[P]":
        if instance is None:
            return self
        raise ArgumentRefused(
            self.name,
            "self",
            f"it is {noun(instance)}. Declare the {self.kind} outside of the class, or below "
            "@staticmethod, and pass plain values.",
        )
