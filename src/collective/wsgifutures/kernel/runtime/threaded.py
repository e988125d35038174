"""Threads: every request waits in its server's own thread, and publishes in it."""

from .contract import Interrupts
from .contract import Signal
from .contract import Slot
from .cpu import cpu_of_threads
from .cpu import InterpreterWatch
from .frames import frame_of_thread
from .steps import drive
from .steps import Steps
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType
from typing import Any

import functools
import importlib
import operator
import threading


class _ThreadSlot:
    """A permission to publish: the caller publishes in its own thread."""

    is_callers = True
    take = staticmethod(operator.call)  # type: ignore[var-annotated, arg-type]


class _NoInterrupts:
    """Interrupts nothing: a waiting thread cannot be reached, and waits until its deadline."""

    allowed = staticmethod(nullcontext)

    def limit_sending(self, seconds: float) -> "_NoLimit":
        return _NoLimit()

    def stop(self) -> None:
        pass

    def stop_sockets(self) -> None:
        pass


class _NoLimit:
    """Breaks off nothing: the server's own limits hold."""

    sending = False

    def end(self) -> None:
        pass


class _Threads:
    """A process whose server gives each request a thread of the system."""

    name = "threads"
    executor = "threads"
    threads_may_log = True

    signal: Callable[[], Signal] = staticmethod(threading.Event)
    lock = staticmethod(threading.Lock)
    thread = staticmethod(functools.partial(threading.Thread, daemon=True, name="future"))
    here = staticmethod(threading.get_ident)

    def interrupts(self) -> Interrupts:
        return _NoInterrupts()  # type: ignore[return-value]  # nullcontext takes any argument

    def give_way(self, seconds: float) -> None:
        """Do nothing: threads take turns."""

    def spawn(self, function: Callable[[], None]) -> None:
        threading.Thread(target=function, daemon=True, name="beside").start()

    def take(self, steps: Steps[None], interrupts: Interrupts) -> None:
        self.spawn(lambda: drive(steps))

    def slots(self, number: int) -> list[Slot]:
        return [_ThreadSlot() for _ in range(number)]

    def time_limit(self, seconds: float, error: Exception) -> nullcontext[None]:
        return nullcontext()  # a waiting thread cannot be reached

    def of_the_system(self, module: str, name: str) -> Any:
        return getattr(importlib.import_module(module), name)

    def look_up_addresses_at_once(self) -> None:
        pass  # each thread asks the system by itself

    def wait_to_read(self, socket: Any, seconds: float) -> None:
        pass  # a thread that waits has its whole stack anyway

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        pass  # nothing ends with its thread

    def loop(self) -> None:
        return  # any thread may use any socket

    def outlives_its_callers(self) -> bool:
        return True  # a daemon thread ends with the process

    def server_loop(self) -> Any:
        return None

    def frame_of(self, where: int) -> FrameType | None:
        return frame_of_thread(where)

    def cpu_of(self, where: int) -> float | None:
        return cpu_of_threads([where]).get(where)

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        return InterpreterWatch(limit, tell).end


THREADS = _Threads()
