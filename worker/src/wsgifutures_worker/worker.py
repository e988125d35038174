"""A worker: which tasks it does, and its life from ``run`` to the last job.

It has as many *lanes* as it does jobs at a time. A lane is a thread that waits for a claim, lets
the job be done in its place, tells the outcome, and starts over. The main thread waits for
signals::

    RUNNING --1st signal--> STOPPING: claims nothing, its jobs may end
                               |
                               +--all ended, grace over, or 2nd signal--> releases, ENDED
"""

from .executors import InProcess
from .executors import InThread
from .executors import Place
from .executors import PROCESS_NAME
from .executors import Task
from .held import Held
from .keys import Key
from .keys import load_key
from .pauses import Contact
from .site import checked_url
from .site import Site
from .sources import Claims
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

import functools
import logging
import multiprocessing
import os
import queue
import signal
import threading
import time

if TYPE_CHECKING:
    from .broker import Broker

log = logging.getLogger("wsgifutures_worker")

F = TypeVar("F", bound=Callable[..., Any])

_PLACES: dict[str, type[InThread] | type[InProcess]] = {
    "threads": InThread,
    "processes": InProcess,
}
#: Seconds until the main thread looks for signals.
GLANCE_SECONDS = 0.25

#: For how long a stop waits until a claim is answered that a message of the broker has led to.
LAST_CLAIM_SECONDS = 10.0

_STOP = "stop"
_LANE_ENDED = "lane ended"

#: Whether the command imports a program right now.
_is_imported = False


class Worker:
    """Does the jobs of a site's queues.

    Args:
        url: The site's public address.
        queues: Whose jobs are claimed. Default: all that this worker is approved for.
        key: The file of the worker's key, made by ``wsgifutures-worker init``.
        broker: ``amqp://…`` or ``redis://…``: what wakes this worker. Needs *queues*; with *key*
            too, the site is asked for jobs while the broker is away.
        concurrency: How many jobs are done at a time.
        executor: ``"threads"``, or ``"processes"`` for functions that compute, may crash, or hold
            Python's lock for longer than a lease.
        grace: For how many seconds jobs may go on after the first signal.
        wait: For how many seconds a claim waits at the site.
    """

    def __init__(
        self,
        url: str,
        queues: list[str] | None = None,
        key: str | os.PathLike[str] | Key | None = None,
        broker: str | None = None,
        concurrency: int = 1,
        executor: str = "threads",
        grace: float = 30.0,
        wait: float = 50.0,
    ) -> None:
        _check(queues, key, broker, concurrency, executor)
        self.queues = list(queues) if queues else None
        self.concurrency = concurrency
        self.executor = executor
        self.grace = grace
        self.wait = wait
        self.tasks: dict[str, Task] = {}
        self.url = checked_url(url)
        self._key = key
        self._broker_url = broker
        self._inbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __repr__(self) -> str:
        return f"<Worker of {self.url}, queues: {', '.join(self.queues or ['all'])}>"

    @functools.cached_property
    def site(self) -> Site:
        """The site; the file of the key is read now, so a module with a worker imports without."""
        key = self._key
        if key is not None and not isinstance(key, Key):
            key = load_key(key)
        return Site(self.url, key, connections=3 * self.concurrency + 1)

    def does(self, task: str, secret: bool = False) -> Callable[[F], F]:
        """Declare the function that does *task*; it gets the job.

        Args:
            secret: The site and the log get the type of an unexpected error, not its text.
        """

        def declare(function: F) -> F:
            if task in self.tasks:
                raise ValueError(f'"{task}" is declared twice.')
            self.tasks[task] = Task(function, secret)
            return function

        return declare

    def run(self) -> None:
        """Do jobs until SIGTERM, SIGINT or ``stop``.

        Return at once where a program is only imported: in a process that does a job, and by the
        command, which runs the worker itself or just checks it.
        """
        if _is_imported or multiprocessing.current_process().name == PROCESS_NAME:
            return
        with _signals(self.stop):
            _Run(self, self._broker_url, self._inbox).run()

    def stop(self) -> None:
        """Claim no more, and end with the jobs at hand; called again, release them at once."""
        self._inbox.put(_STOP)


@contextmanager
def importing() -> Iterator[None]:
    """Let ``Worker.run`` return at once while the context lasts."""
    global _is_imported
    _is_imported = True
    try:
        yield
    finally:
        _is_imported = False


