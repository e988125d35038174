"""What an executor does, for all kinds."""

from collections.abc import Callable
from typing import Any
from typing import Protocol

import sys
import threading


class Work(Protocol):
    """What an executor is given: the call of a future."""

    name: str  #: of the future
    parts: Any  #: its function and arguments, where the executor does not call ``work``

    def work(self) -> Any:
        """Make the call and return its outcome; raises nothing."""


class Job(Protocol):
    """A call that was started."""

    def cancel(self) -> None:
        """Stop it as far as the executor can. What it gives later is dropped."""


class Executor(Protocol):
    """Runs calls side by side."""

    name: str

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Run *call* and tell *done*, from wherever, its outcome.

        It runs in a copy of its caller's ``contextvars`` context (not in a process). Nothing
        here waits: under gevent a request may be ended wherever it waits, and what it had
        started then would be nobody's.

        Raises:
            ExecutorBusy: Too many wait already.
        """

    def close(self) -> None:
        """End what can be ended."""


class Registry(Protocol):
    """Knows the executors of a process by their names."""

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""


def under_gevent() -> bool:
    """Tell whether threads are greenlets here."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def real_lock() -> Any:
    """Return a lock of the system, for a few steps that never wait.

    Under gevent a call may run in a real thread beside the greenlets. The locks that gevent
    has put in place of Python's would switch greenlets between two loops; this one stops the
    loop while it is waited for.
    """
    if not under_gevent():
        return threading.Lock()
    from gevent.monkey import get_original

    return get_original("_thread", "allocate_lock")()
