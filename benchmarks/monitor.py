"""What the monitor of a worker costs: the CPU of a fast view, and of an idle worker.

    .venv/bin/python benchmarks/monitor.py [--rounds 1]

Two workers run in turn on the same core: one with the usual settings, and one whose ``blocked``
is so large that its main loop is checked about once an hour. Takes four minutes; two cores.
Prints a table in reStructuredText.
"""

from arrivals import Visitors
from collections import defaultdict
from serving import prepared
from serving import say
from serving import table

import argparse
import asyncio
import statistics
import time

SIDES = {"usual settings": {}, "hardly watched": {"blocked": 14_400}}


def measure(server, options):
    """Return the CPU seconds of a fast view and of an idle second, and views per second."""
    visitors = Visitors(server.site)
    asyncio.run(visitors.clients("@@fast", 16, options.warm_up))
    time.sleep(2)
    before = server.cpu()
    time.sleep(options.seconds)
    idle = (server.cpu() - before) / options.seconds
    before = server.cpu()
    figures = asyncio.run(visitors.clients("@@fast", 16, options.seconds))
    return (server.cpu() - before) / len(figures.answers), idle, figures.per_second()


def rows(found):
    yield ["", *SIDES]
    parts = [list(zip(*found[title], strict=True)) for title in SIDES]
    titles = ["CPU of a fast view, ms", "CPU of an idle worker, ms in a second", "fast views/s"]
    for number, (title, times) in enumerate(zip(titles, (1000, 1000, 1), strict=True)):
        values = [[value * times for value in part[number]] for part in parts]
        yield [title, *map(_summarize, values)]


def _summarize(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0, help="for each measurement")
    parser.add_argument("--warm-up", type=float, default=5.0)
    options = parser.parse_args()
    found = defaultdict(list)
    with prepared() as (serve, _):
        for number in range(options.rounds):
            for title in list(SIDES)[:: -1 if number % 2 else 1]:
                with serve(**SIDES[title]) as server:
                    found[title].append(measure(server, options))
                say(f"round {number + 1}, {title}: {found[title][-1]}")
    print(f"\n{table(rows(found))}\n")


if __name__ == "__main__":
    main()
