"""What a process waits with: the words that threads and gevent both have."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any
from typing import Protocol


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

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is set, for up to *timeout* seconds; tell whether it is."""


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


class Startable(Protocol):
    """A thread that has not begun."""

    def start(self) -> None:
        """Let it begin. Under gevent nobody waits for that."""


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

    def thread(self, *, target: Callable[[], None]) -> Startable:
        """Return a thread of the system that will call *target*, which raises nothing."""

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        """Have *function* called at the end of this thread, if what waits here ends with it."""

    def loop(self) -> object:
        """Return what sockets of this thread belong to; None where they are anybody's."""

    def outlives_its_callers(self) -> bool:
        """Tell whether what is started here by default goes on when this thread has ended."""

    def here(self) -> Any:
        """Return the current thread or greenlet."""

    def frame_of(self, where: Any) -> FrameType | None:
        """Return where a thread or greenlet, as ``here`` gave it, stands now."""

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        """Have *tell* called while one keeps all others from running; return what ends that.

        Args:
            limit: For how many seconds that is let pass.
            tell: Is given for how long by now, and where it stands; in a thread of the system.
        """
