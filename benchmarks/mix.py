"""A steady mix at half of the worker's capacity: how held responses slow down other requests.

    .venv/bin/python benchmarks/mix.py [--seconds 10]

Held requests (a call of a second), fast views and full pages come on a schedule, on new
connections. Each kind takes a third of the worker's time under load. Then the fast views and
the pages come at the same rates without the held requests. Takes three minutes; two cores, the
worker has one of them. Prints a table in reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import measured
from serving import say
from serving import table

import argparse
import asyncio

#: The share of the worker's capacity that is asked for.
LOAD = 0.5

KINDS = {
    "held, a call of 1 s": "@@load-hold?seconds=1&text=m-{n}",
    "fast": "@@fast",
    "full page": "",
}
HELD = next(iter(KINDS))

#: How many clients measure the capacity: enough for calls of 1 s.
CLIENTS = {HELD: 600, "fast": 16, "full page": 16}


async def study(site, options):
    """Measure, and return the rows of the table."""
    visitors = Visitors(site)
    await asyncio.gather(*(visitors.clients(view, 8, requests=40) for view in KINDS.values()))
    rates = {}
    for kind, view in KINDS.items():
        full = await visitors.clients(view, CLIENTS[kind], options.warm_up)
        rates[kind] = full.per_second() * LOAD / len(KINDS)
        say(f"{kind}: capacity {full.per_second():.0f}/s, errors {full.errors()}")
    together = await measure_mix(visitors, rates, options.seconds)
    say("the mix is measured")
    without = {kind: rate for kind, rate in rates.items() if kind != HELD}
    return list(rows(rates, together, await measure_mix(visitors, without, options.seconds)))


async def measure_mix(visitors, rates, seconds):
    """Return the figures of each kind, with all kinds side by side."""
    loads = (visitors.at_rate(KINDS[kind], rate, seconds) for kind, rate in rates.items())
    return dict(zip(rates, await asyncio.gather(*loads), strict=True))


def rows(rates, together, without):
    yield ["", "asked for, per second", "p50", "p99", "errors"]
    for title, figures in (("", together), (", none held", without)):
        for kind, f in figures.items():
            times = [ms(f.share(50)), ms(f.share(99))]
            yield [kind + title, f"{rates[kind]:.0f}", *times, f.errors()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each mix")
    parser.add_argument(
        "--warm-up", type=float, default=10.0, help="for each measurement of capacity"
    )
    options = parser.parse_args()
    with measured(max_held_per_client=5000) as (server, _):
        result = asyncio.run(study(server.site, options))
    print(f"\n{table(result)}\n")


if __name__ == "__main__":
    main()
