"""Connections that another thread can end while they wait.

A claim waits up to a minute for its answer. A worker that stops must not wait for that long: the
sockets of its claims are shut down, and the threads that read from them get an error.
"""

from requests.adapters import HTTPAdapter
from typing import Any
from urllib3.connection import HTTPConnection
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.connectionpool import HTTPSConnectionPool
from weakref import WeakSet

import contextlib
import http.cookiejar
import requests
import socket
import threading


class InterruptibleAdapter(HTTPAdapter):
    """Knows its connections, and can end them all."""

    def __init__(self, most: int) -> None:
        self._known: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()
        self.interrupted = False
        super().__init__(pool_connections=1, pool_maxsize=most)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let the pools use connections that are noted here."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Let the pools of a proxy do so too."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _pools(self)
        return manager

    def note(self, connection: HTTPConnection) -> None:
        """Remember a connection that has just been made.

        Raises:
            ConnectionAbortedError: It comes too late.
        """
        with self._lock:
            if self.interrupted:
                raise ConnectionAbortedError("this worker stops")
            self._known.add(connection)

    def interrupt(self) -> None:
        """End what waits; no connection is made any more."""
        with self._lock:
            self.interrupted = True
            for connection in self._known:
                if isinstance(connection.sock, socket.socket):
                    with contextlib.suppress(OSError):
                        # Not SSLSocket's own, which takes its state away under the reader.
                        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _pools(adapter: InterruptibleAdapter) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            adapter.note(self)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            adapter.note(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def new_session(adapter: HTTPAdapter) -> requests.Session:
    """Return a session that keeps no cookies."""
    session = requests.Session()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept"] = "application/json"
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
