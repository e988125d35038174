"""Three times the requests that a worker can serve: how many are served, how soon others refused.

    .venv/bin/python benchmarks/overload.py [--seconds 10] [--only page]

Requests arrive on a schedule, each on a new connection, whatever comes back. The capacity is
measured with as many clients as keep the worker busy; the best goodput is the highest at 0.7,
1, 1.5 and 3 times the capacity. Afterwards one visitor asks for a fast view until the worker
answers as it did before. Takes ten minutes for all kinds; two cores, the worker
has one of them, the load is in this process on the other. Prints a table in
reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import measured
from serving import say
from serving import table

import argparse
import asyncio
import time

HELD = "@@load-hold?seconds=0.5&text=o-{n}"

#: The view of each kind, and how many clients measure the capacity.
KINDS = {
    "fast": ("@@fast", 16),
    "held": (HELD, 300),
    "page": ("", 16),
    "mix": (("@@fast", HELD, ""), 100),  # in turn
}

#: The view that a visitor asks for before and after the overload.
PROBE = "@@fast"

#: The overload, in capacities.
TIMES = 3

#: The lower rates at which goodput is measured, in capacities.
STEPS = (0.7, 1.0, 1.5)

#: How many times as long a visitor may wait when the worker is back to normal, and how many
#: seconds more.
NORMAL = 1.5
SLACK = 0.05

#: Seconds until the worker must be back to normal.
WATCH = 30.0

REFUSED = 503


class Study:
    """One kind of request against *site*.

    Args:
        site: The address of the site.
        kind: The name of a kind in ``KINDS``.
        options: The options of the command line.
    """

    def __init__(self, site, kind, options):
        self._kind = kind
        self._view, self._clients = KINDS[kind]
        self._options = options
        self._visitors = Visitors(site)

    async def run(self):
        """Measure, and return the row of the table."""
        await self._visitors.clients(self._view, 8, requests=40)
        full = await self._visitors.clients(self._view, self._clients, self._options.warm_up)
        capacity = full.per_second()
        say(f"{self._kind}: capacity {capacity:.0f}/s")
        calm = await self._visitors.clients(PROBE, 1, requests=20)
        normal = max(answer.took for answer in calm.answers)
        best = capacity
        for times in STEPS:
            figures = await self._offered(capacity * times, self._options.warm_up)
            best = max(best, figures.per_second())
            await asyncio.sleep(self._options.warm_up)
        over, back = await self._overloaded(capacity * TIMES, normal * NORMAL + SLACK)
        return self._row(capacity, max(best, over.per_second()), over, back)

    async def _offered(self, rate, seconds):
        figures = await self._visitors.at_rate(self._view, rate, seconds)
        say(
            f"{self._kind}: offered {rate:.0f}/s, served {figures.per_second():.0f}/s, "
            f"{figures.statuses()}, the load was late by {ms(figures.late)} at most"
        )
        return figures

    async def _overloaded(self, rate, normal):
        load = asyncio.create_task(self._offered(rate, self._options.seconds))
        await asyncio.sleep(self._options.seconds)
        ended = time.monotonic()
        back = await self._back(ended, normal)
        return await load, back

    async def _back(self, ended, normal):
        """Return how long after *ended* a visitor is served as soon as normal."""
        while (asked := time.monotonic()) < ended + WATCH:
            answer = await self._visitors.ask(PROBE)
            if answer.status == 200 and answer.took <= normal:
                return asked - ended
            await asyncio.sleep(0.1)
        return None

    def _row(self, capacity, best, over, back):
        refusals = sum(answer.status == REFUSED for answer in over.answers)
        others = over.errors() - refusals
        return [
            self._kind,
            f"{capacity:.0f}",
            f"{over.per_second():.0f} ({over.per_second() / best:.0%} of the best)",
            f"{ms(over.share(50))}, {ms(over.share(99))}",
            refusals,
            f"{ms(over.share(50, REFUSED))}, {ms(over.share(95, REFUSED))}",
            others,
            "-" if back is None else f"{back:.1f} s",
        ]


HEAD = [
    "",
    "capacity, per second",
    "served at 3 times that, per second",
    "p50, p99 of the served",
    "refusals",
    "half, 95 % of the refusals within",
    "other errors",
    "normal again after",
]


async def study(site, kinds, options):
    """Measure all *kinds*, and return the rows of the table."""
    return [HEAD, *[await Study(site, kind, options).run() for kind in kinds]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    parser.add_argument(
        "--warm-up", type=float, default=10.0, help="for each measurement of capacity"
    )
    parser.add_argument("--only", choices=list(KINDS))
    options = parser.parse_args()
    kinds = [options.only] if options.only else list(KINDS)
    with measured(max_held_per_client=5000) as (server, _):
        result = asyncio.run(study(server.site, kinds, options))
    print(f"\n{table(result)}\n")


if __name__ == "__main__":
    main()
