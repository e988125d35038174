"""The same 1 s call four ways, side by side in one run; and full pages without a call.

    make start once, then:  .venv/bin/python benchmarks/compare.py [--clients 2000]

The sides: waitress with its default threads; waitress with 200 threads and a ZODB pool of
200; gunicorn's gevent worker with blocking views; and the same views held. Each runs on a
copy of one fresh site, with the load and the slow service on the same machine. Prints a
table in reStructuredText: the best of three rounds by answers with 200 per second. The clients
have eight addresses. A side that refuses or fails ends the program with what it did.
"""

from serving import a_service
from serving import a_site
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

import argparse
import json
import subprocess
import sys
import time

#: How many clients send the first requests, which are not counted: each slot compiles the theme.
WARM_UP = 8

#: How many addresses the clients have, as visitors do: a limit for one visitor must not decide.
ADDRESSES = 8

MANY = ["--worker-connections", "10000"]


CALLS = [
    Side("waitress, 4 threads", WAITRESS),
    Side("waitress, 200 threads, pool of 200", WAITRESS, threads=200),
    Side("gunicorn gevent, blocking views", [*GUNICORN, *MANY]),
    Side("gunicorn gevent, held responses", [*GUNICORN, *HOLD], view="@@hold"),
]

PAGES = [
    Side("gunicorn gevent", [*GUNICORN, *MANY], view=""),
    Side("gunicorn gevent with the hold", [*GUNICORN, *HOLD], view=""),
]


def measure(side, template, variables, clients, seconds, keep=True):
    """Run *side* once under load and return the figures."""
    running = Running(side, template, variables)
    try:
        url = running.site + side.view + ("?seconds=1&text=b-{n}" if side.view else "")
        _start_load(url, WARM_UP, keep, "--requests", 40).wait()
        load = _start_load(url, clients, keep, "--seconds", seconds)
        memory = 0
        while load.poll() is None:
            memory = max(memory, running.memory())
            time.sleep(0.2)
        result = json.loads(load.stdout.read())
        _check(side, result)
        result["memory"] = memory
        result["connections"] = running.connections()
        return result
    finally:
        running.stop()


def _start_load(url, clients, keep, *bounds):
    command = [BIN / "python", ROOT / "benchmarks" / "load.py", url, "--clients", clients, *bounds]
    command += ["--addresses", ADDRESSES]
    command += [] if keep else ["--no-keep"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def _check(side, result):
    """End the program if *side* refused or failed: its figures would say nothing."""
    others = {status: n for status, n in result["statuses"].items() if status != "200"}
    if others or result["errors"]:
        sys.exit(f"{side.title} did not serve all: statuses {others}, errors {result['errors']}.")


def best_of(rounds, sides, *args, **kwargs):
    """Measure all *sides*, *rounds* times in turn; keep each side's best."""
    best = {}
    for number in range(rounds):
        for side in sides:
            result = measure(side, *args, **kwargs)
            say(f"round {number + 1}, {side.title}: {result}")
            if result["per_second"] > best.get(side.title, {"per_second": -1})["per_second"]:
                best[side.title] = result
    return best


def rows(best):
    """Return the results as the rows of a table."""
    yield ["", "requests/s", "p50 s", "p99 s", "ZODB connections", "memory MB"]
    for title, r in best.items():
        numbers = [f"{r['per_second']:.1f}", f"{r['p50']:.2f}", f"{r['p99']:.2f}"]
        yield [title, *numbers, r["connections"], r["memory"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["calls", "pages"])
    options = parser.parse_args()
    with a_site() as site, a_service("-m", "wsgifutures_demo.service") as service:
        args = (site, environment(service))
        if options.only != "pages":
            best = best_of(options.rounds, CALLS, *args, options.clients, options.seconds)
            print(f"\nA call of 1 s, {options.clients} clients:\n\n{table(rows(best))}\n")
        if options.only != "calls":
            best = best_of(options.rounds, PAGES, *args, 50, options.seconds, keep=False)
            print(f"\nFull pages, 50 clients, a new connection each:\n\n{table(rows(best))}\n")


if __name__ == "__main__":
    main()
