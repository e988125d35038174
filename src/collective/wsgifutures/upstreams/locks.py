"""A lock for a few steps that never wait.

Under gevent a future may run in a real thread beside the greenlets; the locks that gevent
has put in place of Python's would switch greenlets between two loops.
"""

from ..kernel.executors import under_gevent
from typing import Any

import threading


def native_lock() -> Any:
    """Return a new lock of the system. Whoever has it must not wait for anything."""
    if not under_gevent():
        return threading.Lock()
    from gevent.monkey import get_original

    return get_original("_thread", "allocate_lock")()
