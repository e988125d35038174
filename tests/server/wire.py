"""A client that sends bytes as they are, on one connection, and reads one answer at a time."""

from typing import NamedTuple
from urllib.parse import urlsplit

import socket


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict
    body: bytes


class Wire:
    """One connection to *server*, or to the Unix socket at *path*."""

    def __init__(self, server, timeout=10, path=None):
        if path is None:
            parts = urlsplit(server.root)
            self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(path))
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.close()

    def close(self):
        self._file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def get(self, path, method="GET"):
        """Ask for *path* of the site, and return the answer."""
        self.send(request(path, method=method))
        return self.answer(method)

    def answer(self, method="GET"):
        """Return the next answer; an interim one (1xx) is one too.

        Raises:
            EOFError: The connection was closed before it.
        """
        line = self._file.readline()
        if not line:
            raise EOFError
        status = int(line.split()[1])
        headers = self._headers()
        without = method == "HEAD" or status < 200 or status in (204, 304)
        return Answer(status, headers, b"" if without else self._body(headers))

    def answers(self):
        """Return all answers up to the end of the connection, which has to come."""
        found = []
        try:
            while True:
                found.append(self.answer())
        except (EOFError, ConnectionResetError):
            return found

    def _headers(self):
        lines = iter(lambda: self._file.readline().decode("latin-1").rstrip(), "")
        return {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}

    def _body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self._file.read()

    def _chunk(self):
        size = int(self._file.readline(), 16)
        chunk = self._exactly(size)
        self._exactly(2)
        return chunk

    def _exactly(self, size):
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError
        return data


def request(path, *headers, method="GET", body=b""):
    """Return the bytes of a request for *path* of the site."""
    lines = [f"{method} /Plone/{path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def post(path, body, *headers):
    """Return the bytes of a POST of *body*."""
    length = f"Content-Length: {len(body)}"
    kind = "Content-Type: application/octet-stream"
    return request(path, length, kind, *headers, method="POST", body=body)
