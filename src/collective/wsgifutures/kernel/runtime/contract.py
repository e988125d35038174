"""What a process waits with: the words that threads and gevent both have.

Whatever waits is written once, as *steps*: a generator that yields a ``Wait`` where
nothing can go on before something has happened. Who runs the steps waits: ``drive`` in a
thread or a greenlet.
"""

from collections.abc import Callable
from collections.abc import Generator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import math

T = TypeVar("T")

#: Without an end, where seconds are given.
FOREVER = math.inf


class Interrupted(BaseException):
    """Ends a request's wait from outside. Control flow, and not an error."""


class ClientGone(Interrupted):
    """Nobody waits for the response any more."""


class WorkerStops(Interrupted):
    """The worker ends before the request could be answered."""


class Signal(Protocol):
    """Set from anywhere, awaited by one."""

    def set(self) -> None:
        """Set it, and wake whoever waits."""

    def is_set(self) -> bool:
        """Tell whether it is set."""

    def clear(self) -> None:
        """Take it back."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for up to *seconds*; tell whether it is."""


class Wait(NamedTuple):
    """What a step waits for; it is sent whether the signal was set in time."""

    signal: Signal
    seconds: float


#: What waits on its way to a result.
Steps = Generator[Wait, bool, T]


def drive(steps: Steps[T]) -> T:
    """Run *steps* to their end, waiting here; return their result.

    While it waits, the frames of the steps are kept as plain objects, and the stack of
    the thread or greenlet is as short as here. What interrupts the wait is raised in them.
    """
    try:
        wanted = next(steps)
        while True:
            try:
                in_time = wanted.signal.wait(wanted.seconds)
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(in_time)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


class Inbox:
    """What arrives for one who takes it; from anywhere.

    The queues of the standard library are made for many on either side, and under gevent
    take 2 KB each. A held request needs a list and a signal.

    Args:
        signal: A new one.
    """

    __slots__ = ("_items", "signal")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal  #: set when something has arrived
        self._items: list[Any] = []

    def put(self, item: Any) -> None:
        """Add *item*."""
        self._items.append(item)
        self.signal.set()

    def take_all(self) -> list[Any]:
        """Return what has arrived, the first item first. Never waits."""
        self.signal.clear()  # before the look: what is put from here on sets it again
        items = []
        while self._items:
            items.append(self._items.pop(0))
        return items


class Slot(Protocol):
    """One place to publish."""

    #: Whether what it is given runs in the caller's thread, which waits for it.
    is_callers: bool

    def take(self, work: Callable[[], None]) -> None:
        """Call *work*, which raises nothing: here, or soon and elsewhere."""


class Interrupts(Protocol):
    """Ends the waits of requests from outside, where that can be done."""

    def allowed(self, socket: Any) -> AbstractContextManager[None]:
        """Let the current request be interrupted for as long as the context lasts.

        Args:
            socket: Its client's, None where there is none to look at.

        Raises:
            ClientGone, WorkerStops: Wherever it waits inside.
        """

    def stop(self) -> None:
        """Raise ``WorkerStops`` in all requests, soon."""


class Runtime(Protocol):
    """What a process waits with."""

    name: str  #: ``threads`` or ``gevent``
    executor: str  #: on which futures run that do not say on which

    def signal(self) -> Signal:
        """Return a new one."""

    def lock(self) -> Any:
        """Return a lock for a few steps that never wait, taken in any thread of the system."""

    def slots(self, number: int) -> list[Slot]:
        """Return the slots of one gate."""

    def interrupts(self) -> Interrupts:
        """Return what ends the waits of this worker's requests."""

    def time_limit(self, seconds: float, error: Exception) -> AbstractContextManager[Any]:
        """Return a context that raises *error* in what waits inside for longer, if it can."""

    def start_thread(self, function: Callable[[], None], *, keeps_hub: bool = False) -> None:
        """Call *function*, which raises nothing, in a thread of the system.

        Args:
            function: What is called.
            keeps_hub: What it leaves open, sockets say, may be closed after its end.
        """

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        """Have *function* called at the end of this thread, if what waits here ends with it."""

    def loop(self) -> object:
        """Return what sockets of this thread belong to; None where they are anybody's."""

    def outlives_its_callers(self) -> bool:
        """Tell whether what is started here by default goes on when this thread has ended."""

    def locate(self) -> Callable[[], FrameType | None]:
        """Return what tells, from elsewhere, where the current thread or greenlet stands."""

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        """Have *tell* called while one keeps all others from running; return what ends that.

        Args:
            limit: For how many seconds that is let pass.
            tell: Is given for how long by now, and where it stands; in a thread of the system.
        """
