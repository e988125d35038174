"""What runs futures, outside of Zope: greenlets, threads, processes, an asyncio loop.

An executor starts a call and tells when it is done. It keeps no time limit: whoever
started the call stops it.

============  ========================  ================================================
name          runs side by side         a call that is cancelled or out of time
============  ========================  ================================================
greenlets     as many as are asked for  is killed, its sockets are closed
threads       ``max_threads``           goes on, and its result is dropped
processes     ``max_processes``         is killed, with its process
asyncio       as many as are asked for  its task is cancelled
============  ========================  ================================================

Where there is a limit the others wait in a line, and where that is full a call fails
with ``ExecutorBusy``. gunicorn's arbiter reads this before gevent patches: what uses
locks, sockets or asyncio is imported when it is first used.
"""

from ..errors import ExecutorBusy
from .base import Executor
from .base import Job
from .base import real_lock
from .base import Registry
from .base import under_gevent
from .base import Work
from .greenlets import Greenlets
from .threads import at_end_of_thread
from .threads import Threads
from collections.abc import Callable
from typing import Any

import atexit
import os

__all__ = [
    "NAMES",
    "Executor",
    "ExecutorBusy",
    "Executors",
    "Greenlets",
    "Job",
    "Registry",
    "Threads",
    "Work",
    "at_end_of_thread",
    "check_available",
    "check_name",
    "default_name",
    "leaves_process",
    "real_lock",
    "under_gevent",
]

#: What an executor may be called.
NAMES = ("greenlets", "threads", "processes", "asyncio")

#: How many calls may wait for a thread, and as many for a process.
MAX_QUEUED = 1000


def default_name() -> str:
    """Return the name of the executor that futures run on here."""
    return "greenlets" if under_gevent() else "threads"


def check_name(name: str | None) -> None:
    """Refuse an executor that there is none of.

    Raises:
        ValueError: *name* is neither None nor one of ``NAMES``.
    """
    if name is not None and name not in NAMES:
        raise ValueError(f"executor={name!r} does not exist; there are: {', '.join(NAMES)}")


def check_available(name: str | None) -> None:
    """Refuse greenlets where gevent has not patched.

    Raises:
        ValueError: *name* is an executor that this process does not have.
    """
    if name == "greenlets" and not under_gevent():
        raise ValueError(
            "executor='greenlets' is not available in this process: gevent has not patched it. "
            "Leave executor= out where the future is declared."
        )


def leaves_process(name: str | None) -> bool:
    """Tell whether what runs there is found by its name and sent."""
    return name == "processes" or (name in ("threads", "asyncio") and under_gevent())


class Executors:
    """The executors of one worker, each made when it is first asked for.

    Args:
        max_threads: How many threads run side by side.
        max_processes: How many processes; as many as there are cores where it is not given.
        max_queued: How many calls may wait for a thread, and as many for a process.
        blocked: What lets no other async future run for longer is logged, in seconds.
    """

    def __init__(
        self,
        max_threads: int = 64,
        max_processes: int | None = None,
        max_queued: int = MAX_QUEUED,
        blocked: float = 2.0,
    ) -> None:
        self._max_threads = max_threads
        self._max_processes = max_processes or os.cpu_count() or 1
        self._max_queued = max_queued
        self._blocked = blocked
        self._helping: Any = None
        self._made: dict[str, Executor] = {}

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""
        made = self._made.get(name or default_name())
        return made or self._make(name or default_name())

    def close(self) -> None:
        """End the processes, the loop and what runs there. What asks again starts anew."""
        made, self._made = self._made, {}
        atexit.unregister(self.close)
        for executor in made.values():
            executor.close()

    def _make(self, name: str) -> Executor:
        check_name(name)
        check_available(name)
        if not self._made:
            atexit.register(self.close)
        makers: dict[str, Callable[[], Executor]] = {
            "greenlets": Greenlets,
            "threads": self._threads,
            "processes": self._processes,
            "asyncio": self._asyncio,
        }
        return self._made.setdefault(name, makers[name]())

    def _threads(self) -> Executor:
        if not under_gevent():
            return Threads(self._max_threads, self._max_queued)
        from .helper import HelperThreads

        return HelperThreads(self._helper(), self._max_threads, self._max_queued)

    def _helper(self) -> Any:
        """Return what both threads and asyncio are given under gevent."""
        from .helper import Helper

        self._helping = self._helping or Helper(self._blocked)
        return self._helping

    def _processes(self) -> Executor:
        from .processes import Processes

        return Processes(self._max_processes, self._max_queued)

    def _asyncio(self) -> Executor:
        if under_gevent():
            from .helper import HelperAsyncio

            return HelperAsyncio(self._helper())
        from .asyncio import Asyncio

        return Asyncio(self._blocked)
