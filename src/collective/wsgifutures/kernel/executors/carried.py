"""What goes with a call into another process: the trace that it belongs to, say.

A process does not see the ``contextvars`` of a request. What is to be known there is plain
data that one function takes where the call starts, and another one, found by its name, sets
where the call runs.
"""

from collections.abc import Callable
from typing import Any

import importlib

#: What takes it; and the module and name of what is given it there.
_kinds: list[tuple[Callable[[], Any], str, str]] = []


def carry(take: Callable[[], Any], put: Callable[[Any], None]) -> None:
    """Send what *take* returns with each call, and call *put* with it where that runs.

    Args:
        take: Returns plain data; None where there is nothing to send.
        put: Found by its name, at the top of its module. Called in the context of the call.
    """
    _kinds.append((take, put.__module__, put.__qualname__))


def take_carried() -> list[tuple[str, str, Any]]:
    """Return what goes with a call that starts here and now."""
    taken = [(module, name, take()) for take, module, name in _kinds]
    return [one for one in taken if one[2] is not None]


def put_carried(carried: list[tuple[str, str, Any]]) -> None:
    """Set what came with a call, for the current context."""
    for module, name, value in carried:
        getattr(importlib.import_module(module), name)(value)