class _Run:
    """One call of ``Worker.run``."""

    def __init__(
        self, worker: Worker, broker_url: str | None, inbox: queue.SimpleQueue[str]
    ) -> None:
        self._worker = worker
        self._site = worker.site
        self._inbox = inbox
        self._stopping = threading.Event()
        self._approval = Contact(worker.site.url)
        self._held: set[Held] = set()
        kind = _PLACES[worker.executor]
        self._places: list[Place] = [
            kind(worker.site.url, worker.tasks) for _ in range(worker.concurrency)
        ]
        self._broker = self._make_broker(broker_url)

    def run(self) -> None:
        log.info("%r does %s.", self._worker, ", ".join(self._worker.tasks) or "nothing")
        try:
            self._work()
        finally:
            for place in self._places:
                place.kill()

    def _work(self) -> None:
        for place in self._places:
            _start(self._live, place)
        talk = _start(self._broker.run) if self._broker else None
        while self._hear() != _STOP:
            pass
        self._stopping.set()
        self._site.interrupt_claims()
        log.info("Stopping; %d jobs may go on for %g s.", len(self._held), self._worker.grace)
        self._await_lanes()
        self._release()
        if talk:  # it gives back what it has claimed at the last moment
            talk.join(LAST_CLAIM_SECONDS)

    def _make_broker(self, url: str | None) -> "Broker | None":
        if url is None:
            return None
        try:
            from .broker import Broker
        except ImportError:
            raise ValueError(
                "broker= needs kombu: pip install wsgifutures-worker[broker]"
            ) from None
        queues = self._worker.queues or []
        return Broker(url, self._site, queues, self._worker.concurrency, self._stopping)

    def _hear(self, seconds: float = GLANCE_SECONDS) -> str | None:
        """Return what comes within a moment.

        A signal that arrives right before a wait begins is only seen after it: so waits are short.
        """
        try:
            return self._inbox.get(timeout=min(seconds, GLANCE_SECONDS))
        except queue.Empty:
            return None

    def _await_lanes(self) -> None:
        """Wait until each lane has ended, the grace is over, or there is a second signal."""
        until = time.monotonic() + self._worker.grace
        lanes = len(self._places)
        while lanes and (left := until - time.monotonic()) > 0:
            heard = self._hear(left)
            if heard == _STOP:
                return
            lanes -= heard == _LANE_ENDED

    def _release(self) -> None:
        running = tuple(self._held)
        for held in running:  # before its process ends, which would be a failure of the job
            held.drop()
        for place in self._places:
            place.kill()
        threads = [_start(held.release) for held in running]
        for thread in threads:
            thread.join()

    def _live(self, place: Place) -> None:
        """Be a lane."""
        worker = self._worker
        claims = Claims(self._site, worker.queues, worker.wait, self._stopping, self._approval)
        while not self._stopping.is_set():
            try:
                self._do_next(place, claims)
            except Exception:  # a mistake of ours; the next job may go well
                log.exception("A lane of this worker stumbled.")
                self._stopping.wait(1)
        self._inbox.put(_LANE_ENDED)

    def _do_next(self, place: Place, claims: Claims) -> None:
        held = self._next(claims)
        if held is None:
            return
        if self._stopping.is_set():  # it came at the last moment
            held.release()
            return
        self._held.add(held)
        try:
            with held:
                log.info("%s: claimed.", held)
                held.finish(place.do(held.claim, held))
        finally:
            self._held.discard(held)

    def _next(self, claims: Claims) -> Held | None:
        has_key = self._site.key is not None
        if self._broker and (found := self._broker.next(has_key)):
            return found
        return claims.next() if has_key and not self._stopping.is_set() else None


def _check(
    queues: list[str] | None, key: object, broker: str | None, concurrency: int, executor: str
) -> None:
    if key is None and broker is None:
        raise ValueError("A worker needs key= (see wsgifutures-worker init), or broker=.")
    if broker is not None and not queues:
        raise ValueError("With broker=, name the queues= whose messages are taken.")
    if isinstance(queues, str):
        raise ValueError(f'queues= is a list: ["{queues}"]')
    if concurrency < 1:
        raise ValueError(f"concurrency= has to be 1 or more, and is {concurrency}.")
    if executor not in _PLACES:
        raise ValueError(f'executor= is "threads" or "processes", not "{executor}".')


def _start(target: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
