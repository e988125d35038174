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

from .. import runtime
from ..calls import Call
from ..calls import Outcome
from .base import Executor
from collections.abc import Callable
from typing import NamedTuple

import atexit
import os

#: How many calls may wait for a thread, and as many for a process.
MAX_QUEUED = 1000


class Limits(NamedTuple):
    """How much the executors of one worker do at a time."""

    threads: int
    processes: int
    queued: int  #: how many calls wait for a thread, and as many for a process


def _greenlets(limits: Limits) -> Executor:
    from .greenlets import Greenlets

    return Greenlets()


def _threads(limits: Limits) -> Executor:
    from .threads import Threads

    return Threads(limits.threads, limits.queued)


def _processes(limits: Limits) -> Executor:
    from .processes import Processes

    return Processes(limits.processes, limits.queued)


def _asyncio(limits: Limits) -> Executor:
    from .asyncio import Asyncio

    return Asyncio()


def _await_in_place(call: Call) -> Outcome:
    from .asyncio import run_in_place

    return run_in_place(call)


class Kind(NamedTuple):
    """One kind of executor."""

    make: Callable[[Limits], Executor]
    is_async: bool = False  #: runs ``async def``, and nothing else
    by_name: bool = False  #: its functions are found by their names, in another process
    needs_gevent: bool = False
    in_place: Callable[[Call], Outcome] = Call.run  #: makes a call without a hold


#: The kinds of executors, by what they are called.
KINDS = {
    "greenlets": Kind(_greenlets, needs_gevent=True),
    "threads": Kind(_threads),
    "processes": Kind(_processes, by_name=True),
    "asyncio": Kind(_asyncio, is_async=True, in_place=_await_in_place),
}

#: The one that runs ``async def``.
ASYNC = next(name for name, kind in KINDS.items() if kind.is_async)


def kind_of(name: str | None) -> Kind:
    """Return the kind of that name; for None the one that suits the process.

    Raises:
        ValueError: There is none.
    """
    if name is not None and name not in KINDS:
        raise ValueError(f"executor={name!r} does not exist; there are: {', '.join(KINDS)}")
    return KINDS[name or runtime.current().executor]


def check_available(name: str | None) -> None:
    """Refuse greenlets where gevent has not patched.

    Raises:
        ValueError: *name* is an executor that this process does not have.
    """
    if kind_of(name).needs_gevent and not runtime.under_gevent():
        raise ValueError(
            f"executor={name!r} is not available in this process: gevent has not patched it. "
            "Leave executor= out where the future is declared."
        )


class _ByName(dict[str | None, Executor]):
    """What is asked for the first time is made."""

    def __init__(self, make: Callable[[str | None], Executor]) -> None:
        self._make = make

    def __missing__(self, name: str | None) -> Executor:
        return self.setdefault(name, self._make(name))


class Executors:
    """The executors of one worker, each made when it is first asked for.

    Args:
        max_threads: How many threads run side by side.
        max_processes: How many processes; as many as there are cores where it is not given.
        max_queued: How many calls may wait for a thread, and as many for a process.
    """

    def __init__(
        self,
        max_threads: int = 64,
        max_processes: int | None = None,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self._limits = Limits(max_threads, max_processes or os.cpu_count() or 1, max_queued)
        #: Each by its name, under None the one that suits the process.
        self.by_name = _ByName(self._make)

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""
        return self.by_name[name]

    def close(self) -> None:
        """End the processes, the loop and what runs there. What asks again starts anew."""
        made = set(self.by_name.values())
        self.by_name.clear()
        atexit.unregister(self.close)
        for executor in made:
            executor.close()

    def _make(self, name: str | None) -> Executor:
        check_available(name)
        if name is None:
            return self.get(runtime.current().executor)
        atexit.register(self.close)
        return KINDS[name].make(self._limits)
