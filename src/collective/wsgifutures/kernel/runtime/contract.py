"""What a process waits with: the contract that threads, gevent and asyncio fulfil."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any
from typing import Protocol


class Interrupted(BaseException):
    """Ends a request's wait from outside. It is control flow, not an error."""


class ClientGone(Interrupted):
    """The client has left: nobody waits for the response."""


class WorkerStops(Interrupted):
    """The worker ends before the request is answered."""


class Signal(Protocol):
    """A flag that any thread may set, and for which one thread or greenlet waits."""

    def set(self) -> None:
        """Set the flag, and wake whoever waits for it."""

    def is_set(self) -> bool:
        """Tell whether the flag is set."""

    def clear(self) -> None:
        """Reset the flag."""

    def wait(self, timeout: float | None) -> bool:
        """Wait up to *timeout* seconds until the flag is set; tell whether it is set."""


class Slot(Protocol):
    """One place to publish."""

    #: Whether the slot works in the thread of its caller, which waits meanwhile.
    is_callers: bool

    def take(self, work: Callable[[], None]) -> None:
        """Call *work*, which raises nothing: at once, or soon and elsewhere."""


class SendLimit(Protocol):
    """Breaks off a stream whose client does not read, where the runtime can do that."""

    sending: bool  #: the server sends now, and nothing of ours waits

    def end(self) -> None:
        """Break off nothing any more."""


class Interrupts(Protocol):
    """Ends the waits of requests from outside, where the runtime can do that."""

    def allowed(self, socket: Any) -> AbstractContextManager[None]:
        """Let the current request be interrupted for as long as the context lasts.

        Args:
            socket: The client's socket; None if there is no socket to watch.

        Raises:
            ClientGone, WorkerStops: Wherever the request waits inside.
        """

    def limit_sending(self, seconds: float) -> SendLimit:
        """Raise ``ConnectionResetError`` in the current request if it still sends then.

        Servers take that in silence, as of a client that has gone.
        """

    def stop(self) -> None:
        """Raise ``WorkerStops`` in all requests, soon."""

    def stop_sockets(self) -> None:
        """Have all websockets closed, soon: nothing is gained by waiting for their end."""


class Startable(Protocol):
    """A thread that has not begun."""

    def start(self) -> None:
        """Let the thread begin. Under gevent nobody waits for that."""


class Runtime(Protocol):
    """What a process waits with."""

    name: str  #: ``threads``, ``gevent`` or ``asyncio``
    executor: str  #: the name of the executor for futures that name none
    threads_may_log: bool  #: a thread of the system may take the locks of the log's handlers

    def signal(self) -> Signal:
        """Return a new signal."""

    def lock(self) -> Any:
        """Return a lock for a few steps that never wait, taken in any thread of the system."""

    def slots(self, number: int) -> list[Slot]:
        """Return the slots of one gate."""

    def interrupts(self) -> Interrupts:
        """Return what ends the waits of this worker's requests."""

    def time_limit(self, seconds: float, error: Exception) -> AbstractContextManager[Any]:
        """Return a context that raises *error* in code that waits longer inside, if it can."""

    def give_way(self, seconds: float) -> None:
        """Let everything run first that is ready to run in this thread, but for *seconds* at most.

        Greenlets run one after the other, and each wait of a request puts it at the end of their
        line. Whoever has time calls this, so that nobody stands in line behind it again and again.
        """

    def spawn(self, function: Callable[[], None]) -> None:
        """Call *function*, which raises nothing, beside what runs here, in a context of its own.

        It runs in a greenlet of this thread's loop, or in a thread that ends with the process.
        """

    def take(self, steps: Any, interrupts: Interrupts) -> None:
        """Take *steps*, which raise nothing, to their end beside what runs here.

        In a greenlet or a thread; where a loop of asyncio serves, in a task, which *interrupts*
        can reach.
        """

    def thread(self, *, target: Callable[[], None]) -> Startable:
        """Return a thread of the system that will call *target*, which raises nothing."""

    def at_end_of_thread(self, function: Callable[[], None]) -> None:
        """Have *function* called at the end of this thread, if its sockets end with it."""

    def loop(self) -> object:
        """Return the loop that sockets of this thread belong to; None if any thread's do."""

    def outlives_its_callers(self) -> bool:
        """Tell whether the default executor's calls go on when this thread has ended."""

    def server_loop(self) -> Any:
        """Return the loop of asyncio that serves requests; None if none does."""

    def of_the_system(self, module: str, name: str) -> Any:
        """Return the system's own function: it stops its thread, not only its greenlet."""

    def look_up_addresses_at_once(self) -> None:
        """Have ``getaddrinfo`` wait for no other look-up in this thread if it gets an address."""

    def wait_to_read(self, socket: Any, seconds: float) -> None:
        """Wait for something to read, if a wait here saves memory; else return at once.

        Raises:
            TimeoutError: Nothing came within *seconds*.
        """

    def here(self) -> Any:
        """Return the current thread or greenlet."""

    def frame_of(self, where: Any) -> FrameType | None:
        """Return the current frame of a thread or greenlet that ``here`` returned."""

    def cpu_of(self, where: Any) -> float | None:
        """Return the CPU seconds of a thread that ``here`` returned; None if they are not known.

        A greenlet that can be asked for does not run: its number never changes.
        """

    def watch(
        self, limit: float, tell: Callable[[float, FrameType | None], None]
    ) -> Callable[[], None]:
        """Have *tell* called if something keeps all else from running; return what ends that.

        Args:
            limit: How long a greenlet, or C code in a thread, may do so, in seconds.
            tell: Gets for how many seconds it has done so, and its frame if that is known. Called
                in a thread of the system.
        """
