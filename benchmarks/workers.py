"""What workers elsewhere cost a site: jobs that they take, and claims that wait.

    .venv/bin/python benchmarks/workers.py [--only rates starts waiting tokens]

*rates*: how many jobs are claimed and completed in a second, by one, four and eight workers.
*starts*: how long after the commit a worker that waits has its job. *waiting*: the memory of a
claim that waits, and the CPU of a web worker with 500 of them: while they wait, and with the
requests of workers that ask again. *tokens*: the CPU of reading and making one. Takes eight
minutes; two cores, the web worker has one of them. Prints a table in reStructuredText for each.
"""

from arrivals import ms
from concurrent.futures import ThreadPoolExecutor
from elsewhere import Elsewhere
from elsewhere import Line
from elsewhere import QUEUE
from queues import cores
from queues import cpu
from queues import Jobs
from queues import memory
from queues import parser_of
from queues import print_parts
from queues import share
from queues import sites
from serving import say

import asyncio
import contextlib
import json
import os
import random
import secrets
import statistics
import threading
import time
import urllib.parse

#: The most KB of a claim that waits.
BUDGET = 30

#: The most CPU of a web worker with many claims that wait, as a share of a core.
BUSY = 0.01

#: Seconds without a request before memory or CPU are read.
SETTLE = 5


def measure_rates(make, options):
    """Yield the rows of how many jobs are claimed and completed in a second."""
    yield ["workers", "jobs per second", "CPU of a job", "conflicts"]
    with make() as site:
        site.serve()
        jobs, elsewhere = Jobs(site.url, most=100_000), Elsewhere(site.url)
        for workers in (1, 4, 8):
            before = site.conflicts()
            found = [_rate(site, jobs, elsewhere, workers, options.jobs) for _ in range(3)]
            conflicts = site.conflicts() - before
            rate, used = (statistics.median(each) for each in zip(*found, strict=True))
            say(f"{workers}: {found}, {conflicts} conflicts")
            yield [workers, f"{rate:.0f}", ms(used), conflicts]


def _rate(site, jobs, elsewhere, workers, count):
    jobs.submit(count, task="scan")
    token = elsewhere.token()
    began, before = time.monotonic(), cpu(site.worker)
    with ThreadPoolExecutor(workers) as pool:
        done = sum(pool.map(lambda _: _work(site.url, token), range(workers)))
    if done != count:
        raise RuntimeError(f"{done} of {count} jobs were claimed")
    return count / (time.monotonic() - began), (cpu(site.worker) - before) / count


def _work(url, token):
    line, done = Line(url), 0
    while (claimed := line.claim(token, wait=1.0)) is not None:
        line.complete(claimed)
        done += 1
    return done


def measure_starts(make, options):
    """Yield the rows of how long a job waits for a worker that waits for it."""
    yield ["from the commit to the claim's answer", "p50", "p99"]
    with make() as site:
        site.serve()
        jobs, elsewhere = Jobs(site.url), Elsewhere(site.url)
        token, found = elsewhere.token(), {}
        stop = threading.Event()
        worker = threading.Thread(target=_note_claims, args=(site.url, token, found, stop))
        worker.start()
        times = jobs.claims(options.starts, found, task="scan")
        stop.set()
        worker.join()
        yield ["a worker that waits", ms(share(times, 50)), ms(share(times, 99))]


def _note_claims(url, token, found, stop):
    line = Line(url)
    while not stop.is_set():
        claimed = line.claim(token, wait=2.0)
        if claimed is not None:
            found[claimed["args"][0]] = time.time()
            line.complete(claimed)


def measure_waiting(make, options):
    """Yield the rows of claims that wait."""
    yield ["claims that wait", "memory of each", "CPU of the web worker", "answered meanwhile"]
    for wait, what in ((600.0, "for ten minutes"), (50.0, "for 50 seconds, and ask again")):
        with make() as site:
            site.serve(deadline=55, claim_wait=wait)
            elsewhere = Elsewhere(site.url)
            yield asyncio.run(_wait(site, elsewhere, wait, what, options))


