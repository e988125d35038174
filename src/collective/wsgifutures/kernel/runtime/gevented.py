"""gevent: every request waits in its server's greenlet, and publishes in one of a few.

Only imported where gevent has patched the threads of this process.
"""

from .contract import Slot
from .frames import frame_of_thread
from .interrupts import GreenletInterrupts
from .steps import drive
from .steps import Steps
from collections import deque
from collections.abc import Callable
from gevent import GreenletExit
from gevent._hub_local import get_hub_if_exists  # as gevent's own thread pool does
from gevent.hub import Waiter
from gevent.monkey import get_original
from gevent.socket import wait_read
from types import FrameType
from typing import Any

import _thread
import contextlib
import gevent
import logging
import socket
import time

# The functions of the system, which know nothing of greenlets.
_allocate_lock = get_original("_thread", "allocate_lock")
_getaddrinfo = get_original("socket", "getaddrinfo")
_sleep = get_original("time", "sleep")
_start_new_thread = get_original("_thread", "start_new_thread")

#: With these, ``getaddrinfo`` never asks anybody: it fails unless it is given two numbers.
_ADDRESS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

#: By the number of a thread, the functions to call at its end, while it has its hub.
_ends: dict[int, list[Callable[[], None]]] = {}


class _GreenletSignal:
    """Wakes a greenlet, from any thread."""

    __slots__ = ("_set", "_waiter")

    def __init__(self) -> None:
        self._set = False
        self._waiter: Any = None

    def set(self) -> None:
        self._set = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.hub.loop.run_callback_threadsafe(waiter.switch, None)

    def is_set(self) -> bool:
        return self._set

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set and (timeout is None or timeout > 0):
            self._wait(timeout)
        return self._set

    def _wait(self, timeout: float | None) -> None:
        self._waiter = waiter = Waiter()
        timer = None
        if timeout is not None:
            timer = waiter.hub.loop.timer(timeout)
            timer.start(waiter.switch, None)
        try:
            if not self._set:  # a thread may have set the signal meanwhile
                waiter.get()
        finally:
            if timer is not None:
                timer.close()
            self._waiter = None


class _Turns:
    """Lets the slots begin one after the other, each in its own turn of the loop.

    A pass may never wait, for example on a FileStorage. Without turns the passes of the other
    slots would follow at once, and no new client would be heard before all of them have ended.
    """

    def __init__(self) -> None:
        self._line: deque[Any] = deque()
        # In a turn of the loop this timer comes last of all that is due.
        self._timer = gevent.get_hub().loop.timer(0.0, priority=-2)

    def wait(self) -> None:
        """Return when it is this greenlet's turn."""
        waiter = Waiter()
        self._line.append(waiter)
        if len(self._line) == 1:
            self._timer.start(self._next)
        waiter.get()

    def _next(self) -> None:
        waiter = self._line.popleft()
        if self._line:
            self._timer.start(self._next)
        waiter.switch(None)


