"""urllib3's connections, within the limits of the call that uses them.

A connection looks at the time before each wait. So an answer that trickles ends in time even
where nobody could kill the call, and a large body may take longer than connecting. Looking up
the host, a proxy's tunnel and TLS are part of connecting. A connection that was idle for long is
not used again. Under gevent it waits for the first byte before http.client makes its response,
which has a buffer of 8 KB.
"""

from ..kernel.runtime import current
from .heads import Response
from .limits import Limits
from .limits import of_call
from .names import addresses
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

#: Bytes of a body that are read or sent at a time; between two parts others run.
PART = 64 * 1024

#: The system asks an idle peer whether it is there, which keeps the way to it open.
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
    """Reads from a socket for as long as there is time."""

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
    """A connection to a host or to its proxy. It is only used where ``limits`` are set."""

    _name = ""
    _used_at = 0.0

    @property
    def host(self) -> str:
        """The host's name, as in requests and certificates."""
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
        """Tell whether it may be used: it is open, was not idle for long, and nothing has come."""
        of = of_call()
        if self.sock is None or of.anew or time.monotonic() - self._used_at > of.idle:
            return False
        # Without waiting: gevent's poll goes through its loop even for no time at all.
        poll = current().of_the_system("select", "poll")()
        poll.register(self.sock, select.POLLIN)
        of.kept = not poll.poll(0)
        return of.kept

    def connect(self) -> None:
        """Connect to one of the host's addresses, within one limit for all of them."""
        of = of_call()
        with current().time_limit(of.connect(), TimeoutError("timed out")):
            known = addresses(self._name, of.left())
            for left in range(len(known), 0, -1):
                try:
                    self._connect_to(known[-left], of.left() / left)
                    break
                except ConnectTimeoutError:  # for urllib3 a refused connection is one too
                    if left == 1:
                        raise
        of.connects_by = None
        if hasattr(self.sock, "suppress_ragged_eofs"):  # an end that is not signed is none
            self.sock.suppress_ragged_eofs = False

    def _connect_to(self, address: str, seconds: float) -> None:
        self.timeout = seconds
        self._go_to(address)
        try:
            super().connect()
        finally:
            self._go_to(self._name)

    def send(self, data: Any) -> None:
        """Send *data* in parts, for as long as the peer takes them."""
        for begin in range(0, len(data), PART):
            if self.sock is not None:
                self.sock.settimeout(of_call().left())
            super().send(data[begin : begin + PART])

    def getresponse(self) -> Any:
        """Return the answer."""
        self._wait_for_first_byte()
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Return http.client's own response, reading in time."""
        return Response(_Socket(sock, of_call()), *args, **kwargs)  # type: ignore[arg-type]

    def _wait_for_first_byte(self) -> None:
        sock: Any = self.sock
        # TLS inside of TLS is not a socket, and bytes that TLS has unpacked are not an event.
        if not isinstance(sock, socket.socket) or _pending(sock):
            return
        current().wait_to_read(sock, of_call().left())


class _ConnectionTLS(Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _ConnectionTLS


#: For ``PoolManager.pool_classes_by_scheme``.
POOLS = {"http": _Pool, "https": _PoolTLS}


class _SocketTLS(ssl.SSLSocket):
    """Ends its handshake in time."""

    def do_handshake(self, *args: Any) -> None:
        self.settimeout(of_call().left())
        super().do_handshake(*args)


def _pending(sock: Any) -> int:
    return sock.pending() if isinstance(sock, ssl.SSLSocket) else 0


@functools.cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return the context that verifies certificates. Making it takes milliseconds: it is shared."""
    context = create_urllib3_context()
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = _SocketTLS
    return context
