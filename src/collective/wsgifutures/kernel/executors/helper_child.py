"""The other side of ``helper``: runs the calls that it is sent, in threads and in a loop.

Gevent is not here, and of Zope only what the modules of the futures import. It ends with its
worker, however that ends, in the midst of C code that keeps Python's lock, too.
"""

from ..futures import Parts
from ..outcomes import no_end
from ..outcomes import Outcome
from ..outcomes import Raised
from ..outcomes import run_to_end
from .asyncio import Asyncio
from .base import Executor
from .base import Job
from .base import Work
from .carried import put_carried
from .channel import find
from .child import packed_outcome
from .child import take_channel
from .frames import CALL
from .frames import DONE
from .frames import frame
from .frames import frames
from .frames import LOG
from .frames import send_for_ever
from .threads import start_thread
from .turning import watch_interpreter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from logging.handlers import QueueHandler
from typing import Any

import contextvars
import fcntl
import functools
import json
import logging
import os
import pickle
import queue
import signal
import socket
import sys
import threading

#: Standard input is the channel. Beside it is a socket that closes with the worker, and one
#: that takes where everything stands when nothing runs.
_ALIVE, _STACKS = 3, 4

#: What a whole group of processes is sent. The server decides what its helper does then.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: The number of the call that runs, also in the tasks that it has made.
_number: ContextVar[int] = ContextVar("wsgifutures.number", default=0)


def main() -> None:
    """Serve until the other side has ended."""
    os.closerange(_STACKS + 1, os.sysconf("SC_OPEN_MAX"))  # the server's port, say
    channel = take_channel()
    _end_with_the_worker()
    Helping(channel).serve()


class Helping:
    """The calls that run here.

    Args:
        channel: To the worker.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._box: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._jobs: dict[int, Job | None] = {}
        self._imported: set[str] = set()
        self._executors: dict[str, Executor] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Serve until the other side has ended, and end."""
        coming = frames(self._channel)
        self._prepare(**json.loads(next(coming)[2]))
        start_thread(functools.partial(send_for_ever, self._channel, self._box))
        for kind, number, content in coming:
            if kind == CALL:
                self._take(_Sent(number, *pickle.loads(content)))
            else:
                self._cancel(number)
        self._executors["asyncio"].close()  # what else ends Python takes its time up to TO_END

    def _prepare(self, levels: dict[str, int], blocked: float) -> None:
        self._executors = {"threads": KeptThreads(), "asyncio": Asyncio(blocked)}
        handler = _ToTheWorker(self._box)
        logging.root.addHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name or None).setLevel(level)
        for number in _SIGNALS:  # to ignore them would be inherited by what is started here
            signal.signal(number, lambda *_: None)
        os.register_at_fork(after_in_child=functools.partial(self._forget, handler))
        watch_interpreter(blocked, _STACKS)

    def _forget(self, handler: logging.Handler) -> None:
        """Make what a call has forked a process like any other."""
        for descriptor in (self._channel.fileno(), _ALIVE, _STACKS):
            os.close(descriptor)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        logging.root.removeHandler(handler)

    def _take(self, sent: "_Sent") -> None:
        with self._lock:
            self._jobs[sent.number] = None
        if sent.module in self._imported:
            self._begin(sent)
        else:  # to import it may take seconds; others go on meanwhile
            start_thread(functools.partial(self._begin, sent))

    def _begin(self, sent: "_Sent") -> None:
        try:
            job = contextvars.Context().run(self._start, sent)
        except Exception as error:
            self._done(sent, Raised(error))
        except BaseException as error:
            self._done(sent, Raised(no_end(sent.name, error)))
        else:
            self._keep(sent, job)

    def _start(self, sent: "_Sent") -> Job:
        _number.set(sent.number)
        put_carried(sent.carried)
        work = _Work(sent)
        self._imported.add(sent.module)
        return self._executors[sent.executor].start(work, functools.partial(self._done, sent))

    def _keep(self, sent: "_Sent", job: Job) -> None:
        with self._lock:
            wanted = sent.number in self._jobs
            if wanted:
                self._jobs[sent.number] = job
        if not wanted:  # it was cancelled while it began; or it is done
            job.cancel()

    def _cancel(self, number: int) -> None:
        with self._lock:
            job = self._jobs.pop(number, None)
        if job is not None:
            job.cancel()

    def _done(self, sent: "_Sent", outcome: Outcome) -> None:
        with self._lock:
            self._jobs.pop(sent.number, None)
        self._box.put(frame(DONE, sent.number, packed_outcome(sent.name, outcome)))


class KeptThreads:
    """A thread for each call, kept for the next one. The worker keeps the limit.

    To start one for each call takes four times the CPU.
    """

    name = "threads"

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(sys.maxsize, "future")

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Run *call* in a thread that has nothing to do, or in a new one."""
        context = contextvars.copy_context()
        self._pool.submit(lambda: done(context.run(call.work)))
        return self

    def cancel(self) -> None:
        """A thread cannot be stopped. Who does not wait any more drops what it gives."""

    def close(self) -> None:
        """They end with the process."""


class _Sent:
    """A call as it came."""

    def __init__(self, number: int, executor: str, message: bytes, carried: Any) -> None:
        self.number = number
        self.executor = executor
        self.carried = carried
        self.name, self.module, self.qualname, self.packed = pickle.loads(message)


class _Work:
    """The same, its function found and its arguments unpacked: what an executor takes."""

    def __init__(self, sent: _Sent) -> None:
        self.name: str = sent.name
        function = find(sent.module, sent.qualname)
        args, kwargs = pickle.loads(sent.packed)
        self.parts = Parts(sent.name, function, args, kwargs)

    def work(self) -> Outcome:
        return run_to_end(self.name, self.parts.run)


class _ToTheWorker(QueueHandler):
    """Sends what is logged to the worker, whose handlers log it."""

    queue: Any

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put it into the box."""
        self.queue.put(frame(LOG, _number.get(), pickle.dumps(record.__dict__)))


def _end_with_the_worker() -> None:
    """Be killed by the system when the worker ends: C code cannot put that off."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(_ALIVE, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_ALIVE, fcntl.F_SETFL, fcntl.fcntl(_ALIVE, fcntl.F_GETFL) | os.O_ASYNC)
    alive = socket.socket(fileno=os.dup(_ALIVE))
    with alive:
        try:
            ended = not alive.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            ended = False
    if ended:
        os._exit(0)
