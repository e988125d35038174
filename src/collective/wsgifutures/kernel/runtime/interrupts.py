"""Ends a request's wait from outside: its client went away, or the worker has to stop.

Under gevent a request is a greenlet that waits: for a slot, for its pass, for its
futures. Wherever the greenlet stands, an exception is raised in it, which frees all that
it keeps. A pass that runs in its slot goes on.

The system reports when a client is gone. All connections are in one epoll, which reports
each of them once, when its other side is closed, reset or shut down for writing. That
works for TCP and for Unix sockets, reads nothing of what a client sent ahead, and costs
nothing while nobody leaves. If there is no socket to watch (the server does not give one,
or a stream of HTTP/2 ends inside of its connection) or no epoll (elsewhere than on Linux),
the deadline frees the request.
"""

from .contract import ClientGone
from .contract import Interrupted
from .contract import WorkerStops
from contextlib import suppress
from gevent.monkey import get_original
from typing import Any

import errno
import gevent

_RDHUP = 0x2000  # EPOLLRDHUP of epoll_ctl(2)
_EDGE = 1 << 31  # EPOLLET


class GreenletInterrupts:
    """The requests of this worker that can be ended, in the main loop of its process."""

    def __init__(self) -> None:
        self._requests: dict[Any, int | None] = {}  # greenlet: file descriptor
        self._by_descriptor: dict[int, Any] = {}
        self._loop = gevent.get_hub().loop
        self._epoll = _new_epoll()
        if self._epoll is not None:
            self._watcher = self._loop.io(self._epoll.fileno(), 1, ref=False)
            self._watcher.start(self._clients_have_gone)

    def allowed(self, socket: Any) -> "_Allowed":
        """Let the current greenlet be interrupted for as long as the context lasts."""
        return _Allowed(self, socket)

    def limit_sending(self, seconds: float) -> "_SendLimit":
        """Break off the current greenlet if it still sends after *seconds*."""
        return _SendLimit(self._loop, seconds)

    def stop(self) -> None:
        """Raise ``WorkerStops`` in all requests, soon."""
        for greenlet in list(self._requests):
            # From the loop: a greenlet that raises in another one would not get control back.
            self._loop.run_callback(self._interrupt, greenlet, WorkerStops)

    def stop_sockets(self) -> None:
        """Do nothing: there are no websockets."""

    def _allow(self, socket: Any) -> None:
        greenlet = gevent.getcurrent()
        self._requests[greenlet] = self._watch(socket, greenlet)

    def _forbid(self) -> None:
        descriptor = self._requests.pop(gevent.getcurrent())
        if descriptor is not None:
            del self._by_descriptor[descriptor]
            with suppress(OSError):  # the socket is closed already
                self._epoll.unregister(descriptor)

    def _watch(self, socket: Any, greenlet: Any) -> int | None:
        descriptor: int = -1 if socket is None or self._epoll is None else socket.fileno()
        if descriptor < 0:
            return None
        try:
            self._epoll.register(descriptor, _RDHUP | _EDGE)
        except OSError:  # the system has no room for one more
            return None
        self._by_descriptor[descriptor] = greenlet
        return descriptor

    def _clients_have_gone(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            self._interrupt(self._by_descriptor.get(descriptor), ClientGone)

    def _interrupt(self, greenlet: Any, reason: type[Interrupted]) -> None:
        if greenlet in self._requests:  # else the request was answered meanwhile
            greenlet.throw(reason())


class _Allowed:
    """A context that lasts as long as a held response: a generator would keep its frame."""

    __slots__ = ("_interrupts", "_socket")

    def __init__(self, interrupts: GreenletInterrupts, socket: Any) -> None:
        self._interrupts = interrupts
        self._socket = socket

    def __enter__(self) -> None:
        self._interrupts._allow(self._socket)

    def __exit__(self, *raised: object) -> None:
        self._interrupts._forbid()


class _SendLimit:
    """Rings at the limit, and then each second: the greenlet may be with us just then."""

    __slots__ = ("_greenlet", "_timer", "sending")

    def __init__(self, loop: Any, seconds: float) -> None:
        self.sending = False
        self._greenlet = gevent.getcurrent()
        self._timer = loop.timer(seconds, 1.0, ref=False)
        self._timer.start(self._ring)

    def end(self) -> None:
        self._timer.close()

    def _ring(self) -> None:
        if self.sending:
            self._timer.stop()  # once: what the greenlet does after that is another matter
            self._greenlet.throw(ConnectionResetError(errno.ECONNRESET, "the client does not read"))


def _new_epoll() -> Any:
    with suppress(AttributeError):  # not on Linux
        return get_original("select", "epoll")()
    return None
