"""What the threads of this process do: how much CPU they use, and whether one stops all others.

Only one thread at a time runs Python, and gives way to others after some milliseconds. C code that
computes and does not give way stops all of them. That is noticed when it has ended: a thread that
wanted to look wakes too late. The system says which thread has computed meanwhile.
"""

from .frames import frames_of_threads
from collections.abc import Callable
from collections.abc import Iterable
from types import FrameType

import sys
import threading
import time

#: What a thread has computed, as a share of the time, to be what stopped the others. Other
#: processes compute, too.
_SHARE = 0.3


def cpu_of_threads(wanted: Iterable[int] | None = None) -> dict[int, float]:
    """Return the CPU seconds of those of the threads *wanted* that are known. Only on Linux.

    Nothing here gives way to another thread, as reading a file would.

    Args:
        wanted: The threads. Default: all.
    """
    known = {t.ident: t.native_id for t in threading.enumerate()}
    chosen = known if wanted is None else known.keys() & set(wanted)
    found = {ident: _read_cpu(known[ident]) for ident in chosen}
    return {ident: seconds for ident, seconds in found.items() if ident and seconds is not None}


def _read_cpu(native: int | None) -> float | None:
    if native is None or not sys.platform.startswith("linux"):
        return None
    try:  # the clock of a thread, as pthread_getcpuclockid(3) makes it of the thread's number
        return time.clock_gettime(~native << 3 | 6)
    except OSError:  # it has ended
        return None


class InterpreterWatch:
    """A thread that looks whether it wakes in time.

    Args:
        limit: How late it may wake, in seconds.
        tell: Gets how late it was, and the frame of the thread that computed. If none has, or it
            has ended, the whole process may have stood still, and nothing is told.
    """

    def __init__(self, limit: float, tell: Callable[[float, FrameType], None]) -> None:
        self._limit = limit
        self._tell = tell
        self._ended = threading.Event()
        #: The CPU seconds of each thread at the last look.
        self._cpu = cpu_of_threads()
        threading.Thread(target=self._look_for_ever, daemon=True, name="watch").start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _look_for_ever(self) -> None:
        while not self._ended.is_set():
            self._look()

    def _look(self) -> None:
        due = time.monotonic() + self._limit / 4
        self._ended.wait(self._limit / 4)
        self._tell_if_late(due)
        self._cpu = cpu_of_threads()

    def _tell_if_late(self, due: float) -> None:
        late = time.monotonic() - due
        if late > self._limit:
            frames = frames_of_threads()  # at once: what stopped the others goes on now
            frame = frames.get(_find_busiest(self._cpu, frames, late))
            if frame is not None:
                self._tell(late, frame)


def _find_busiest(before: dict[int, float], threads: Iterable[int], seconds: float) -> int:
    """Return the thread that has computed most in the last *seconds*; 0 if none has."""
    now = cpu_of_threads(threads)
    used = {ident: cpu - before.get(ident, 0.0) for ident, cpu in now.items()}
    busiest = max(used, key=used.__getitem__, default=0)
    return busiest if used.get(busiest, 0.0) > _SHARE * seconds else 0
