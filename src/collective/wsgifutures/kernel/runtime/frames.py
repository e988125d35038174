"""What other threads of the system do at the moment.

Python up to 3.11.8 may stand still for ever in ``sys._current_frames()``: if the garbage collector
runs in there, it may let another thread go on, and one that ends then waits for what this one has
(python/cpython#106883). So the collector does not run meanwhile.
"""

from types import FrameType
from typing import Any

import _thread
import gc
import sys


def _lock_of_the_system() -> Any:
    """Return a lock that stops a thread, not only its greenlet: threads without a hub come here."""
    monkey: Any = sys.modules.get("gevent.monkey")
    make = monkey.get_original("_thread", "allocate_lock") if monkey else _thread.allocate_lock
    return make()


_lock = _lock_of_the_system()


def frame_of_thread(ident: int) -> FrameType | None:
    """Return the innermost frame of a thread of the system; None if it has ended."""
    return frames_of_threads().get(ident)


def frames_of_threads() -> dict[int, FrameType]:
    """Return the innermost frame of each thread of the system."""
    with _lock:  # else one of two would turn the collector on while the other one still looks
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()
