"""Threads and asyncio under gevent: in one process of the worker that gevent never patched.

There a thread is a thread, and so is a socket, a lock or a loop of asyncio. Where gevent has
patched, a library gets greenlets' instead; and a thread of the system has a loop of gevent's beside
the main loop, in which subprocesses, loops of asyncio and gRPC fail or hang.

The process is a fresh Python, as those of ``processes``. It serves all calls side by side, each
by its number. It starts with the first call and ends with its worker, however the worker ends.
If the process ends before that, each call that it ran fails with ``ProcessEnded``, and the next
call starts another process. What is logged there is logged here.
"""

from ..by_name import pack
from ..calls import Call
from ..calls import Outcome
from ..calls import Raised
from ..errors import ProcessEnded
from ..runtime import current
from ..waiting import Inbox
from .base import Job
from .carried import take_carried
from .channel import CALL
from .channel import CANCEL
from .channel import DONE
from .channel import pack_frame
from .channel import send_for_ever
from .channel import wait_for_items
from .processes import Asking
from .processes import Child
from .processes import unpack_outcome
from .threads import Line
from .threads import Turn
from collections.abc import Callable
from typing import Any

import contextlib
import contextvars
import json
import logging
import pickle
import socket
import time

logger = logging.getLogger(__name__)

#: How long its tasks may take to end when it is stopped, in seconds.
TO_END = 1.0

#: A stack trace comes in pieces. Seconds without another piece after which it is whole.
_WHOLE = 0.3


class Helper:
    """The process: started for the first call, and anew for the first call after its end.

    Args:
        blocked: Seconds until is logged what keeps its loop, or all of it, from going on.
    """

    def __init__(self, blocked: float = 2.0) -> None:
        self._blocked = blocked
        self._life: _Life | None = None
        self._lock = current().lock()

    def ask(self, executor: str, call: Call, done: Callable[[Outcome], None]) -> "Asked":
        """Run *call* there, and tell *done* its outcome.

        Raises:
            ArgumentRefused: It cannot be sent.
            OSError: No process can be started.
        """
        content = pickle.dumps((executor, pack(call), take_carried()))
        asked = Asked(call.name, content, done)
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

    A cancelled call that runs goes on until it returns, and its result is dropped. Its place is
    taken until then.

    Args:
        helper: Where they run.
        limit: How many run side by side.
        length: How many may wait.
    """

    name = "threads"

    def __init__(self, helper: Helper, limit: int = 64, length: int = 1000) -> None:
        self._helper = helper
        self._line = Line(self.name, limit, length, Asking)

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Let *call* run there, or stand in line."""
        context = contextvars.copy_context()
        job = Turn(call.name, self._line, lambda: self._ask(call, context), done)
        self._line.enter(job)
        return job

    def _ask(self, call: Call, context: contextvars.Context) -> Outcome:
        box = Inbox(current().signal())
        context.run(self._helper.ask, self.name, call, box.put)
        return wait_for_items(box)[0]  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the helper: what asks again starts another."""
        self._helper.close()


class HelperAsyncio:
    """A task in the helper's loop for each call. A cancelled task is cancelled there.

    Args:
        helper: Where they run.
    """

    name = "asyncio"

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Make a task for *call* there."""
        return self._helper.ask(self.name, call, done)

    def close(self) -> None:
        """End the helper: what asks again starts another."""
        self._helper.close()


class Asked:
    """A call that was sent, and the life of the process that it was sent to."""

    __slots__ = ("_done", "content", "context", "life", "name", "number")

    def __init__(self, name: str, content: bytes, done: Callable[[Outcome], None]) -> None:
        self.name = name
        self.content = content
        self.context = contextvars.copy_context()  #: in which is logged what it logs there
        self.life: _Life | None = None
        self.number = 0
        self._done: Callable[[Outcome], None] | None = done

    def settle(self, outcome: Outcome) -> None:
        """Tell its outcome, if somebody waits for it."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def cancel(self) -> None:
        """Stop it there."""
        self._done = None
        if self.life is not None:
            self.life.cancel(self.number)


class _Life:
    """One process, from its start to its end, and the calls that it has not answered."""

    def __init__(self, blocked: float) -> None:
        self.ended = False
        self._asked: dict[int, Asked] = {}
        self._number = 0
        self._box = Inbox(current().signal())
        self._lock = current().lock()
        # Nothing is sent on the first: it closes when this process ends, however it ends.
        self._alive, alive = socket.socketpair()
        self._stacks, stacks = socket.socketpair()
        with alive, stacks:
            self._child = Child("helper_child", alive.fileno(), stacks.fileno())
        self._box.put(pack_frame(CALL, 0, _settings(blocked)))
        for work in (self._send, self._receive, self._read_stacks):
            Asking(target=work).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def take(self, asked: Asked) -> bool:
        """Send *asked*; return False where the process has ended."""
        with self._lock:
            if self.ended or self._child.status is not None:  # either may come first
                return False
            self._number += 1
            asked.life, asked.number = self, self._number
            self._asked[asked.number] = asked
        self._box.put(pack_frame(CALL, asked.number, asked.content))
        asked.content = b""
        return True

    def cancel(self, number: int) -> None:
        with self._lock:
            known = self._asked.pop(number, None)
        if known is not None:
            self._box.put(pack_frame(CANCEL, number))

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
        for kind, number, content in self._child.frames:
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
            logger.warning("A record of a helper process cannot be logged here: %s", error)

    def _end(self) -> None:
        with self._lock:
            self.ended = True
            ran, self._asked = list(self._asked.values()), {}
        self._box.put(b"")
        status = self._child.end()
        self._alive.close()
        if ran:
            names = ", ".join(sorted({asked.name for asked in ran}))
            level = logging.ERROR if status else logging.DEBUG  # 0: this process is ending, too
            logger.log(level, "The helper process that ran %s ended with status %d.", names, status)
        for asked in ran:
            asked.settle(Raised(ProcessEnded(asked.name, status)))

    def _read_stacks(self) -> None:
        """Log the stacks that it sends when none of its threads runs."""
        with self._stacks, contextlib.suppress(OSError):
            while stack := _read_whole(self._stacks):
                names = ", ".join(sorted({asked.name for asked in list(self._asked.values())}))
                logger.warning(
                    "Nothing runs in the helper process of this worker: C code keeps Python's "
                    "lock. Its calls are: %s. Its stacks are:\n%s",
                    names or "none",
                    stack.decode(errors="replace"),
                )


def _settings(blocked: float) -> bytes:
    """Return what a helper is told first: the levels of its loggers, and when it is blocked."""
    known = {"": logging.root, **logging.root.manager.loggerDict}
    levels = {
        name: one.level
        for name, one in known.items()
        if isinstance(one, logging.Logger) and one.level
    }
    return json.dumps({"levels": levels, "blocked": blocked}).encode()


def _outcome(content: bytes) -> Outcome:
    try:
        return unpack_outcome(content)
    except Exception as error:  # its class is not found here, say
        return Raised(error)


def _log(content: bytes) -> None:
    record = logging.makeLogRecord(pickle.loads(content))
    known = logging.getLogger(record.name)
    if known.isEnabledFor(record.levelno):
        known.handle(record)


def _read_whole(stacks: socket.socket) -> bytes:
    """Return the next stack trace, which comes in pieces; nothing after the last trace."""
    stacks.settimeout(None)
    whole = stacks.recv(1 << 16)
    stacks.settimeout(_WHOLE)
    with contextlib.suppress(TimeoutError):
        while whole and (more := stacks.recv(1 << 16)):
            whole += more
    return whole
