"""An HTTP service on a real socket that answers as a test tells it, and remembers."""

from collective.wsgifutures.kernel.sites import Sites
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import contextlib
import pytest
import runpy
import socket
import threading
import time

#: The hostile upstream of the tests with real servers.
hostile = runpy.run_path(str(Path(__file__).parent.parent / "server" / "hostile.py"))


class Overrides(Sites):
    """A site that changes upstreams as a function says."""

    def __init__(self, of_upstream):
        self.of_upstream = of_upstream


class Asked(NamedTuple):
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Outside:
    """The service.

    ``answer`` is called with what was asked and returns status, headers and body.
    """

    def __init__(self, tls=None):
        self.asked = []  #: the first one first
        self.connections = 0
        self.answer = lambda asked: (200, {}, b"sunny")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.outside = self
        self._server.tls = tls
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        arguments = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=arguments, daemon=True).start()

    @property
    def targets(self):
        """What was asked for, in short."""
        return [f"{one.method} {one.target}" for one in self.asked]

    def says(self, status=200, headers=(), body=b"sunny", after=0.0):
        """Answer like this from now on."""

        def answer(asked):
            time.sleep(after)
            return status, dict(headers), body

        self.answer = answer

    def says_in_turn(self, *statuses, headers=()):
        """Answer with one status after the other; the last one stays."""
        left = list(statuses)
        self.answer = lambda asked: (left.pop(0) if left[1:] else left[0], dict(headers), b"")

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 500

    def finish_request(self, request, client_address):
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        """Whoever leaves in the middle of an answer may."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self):
        super().setup()
        self.server.outside.connections += 1

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        outside = self.server.outside
        outside.asked.append(asked)
        status, headers, body = outside.answer(asked)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer


class Raw:
    """A service that does as *handle* does with each connection: bytes as they are."""

    def __init__(self, handle):
        self.connections = 0
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # a close alone leaves the thread in accept
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._one, args=[connection], daemon=True).start()

    def _one(self, connection):
        with connection, contextlib.suppress(OSError):
            self._handle(connection)


def requests_on(connection):
    """Yield the path of each request without a body that comes on *connection*."""
    while asked := connection.recv(65536):
        yield asked.split()[1].decode()


def ok(body, *headers):
    """Return the bytes of a good answer."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def until(condition, seconds=3.0):
    """Wait for *condition*; tell whether it came."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def side_by_side(function, times):
    """Call *function* so often at once; return what it gave or raised, as it came."""
    results = []

    def one():
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def raised_by(kind, function, *args, **kwargs):
    """Return the error of that *kind* that *function* raises."""
    with pytest.raises(kind) as raised:
        function(*args, **kwargs)
    return raised.value