class _GreenletSlot:
    """Publishes one pass after the other, in one greenlet that lives as long as the worker.

    Plone's caches per thread are filled once for each slot, not once for each connection.
    """

    is_callers = False

    def __init__(self, turns: _Turns) -> None:
        self._turns = turns
        self._work: deque[Callable[[], None]] = deque()
        self._has_work = _GreenletSignal()
        self._spawn()

    def take(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        self._has_work.set()

    def _spawn(self) -> None:
        # A slot never ends. If something kills its greenlet, another one takes over.
        gevent.spawn(self._publish).link(lambda ended: self._spawn())

    def _publish(self) -> None:
        while True:
            self._has_work.wait()
            self._has_work.clear()
            while self._work:
                self._publish_next(self._work.popleft())

    def _publish_next(self, work: Callable[[], None]) -> None:
        try:
            self._turns.wait()
        finally:  # even if something kills this greenlet: the request waits for its pass
            work()


class _HubThread:
    """A thread of the system. If it waits it has a hub of its own, which ends with the thread."""

    def __init__(self, *, target: Callable[[], None]) -> None:
        self._target = target

    def start(self) -> None:
        # The first hub of a process imports its parts. If two threads made the first hub side by
        # side, each would wait for ever for the other's imports.
        gevent.get_hub()
        _share_logging()
        _start_new_thread(self._run, ())

    def _run(self) -> None:
        ends = _ends[_thread_id()] = []
        try:
            self._target()
        finally:
            for end in ends:
                end()
            del _ends[_thread_id()]
            _end_hub()


class _Greenlets:
    """A process that gevent has patched."""

    name = "gevent"
    executor = "greenlets"
    threads_may_log = False

    signal = staticmethod(_GreenletSignal)
    interrupts = staticmethod(GreenletInterrupts)
    time_limit = staticmethod(gevent.Timeout)
    loop = staticmethod(gevent.get_hub)
    here = staticmethod(gevent.getcurrent)
    of_the_system = staticmethod(get_original)

    #: Under gevent a call may run in a thread of the system beside the greenlets. gevent's own
    #: locks would switch greenlets between two loops. A lock of the system stops the loop while
    #: somebody waits for the lock.
    lock = staticmethod(_allocate_lock)

    thread = _HubThread

    def give_way(self, seconds: float) -> None:
        with gevent.Timeout(seconds, False):
            gevent.idle()

    def spawn(self, function: Callable[[], None]) -> None:
        gevent.spawn(function)

    def take(self, steps: Steps[None], interrupts: Any) -> None:
        gevent.spawn(drive, steps)

    def slots(self, number: int) -> list[Slot]:
        turns = _Turns()
        return [_GreenletSlot(turns) for _ in range(number)]

    def look_up_addresses_at_once(self) -> None:
        hub = gevent.get_hub()
        if not isinstance(hub.resolver, _AddressesAtOnce):
            hub.resolver = _AddressesAtOnce(hub.resolver)

    def wait_to_read(self, socket: Any, seconds: float) -> None:
        wait_read(socket.fileno(), seconds, TimeoutError("timed out"))

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        # A socket that waits in a hub can only be closed while the hub is there.
        _ends.get(_thread_id(), []).append(function)

    def outlives_its_callers(self) -> bool:
        return bool(gevent.get_hub().main_hub)  # a greenlet ends with its thread

    def server_loop(self) -> None:
        return

    def frame_of(self, where: Any) -> FrameType | None:
        frame: FrameType | None = where.gr_frame
        return frame

    def cpu_of(self, where: Any) -> float:
        return 0.0

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        return _LoopWatch(limit, tell).end


class _AddressesAtOnce:
    """gevent's resolver, but an address that is looked up needs none of its ten threads.

    Clients such as urllib3 pass addresses, too, to ``getaddrinfo``. All look-ups of the process
    wait for these threads, whoever makes them, so ten that hang would keep all from connecting.
    """

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolver, name)

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        with contextlib.suppress(socket.gaierror):  # a name, or a port's name
            return _getaddrinfo(host, port, family, type, proto, flags | _ADDRESS)
        return self._resolver.getaddrinfo(host, port, family, type, proto, flags)


def _thread_id() -> int:
    # Looked up each time: the audit reports modules that keep this function as loaded too early.
    return int(get_original("_thread", "get_ident")())


def _share_logging() -> None:
    """Give logging locks of the system: a thread that waits for gevent's locks may never wake.

    Seen with gevent 26.9: a thread that logs beside the main thread stands for ever, in gevent's
    own thread pool too. A lock that is held just now is replaced the next time.
    """
    handlers = list(logging._handlerList)  # type: ignore[attr-defined]
    locks = [(logging, "_lock"), *((ref(), "lock") for ref in handlers)]
    for owner, name in locks:
        lock = getattr(owner, name, None)
        if lock is None or type(lock) is _thread.RLock:
            continue
        if getattr(lock, "_owner", lock) is None:  # a handler may have any kind of lock
            setattr(owner, name, _thread.RLock())


def _end_hub() -> None:
    """End the hub that gevent made for this thread when the thread first waited."""
    hub = get_hub_if_exists()
    if hub is not None:
        hub.destroy(destroy_loop=True)
        # gevent 26.9 leaves the hub in its run(), which keeps the thread's frames and so all of
        # the request. No collector looks into a greenlet of a thread that has ended.
        hub.throw(GreenletExit)


class _LoopWatch:
    """A timer that ticks in the loop of one thread, and a thread of the system that looks."""

    def __init__(self, limit: float, tell: Callable[[float, FrameType | None], None]) -> None:
        self._limit = limit
        self._tell = tell
        self._tick()
        self._timer = gevent.get_hub().loop.timer(limit / 4, limit / 4, ref=False)
        self._timer.start(self._tick, update=True)
        _start_new_thread(self._look, (_thread_id(),))

    def end(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        self._ticked = time.monotonic()

    def _look(self, thread: int) -> None:
        while True:
            _sleep(self._limit / 4)
            if not self._timer.active:
                return
            late = time.monotonic() - self._ticked
            if late > self._limit:
                self._tell(late, frame_of_thread(thread))


GEVENT = _Greenlets()
