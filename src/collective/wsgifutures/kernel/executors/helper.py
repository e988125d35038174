"""Threads and asyncio under gevent: in one process of the worker that gevent never patched.

What a library takes for a thread, a socket or a lock there is one. Under gevent it would be a
greenlet's, and a thread of the system would have a loop of gevent's beside the main one:
subprocesses, loops of asyncio and gRPC fail or hang in it.

The process is a fresh Python, as those of ``processes``; it serves all calls side by side, by
the number of each. It starts with the first call and ends with its worker, however that ends.
If it ends before, each call that it ran fails with ``ProcessEnded``, and the next one starts
another. What its loggers are told is logged here.
"""

from ..errors import ProcessEnded
from ..inbox import inbox
from ..outcomes import Outcome
from ..outcomes import Raised
from .base import Job
from .base import real_lock
from .base import Work
from .carried import take_carried
from .channel import pack
from .frames import CALL
from .frames import CANCEL
from .frames import DONE
from .frames import frame
from .frames import frames
from .frames import send_for_ever
from .line import Line
from .processes import Child
from .processes import start_waiting
from .processes import unpacked
from .threads import Threads
from collections.abc import Callable
from typing import Any

import contextlib
import contextvars
import json
import logging
import pickle
import queue
import socket
import time

logger = logging.getLogger(__name__)

#: Seconds that its tasks have to end in when it is stopped.
TO_END = 1.0

#: A stack trace that comes in pieces is whole when nothing more came for so many seconds.
_WHOLE = 0.3


class Helper:
    """The process: started for the first call, and anew for the first one after its end.

    Args:
        blocked: What keeps its loop, or all of it, from turning for longer is logged, in
            seconds.
    """

    def __init__(self, blocked: float = 2.0) -> None:
        self._blocked = blocked
        self._life: _Life | None = None
        self._lock = real_lock()

    def ask(self, executor: str, call: Work, done: Callable[[Outcome], None]) -> "Asked":
        """Run *call* there, and tell *done* its outcome.

        Raises:
            ArgumentRefused: It cannot be sent.
            OSError: No process can be started.
        """
        parts = call.parts
        message = pack(call.name, parts.function, parts.args, parts.kwargs)
        asked = Asked(call.name, pickle.dumps((executor, message, take_carried())), done)
        with self._lock:
            if self._life is None or not self._life.take(asked):
                self._life = _Life(self._blocked)
                self._life.take(asked)
        return asked

    @property
    def pid(self) -> int | None:
        """The number of the process; None where there is none."""
        life = self._life
        return life.pid if life is not None and not life.ended else None

    def close(self) -> None:
        """End the process and what runs there."""
        with self._lock:
            life, self._life = self._life, None
        if life is not None:
            life.close()


class HelperThreads:
    """A thread of the helper for each call, up to a limit; the others wait in line.

    A cancelled call that runs goes on until it returns, counts for so long, and its result is
    dropped. What cannot be sent, a call of an upstream, has a thread of this process.

    Args:
        helper: Where they run.
        limit: How many run side by side.
        length: How many may wait.
    """

    name = "threads"

    def __init__(self, helper: Helper, limit: int = 64, length: int = 1000) -> None:
        self._helper = helper
        self._line = Line(self.name, limit, length, start_waiting)
        self._here = Threads(limit, length)

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Let *call* run there, or stand in line."""
        if call.parts is None:
            return self._here.start(call, done)
        job = _InLine(call, done, self._helper, self._line)
        self._line.enter(job)
        return job

    def close(self) -> None:
        """End the helper: what asks again starts another."""
        self._helper.close()


class HelperAsyncio:
    """A task in the helper's loop for each call. A cancelled one is cancelled there.

    Args:
        helper: Where they run.
    """

    name = "asyncio"

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Make a task for *call* there."""
        return self._helper.ask(self.name, call, done)

    def close(self) -> None:
        """End the helper: what asks again starts another."""
        self._helper.close()


