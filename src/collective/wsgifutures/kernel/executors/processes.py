"""Futures in processes of their own, for what computes.

A process is a fresh Python, started by its name and not forked from this one: here
greenlets and threads run. It imports the module of the future, and nothing of what
started the server. ``multiprocessing`` and what stands on it would import that script
again in each of them, and with it Zope; and their processes outlive a killed server.
"""

from ..by_name import pack
from ..calls import Call
from ..calls import Outcome
from ..calls import Raised
from ..errors import ProcessEnded
from ..runtime import current
from .base import Job
from .carried import take_carried
from .channel import CALL
from .channel import frames
from .channel import pack_frame
from .threads import Line
from .threads import Turn
from collections.abc import Callable
from typing import Any

import _thread
import contextlib
import json
import os
import pickle
import signal
import socket
import sys
import time

#: What a process runs: it is told where modules are, and waits for calls.
_PROGRAM = (
    "import json, os, sys; sys.path[:] = json.loads(os.environ.pop('WSGIFUTURES_SYS_PATH')); "
    "from collective.wsgifutures.kernel.executors.{} import main; main()"
)


class Processes:
    """A process for each call, up to a limit; it serves one call after the other.

    A cancelled call is killed with its process, and the next one gets a new one.

    Args:
        limit: How many run side by side.
        length: How many calls may wait for one.
    """

    name = "processes"

    def __init__(self, limit: int, length: int = 1000) -> None:
        self._line = Line(self.name, limit, length, Asking)
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._lock = current().lock()

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Send *call* to a process, or let it stand in line."""
        message = pickle.dumps((pack(call), take_carried()))
        job = _ProcessJob(call.name, self._line, message, done, self)
        self._line.enter(job)
        return job

    def close(self) -> None:
        """Kill them all."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in list(self._all):
            child.kill()
        for child in idle:
            self.drop(child)

    def take(self) -> "Child":
        """Return a process that waits for a call."""
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                break
            if child.lives():
                return child
            self.drop(child)
        child = Child()
        self._all.add(child)
        return child

    def give_back(self, child: "Child") -> None:
        """Keep *child* for the next call."""
        with self._lock:
            self._idle.append(child)

    def drop(self, child: "Child") -> int:
        """Forget *child*, which has ended or is to end; return its status."""
        self._all.discard(child)
        return child.end()


class _ProcessJob(Turn):
    def __init__(
        self, name: str, line: Line, message: bytes, done: Callable[[Any], None], pool: Processes
    ) -> None:
        super().__init__(name, line, self._ask, done)
        self._message = message
        self._pool = pool
        self._child: Child | None = None
        self._lock = current().lock()

    def _ask(self) -> Outcome:
        child = self._pool.take()
        with self._lock:
            self._child = child
            cancelled = self._done is None
        answer = None if cancelled else child.ask(self._message)
        with self._lock:
            self._child = None
        if answer is None:
            return Raised(ProcessEnded(self.name, self._pool.drop(child)))
        self._pool.give_back(child)
        return unpack_outcome(answer)

    def cancel(self) -> None:
        super().cancel()
        with self._lock:
            if self._child is not None:
                self._child.kill()


class Child:
    """One process, and the socket on which it is talked to.

    Args:
        module: What it runs, a module beside this one.
        descriptors: Files of this process that it has as 3 and so on.
    """

    def __init__(self, module: str = "child", *descriptors: int) -> None:
        self.channel, theirs = socket.socketpair()
        self._lock = current().lock()
        self._status: int | None = None
        self.frames = frames(self.channel)  #: what it sends
        with theirs:
            files = [(theirs.fileno(), 0), *zip(descriptors, range(3, 9), strict=False)]
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-c", _PROGRAM.format(module)],
                {**os.environ, "WSGIFUTURES_SYS_PATH": json.dumps(sys.path)},
                file_actions=[(os.POSIX_SPAWN_DUP2, *pair) for pair in files],
            )

    def lives(self) -> bool:
        """Tell whether it waits for a call. Its end is seen here before its status is there."""
        self.channel.settimeout(0.0)
        try:
            return bool(self.channel.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.channel.settimeout(None)

    @property
    def status(self) -> int | None:
        """What it ended with, the number of a signal negative; None while it lives."""
        with self._lock:
            return self._look()

    def _look(self) -> int | None:
        if self._status is None:
            self._status = _status(self.pid)
        return self._status

    def ask(self, message: bytes) -> bytes | None:
        """Send a call and return what came of it; None where the process has ended."""
        with contextlib.suppress(OSError):
            self.channel.sendall(pack_frame(CALL, 0, message))
        answer = next(self.frames, None)
        return None if answer is None else answer.content

    def kill(self) -> None:
        """End it now; who asks it is told."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._look() is None:  # else its number may be another's by now
                os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):  # a process of its own may have the other end
            self.channel.shutdown(socket.SHUT_RDWR)

    def end(self) -> int:
        """Kill it where it still runs, and return its status."""
        self.kill()
        self.frames.close()
        self.channel.close()
        while (status := self.status) is None:
            time.sleep(0.005)
        return status


def _status(pid: int) -> int | None:
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # somebody else has waited for it
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def unpack_outcome(answer: bytes) -> Outcome:
    """Return an outcome that came from a process, an exception with its traceback there."""
    outcome, notes = pickle.loads(answer)
    error = outcome.exception()
    if error is not None:
        error.__notes__ = notes
        outcome = Raised(error)
    return outcome  # type: ignore[no-any-return]


class Asking:
    """What asks a process and waits: a thread, or a greenlet under gevent.

    A ``Thread`` would wait for that to begin: a request that is ended meanwhile would not
    know of what goes on.
    """

    def __init__(self, *, target: Callable[[], None]) -> None:
        self._target = target

    def start(self) -> None:
        """Let it begin."""
        _thread.start_new_thread(self._target, ())
