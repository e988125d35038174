"""Work after the answer: jobs that exist exactly if the transaction that asked is committed.

``get`` and ``mine`` find jobs. In a test, ``run`` does them, and ``done_elsewhere`` does what a
worker elsewhere would. They are loaded when asked for: importing this package imports nothing of
Zope.
"""

from typing import Any
from typing import TYPE_CHECKING

import importlib

if TYPE_CHECKING:
    from .by_hand import done_elsewhere
    from .by_hand import run
    from .looking import get
    from .looking import mine

__all__ = ["done_elsewhere", "get", "mine", "run"]

_HOMES = {
    "done_elsewhere": ".by_hand",
    "get": ".looking",
    "mine": ".looking",
    "run": ".by_hand",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
