"""What runs futures, outside of Zope: greenlets where gevent has patched, else threads.

An executor starts a function and tells when it is done. It keeps no time limit: whoever
started the function stops it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any
from typing import Protocol

import contextlib
import contextvars
import logging
import sys
import threading

logger = logging.getLogger(__name__)


#: What an executor may be called.
NAMES = ("greenlets", "threads")


class Work(Protocol):
    """What an executor is given: the call of a future."""

    name: str  #: of the future

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

        It runs in a copy of its caller's ``contextvars`` context.
        """


class Registry(Protocol):
    """Knows the executors of a process by their names."""

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""


def under_gevent() -> bool:
    """Tell whether threads are greenlets here."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


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
    """Refuse an executor that this process does not have.

    Raises:
        ValueError: *name* is neither None nor that of this process.
    """
    if name is not None and name != default_name():
        raise ValueError(
            f"executor={name!r} is not available in this process: its futures run on "
            f"{default_name()}. Leave executor= out where it is declared."
        )


class Executors:
    """The executors of one worker, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Executor] = {}

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""
        check_available(name)
        name = name or default_name()
        if name not in self._made:
            self._made[name] = Greenlets() if name == "greenlets" else Threads()
        return self._made[name]


class Greenlets:
    """A greenlet for each function. A cancelled one is killed, its sockets are closed."""

    name = "greenlets"

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Spawn a greenlet for *call*."""
        import gevent  # never at the top: gunicorn's arbiter reads this before it patches

        greenlet = gevent.Greenlet(_run, call.work, done)
        greenlet.gr_context = contextvars.copy_context()
        greenlet.start()
        return _GreenletJob(greenlet)


def _run(function: Callable[[], Any], done: Callable[[Any], None]) -> None:
    # From here down to the call Python calls Python, with nothing like functools.partial or
    # context.run between: each takes half a kilobyte of C stack, which a greenlet that waits
    # keeps.
    done(function())


class _GreenletJob:
    __slots__ = ("_greenlet",)

    def __init__(self, greenlet: Any) -> None:
        self._greenlet = greenlet

    def cancel(self) -> None:
        self._greenlet.kill(block=False)


class Threads:
    """A daemon thread for each function, up to a limit; the others wait in line.

    A thread cannot be killed. A cancelled function that runs already goes on until it
    returns, counts against the limit for so long, and its result is dropped.

    Args:
        limit: How many run side by side.
    """

    name = "threads"

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._running = 0
        self._line: deque[_ThreadJob] = deque()
        self._lock = threading.Lock()

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Start a thread for *call*, or let it stand in line."""
        job = _ThreadJob(call.work, done, self._leave)
        with self._lock:
            if self._running >= self._limit:
                self._line.append(job)
                if len(self._line) == 1:
                    logger.warning("All %d threads for futures are busy.", self._limit)
                return job
            # Under the lock: where the system has no thread left it is not counted.
            threading.Thread(target=self._work, args=(job,), daemon=True, name="future").start()
            self._running += 1
        return job

    def _leave(self, job: "_ThreadJob") -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._line.remove(job)

    def _work(self, job: "_ThreadJob | None") -> None:
        while job is not None:
            job.run()
            with self._lock:
                job = self._line.popleft() if self._line else None
                if job is None:
                    self._running -= 1


class _ThreadJob:
    def __init__(
        self,
        function: Callable[[], Any],
        done: Callable[[Any], None],
        leave: Callable[["_ThreadJob"], None],
    ) -> None:
        self._function: Callable[[], Any] | None = function
        self._context = contextvars.copy_context()
        self._done = done
        self._leave = leave

    def run(self) -> None:
        function = self._function
        if function is not None:
            self._done(self._context.run(function))

    def cancel(self) -> None:
        self._function = None
        self._leave(self)  # one that stands in line never runs
