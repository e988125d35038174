"""Notices what keeps a loop of asyncio, or a whole interpreter, from going on, and where.

A loop that does not go on runs no other call. A thread asks the loop to call something, and
measures how long that takes. C code that keeps Python's lock stops that thread too; then a thread
of C looks.
"""

from ..runtime import current
from ..runtime.frames import frame_of_thread
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import asyncio
import contextlib
import faulthandler
import functools
import logging
import threading
import time
import traceback

logger = logging.getLogger(__name__)

#: How many of the innermost calls of a stack are logged.
DEPTH = 15

#: How the names of tasks begin that are futures.
OF_FUTURE = "future "

#: The name of the future that runs here, also in the tasks that it has made.
running: ContextVar[str] = ContextVar("wsgifutures.running", default="")


def watch_loop(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Log, once for each future, what stops *loop*, which is this thread's, for longer."""
    _start(functools.partial(_watch_loop, loop, seconds, threading.get_ident()))


def _start(target: Callable[[], None]) -> None:
    current().thread(target=target).start()


def _watch_loop(loop: asyncio.AbstractEventLoop, seconds: float, thread: int) -> None:
    told: set[str] = set()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        while True:
            turned = threading.Event()
            loop.call_soon_threadsafe(turned.set)
            if not turned.wait(seconds):
                _tell(frame_of_thread(thread), _name_of_task(loop), seconds, told)
                turned.wait()
            time.sleep(seconds / 4)


def _tell(frame: Any, name_of_task: str, seconds: float, told: set[str]) -> None:
    name = _name(frame) or name_of_task or "Something that is not a future"
    if name not in told:
        told.add(name)
        logger.warning(
            "%s has let no other async future of this worker run for %.1f s. Its stack is:\n"
            "%sAwait what takes long: use a client for asyncio, or asyncio.to_thread.",
            name,
            seconds,
            _stack(frame),
        )


def _name(frame: Any) -> str:
    """Return the name of the future in whose context *frame* runs; empty if there is none."""
    while frame is not None:
        if frame.f_code is asyncio.Handle._run.__code__:  # all that a loop calls, tasks too
            context = getattr(frame.f_locals["self"], "_context", {})
            return str(context.get(running, ""))
        frame = frame.f_back
    return ""


def _name_of_task(loop: asyncio.AbstractEventLoop) -> str:
    """Return the name of the future whose own task runs in *loop*; empty if there is none.

    In the stack of a loop written in C, such as uvloop's, there is nothing of the loop.
    """
    task = asyncio.current_task(loop)
    name = task.get_name() if task is not None else ""
    return name.removeprefix(OF_FUTURE) if name.startswith(OF_FUTURE) else ""


def _stack(frame: Any) -> str:
    if frame is None:
        return "  (its thread has ended)\n"
    return "".join(traceback.format_stack(frame)[-DEPTH:])


def watch_interpreter(seconds: float, descriptor: int) -> None:
    """Write the stacks of all threads to *descriptor* if none of them runs for longer."""
    _start(functools.partial(_watch_interpreter, seconds, descriptor))


def _watch_interpreter(seconds: float, descriptor: int) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, file=descriptor)
        time.sleep(seconds / 4)