class Asked:
    """A call that was sent; it is in the books of the life that it was sent to."""

    __slots__ = ("_done", "content", "context", "life", "name", "number")

    def __init__(self, name: str, content: bytes, done: Callable[[Outcome], None]) -> None:
        self.name = name
        self.content = content
        self.context = contextvars.copy_context()  #: in which its log is told
        self.life: _Life | None = None
        self.number = 0
        self._done: Callable[[Outcome], None] | None = done

    def settle(self, outcome: Outcome) -> None:
        """Tell its outcome, where somebody waits for it."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def cancel(self) -> None:
        """Stop it there."""
        self._done = None
        if self.life is not None:
            self.life.cancel(self.number)


class _InLine:
    """A call for a thread: runs when it is its turn, and waits here for what came of it."""

    def __init__(self, call: Work, done: Callable[[Any], None], helper: Helper, line: Line) -> None:
        self.name = call.name
        self._call = call
        self._context = contextvars.copy_context()
        self._done: Callable[[Any], None] | None = done
        self._helper = helper
        self._line = line

    def run(self) -> None:
        if self._done is None:
            return
        outcome = self._ask()
        if self._done is not None:
            self._done(outcome)

    def _ask(self) -> Outcome:
        box = inbox()
        try:
            self._context.run(self._helper.ask, "threads", self._call, box.put)
        except Exception as error:  # no process can be started, say
            return Raised(error)
        while True:
            with contextlib.suppress(queue.Empty):
                return box.get(timeout=3600.0)  # type: ignore[no-any-return]

    def cancel(self) -> None:
        self._done = None
        self._line.leave(self)


class _Life:
    """One process, from its start to its end, and the calls that it has not answered."""

    def __init__(self, blocked: float) -> None:
        self.ended = False
        self._asked: dict[int, Asked] = {}
        self._number = 0
        self._box = inbox()
        self._lock = real_lock()
        # Nothing is sent on the first: it closes when this process ends, in whatever way.
        self._alive, alive = socket.socketpair()
        self._stacks, stacks = socket.socketpair()
        with alive, stacks:
            self._child = Child("helper_child", alive.fileno(), stacks.fileno())
        self._box.put(frame(CALL, 0, _settings(blocked)))
        for work in (self._send, self._receive, self._read_stacks):
            start_waiting(work)

    @property
    def pid(self) -> int:
        return self._child.pid

    def take(self, asked: Asked) -> bool:
        """Send *asked*; return False where the process has ended."""
        with self._lock:
            if self.ended or self._child.status is not None:  # its end is seen first or told first
                return False
            self._number += 1
            asked.life, asked.number = self, self._number
            self._asked[asked.number] = asked
        self._box.put(frame(CALL, asked.number, asked.content))
        asked.content = b""
        return True

    def cancel(self, number: int) -> None:
        with self._lock:
            known = self._asked.pop(number, None)
        if known is not None:
            self._box.put(frame(CANCEL, number))

    def close(self) -> None:
        """Let its tasks end, for a while, and then end it."""
        with contextlib.suppress(OSError):
            self._child.channel.shutdown(socket.SHUT_WR)
        until = time.monotonic() + TO_END
        while self._child.status is None and time.monotonic() < until:
            time.sleep(0.005)
        self._child.kill()

    def _send(self) -> None:
        send_for_ever(self._child.channel, self._box)

    def _receive(self) -> None:
        for kind, number, content in frames(self._child.channel):
            if kind == DONE:
                self._settle(number, content)
            else:
                self._log(number, content)
        self._end()

    def _settle(self, number: int, content: bytes) -> None:
        with self._lock:
            asked = self._asked.pop(number, None)
        if asked is not None:
            asked.settle(_outcome(content))

    def _log(self, number: int, content: bytes) -> None:
        """Log what was logged there, in the context of the call that did."""
        asked = self._asked.get(number)
        context = contextvars.copy_context() if asked is None else asked.context.copy()
        try:
            context.run(_log, content)
        except Exception as error:
            logger.warning("What a helper logged cannot be logged here: %s", error)

    def _end(self) -> None:
        with self._lock:
            self.ended = True
            ran, self._asked = list(self._asked.values()), {}
        self._box.put(b"")
        status = self._child.end()
        self._alive.close()
        if ran:
            names = ", ".join(sorted({asked.name for asked in ran}))
            logger.error("The helper that ran %s ended with status %d.", names, status)
        for asked in ran:
            asked.settle(Raised(ProcessEnded(asked.name, status)))

    def _read_stacks(self) -> None:
        """Log where it stands when nothing at all runs there."""
        with self._stacks, contextlib.suppress(OSError):
            while stack := _read_whole(self._stacks):
                names = ", ".join(sorted({asked.name for asked in list(self._asked.values())}))
                logger.warning(
                    "Nothing runs in the helper of this worker: C code keeps Python's lock. "
                    "It was asked for %s. It stands here:\n%s",
                    names or "nothing",
                    stack.decode(errors="replace"),
                )


def _settings(blocked: float) -> bytes:
    """Return what a helper is told first: how much to log, and when it is blocked."""
    known = {"": logging.root, **logging.root.manager.loggerDict}
    levels = {
        name: one.level
        for name, one in known.items()
        if isinstance(one, logging.Logger) and one.level
    }
    return json.dumps({"levels": levels, "blocked": blocked}).encode()


def _outcome(content: bytes) -> Outcome:
    try:
        return unpacked(content)
    except Exception as error:  # its class is not found here, say
        return Raised(error)


def _log(content: bytes) -> None:
    record = logging.makeLogRecord(pickle.loads(content))
    known = logging.getLogger(record.name)
    if known.isEnabledFor(record.levelno):
        known.handle(record)


def _read_whole(stacks: socket.socket) -> bytes:
    """Return the next stack trace, which comes in pieces; nothing where there is no more."""
    stacks.settimeout(None)
    whole = stacks.recv(1 << 16)
    stacks.settimeout(_WHOLE)
    with contextlib.suppress(TimeoutError):
        while whole and (more := stacks.recv(1 << 16)):
            whole += more
    return whole
