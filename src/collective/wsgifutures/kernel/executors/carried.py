"""What goes with a call into another process: for example, the trace of its request.

A process does not see the ``contextvars`` of a request. What has to be known there is plain
data: one function takes it where the call starts, and another function, found by its name, sets
it where the call runs.
"""

from collections.abc import Callable
from typing import Any

import importlib

#: What takes the data; and the module and name of what sets it there.
_kinds: list[tuple[Callable[[], Any], str, str]] = []


def carry(take: Callable[[], Any], put: Callable[[Any], None]) -> None:
    """Send what *take* returns with each call, and give it to *put* where the call runs.

    Args:
        take: Returns plain data, or None if there is nothing to send.
        put: Found by its name, at the top of its module. Called in the context of the call.
    """
    _kinds.append((take, put.__module__, put.__qualname__))


def take_carried() -> list[tuple[str, str, Any]]:
    """Return what goes with a call that is started now, in this context."""
    taken = [(module, name, take()) for take, module, name in _kinds]
    return [one for one in taken if one[2] is not None]


def put_carried(carried: list[tuple[str, str, Any]]) -> None:
    """Set what came with a call in the current context."""
    for module, name, value in carried:
        getattr(importlib.import_module(module), name)(value)
