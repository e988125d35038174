"""Messages to and from a broker: RabbitMQ, or Redis by another URL.

A broker decides nothing here. ``wsgifutures relay``, a process of its own, tells it which jobs
wait for workers elsewhere, sends what ``publish`` recorded, and makes jobs of the messages that
consumers are declared for. No web worker ever opens a connection to a broker, so a visitor's
commit does not wait for it, whatever it does.

``kombu`` is imported where a relay connects, and nowhere else.
"""

from typing import Any
from typing import TYPE_CHECKING

import importlib

if TYPE_CHECKING:
    from .publishing import publish

__all__ = ["publish"]

_HOMES = {"publish": ".publishing"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
