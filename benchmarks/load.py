"""A bounded load: a number of clients at once, each with a connection of its own.

    python benchmarks/load.py URL --clients 1000 --requests 1000 --seconds 20

Each client sends one request after the other until all requests are sent or the time is over;
requests without an answer by then are not counted. Only answers with 200 count as served: a refusal
is quick, and says nothing of the pace. The clients share --addresses addresses of this machine.
Prints one JSON object: the statuses and the times. The clients are greenlets, without any patching.
"""

from collections import Counter
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from gevent import socket
from urllib.parse import urlsplit

import argparse
import gevent
import json
import time


@dataclass
class Result:
    """The figures of a load, times in seconds. Pace and times are those of answers with 200."""

    statuses: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)
    seconds: float = 0.0
    per_second: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


class Load:
    """Sends *requests* requests to *url* from *clients* clients."""

    def __init__(self, url, clients, requests, seconds=120.0, headers=(), keep=True, addresses=1):
        parts = urlsplit(url)
        self._address = ("127.0.0.1", parts.port)  # this machine, under any name
        self._path = parts.path + ("?" + parts.query if parts.query else "")
        self._head = "".join(f"{line}\r\n" for line in (f"Host: {parts.netloc}", *headers))
        self._left = iter(range(requests))
        self._clients = clients
        self._sources = [f"127.0.0.{1 + number % addresses}" for number in range(clients)]
        self._seconds = seconds
        self._keep = keep
        self._times = []
        self._statuses = Counter()
        self._errors = Counter()

    @property
    def answered(self):
        """How many requests are answered by now."""
        return self._statuses.total()

    def run(self):
        """Send all requests and return the ``Result``."""
        began = time.monotonic()
        clients = [gevent.spawn(self._client, source) for source in self._sources]
        gevent.joinall(clients, timeout=self._seconds)
        gevent.killall(clients)
        seconds = time.monotonic() - began
        times = sorted(self._times) or [0.0]
        return Result(
            statuses=dict(self._statuses),
            errors=dict(self._errors),
            seconds=seconds,
            per_second=len(self._times) / seconds,
            p50=times[len(times) // 2],
            p99=times[int(len(times) * 0.99)],
        )

    def _client(self, source):
        connection = None
        for number in self._left:
            began = time.monotonic()
            try:
                if connection is None:
                    connection = _Connection(self._address, self._seconds, source)
                path = self._path.replace("{n}", str(number))
                status, keep = connection.get(path, self._head)
            except OSError as error:
                self._errors[type(error).__name__] += 1
                connection = None
                continue
            self._statuses[status] += 1
            if status == 200:
                self._times.append(time.monotonic() - began)
            if not (keep and self._keep):
                connection = None


class _Connection:
    def __init__(self, address, timeout, source):
        self._socket = socket.create_connection(address, timeout, (source, 0))
        self._file = self._socket.makefile("rb")

    def get(self, path, head):
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("no answer")
        headers = {}
        while header := self._file.readline().strip():
            name, _, value = header.partition(b":")
            headers[name.lower()] = value.strip().lower()
        if b"content-length" in headers:
            self._file.read(int(headers[b"content-length"]))
        elif headers.get(b"transfer-encoding") == b"chunked":
            self._read_chunks()
        else:
            self._file.read()
            return int(line.split()[1]), False
        return int(line.split()[1]), headers.get(b"connection") != b"close"

    def _read_chunks(self):
        while size := int(self._file.readline().split(b";")[0], 16):
            self._file.read(size + 2)
        self._file.readline()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="{n} in it becomes the number of the request")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=120.0, help="when to stop")
    parser.add_argument("--addresses", type=int, default=1, help="of how many the clients are")
    parser.add_argument("--no-keep", action="store_true", help="a new connection each time")
    parser.add_argument("--header", action="append", default=[], help="as in 'Accept: text/html'")
    options = parser.parse_args()
    load = Load(
        options.url,
        options.clients,
        options.requests,
        options.seconds,
        options.header,
        keep=not options.no_keep,
        addresses=options.addresses,
    )
    print(json.dumps(asdict(load.run())))


if __name__ == "__main__":
    main()
