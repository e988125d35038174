"""What this process waits with: greenlets where gevent has patched, threads elsewhere.

The one place that asks which. All else asks ``current()`` for a signal, a lock, a slot.
"""

from .contract import ClientGone
from .contract import Interrupted
from .contract import Interrupts
from .contract import Runtime
from .contract import Signal
from .contract import Slot
from .contract import Startable
from .contract import WorkerStops
from .threaded import Threads

import sys

__all__ = [
    "ClientGone",
    "Interrupted",
    "Interrupts",
    "Runtime",
    "Signal",
    "Slot",
    "Startable",
    "WorkerStops",
    "current",
    "under_gevent",
]

_THREADS = Threads()


def under_gevent() -> bool:
    """Tell whether threads are greenlets here."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def current() -> Runtime:
    """Return the runtime of this process.

    It is looked up, and not kept: gunicorn's arbiter asks before gevent has patched.
    """
    if not under_gevent():
        return _THREADS
    from .gevented import GEVENT  # gevent need not be installed

    return GEVENT
