"""What runs futures, outside of Zope: greenlets, threads, processes, an asyncio loop.

Where gevent has patched, threads and the loop are in a process that it has not: the helper.

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
from typing import Any
from typing import NamedTuple

import atexit
import functools
import os

#: How many calls may wait for a thread, and as many for a process.
MAX_QUEUED = 1000


class Limits(NamedTuple):
    """How much the executors of one worker do at a time."""

    threads: int
    processes: int
    queued: int  #: how many calls wait for a thread, and as many for a process
    blocked: float  #: seconds until an async future that lets no other run is logged


def _greenlets(executors: "Executors") -> Executor:
    from .greenlets import Greenlets

    return Greenlets()


def _threads(executors: "Executors") -> Executor:
    from .threads import Threads

    return Threads(executors.limits.threads, executors.limits.queued)


def _threads_of_helper(executors: "Executors") -> Executor:
    from .helper import HelperThreads

    limits = executors.limits
    return HelperThreads(executors.helper, limits.threads, limits.queued)


def _processes(executors: "Executors") -> Executor:
    from .processes import Processes

    return Processes(executors.limits.processes, executors.limits.queued)


def _asyncio(executors: "Executors") -> Executor:
    from .asyncio import Asyncio

    return Asyncio(executors.limits.blocked)


def _asyncio_of_helper(executors: "Executors") -> Executor:
    from .helper import HelperAsyncio

    return HelperAsyncio(executors.helper)


def _await_in_place(call: Call) -> Outcome:
    from .asyncio import run_in_place

    return run_in_place(call)


class Kind(NamedTuple):
    """One kind of executor."""

    make: Callable[["Executors"], Executor]
    is_async: bool = False  #: runs ``async def``, and nothing else
    by_name: bool = False  #: its functions are found by their names, in another process
    available: bool = True
    in_place: Callable[[Call], Outcome] = Call.run  #: makes a call without a hold


#: The kinds of executors, by what they are called.
KINDS = {
    "greenlets": Kind(_greenlets, available=False),
    "threads": Kind(_threads),
    "processes": Kind(_processes, by_name=True),
    "asyncio": Kind(_asyncio, is_async=True, in_place=_await_in_place),
}
#: The same where gevent has patched.
UNDER_GEVENT = {
    **KINDS,
    "greenlets": Kind(_greenlets),
    "threads": Kind(_threads_of_helper, by_name=True),
    "asyncio": Kind(
        _asyncio_of_helper, is_async=True, by_name=True, in_place=KINDS["asyncio"].in_place
    ),
}

#: The one that runs ``async def``.
ASYNC = next(name for name, kind in KINDS.items() if kind.is_async)


def kind_of(name: str | None) -> Kind:
    """Return the kind of that name in this process; for None the kind that suits it.

    Raises:
        ValueError: There is none.
    """
    if name is not None and name not in KINDS:
        raise ValueError(f"executor={name!r} does not exist; there are: {', '.join(KINDS)}")
    kinds = UNDER_GEVENT if runtime.under_gevent() else KINDS
    return kinds[name or runtime.current().executor]


def check_available(name: str | None) -> None:
    """Refuse what this process cannot run: greenlets where gevent has not patched.

    Raises:
        ValueError: *name* is an executor that this process does not have.
    """
    if not kind_of(name).available:
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
        blocked: Seconds until an async future that lets no other run is logged.
    """

    def __init__(
        self,
        max_threads: int = 64,
        max_processes: int | None = None,
        max_queued: int = MAX_QUEUED,
        blocked: float = 2.0,
    ) -> None:
        processes = max_processes or os.cpu_count() or 1
        self.limits = Limits(max_threads, processes, max_queued, blocked)
        self._pid = os.getpid()
        #: Each by its name, under None the one that suits the process.
        self.by_name = _ByName(self._make)

    @functools.cached_property
    def helper(self) -> Any:
        """The process that runs both threads and asyncio where gevent has patched."""
        from .helper import Helper

        return Helper(self.limits.blocked)

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""
        return self.by_name[name]

    def close(self) -> None:
        """End the processes, the loop and what runs there. What asks again starts anew.

        In a process that was forked from the worker they are the worker's, and stay.
        """
        made = set(self.by_name.values()) if self._pid == os.getpid() else ()
        self.by_name.clear()
        vars(self).pop("helper", None)
        atexit.unregister(self.close)
        for executor in made:
            executor.close()

    def _make(self, name: str | None) -> Executor:
        check_available(name)
        if name is None:
            return self.get(runtime.current().executor)
        atexit.register(self.close)
        self._pid = os.getpid()
        return kind_of(name).make(self)
