"""Threads: every request waits in its server's own thread, and publishes in it."""

from .contract import Interrupts
from .contract import Slot
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType

import functools
import operator
import sys
import threading


class ThreadSlot:
    """A permission: its caller publishes in its own thread."""

    is_callers = True
    take = staticmethod(operator.call)  # type: ignore[var-annotated, arg-type]


class NoInterrupts:
    """Nothing can be raised in a thread that waits: each goes on to its deadline."""

    allowed = staticmethod(nullcontext)

    def stop(self) -> None:
        """Let all requests go on."""


class Threads:
    """What a process of threads waits with."""

    name = "threads"
    executor = "threads"

    signal = staticmethod(threading.Event)
    lock = staticmethod(threading.Lock)
    thread = staticmethod(functools.partial(threading.Thread, daemon=True, name="future"))
    here = staticmethod(threading.get_ident)

    def interrupts(self) -> Interrupts:
        """Return what ends no wait."""
        return NoInterrupts()  # type: ignore[return-value]  # nullcontext takes any argument

    def slots(self, number: int) -> list[Slot]:
        """Return as many permissions."""
        return [ThreadSlot() for _ in range(number)]

    def time_limit(self, seconds: float, error: Exception) -> nullcontext[None]:
        """Return a context that changes nothing: a thread that waits cannot be reached."""
        return nullcontext()

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        """Nothing here ends with its thread."""

    def loop(self) -> None:
        """Sockets are anybody's."""
        return

    def outlives_its_callers(self) -> bool:
        """A daemon thread ends with the process."""
        return True

    def frame_of(self, where: int) -> FrameType | None:
        """Return where a thread stands now."""
        return sys._current_frames().get(where)

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        """There is nothing to watch: the system lets the others run."""
        return lambda: None
