"""Requests that arrive: on a schedule, whatever comes back, or from a number of clients.

Each request has a connection of its own. The connections come from several addresses of this
machine, which has too few ports for one. Times are counted from a request's last byte.
"""

from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from urllib.parse import urlsplit

import asyncio
import itertools
import random
import re
import time

#: Seconds until a request without an answer is given up.
PATIENCE = 60.0

#: The status of a request without an answer.
NO_ANSWER = 0

#: Headers as a browser sends them.
HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: I18N_LANGUAGE=en\r\n"
    "Connection: close\r\n"
)

_PASSES = re.compile(rb"\r\nx-hold-passes: *(\d+)", re.IGNORECASE)

_addresses = itertools.cycle([f"127.0.0.{n}" for n in range(1, 17)])


@dataclass
class Answer:
    """The answer to a request. Times are seconds; ``at`` is when the answer came."""

    status: int
    took: float
    at: float
    passes: int = 0  #: if the server tells them (``debug``)
    first: float = 0.0  #: the time until the first byte
    body: str = ""  #: if it was asked for


@dataclass
class Figures:
    """The answers to many requests."""

    answers: list = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    late: float = 0.0  #: the most seconds that the load was behind its schedule

    def statuses(self):
        """Return how many answers had each status."""
        return dict(Counter(answer.status for answer in self.answers))

    def errors(self):
        """Return how many were not answered with 200."""
        return sum(answer.status != 200 for answer in self.answers)

    def share(self, percent, status=200):
        """Return the seconds within which *percent* of the answers with *status* came."""
        times = sorted(a.took for a in self.answers if a.status == status)
        return times[min(len(times) - 1, int(len(times) * percent / 100))] if times else None

    def of_one_pass(self):
        """Return the figures of the answers that took one pass."""
        return replace(self, answers=[a for a in self.answers if a.passes == 1])

    def per_second(self, status=200):
        """Return how many answers with *status* came in a second while the load lasted."""
        good = [a for a in self.answers if a.status == status and a.at <= self.ended]
        return len(good) / (self.ended - self.began)


class Visitors:
    """Sends requests to one server.

    Args:
        site: The address of the site, with a slash at its end.
    """

    def __init__(self, site):
        parts = urlsplit(site)
        self._port = parts.port
        self._path = parts.path
        self._host = parts.netloc
        self._numbers = itertools.count()

    async def ask(self, view, patience=PATIENCE, body=False):
        """Send one request and return its ``Answer``.

        Args:
            view: A path below the site, or from the server's root. ``{n}`` in it is replaced by
                the number of the request.
            patience: Seconds until the request is given up.
            body: Whether the answer has its text.
        """
        view = view.replace("{n}", str(next(self._numbers)))
        path = view if view.startswith("/") else self._path + view
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n{HEADERS}\r\n".encode()
        exchange = _Exchange(request)
        try:
            async with asyncio.timeout(patience):
                status = await exchange.run(self._port)
        except (OSError, TimeoutError):
            status = NO_ANSWER
        now = time.monotonic()
        text = exchange.body if body else ""
        return Answer(status, now - exchange.sent, now, exchange.passes, exchange.first, text)

    async def at_rate(self, view, rate, seconds=None, until=None, **how):
        """Ask for *view* at *rate* per second, whatever comes back; return ``Figures``.

        Args:
            view: The view to ask for, or several, which are asked for in turn.
            rate: Requests in a second.
            seconds: How long the load lasts.
            until: An ``asyncio.Event`` that ends the load earlier.
        """
        figures = Figures()
        views = _in_turn(view)
        tasks = []
        for number in itertools.count():
            due = figures.began + number / rate
            if (seconds is not None and due > figures.began + seconds) or _is_set(until):
                break
            await asyncio.sleep(due - time.monotonic())
            figures.late = max(figures.late, time.monotonic() - due)
            tasks.append(asyncio.create_task(self.ask(next(views), **how)))
        figures.ended = time.monotonic()
        figures.answers = list(await asyncio.gather(*tasks))
        return figures

    async def clients(
        self, view, clients, seconds=None, requests=None, pause=0.0, tell=lambda n: None
    ):
        """Ask for *view* from *clients* clients, each one request after the other.

        Args:
            view: The view to ask for, or several, which are asked for in turn.
            clients: How many ask at a time.
            seconds: How long the load lasts.
            requests: How many requests there are, in all.
            pause: About how many seconds each client waits before its next request. All clients
                start within that time.
            tell: Called with the number of answers, after each answer.
        """
        figures = Figures()
        views = _in_turn(view)
        left = iter(range(requests)) if requests else itertools.count()

        async def client(number):
            await asyncio.sleep(pause * number / clients)
            for _ in left:
                if seconds is not None and time.monotonic() > figures.began + seconds:
                    return
                figures.answers.append(await self.ask(next(views)))
                tell(len(figures.answers))
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))

        await asyncio.gather(*(client(number) for number in range(clients)))
        figures.ended = time.monotonic() if seconds is None else figures.began + seconds
        return figures


class _Exchange(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, request):
        self.sent = time.monotonic()
        self.first = 0.0
        self._request = request
        self._answered = asyncio.get_running_loop().create_future()
        self._received = b""

    async def run(self, port):
        """Return the status of the answer."""
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: self, "127.0.0.1", port, local_addr=(next(_addresses), 0)
        )
        try:
            return await self._answered
        finally:
            transport.abort()

    @property
    def passes(self):
        """The number of passes, 0 if the server does not tell it."""
        found = _PASSES.search(self._received)
        return int(found[1]) if found else 0

    def connection_made(self, transport):
        transport.write(self._request)
        self.sent = time.monotonic()

    @property
    def body(self):
        """The text after the headers."""
        return self._received.partition(b"\r\n\r\n")[2].decode()

    def data_received(self, data):
        self.first = self.first or time.monotonic() - self.sent
        self._received += data

    def connection_lost(self, error):
        if self._answered.done():
            return
        if error is not None or not self._received.startswith(b"HTTP/1.1 "):
            self._answered.set_exception(error or ConnectionResetError("no answer"))
        else:
            self._answered.set_result(int(self._received[9:12]))


def _in_turn(view):
    return itertools.cycle([view] if isinstance(view, str) else view)


def _is_set(event):
    return event is not None and event.is_set()


def ms(seconds):
    """Return *seconds* for a table."""
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