async def _wait(site, elsewhere, wait, what, options):
    for _ in range(20):  # whatever the first requests load
        Line(site.url).claim(elsewhere.token())
    await asyncio.sleep(SETTLE)
    idle, alone = memory(site.worker), await _cpu_of(site, options.seconds)
    answers = []
    clients = [
        asyncio.create_task(_ask_again(site.url, elsewhere.token(), wait, answers))
        for _ in range(options.claims)
    ]
    spread = wait if wait < options.seconds else 0.0
    await asyncio.sleep(SETTLE + spread)
    each = (memory(site.worker) - idle) * 1024 / options.claims
    answers.clear()
    used = await _cpu_of(site, options.seconds)
    count = len(answers)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    if set(answers) - {204}:
        raise RuntimeError(f"claims were answered with {set(answers)}")
    say(f"{what}: {used:.3%}, alone {alone:.3%}, {count} answers")
    most = f" (at most {BUSY:.0%})"
    kilobytes = f"{each:.1f} KB (at most {BUDGET})"
    return [f"{options.claims} {what}", kilobytes, f"{used - alone:.2%}{most}", count]


async def _cpu_of(site, seconds):
    before = cpu(site.worker)
    await asyncio.sleep(seconds)
    return (cpu(site.worker) - before) / seconds


async def _ask_again(url, token, wait, answers):
    """Claim for ever, as a worker that finds nothing to do; the first time at a random moment."""
    parts = urllib.parse.urlsplit(url)
    body = json.dumps({"queues": [QUEUE], "wait": wait, "key": secrets.token_hex(8)})
    request = (
        f"POST {parts.path}@jobs/claim HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\n"
        f"Authorization: {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    if wait < 60:
        await asyncio.sleep(random.uniform(0, wait))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    with contextlib.closing(writer):
        while True:
            writer.write(request)
            status = int((await reader.readline()).split()[1])
            while (await reader.readline()).strip():
                pass
            answers.append(status)


def measure_tokens(make, options):
    """Yield the rows of what a token costs a request."""
    yield ["a request", "its CPU", "more than the anonymous one"]
    with make() as site:
        site.serve()
        elsewhere, line = Elsewhere(site.url), Line(site.url)
        token = elsewhere.token()
        Jobs(site.url).submit(1, task="scan")
        claimed = line.claim(token)
        claim = f"Bearer {claimed['claim']}"
        ways = {
            "refused, without a token": lambda: _refused(line),
            "a claim that finds nothing": lambda: line.claim(token),
            "a heartbeat": lambda: line.post(f"@jobs/{claimed['job']}/heartbeat", {}, claim),
        }
        found = {title: _cost(site, way, options.requests) for title, way in ways.items()}
        least = min(found.values())
        for title, used in found.items():
            yield [title, f"{used * 1000:.2f} ms", f"{(used - least) * 1000:.2f} ms"]


def _refused(line):
    with contextlib.suppress(RuntimeError):
        line.claim("")


def _cost(site, way, count):
    for _ in range(50):
        way()
    before = cpu(site.worker)
    for _ in range(count):
        way()
    return (cpu(site.worker) - before) / count


PARTS = {
    "rates": measure_rates,
    "starts": measure_starts,
    "waiting": measure_waiting,
    "tokens": measure_tokens,
}


def main():
    parser = parser_of(__doc__, PARTS)
    parser.add_argument("--jobs", type=int, default=400, help="in each round")
    parser.add_argument("--starts", type=int, default=100, help="how many are measured")
    parser.add_argument("--claims", type=int, default=500, help="that wait at once")
    parser.add_argument("--seconds", type=float, default=60, help="in which CPU is measured")
    parser.add_argument("--requests", type=int, default=500, help="of each kind")
    options = parser.parse_args()
    worker, load = cores()[:2]
    os.sched_setaffinity(0, {load})
    with sites({worker}) as make:
        print_parts(PARTS, make, options)


if __name__ == "__main__":
    main()
