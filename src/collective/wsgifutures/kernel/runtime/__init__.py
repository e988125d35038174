"""What this process waits with: greenlets where gevent has patched, threads elsewhere.

Or the tasks of a loop of asyncio, if the server says so.

This is the one place that asks which. All others ask ``current()`` for a signal, lock or slot.
"""

from .contract import ClientGone
from .contract import Interrupted
from .contract import Interrupts
from .contract import Runtime
from .contract import SendLimit
from .contract import Signal
from .contract import Slot
from .contract import Startable
from .contract import WorkerStops
from .threaded import THREADS

import sys

__all__ = [
    "ClientGone",
    "Interrupted",
    "Interrupts",
    "Runtime",
    "SendLimit",
    "Signal",
    "Slot",
    "Startable",
    "WorkerStops",
    "choose_asyncio",
    "current",
    "under_gevent",
]


def under_gevent() -> bool:
    """Tell whether the threads of this process are greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


#: What a process waits with whose threads are no greenlets.
_unpatched: Runtime = THREADS


def choose_asyncio() -> None:
    """Let this process wait with asyncio, from before its application is loaded."""
    global _unpatched
    from .asynced import ASYNCIO  # never at the top: it makes locks

    _unpatched = ASYNCIO


def current() -> Runtime:
    """Return the runtime of this process.

    The answer is not kept: gunicorn's arbiter asks before gevent has patched.
    """
    if not under_gevent():
        return _unpatched
    from .gevented import GEVENT  # gevent need not be installed

    return GEVENT
