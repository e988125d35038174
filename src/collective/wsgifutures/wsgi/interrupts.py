"""Ends a request's wait from outside: its client went away, or the worker has to stop.

Under gevent a request is a greenlet that waits: for a slot, for its pass, for its
futures. Wherever it stands, an exception is raised in it there, and what it keeps is
freed on the way out. A pass that runs in its slot is not touched.

The kernel tells when a client is gone: all connections are in one epoll, which tells
each of them once, when its other side is closed, reset or shut down for writing. It
works for TCP and for Unix sockets, reads nothing of what a client sent ahead, and costs
nothing while nobody leaves. Where there is no socket to look at (the server does not give
it, a stream of HTTP/2 ends inside of its connection) or no epoll (not on Linux), the
deadline frees the request.

On a threaded server nothing can be raised in a thread that waits: ``NoInterrupts``.
"""

from contextlib import AbstractContextManager
from contextlib import nullcontext
from contextlib import suppress
from typing import Any

_RDHUP = 0x2000  # EPOLLRDHUP of epoll_ctl(2)
_EDGE = 1 << 31  # EPOLLET

#: Seconds between two looks at whether the worker is to end.
LOOK_EVERY = 0.25

#: Seconds before its end in which the last answers are sent.
SEND_SECONDS = 2.0


class Interrupted(BaseException):
    """Ends a request's wait. Control flow, and not an error."""


class ClientGone(Interrupted):
    """Nobody waits for the response any more."""


class WorkerStops(Interrupted):
    """The worker ends before the request could be answered."""


class Interrupts:
    """The requests of this worker that can be ended, in the main loop of its process."""

    def __init__(self) -> None:
        import gevent  # never at the top: gunicorn's arbiter reads this before it patches

        self._current = gevent.getcurrent
        self._requests: dict[Any, int | None] = {}  # greenlet: file descriptor
        self._by_descriptor: dict[int, Any] = {}
        self._loop = gevent.get_hub().loop
        self._epoll = _new_epoll()
        if self._epoll is not None:
            self._watcher = self._loop.io(self._epoll.fileno(), 1, ref=False)
            self._watcher.start(self._clients_have_gone)

    def allowed(self, environ: dict[str, Any]) -> "_Allowed":
        """Let the current greenlet be interrupted for as long as the context lasts.

        Args:
            environ: The server's, of the request that it waits for.

        Raises:
            ClientGone, WorkerStops: Wherever it waits inside.
        """
        return _Allowed(self, environ)

    def _allow(self, environ: dict[str, Any]) -> None:
        greenlet = self._current()
        self._requests[greenlet] = self._watch(environ, greenlet)

    def _forbid(self) -> None:
        descriptor = self._requests.pop(self._current())
        if descriptor is not None:
            del self._by_descriptor[descriptor]
            with suppress(OSError):  # it is closed already
                self._epoll.unregister(descriptor)

    def stop(self) -> None:
        """Raise ``WorkerStops`` in all requests, soon."""
        for greenlet in list(self._requests):
            # From the loop: whoever raises in another greenlet is not returned to.
            self._loop.run_callback(self._interrupt, greenlet, WorkerStops)

    def _watch(self, environ: dict[str, Any], greenlet: Any) -> int | None:
        socket = environ.get("gunicorn.socket")
        descriptor: int = -1 if socket is None or self._epoll is None else socket.fileno()
        if descriptor < 0:
            return None
        try:
            self._epoll.register(descriptor, _RDHUP | _EDGE)
        except OSError:  # the system watches no more
            return None
        self._by_descriptor[descriptor] = greenlet
        return descriptor

    def _clients_have_gone(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            self._interrupt(self._by_descriptor.get(descriptor), ClientGone)

    def _interrupt(self, greenlet: Any, reason: type[Interrupted]) -> None:
        if greenlet in self._requests:  # else it was answered meanwhile
            greenlet.throw(reason())


class _Allowed:
    """A context that is held as long as a response: a generator would keep its frame."""

    __slots__ = ("_environ", "_interrupts")

    def __init__(self, interrupts: Interrupts, environ: dict[str, Any]) -> None:
        self._interrupts = interrupts
        self._environ = environ

    def __enter__(self) -> None:
        self._interrupts._allow(self._environ)

    def __exit__(self, *raised: object) -> None:
        self._interrupts._forbid()


class NoInterrupts:
    """Where nothing can be ended from outside."""

    def allowed(self, environ: dict[str, Any]) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()

    def stop(self) -> None:
        """Let all requests go on."""


def _new_epoll() -> Any:
    import gevent.monkey

    with suppress(AttributeError):  # not on Linux
        return gevent.monkey.get_original("select", "epoll")()
    return None


def stop_in_time(worker: Any, interrupts: Interrupts) -> None:
    """Answer 503 to what gunicorn would cut off when its worker ends. Never returns.

    Args:
        worker: gunicorn's. It is no longer alive when it is told to end, and is killed
            ``graceful_timeout`` seconds later.
        interrupts: Of its requests.
    """
    import gevent

    while worker.alive:
        gevent.sleep(LOOK_EVERY)
    graceful = worker.cfg.graceful_timeout
    gevent.sleep(max(0.0, graceful - LOOK_EVERY - min(SEND_SECONDS, graceful / 2)))
    while True:
        interrupts.stop()
        gevent.sleep(LOOK_EVERY)
