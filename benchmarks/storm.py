"""A provider that answers 503 to everything: how many calls it still gets.

    .venv/bin/python benchmarks/storm.py [--seconds 10]

For 30 s requests come on a schedule, each with one call that may be repeated: first through an
upstream with the usual settings, then through an upstream whose breaker never opens, so that only
the budget of retries prevents a storm. Takes two minutes; two cores, the worker has one of
them. Prints a table in reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import calls
from serving import print_study
from serving import say

import argparse
import asyncio

#: The upstreams, by their titles in the table.
SIDES = {"usual settings": "usual", "a breaker that never opens": "unbroken"}

VIEW = "@@load-upstream?path=/fail&upstream={upstream}&text=f-{{n}}"

#: The most calls per request.
LIMIT = 1.2


async def study(server, service, options):
    """Measure, and return the rows of the table."""
    visitors = Visitors(server.site)
    await visitors.clients("@@fast", 8, requests=40)
    sides = []
    for title, upstream in SIDES.items():
        before = len(await asyncio.to_thread(calls, service))
        view = VIEW.format(upstream=upstream)
        figures = await visitors.at_rate(view, options.rate, options.seconds)
        count = len(await asyncio.to_thread(calls, service)) - before
        say(f"{title}: {len(figures.answers)} requests, {count} calls")
        sides.append((figures, count))
    return list(rows(sides))


def rows(sides):
    yield ["", *SIDES]
    yield ["requests, each with one call", *(len(figures.answers) for figures, _ in sides)]
    yield ["calls that the provider got", *(count for _, count in sides)]
    ratios = [count / len(figures.answers) for figures, count in sides]
    yield [f"calls per request (at most {LIMIT})", *(f"{ratio:.3f}" for ratio in ratios)]
    times = [f"{ms(f.share(50))}, {ms(f.share(99))}" for f, _ in sides]
    yield ["p50, p99 of the answers, rendered without the call", *times]
    yield ["errors", *(figures.errors() for figures, _ in sides)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="for each side")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    options = parser.parse_args()
    print_study(study, options, max_held_per_client=5000)


if __name__ == "__main__":
    main()
