"""Threads that read the bodies of responses for a loop of asyncio, a few at a time.

Reading a file would stop the loop, and so would a body that the application makes meanwhile. The
threads of ``concurrent.futures`` would keep a process from ending while one of them waits.
"""

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from typing import TypeVar

import asyncio
import contextlib
import contextvars
import threading

T = TypeVar("T")


class Readers:
    """Up to *limit* threads, each started when no other one is free. They end with the process."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._free = threading.Semaphore(0)
        self._work: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    async def call(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, called in a thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._work.put((contextvars.copy_context(), function, loop, future))
        if not self._free.acquire(blocking=False) and self._left:
            self._left -= 1
            threading.Thread(target=self._serve, daemon=True, name="body").start()
        return await future

    def _serve(self) -> None:
        while True:
            _call(*self._work.get())
            self._free.release()


def _call(
    context: contextvars.Context, function: Callable[[], Any], loop: Any, future: Any
) -> None:
    try:
        tell, outcome = future.set_result, context.run(function)
    except BaseException as error:
        tell, outcome = future.set_exception, error
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(_settle, future, tell, outcome)


def _settle(future: Any, tell: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():  # nobody waits any more
        tell(outcome)
