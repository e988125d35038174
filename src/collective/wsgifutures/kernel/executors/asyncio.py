"""Futures that are ``async def``: one loop of asyncio, the server's, or one in a thread of its own.

Where gevent has patched, that thread is in another process: see ``helper``.
"""

from ..calls import Call
from ..calls import no_end
from ..calls import Outcome
from ..calls import Raised
from ..calls import run
from ..calls import without_own_frame
from ..outside import explain
from ..runtime import current
from .base import Job
from .turning import OF_FUTURE
from .turning import running
from .turning import watch_loop
from collections.abc import Callable
from typing import Any

import asyncio
import contextlib
import contextvars
import functools
import logging

logger = logging.getLogger(__name__)

#: How long its tasks may take to end when it is stopped, in seconds. A process that ends
#: does not wait for longer.
TO_END = 1.0


class Asyncio:
    """A task for each call. A cancelled task is cancelled as asyncio does it.

    Args:
        blocked: Seconds until a task that lets no other task run is logged.
    """

    name = "asyncio"

    def __init__(self, blocked: float = 2.0) -> None:
        self._blocked = blocked
        self._loop: _Loop | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self._lock = current().lock()

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Make a task for *call*."""
        job = _TaskJob(call, done)
        loop = current().server_loop()
        if loop is not None:
            self._start_in_servers(loop, job)
            return job
        with self._lock:
            if self._loop is None or self._loop.failed:
                self._loop = _Loop(self._lock, self._blocked)
            self._loop.start(job)
        return job

    def _start_in_servers(self, loop: asyncio.AbstractEventLoop, job: "_TaskJob") -> None:
        if self._watched is not loop:
            self._watched = loop
            loop.call_soon_threadsafe(watch_loop, loop, self._blocked)
        if asyncio._get_running_loop() is loop:
            job.begin(loop)
        else:
            loop.call_soon_threadsafe(job.begin, loop)

    def close(self) -> None:
        """Cancel all tasks and end the loop. The server's goes on, with what runs there."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()


class _Loop:
    """A loop that runs in its thread until it is stopped, and by nobody else.

    What a task of somebody's does to it, with ``loop.stop()`` or SystemExit, would end the
    calls of all others. Nobody waits until it runs: what is started before begins then.

    Args:
        lock: Held by whoever calls ``start``.
        blocked: Seconds until a task that lets no other task run is logged.
    """

    def __init__(self, lock: Any, blocked: float) -> None:
        self.failed = False  #: it could not be made
        self._lock = lock
        self._blocked = blocked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[_TaskJob] = []
        self._ends = False
        self._ended = current().signal()
        current().thread(target=self._run).start()

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
                watch_loop(loop, self._blocked)
                while not self._ends:
                    self._run_on(loop)
        except Exception as error:  # there is no file descriptor left for it, say
            logger.error("The loop of asyncio has failed.", exc_info=error)
            self._fail(error)
        finally:
            self._ended.set()

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
        self._ended.wait(TO_END)


class _TaskJob:
    def __init__(self, call: Call, done: Callable[[Any], None]) -> None:
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
            name = OF_FUTURE + self._call.name
            self._task = loop.create_task(self._run(), context=self._context, name=name)

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


async def _outcome(call: Call) -> Outcome:
    """Await *call* and return what came of it; as ``run`` and ``run_to_end`` do."""
    assert call.function is not None  # noqa: S101  as a future has it
    try:
        value = await call.function(*call.args, **call.kwargs)
    except Exception as error:
        explain(call.name, without_own_frame(error))
        return Raised(error)
    except BaseException as error:  # a CancelledError that nobody asked for, too
        return Raised(no_end(call.name, error))
    return run(call.name, lambda: value)


def run_in_place(call: Call) -> Outcome:
    """Return the outcome of a call that is ``async def``, where there is no hold.

    Where this thread has a loop that runs, or under gevent, whose greenlets share a
    thread, it runs in a thread of its own meanwhile.
    """
    return run(call.name, functools.partial(_value, call))


def _value(call: Call) -> Any:
    async def await_it() -> Any:
        assert call.function is not None  # noqa: S101  as a future has it
        return await call.function(*call.args, **call.kwargs)

    if current().loop() is None and asyncio._get_running_loop() is None:
        return asyncio.run(await_it())
    context, ended = contextvars.copy_context(), current().signal()
    value: Any = None
    error: BaseException | None = None

    def work() -> None:
        nonlocal value, error
        try:
            value = context.run(asyncio.run, await_it())
        except BaseException as raised:
            error = raised
        finally:
            ended.set()

    current().thread(target=work).start()
    while not ended.wait(3600.0):  # an end: gevent's loop does not know of the other thread
        pass
    if error is not None:
        raise error
    return value
