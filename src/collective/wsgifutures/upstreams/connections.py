"""The connections of upstreams: urllib3's, and each call that uses one keeps its limits.

It differs from urllib3's in what it does before it waits: it looks at the time. So an answer
that trickles ends in time even where nobody could kill the call, a large body may take longer
than a connection, and looking up a name, a proxy's tunnel and TLS are all part of connecting.
One that was idle for long is not used again. Under gevent it waits for the first byte before
http.client makes its response, with a buffer of 8 KB for each call that waits.
"""

from ..kernel.executors import under_gevent
from .heads import Response
from .limits import Limits
from .limits import limits
from .names import addresses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib3 import HTTPConnectionPool
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

import functools
import io
import select
import socket
import ssl
import time

#: Bodies are read and sent in parts: between them others run, and time and size are looked at.
PART = 64 * 1024

#: What makes the system find out that the other end has gone, and tell the way that it has not.
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10))
        if hasattr(socket, name)
    ),
]


class _Reader(io.RawIOBase):
    """What comes from a socket, for as long as there is time."""

    def __init__(self, sock: Any, of: Limits) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._limits = of

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self._sock.settimeout(self._limits.left())
        size = self._raw.readinto(buffer)
        self._limits.answered = self._limits.answered or bool(size)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """A socket as http.client's response wants it."""

    def __init__(self, *args: Any) -> None:
        self._args = args

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(*self._args))


class Connection(HTTPConnection):
    """One to a host, or to its proxy. Only used where ``limits`` are set."""

    _name = ""
    _used_at = 0.0

    @property
    def host(self) -> str:
        """What it is called: in its requests, in its certificate, when it is looked up."""
        return self._name.rstrip(".")

    @host.setter
    def host(self, value: str) -> None:
        self._name = value
        self._go_to(value)

    def _go_to(self, address: str) -> None:
        """Have urllib3 connect to *address*, whatever the host is called."""
        HTTPConnection.host.fset(self, address)  # type: ignore[attr-defined]

    @property
    def is_connected(self) -> bool:
        """Tell whether it may be used again: open, not idle for long, and nothing has come."""
        of = _of_call()
        if self.sock is None or of.anew or time.monotonic() - self._used_at > of.idle:
            return False
        # Without waiting: gevent's poll goes through its loop even for no time at all.
        poll = _plain_poll()()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def connect(self) -> None:
        """Connect, and be done with all of it in time."""
        of = _of_call()
        with _all_in(of.connect()):
            known = addresses(self._name, of.left())
            for left in range(len(known), 0, -1):
                try:
                    self._connect_to(known[-left], of.left() / left)
                    break
                except ConnectTimeoutError:  # which a refusal is too, for urllib3
                    if left == 1:
                        raise
        of.connects_by = None
        if isinstance(self.sock, ssl.SSLSocket):  # an end that nobody signed is no end
            self.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]

    def _connect_to(self, address: str, seconds: float) -> None:
        self.timeout = seconds
        self._go_to(address)
        try:
            super().connect()
        finally:
            self._go_to(self._name)

    def send(self, data: Any) -> None:
        """Send *data*: a large one in parts, for as long as some of it is taken."""
        for begin in range(0, len(data), PART):
            if self.sock is not None:
                self.sock.settimeout(_of_call().left())
            super().send(data[begin : begin + PART])

    def getresponse(self) -> Any:
        """Return the answer."""
        if under_gevent():
            self._wait_for_first_byte()
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Return http.client's own response, reading in time."""
        return Response(_Socket(sock, _of_call()), *args, **kwargs)  # type: ignore[arg-type]

    def _wait_for_first_byte(self) -> None:
        from gevent.socket import wait_read

        sock: Any = self.sock
        # Other than sockets are TLS inside of TLS; and what TLS has unpacked is no event.
        if not isinstance(sock, socket.socket) or _pending(sock):
            return
        wait_read(sock.fileno(), _of_call().left(), TimeoutError("timed out"))


class _ConnectionTLS(Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _ConnectionTLS


#: As ``PoolManager.pool_classes_by_scheme`` wants them.
POOLS = {"http": _Pool, "https": _PoolTLS}


def _of_call() -> Limits:
    found = limits.get()
    if found is None:
        raise RuntimeError("a connection of an upstream is used outside of a call")
    return found


@contextmanager
def _all_in(seconds: float) -> Iterator[None]:
    """End a connection and a handshake where that can be done from outside: under gevent."""
    if not under_gevent():
        yield
        return
    import gevent

    # Its own exception: of a TimeoutError urllib3 says that the next address might do.
    over = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as raised:
        if raised is not over:
            raise
        raise TimeoutError("timed out") from None
    finally:
        over.close()


class _SocketTLS(ssl.SSLSocket):
    """One whose handshake has what is left for connecting; under gevent all of it together has."""

    def do_handshake(self, *args: Any) -> None:
        self.settimeout(None if under_gevent() else _of_call().left())
        super().do_handshake(*args)


def _pending(sock: Any) -> int:
    return sock.pending() if isinstance(sock, ssl.SSLSocket) else 0


@functools.cache
def _plain_poll() -> Any:
    if not under_gevent():
        return select.poll
    from gevent.monkey import get_original

    return get_original("select", "poll")


@functools.cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return what verifies certificates. It takes milliseconds to make, and is shared."""
    context = create_urllib3_context()
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = _SocketTLS
    return context
