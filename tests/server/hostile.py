"""An upstream that does what no service should. Real sockets, one mode for each path.

``Hostile.left`` tells how often a caller has gone while it was being answered.
"""

from collections import Counter

import contextlib
import itertools
import random
import socket
import struct
import threading
import time

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

#: Sent as it stands; then the connection is closed.
_BROKEN = {
    "/closes": b"",
    "/garbage": random.Random(1).randbytes(20_000),
    "/garbage-status": b"HTTP/1.1 twohundred OK\r\n\r\n",
    "/garbage-length": _OK + b"Content-Length: many\r\n\r\nhello",
    "/garbage-chunks": _CHUNKED + b"zzz\r\nhello\r\n",
    "/garbage-gzip": _OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "/short": _OK + b"Content-Length: 5000\r\n\r\nhello",
    "/no-last-chunk": _CHUNKED + _CHUNK,
    "/well": _OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello",
}

#: Sent one after the other, without an end: what, and the seconds before the next one.
_ENDLESS = {
    "/stalls": ([_OK + b"Content-Length: 5000\r\n\r\nhello", *[b""] * 10**6], 0.02),
    "/silent": ([b""], 0.02),
    "/trickles": ([_OK + b"Content-Length: 5000\r\n\r\n", *[b"x"] * 5000], 0.02),
    "/trickles-headers": ([b"HTTP/1.1 200 OK\r\n", *[b"X"] * 5000], 0.02),
    "/endless": ([_CHUNKED, _CHUNK], 0.002),
    "/endless-at-once": ([_CHUNKED, _CHUNK * 64], 0.0),
    "/endless-headers": ([_OK, b"X-More: and more\r\n"], 0.001),
    "/endless-continue": ([b"HTTP/1.1 100 Continue\r\n\r\n"], 0.001),
}


class Hostile:
    """The upstream, seen from a test."""

    def __init__(self):
        self.left = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, mode):
        """Return the address that answers in the way of *mode*."""
        return f"{self._url}/{mode}"

    def is_left(self, mode, seconds=3):
        """Tell whether a caller goes within *seconds*; counted anew from then on."""
        until = time.monotonic() + seconds
        while not self.left[f"/{mode}"] and time.monotonic() < until:
            time.sleep(0.01)
        return self.left.pop(f"/{mode}", 0) > 0

    def stop(self):
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            path = connection.recv(65536).split(b" ")[1].decode()
            if path == "/resets":
                linger_for_nothing = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
            elif path in _ENDLESS:
                self._send_without_end(connection, path)
            else:
                connection.sendall(_BROKEN[path])

    def _send_without_end(self, connection, path):
        parts, seconds = _ENDLESS[path]
        try:
            for part in itertools.chain(parts, itertools.repeat(parts[-1])):
                connection.sendall(part)
                if _is_gone(connection, seconds):
                    break
        except OSError:
            pass
        self.left[path] += 1


def _is_gone(connection, seconds):
    if not seconds:
        return False
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.settimeout(20)
