"""What status and metrics cost: under 5,000 held responses, and when nobody looks.

    .venv/bin/python benchmarks/status.py [--only looks]

*looks*: a worker holds 5,000 responses. The status page, its data, @futures and the metrics are
asked for, one after the other; each takes one pass in one slot. The front page of the site is
asked for too, to show how fast the machine is. *idle*: two workers do nothing for a while; one
of them reports its status each second. *held*: the CPU of a held request in a worker that
reports, and in a worker that does not, in turn. Each takes one or two minutes; two cores, the
workers have one of them. Prints a table in reStructuredText for each.
"""

from arrivals import HEADERS
from arrivals import ms
from arrivals import Visitors
from collections import Counter
from contextlib import ExitStack
from load import Load
from pathlib import Path
from serving import get
from serving import prepared
from serving import say
from serving import table

import argparse
import asyncio
import base64
import gevent
import time
import urllib.request

ADMIN = "Basic " + base64.b64encode(b"admin:admin").decode()
FRONT_PAGE = ""
LOOKS = {
    FRONT_PAGE: "text/html",
    "@@futures-status": "text/html",
    "@@futures-status-data": "application/json",
    "@futures": "application/json",
    "@@futures-metrics": "text/plain",
}
HOLD = "@@load-hold?seconds=120&text=s-{n}"
HELD = "@@load-upstream?seconds=0.5&text=c-{n}"

#: The most seconds that a look may take.
MOST = 0.1

#: The most CPU that reporting may cost an idle worker, as a share of a core.
IDLE = 0.001

#: The most CPU that reporting may add to a held request, as a share of its CPU.
MORE = 0.03

#: Seconds until a worker's figures are reported.
REPORTED = 2.0


def look(server, view):
    """Ask for *view* as the admin; return the seconds that it took, and the body."""
    headers = {"Authorization": ADMIN, "Accept": LOOKS[view]}
    request = urllib.request.Request(server.site + view, headers=headers)
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        return time.monotonic() - began, body


def passes(server):
    """Return how many passes the worker has made."""
    time.sleep(REPORTED)
    _, body = look(server, "@@futures-metrics")
    (line,) = [line for line in body.splitlines() if line.startswith(b"wsgifutures_passes_total{")]
    return float(line.split()[-1])


def looks(serve, service, options):
    """Yield the rows of the looks at a worker that holds many responses."""
    limits = {"max_held": options.held, "max_held_per_client": options.held, "deadline": 600}
    yield ["", "bytes", "p50", "the slowest", "passes per look"]
    with serve(**limits, max_wait=86_400) as server:
        for view in [*LOOKS] * 10:  # each slot has rendered each view once
            look(server, view)
        asyncio.run(_held(server, service, options, lambda: _look_at_all(server, options)))
        yield from server.rows


def _look_at_all(server, options):
    server.rows = []
    for view in LOOKS:
        before = passes(server)
        found = sorted(look(server, view) for _ in range(options.looks))
        each = (passes(server) - before - 1) / options.looks
        most = f" (at most {ms(MOST)})" if view else ""
        times = ms(found[len(found) // 2][0]), ms(found[-1][0]) + most
        name = f"``{view}``" if view else "the front page, to compare"
        server.rows.append([name, len(found[0][1]), *times, f"{each:g}"])
        say(server.rows[-1])


async def _held(server, service, options, then):
    """Call *then* while the responses are held."""
    visitors = Visitors(server.site)
    held = asyncio.create_task(
        visitors.at_rate(HOLD, options.rate, options.held / options.rate, patience=180)
    )
    while int(await asyncio.to_thread(get, service + "/waiting")) < options.held:
        await asyncio.sleep(1)
    say(f"{options.held} are held")
    await asyncio.to_thread(then)
    await asyncio.to_thread(get, service + "/release")
    say((await held).statuses())


def idle(serve, service, options):
    """Yield the rows of two workers that do nothing."""
    yield ["an idle worker that", "CPU"]
    with ExitStack() as stack:
        servers = _both(stack, serve)
        time.sleep(5)
        before = {side: _cpu(server) for side, server in servers.items()}
        time.sleep(options.idle)
        share = {s: (_cpu(server) - before[s]) / options.idle for s, server in servers.items()}
    yield ["reports its status", f"{share['on']:.3%}"]
    yield ["does not report", f"{share['off']:.3%}"]
    yield ["the difference", f"{share['on'] - share['off']:.3%} (at most {IDLE:.1%})"]


def held(serve, service, options):
    """Yield the rows of the CPU of a held request in both workers."""
    used, answered = Counter(), Counter()
    with ExitStack() as stack:
        servers = _both(stack, serve, max_held_per_client=5000, max_wait=86_400)
        for server in servers.values():
            _load(server, options.seconds)
        for number in range(options.rounds):
            for side in sorted(servers, reverse=number % 2):
                cpu, count = _load(servers[side], options.seconds)
                used[side] += cpu
                answered[side] += count
            each = {side: used[side] / answered[side] * 1000 for side in servers}
            say(f"round {number + 1}: {each}")
    more = used["on"] / answered["on"] / (used["off"] / answered["off"]) - 1
    yield ["a held request in a worker that", "CPU"]
    yield ["reports its status", f"{each['on']:.3f} ms"]
    yield ["does not report", f"{each['off']:.3f} ms"]
    yield ["the difference", f"{more:.1%} (at most {MORE:.0%})"]


def _both(stack, serve, **settings):
    """Start a worker that reports its status, and a worker that does not."""
    sides = {"on": "", "off": "off"}
    return {
        side: stack.enter_context(serve(status_folder=folder, **settings))
        for side, folder in sides.items()
    }


def _load(server, seconds):
    """Let 200 clients ask for a held request; return the worker's CPU and the answers."""
    headers = [line for line in HEADERS.split("\r\n") if line and "close" not in line]
    load = Load(server.site + HELD, 200, 1_000_000, seconds + 2, headers)
    running = gevent.spawn(load.run)
    gevent.sleep(1)
    cpu, answered = _cpu(server), load.answered
    gevent.sleep(seconds)
    cpu, answered = _cpu(server) - cpu, load.answered - answered
    assert set(running.get().statuses) == {200}
    return cpu, answered


def _cpu(server):
    """Return the CPU of the worker, in seconds, to the nanosecond."""
    tasks = Path(f"/proc/{server.worker}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


PARTS = {"looks": looks, "idle": idle, "held": held}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--held", type=int, default=5000)
    parser.add_argument(
        "--rate", type=float, default=150, help="held requests that come in per second"
    )
    parser.add_argument("--looks", type=int, default=30, help="how many, at each page")
    parser.add_argument(
        "--idle", type=float, default=60, help="seconds that the workers do nothing"
    )
    parser.add_argument("--seconds", type=float, default=6, help="for each side in each round")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    with prepared("collective.wsgifutures:default") as (serve, service):
        for name, part in PARTS.items():
            if options.only in (None, name):
                print(f"\n{table(list(part(serve, service, options)))}\n", flush=True)


if __name__ == "__main__":
    main()
