"""asyncio: every request waits as a task of the server's loop, and publishes in a thread of few.

Nothing is patched. What a pass does, it does in a thread of the system; so do futures that are no
``async def``. Requests wait, and ``async def`` futures run, in the loop of the server.
"""

from .contract import Interrupted
from .contract import Interrupts
from .contract import Slot
from .contract import WorkerStops
from .steps import Steps
from .threaded import _NoInterrupts
from .threaded import _Threads
from collections.abc import Awaitable
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from typing import Protocol
from typing import TypeVar

import asyncio
import contextlib
import threading

T = TypeVar("T")


class _LoopSignal:
    """Wakes a task or a thread, from any thread."""

    __slots__ = ("_set", "_wake")

    def __init__(self) -> None:
        self._set = False
        self._wake: Callable[[], None] | None = None

    def set(self) -> None:
        self._set = True
        wake = self._wake
        if wake is not None:
            wake()

    def is_set(self) -> bool:
        return self._set

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait in a thread."""
        if not self._set and (timeout is None or timeout > 0):
            woken = threading.Event()
            self.wake_by(woken.set)
            try:
                if not self._set:  # another thread may have set the signal meanwhile
                    woken.wait(timeout)
            finally:
                self.wake_by(None)
        return self._set

    async def arrives(self) -> None:
        """Wait in a task of the loop."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        future: asyncio.Future[None] = loop.create_future()
        self.wake_by(lambda: _wake_soon(loop, thread, future))
        try:
            if not self._set:  # another thread may have set the signal meanwhile
                await future
        finally:
            self.wake_by(None)

    def wake_by(self, wake: Callable[[], None] | None) -> None:
        """Have *wake* called, in any thread and maybe twice, when the signal is set from now on."""
        self._wake = wake


class RequestTask:
    """One request in its task of the server's loop: drives steps, and can be interrupted meanwhile.

    Args:
        interrupts: What interrupts it, where it waits.
    """

    __slots__ = ("_future", "_interrupts", "_loop", "_reason", "_thread", "_watch")

    def __init__(self, interrupts: "TaskInterrupts") -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._interrupts = interrupts
        self._future: asyncio.Future[None] | None = None
        self._reason: type[Interrupted] | None = None

    async def drive(self, steps: Steps[T]) -> T:
        """Run *steps* to their end, and return their result; as ``drive`` does in a thread.

        An exception that interrupts a wait is raised in the steps, also if the server cancels
        the task.
        """
        self._interrupts.requests.add(self)
        try:
            wanted = next(steps)
            while True:
                try:
                    in_time = await self._wait(*wanted)
                except BaseException as error:
                    wanted = steps.throw(error)
                else:
                    wanted = steps.send(in_time)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            self._interrupts.requests.discard(self)

    async def receive(self, receive: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Return what the server gives next.

        Raises:
            TimeoutError: There was nothing for so many *seconds*.
            WorkerStops: Instead, the worker ends.
        """
        arrived = _LoopSignal()
        task = asyncio.ensure_future(receive())
        task.add_done_callback(lambda _: arrived.set())
        self._interrupts.requests.add(self)
        try:
            if not await self._wait(arrived, seconds):
                raise TimeoutError(f"nothing came in {seconds:g} s")
            return task.result()
        finally:
            self._interrupts.requests.discard(self)
            task.cancel()

    def interrupt(self, reason: type[Interrupted]) -> None:
        """Raise *reason* where the request waits, or waits next. Called in the loop."""
        if self._future is not None and not self._future.done():
            self._future.set_exception(reason())
        else:
            self._reason = reason

    def interrupt_soon(self, reason: type[Interrupted]) -> None:
        """Do the same. May be called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so has the request
            self._loop.call_soon_threadsafe(self.interrupt, reason)

    async def _wait(self, signal: Any, timeout: float | None) -> bool:
        if self._reason is not None:
            reason, self._reason = self._reason, None
            raise reason
        if signal.is_set() or (timeout is not None and timeout <= 0):
            return bool(signal.is_set())
        self._future = future = self._loop.create_future()
        timer = None if timeout is None else self._loop.call_later(timeout, _wake, future)
        signal.wake_by(lambda: _wake_soon(self._loop, self._thread, future))
        try:
            if not signal.is_set():  # a thread may have set it meanwhile
                await future
        finally:
            signal.wake_by(None)
            self._future = None
            if timer is not None:
                timer.cancel()
        return bool(signal.is_set())


def _wake_soon(
    loop: asyncio.AbstractEventLoop, thread: int, future: "asyncio.Future[None]"
) -> None:
    """Wake who waits for *future* in the *loop* of that *thread*, from any thread."""
    if threading.get_ident() == thread:
        _wake(future)
        return
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(_wake, future)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Interruptible(Protocol):
    """What can be ended where it waits."""

    def interrupt_soon(self, reason: type[Interrupted]) -> None:
        """End it for that *reason*. May be called in any thread."""


class TaskInterrupts(_NoInterrupts):
    """The requests of this worker that can be ended: those that wait in their tasks."""

    def __init__(self) -> None:
        self.requests: set[RequestTask] = set()
        self.sockets: set[Interruptible] = set()

    def stop(self) -> None:
        """Raise ``WorkerStops`` in all of them, soon. May be called in any thread."""
        for request in [*self.requests, *self.sockets]:
            request.interrupt_soon(WorkerStops)

    def stop_sockets(self) -> None:
        """Have all websockets closed. May be called in any thread."""
        for socket in list(self.sockets):
            socket.interrupt_soon(WorkerStops)


class _ThreadSlot:
    """Publishes one pass after the other, in one thread that lives as long as the worker."""

    is_callers = False

    def __init__(self, number: int) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.take = self._work.put
        threading.Thread(target=self._publish, daemon=True, name=f"slot-{number}").start()

    def _publish(self) -> None:
        while True:
            work = self._work.get()
            work()
            del work  # it has its request


class _Asyncio(_Threads):
    """A process whose server is a loop of asyncio."""

    name = "asyncio"
    signal = staticmethod(_LoopSignal)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beside: set[asyncio.Task[None]] = set()  # a loop alone would not keep them

    def serve_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Know the *loop* of the server."""
        self._loop = loop

    def interrupts(self) -> Interrupts:
        return TaskInterrupts()  # type: ignore[return-value]  # nullcontext takes any argument

    def take(self, steps: Steps[None], interrupts: Any) -> None:
        if asyncio._get_running_loop() is None:
            super().take(steps, interrupts)
            return
        task = asyncio.ensure_future(RequestTask(interrupts).drive(steps))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def slots(self, number: int) -> list[Slot]:
        return [_ThreadSlot(one + 1) for one in range(number)]

    def server_loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop


ASYNCIO = _Asyncio()
