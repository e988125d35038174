"""Futures that are ``async def``: one loop of asyncio, in a thread of its own.

Where gevent has patched, that thread has a hub of its own, and asyncio waits in it: the
selectors, sockets, locks and threads that asyncio and its libraries use are gevent's, and
they work as they do in any thread.
"""

from ..inbox import inbox
from ..outcomes import no_end
from ..outcomes import Outcome
from ..outcomes import Raised
from ..outcomes import run
from ..outcomes import without_own_frame
from .base import Job
from .base import real_lock
from .base import under_gevent
from .base import Work
from .threads import start_thread
from .turning import running
from .turning import watch_loop
from collections.abc import Callable
from typing import Any

import asyncio
import contextlib
import contextvars
import logging
import queue

logger = logging.getLogger(__name__)

#: How long its tasks may take to end when it is stopped, in seconds. A process that ends
#: does not wait for longer.
TO_END = 1.0


class Asyncio:
    """A task for each call. A cancelled one is cancelled as asyncio does it.

    Args:
        blocked: A task that lets no other run for longer is logged, in seconds.
    """

    name = "asyncio"

    def __init__(self, blocked: float = 2.0) -> None:
        self._blocked = blocked
        self._loop: _Loop | None = None
        self._lock = real_lock()

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Make a task for *call*."""
        job = _TaskJob(call, done)
        with self._lock:
            if self._loop is None or self._loop.failed:
                self._loop = _Loop(self._lock, self._blocked)
            self._loop.start(job)
        return job

    def close(self) -> None:
        """Cancel all tasks and end the loop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()


class _Loop:
    """A loop that runs in its thread until it is stopped, and by nobody else.

    What a task of somebody's does to it, with ``loop.stop()`` or SystemExit, would end the
    calls of all others. Nobody waits until it runs: what is started before begins then.

    Args:
        lock: Held by who calls ``start``.
        blocked: A task that lets no other run for longer is logged, in seconds.
    """

    def __init__(self, lock: Any, blocked: float) -> None:
        self.failed = False  #: it could not be made
        self._lock = lock
        self._blocked = blocked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[_TaskJob] = []
        self._ends = False
        self._ended = inbox()
        start_thread(self._run, keeps_hub=True)

    def start(self, job: "_TaskJob") -> None:
        """Begin *job*, soon."""
        if self._loop is None:
            self._early.append(job)
        else:
            self._loop.call_soon_threadsafe(job.begin, self._loop)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                loop = runner.get_loop()
                self._begin(loop)
                if not under_gevent():
                    watch_loop(loop, self._blocked)
                while not self._ends:
                    self._run_on(loop)
        except Exception as error:  # there is no file descriptor left for it, say
            logger.error("The loop of asyncio has failed.", exc_info=error)
            self._fail(error)
        finally:
            self._ended.put(None)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._loop = loop
            early, self._early = self._early, []
        for job in early:
            loop.call_soon(job.begin, loop)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self.failed = True
            early, self._early = self._early, []
        for job in early:
            job.fail(error)

    def _run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
        except BaseException as error:
            logger.error("A task of asyncio would have ended its loop.", exc_info=error)

    def stop(self) -> None:
        self._ends = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        with contextlib.suppress(queue.Empty):
            self._ended.get(timeout=TO_END)


class _TaskJob:
    def __init__(self, call: Work, done: Callable[[Any], None]) -> None:
        self._call = call
        self._done = done
        self._context = contextvars.copy_context()
        self._context.run(running.set, call.name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop  # first this, then the look: cancel() does it the other way round
        if not self._cancelled:
            self._task = loop.create_task(self._run(), context=self._context)

    def fail(self, error: Exception) -> None:
        if not self._cancelled:
            self._done(Raised(error))

    def cancel(self) -> None:
        self._cancelled = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        outcome = await _outcome(self._call)
        if not self._cancelled:
            self._done(outcome)


async def _outcome(call: Work) -> Outcome:
    """Await *call* and return what came of it; as ``run`` and ``run_to_end`` do."""
    parts = call.parts
    try:
        value = await parts.function(*parts.args, **parts.kwargs)
    except Exception as error:
        return Raised(without_own_frame(error))
    except BaseException as error:  # a CancelledError that nobody asked for, too
        return Raised(no_end(call.name, error))
    return run(call.name, lambda: value)


def run_in_place(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a coroutine to its end and return its value, where there is no hold.

    Where this thread has a loop that runs, or under gevent, whose greenlets share a
    thread, it runs in a thread of its own meanwhile.
    """

    async def await_it() -> Any:
        return await function(*args, **kwargs)

    if not under_gevent() and asyncio._get_running_loop() is None:
        return asyncio.run(await_it())
    box, context = inbox(), contextvars.copy_context()

    def work() -> None:
        try:
            box.put((context.run(asyncio.run, await_it()), None))
        except BaseException as error:
            box.put((None, error))

    start_thread(work)
    value, error = _wait(box)
    if error is not None:
        raise error
    return value


def _wait(box: Any) -> Any:
    while True:
        with contextlib.suppress(queue.Empty):
            return box.get(timeout=3600.0)
