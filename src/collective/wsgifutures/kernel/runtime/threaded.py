"""Threads: every request waits in its server's own thread, and publishes in it."""

from .contract import FOREVER
from .contract import Slot
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from types import FrameType
from typing import Any

import sys
import threading


class ThreadSignal(threading.Event):
    """Wakes a thread."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, for up to *seconds*; tell whether it is."""
        return super().wait(None if seconds == FOREVER else seconds)


class ThreadSlot:
    """A permission: its caller publishes in its own thread."""

    is_callers = True

    def take(self, work: Callable[[], None]) -> None:
        """Call *work* here."""
        work()


class NoInterrupts:
    """Nothing can be raised in a thread that waits: each goes on to its deadline."""

    def allowed(self, socket: Any) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()

    def stop(self) -> None:
        """Let all requests go on."""


class Threads:
    """What a process of threads waits with."""

    name = "threads"
    executor = "threads"

    signal = staticmethod(ThreadSignal)
    lock = staticmethod(threading.Lock)
    interrupts = staticmethod(NoInterrupts)

    def slots(self, number: int) -> list[Slot]:
        """Return as many permissions."""
        return [ThreadSlot() for _ in range(number)]

    def time_limit(self, seconds: float, error: Exception) -> AbstractContextManager[Any]:
        """Return a context that changes nothing: a thread that waits cannot be reached."""
        return nullcontext()

    def start_thread(self, function: Callable[[], None], *, keeps_hub: bool = False) -> None:
        """Call *function* in a daemon thread."""
        threading.Thread(target=function, daemon=True, name="future").start()

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        """Nothing here ends with its thread."""

    def loop(self) -> None:
        """Sockets are anybody's."""
        return

    def outlives_its_callers(self) -> bool:
        """A daemon thread ends with the process."""
        return True

    def locate(self) -> Callable[[], FrameType | None]:
        """Return what looks at the current thread's stack."""
        thread = threading.get_ident()
        return lambda: sys._current_frames().get(thread)

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        """There is nothing to watch: the system lets the others run."""
        return lambda: None
