"""A thousand readers of streams, twenty words a second each, on one worker: how late are words?

    .venv/bin/python benchmarks/streams.py [--streams 1000] [--seconds 20]

The slow service writes into each word when it was sent; the readers look at the same clock. Under
gevent an ``Upstream`` reads the service, on asyncio an ``async def`` generator does. Beside the
readers four clients ask for a fast view. waitress has four threads, and as many readers. Takes five
minutes; two cores, the worker has one of them. Prints a table in reStructuredText.
"""

from dataclasses import dataclass
from serving import a_service
from serving import a_site
from serving import allow_open_files
from serving import ASYNCIO
from serving import BIN
from serving import environment
from serving import GUNICORN
from serving import HOLD
from serving import ROOT
from serving import Running
from serving import say
from serving import Side
from serving import table
from serving import WAITRESS
from urllib.parse import urlsplit

import argparse
import asyncio
import json
import os
import subprocess
import time

SETTINGS = {"max_held_per_client": 5000, "max_waiting": 5000, "max_wait": 86_400}

SIDES = [
    Side("gevent", [*GUNICORN, *HOLD], view="upstream", settings=SETTINGS),
    Side("asyncio", ASYNCIO, view="asyncio", settings=SETTINGS),
    Side("waitress, 4 threads", WAITRESS, view="upstream", threads=4, settings=SETTINGS),
]

#: Words per second of each stream.
RATE = 20

#: Of so many words one is looked at: the first, and one every five seconds.
ONE_OF = 5 * RATE

#: Seconds in which the readers come, one after the other, and in which all must have a word.
ARRIVAL, PATIENCE = 20, 60

#: Clients that ask for the fast view.
OTHERS = 4


class Reader(asyncio.Protocol):
    """Reads one stream."""

    def __init__(self, path):
        self._path = path
        self.has_begun = asyncio.get_running_loop().create_future()
        self.words = 0
        self.late = []  #: how late words were, in seconds: the first, and some of the others

    def connection_made(self, transport):
        self.transport = transport
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def data_received(self, data):
        words = data.count(b"data: ")
        if words and self.words >= len(self.late) * ONE_OF:
            sent = data.partition(b"data: ")[2].partition(b"\n")[0]
            self.late.append(time.monotonic() - float(sent))
        self.words += words
        if words and not self.has_begun.done():
            self.has_begun.set_result(None)

    def connection_lost(self, error):
        if not self.has_begun.done():
            self.has_begun.set_exception(ConnectionResetError("a stream without a word"))


@dataclass
class Found:
    """What was measured of one side: times in seconds, memory in KB."""

    streams: int
    first: float
    later: float
    words: float  #: per second and stream
    cpu: float  #: seconds in each second
    memory: float  #: of each stream
    alone: float | None  #: the p99 of the fast view; None if nothing was answered
    beside: float | None

    def cells(self):
        """Return the cells of its column in the table."""
        yield str(self.streams)
        yield f"{self.first * 1000:.0f} ms"
        yield f"{self.later * 1000:.0f} ms"
        yield f"{self.words:.1f}"
        yield f"{self.cpu * 100:.0f} %"
        yield f"{self.memory:.1f} KB"
        yield from (f"{p99 * 1000:.0f} ms" if p99 else "no answer" for p99 in self.pages)
        yield f"{self.beside / self.alone:.2f}" if self.beside else "no answer"

    @property
    def pages(self):
        """The two figures of the fast view."""
        return self.alone, self.beside


TITLES = [
    "",
    "streams",
    "first word: p99 after it was sent",
    "later words: p99",
    "words per second and stream",
    "CPU of the worker",
    "memory of each stream",
    "fast view, alone: p99",
    "fast view, beside the streams: p99",
    "ratio",
]


async def come(site, path, number):
    """Let *number* readers come; return them as soon as each has had a word."""
    parts, loop = urlsplit(site), asyncio.get_running_loop()
    readers = []
    for _ in range(number):
        made = loop.create_connection(lambda: Reader(parts.path + path), "127.0.0.1", parts.port)
        readers.append((await made)[1])
        await asyncio.sleep(ARRIVAL / number)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(reader.has_begun for reader in readers))
    return readers


async def ask_others(site, seconds):
    """Return the p99 of the fast view, in seconds; None if it does not answer."""
    command = [BIN / "python", ROOT / "benchmarks" / "load.py", f"{site}@@fast"]
    command += ["--clients", OTHERS, "--seconds", seconds]
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    answered, _ = await process.communicate()
    return json.loads(answered)["p99"] or None


async def measure(running, side, options):
    """Return what was ``Found`` of the server that runs *side*."""
    number = min(options.streams, side.threads or options.streams)
    await ask_others(running.site, 3)  # warm
    alone = await ask_others(running.site, options.seconds / 2)
    memory = running.worker_memory()
    path = f"@@load-stream?client={side.view}&count=100000&rate={RATE}"
    readers = await come(running.site, path, number)
    before, cpu, began = sum(reader.words for reader in readers), running.cpu(), time.monotonic()
    await asyncio.sleep(options.seconds / 2)
    seconds = time.monotonic() - began
    words, cpu = sum(reader.words for reader in readers) - before, running.cpu() - cpu
    beside = await ask_others(running.site, options.seconds)
    found = Found(
        streams=number,
        first=p99(reader.late[0] for reader in readers),
        later=p99(late for reader in readers for late in reader.late[1:]),
        words=words / seconds / number,
        cpu=cpu / seconds,
        memory=(running.worker_memory() - memory) / number,
        alone=alone,
        beside=beside,
    )
    for reader in readers:
        reader.transport.abort()
    return found


def p99(times):
    """Return the time that one of a hundred exceeds."""
    ordered = sorted(times) or [0.0]
    return ordered[int(len(ordered) * 0.99)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of looking, for each server")
    parser.add_argument("--only", nargs="*", help="the first words of servers")
    options = parser.parse_args()
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {*others} or {first})
    allow_open_files()
    sides = [s for s in SIDES if not options.only or s.title.split(",")[0] in options.only]
    columns = [TITLES]
    with a_site() as site, a_service(ROOT / "benchmarks" / "upstream.py") as service:
        for side in sides:
            running = Running(side, site, environment(service), {first})
            try:
                found = asyncio.run(measure(running, side, options))
            finally:
                running.stop()
            columns.append([side.title, *found.cells()])
            say(f"{side.title}: {found}")
    print(f"\n{table(zip(*columns, strict=True))}\n")


if __name__ == "__main__":
    main()
