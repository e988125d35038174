"""Where a job's function runs: in a thread of this process, or in a process of its own.

Each lane of a worker has one place, and does one job at a time there. A process is started anew
(``spawn``), since a process with threads cannot be copied safely, and video cards not at all. It
gets no claim token: what it has to say goes through a pipe, and the parent renews the lease.
"""

from .job import Job
from .job import JobSession
from .job import Link
from .outcomes import attempt
from .outcomes import Outcome
from .site import Claim
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any
from typing import Protocol

import contextlib
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import threading

#: The name of the processes, by which a program that is imported anew knows where it is.
PROCESS_NAME = "wsgifutures-worker-job"

#: Seconds between two looks whether a process has to be told of a new token, or a cancellation.
LOOK_SECONDS = 0.5

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@dataclass(frozen=True)
class Task:
    """A function that does jobs."""

    function: Callable[..., Any]
    #: Whether the text of its errors stays here.
    secret: bool = False


Tasks = Mapping[str, Task]


class Place(Protocol):
    """Where one lane does its jobs."""

    def do(self, claim: Claim, link: Link) -> Outcome:
        """Do a job; never raises."""

    def kill(self) -> None:
        """End what runs, if that is possible."""


class InThread:
    """Does jobs in the thread that asks."""

    def __init__(self, site: str, tasks: Tasks) -> None:
        self._site = site
        self._tasks = tasks

    def do(self, claim: Claim, link: Link) -> Outcome:
        """Do a job here."""
        return do_here(self._site, self._tasks, claim, link)

    def kill(self) -> None:
        """Do nothing: a thread cannot be ended from outside."""


def do_here(site: str, tasks: Tasks, claim: Claim, link: Link) -> Outcome:
    """Do a job in this thread."""
    base = str((claim.context or {}).get("@id") or site).rstrip("/")
    with JobSession(site, base, lambda: link.access_token) as session:
        task = tasks.get(claim.task)
        secret = claim.secret or (task is not None and task.secret)
        return attempt(task.function if task else None, Job(claim, link, session), secret)


class InProcess:
    """Does jobs in a process, which is replaced when it dies."""

    def __init__(self, site: str, tasks: Tasks) -> None:
        try:
            pickle.dumps(dict(tasks))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"A process cannot import a task ({error}). Define each at the top of a module, "
                'or use executor="threads".'
            ) from None
        self._site = site
        self._tasks = tasks
        self._process: SpawnProcess | None = None
        self._pipe: Connection
        self._killed = False
        self._lock = threading.Lock()  # of a start and a kill

    def do(self, claim: Claim, link: Link) -> Outcome:
        """Do a job in the process, and tell *link* what that says meanwhile."""
        try:
            with self._lock:
                if self._process is None or not self._process.is_alive():
                    self._start()
            self._pipe.send(replace(claim, token=""))
            return self._follow(link)
        except (EOFError, OSError):
            return Outcome(error=self._obituary())

    def kill(self) -> None:
        """Kill the process."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> None:
        if self._killed:
            raise EOFError("this worker stops")
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        level = logging.getLogger().level if logging.getLogger().handlers else None
        args = (theirs, self._site, dict(self._tasks), level)
        self._process = context.Process(target=_work, args=args, name=PROCESS_NAME)
        self._process.start()
        theirs.close()

    def _follow(self, link: Link) -> Outcome:
        known = (link.access_token, False)
        while True:
            if wait([self._pipe], LOOK_SECONDS):
                message = self._pipe.recv()
                if isinstance(message, Outcome):
                    return message
                link.progress(*message)
            news = (link.access_token, link.cancelled)
            if news != known:
                self._pipe.send(news)
                known = news

    def _obituary(self) -> str:
        if self._process is None:
            return "This worker was stopped."
        self._process.join(5)
        with self._lock:
            code, self._process = self._process.exitcode, None
        if code is None or code >= 0:
            return f"The process that did this job ended with status {code}."
        name = signal.Signals(-code).name
        more = " The machine may be short of memory." if name == "SIGKILL" else ""
        return f"The process that did this job was ended by {name}.{more}"


class _Line:
    """The link of a job in the process that does it."""

    def __init__(self, pipe: Connection) -> None:
        self.access_token: str | None = None
        self.cancelled = False
        self.claims: queue.SimpleQueue[Claim] = queue.SimpleQueue()
        self._pipe = pipe
        self._lock = threading.Lock()

    def progress(self, done: float, words: str) -> None:
        """Tell the parent."""
        self.send((done, words))

    def send(self, message: Any) -> None:
        """Send what any thread has to say."""
        with self._lock:
            self._pipe.send(message)

    def listen(self) -> None:
        """Take what the parent says, until it is gone."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = self._pipe.recv()
                if isinstance(message, Claim):
                    self.access_token, self.cancelled = message.access_token, False
                    self.claims.put(message)
                else:
                    self.access_token, self.cancelled = message
        os._exit(0)


def _work(pipe: Connection, site: str, tasks: Tasks, level: int | None) -> None:
    """Do jobs, one after the other; the parent decides when that ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if level is not None:
        logging.basicConfig(level=level, format=FORMAT)
    line = _Line(pipe)
    threading.Thread(target=line.listen, daemon=True).start()
    while True:
        claim = line.claims.get()
        line.send(do_here(site, tasks, claim, line))
