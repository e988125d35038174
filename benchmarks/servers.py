"""gunicorn with the hold, on gevent and on asyncio, side by side.

    .venv/bin/python benchmarks/servers.py [--rounds 1]

Clients that never stop ask for a fast view, and for a held one whose call takes a second. Under
gevent a greenlet makes the call, on asyncio a task of the loop. In each round both servers are
asked in turn; the best figure of each counts. Then four views compute, and a fast view is asked
for beside them. Takes ten minutes; two cores, the worker has one of them. Prints a table in
reStructuredText.
"""

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

import argparse
import json
import os
import subprocess
import time

SETTINGS = {"max_held_per_client": 5000, "max_waiting": 5000, "max_wait": 86_400}

SIDES = [
    Side("gevent", [*GUNICORN, *HOLD], view="waiting", settings=SETTINGS),
    Side("asyncio", ASYNCIO, view="asyncio", settings=SETTINGS),
]
FAST = "@@fast"
HELD = "@@load-hold?seconds=1&client={client}&text=s-{{n}}"
CLIENTS = (50, 1500)


def load(url, clients, seconds):
    """Ask for *url* for so many *seconds*; return what came of it."""
    command = [BIN / "python", ROOT / "benchmarks" / "load.py", url]
    command += ["--clients", clients, "--seconds", seconds]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def measure(side, template, variables, options, first):
    """Run *side* once and return its figures, by what was measured."""
    found = {}
    running = Running(side, template, variables, {first})
    try:
        load(running.site + FAST, 50, options.seconds / 4)
        for clients in CLIENTS:
            for kind, view in (("fast", FAST), ("held", HELD.format(client=side.view))):
                cpu = running.cpu()
                result = load(running.site + view, clients, options.seconds)
                answered = sum(result["statuses"].values())
                assert set(result["statuses"]) == {"200"}, result["statuses"]
                each = (running.cpu() - cpu) / answered * 1000
                found[kind, clients] = result["per_second"], each, result["p99"]
                say(f"{side.title}, {kind}, {clients}: {found[kind, clients]}")
                time.sleep(2)
        found["beside"] = _beside(running, options.seconds)
        say(f"{side.title}, beside four that compute: p99 {found['beside']}")
        return found
    finally:
        running.stop()


def _beside(running, seconds):
    """Return the p99 of a fast view, while four views compute again and again."""
    command = [BIN / "python", ROOT / "benchmarks" / "load.py"]
    command += [f"{running.site}@@compute?seconds=0.05", "--clients", 4, "--seconds", seconds + 2]
    busy = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    time.sleep(1)
    result = load(running.site + FAST, 4, seconds)
    busy.wait()
    return result["p99"]


def rows(best):
    """Yield the rows of the table."""
    one, other = (best[side.title] for side in SIDES)
    yield ["", *(side.title for side in SIDES), "ratio"]
    for kind in ("fast", "held"):
        for clients in CLIENTS:
            a, b = one[kind, clients], other[kind, clients]
            title = f"{kind}, {clients} clients"
            figures = f"{a[0]:.0f}/s", f"{b[0]:.0f}/s", f"{b[0] / a[0]:.2f}"
            yield [title, *figures]
            figures = f"{a[1]:.2f} ms", f"{b[1]:.2f} ms", f"{a[1] / b[1]:.2f}"
            yield [f"{title}: CPU each", *figures]
            figures = f"{a[2]:.2f} s", f"{b[2]:.2f} s", f"{a[2] / b[2]:.2f}"
            yield [f"{title}: p99", *figures]
    a, b = one["beside"], other["beside"]
    title = "fast, beside four that compute: p99"
    yield [title, f"{a * 1000:.0f} ms", f"{b * 1000:.0f} ms", f"{b / a:.2f}"]


def keep_best(best, found):
    """Keep of each figure in *best* the one of the fastest round."""
    for key, figure in found.items():
        before = best.get(key)
        if before is None or (figure > before if key != "beside" else figure < before):
            best[key] = figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of load for each figure")
    options = parser.parse_args()
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {*others} or {first})
    allow_open_files()
    best = {side.title: {} for side in SIDES}
    with a_site() as site, a_service(ROOT / "benchmarks" / "upstream.py") as service:
        for number in range(options.rounds):
            for side in SIDES:
                found = measure(side, site, environment(service), options, first)
                keep_best(best[side.title], found)
            say(f"round {number + 1} is measured")
    print(f"\n{table(rows(best))}\n")


if __name__ == "__main__":
    main()
