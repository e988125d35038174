"""The other side of ``helper``: runs the calls that it is sent, in threads and in a loop.

Gevent is not here, and of Zope only what the modules of the futures import. It ends with its
worker, however the worker ends, also in the midst of C code that keeps Python's lock.
"""

from ..by_name import Packed
from ..by_name import unpack
from ..calls import Call
from ..calls import no_end
from ..calls import Outcome
from ..calls import Raised
from ..runtime import current
from ..waiting import Inbox
from .asyncio import Asyncio
from .base import Executor
from .base import Job
from .carried import put_carried
from .channel import CALL
from .channel import DONE
from .channel import frames
from .channel import LOG
from .channel import pack_frame
from .channel import send_for_ever
from .child import begin
from .child import has_closed
from .child import pack_outcome
from .turning import watch_interpreter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from logging.handlers import QueueHandler
from typing import Any

import contextvars
import functools
import json
import logging
import os
import pickle
import socket
import sys

#: Standard input is the channel. The first of these sockets closes with the worker; the second
#: takes the stacks of all threads if none of them runs.
_ALIVE, _STACKS = 3, 4

#: The number of the call that runs here, also in the tasks that it has made.
_number: ContextVar[int] = ContextVar("wsgifutures.number", default=0)


def main() -> None:
    """Serve until the other side has ended."""
    channel = begin(_ALIVE, _STACKS)
    with socket.socket(fileno=os.dup(_ALIVE)) as alive:
        if has_closed(alive):
            os._exit(0)
    Helping(channel).serve()


class Helping:
    """The calls that run here.

    Args:
        channel: To the worker.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._box = Inbox(current().signal())
        self._jobs: dict[int, Job | None] = {}
        self._imported: set[str] = set()
        self._executors: dict[str, Executor] = {}
        self._lock = current().lock()

    def serve(self) -> None:
        """Serve until the other side has ended, and end."""
        coming = frames(self._channel)
        self._prepare(**json.loads(next(coming).content))
        _start(functools.partial(send_for_ever, self._channel, self._box))
        for kind, number, content in coming:
            if kind == CALL:
                self._take(_Sent(number, *pickle.loads(content)))
            else:
                self._cancel(number)
        self._executors["asyncio"].close()  # whatever else ends Python has the rest of TO_END

    def _prepare(self, levels: dict[str, int], blocked: float) -> None:
        self._executors = {"threads": KeptThreads(), "asyncio": Asyncio(blocked)}
        handler = _ToTheWorker(self._box)  # type: ignore[arg-type]  # it puts, and nothing else
        logging.root.addHandler(handler)
        os.register_at_fork(after_in_child=lambda: logging.root.removeHandler(handler))
        for name, level in levels.items():
            logging.getLogger(name or None).setLevel(level)
        watch_interpreter(blocked, _STACKS)

    def _take(self, sent: "_Sent") -> None:
        with self._lock:
            self._jobs[sent.number] = None
        if sent.packed.module in self._imported:
            self._begin(sent)
        else:  # to import it may take seconds; other calls go on meanwhile
            _start(functools.partial(self._begin, sent))

    def _begin(self, sent: "_Sent") -> None:
        try:
            job = contextvars.Context().run(self._start, sent)
        except Exception as error:
            self._done(sent, Raised(error))
        except BaseException as error:
            self._done(sent, Raised(no_end(sent.packed.name, error)))
        else:
            self._keep(sent, job)

    def _start(self, sent: "_Sent") -> Job:
        _number.set(sent.number)
        put_carried(sent.carried)
        call = sent.packed.call()
        self._imported.add(sent.packed.module)
        return self._executors[sent.executor].start(call, functools.partial(self._done, sent))

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
        packed = pack_outcome(sent.packed.name, outcome)
        self._box.put(pack_frame(DONE, sent.number, packed))


class KeptThreads:
    """A thread for each call, kept for the next call. The worker keeps the limit.

    To start a thread for each call takes four times the CPU.
    """

    name = "threads"

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(sys.maxsize, "future")

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Run *call* in a thread that has nothing to do, or in a new thread."""
        context = contextvars.copy_context()
        self._pool.submit(lambda: done(context.run(call.work)))
        return self

    def cancel(self) -> None:
        """A thread cannot be stopped. The worker drops its result."""

    def close(self) -> None:
        """They end with the process."""


class _Sent:
    """A call as it came."""

    def __init__(self, number: int, executor: str, packed: bytes, carried: Any) -> None:
        self.number = number
        self.executor = executor
        self.packed: Packed = unpack(packed)
        self.carried = carried


class _ToTheWorker(QueueHandler):
    """Sends what is logged to the worker, whose handlers log it."""

    queue: Any

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put it into the box."""
        self.queue.put(pack_frame(LOG, _number.get(), pickle.dumps(record.__dict__)))


def _start(target: Callable[[], None]) -> None:
    current().thread(target=target).start()
