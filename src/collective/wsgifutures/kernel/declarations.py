"""What ``@future`` and the like accept: a mistake is refused where the function is declared."""

from . import executors
from .arguments import foreign
from .errors import ArgumentRefused
from .names import dotted_name
from collections.abc import Callable
from typing import Any

import functools
import inspect
import math


def check_function(function: Any, key: str | None) -> None:
    """Refuse a *function* that cannot be a future.

    Raises:
        TypeError: It is not a plain function, or has no name and no *key*.
        ArgumentRefused: It belongs to an object of Zope or of a view.
    """
    _check_plain(function, "@future", "timeout=10")
    name = getattr(function, "__qualname__", None)
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} yields; a future returns one value, for example a list")
    _check_owner(function, "@future", key)


def check_stream(function: Any, key: str | None) -> None:
    """Refuse a *function* that cannot be a stream.

    Raises:
        TypeError: It does not yield, or has no name and no *key*.
        ArgumentRefused: It belongs to an object of Zope or of a view.
    """
    _check_plain(function, "@stream", "timeout=60")
    _check_owner(function, "@stream", key)
    if not inspect.isgeneratorfunction(function) and not inspect.isasyncgenfunction(function):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} yields nothing; a stream is def or async def with yield in it")


def check_socket(function: Any, key: str | None) -> None:
    """Refuse a *function* that cannot have a websocket.

    Raises:
        TypeError: It is not ``async def``, takes no socket, or has no name and no *key*.
        ArgumentRefused: It belongs to an object of Zope or of a view.
    """
    _check_plain(function, "@websocket", "idle=60")
    _check_owner(function, "@websocket", key)
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is not async def, and yields nothing; a websocket's function is")
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise TypeError(f"{name} takes no socket; let that be its first argument")


def _check_plain(function: Any, decorator: str, option: str) -> None:
    if not callable(function):
        raise TypeError(
            f"{decorator} is for a function, not for {function!r}; its options have names, "
            f"as in {decorator}({option})"
        )


def _check_owner(function: Any, decorator: str, key: str | None) -> None:
    name = getattr(function, "__qualname__", None)
    found = foreign(function)
    if found:
        raise ArgumentRefused(key or str(name), "its function", f"it is {found}.")
    if isinstance(function, functools.partial):
        raise TypeError(
            f"{decorator} is for the function itself, not for a partial of it; give the arguments "
            + ("to submit" if decorator == "@future" else "where you call it")
        )
    if key is None and (name is None or "<" in name):
        raise TypeError(
            f"{name or function!r} has no dotted name by which the next pass could recognize "
            f"it; give it a name: {decorator}(key=...)"
        )


def is_async(function: object) -> bool:
    """Tell whether *function*, a function or bound method, is ``async def``."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return bool(flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))


def check_not_async(called: object) -> None:
    """Refuse what Zope calls, a view's method, where it is ``async def``.

    Raises:
        TypeError: It is.
    """
    if is_async(called):
        raise TypeError(
            f"{dotted_name(called)} is async def, which Zope does not await. Write it as def, "
            "and move what it awaits into a function with @future, which may be async def."
        )


def check_key(key: str | None) -> None:
    """Raise TypeError if *key* is neither None nor a name."""
    if key is not None and not (isinstance(key, str) and key):
        raise TypeError(f"key={key!r} is not a name; it takes a str that is not empty")


def to_seconds(timeout: float | None, name: str = "timeout") -> float | None:
    """Return *timeout* as a float; None if the declaration leaves it open.

    Args:
        timeout: Seconds.
        name: The name of the option.

    Raises:
        ValueError: It is not a number of seconds above 0.
    """
    if timeout is None:
        return None
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not 0 < timeout < math.inf:
        raise ValueError(f"{name}={timeout!r} is not a number of seconds above 0")
    return float(timeout)


def choose_executor(function: Callable[..., Any], executor: str | None) -> str | None:
    """Return the executor for *function*: asyncio for ``async def``, and for nothing else.

    Raises:
        ValueError: *executor* does not suit the function.
    """
    is_async = inspect.iscoroutinefunction(function)
    if executor is None:
        return executors.ASYNC if is_async else None
    runs_async = executors.kind_of(executor).is_async
    if is_async and not runs_async:
        raise ValueError(f"executor={executor!r} does not run async def; {executors.ASYNC} does")
    if runs_async and not is_async:
        raise ValueError(
            f"executor={executor!r} runs async def; {function.__qualname__} is not async, and "
            "would stop the others in its loop"
        )
    return executor


def read_signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; if it has none, as some built-ins, any arguments."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *args, **kwargs: None)
