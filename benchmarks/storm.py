"""A provider that answers 503 to everything: how often it is called all the same.

    .venv/bin/python benchmarks/storm.py [--seconds 10]

For 30 s requests come on a schedule, each with one call that may be repeated. Once of an upstream
with the usual settings, and once of one whose breaker never opens, so that nothing but the budget
of the retries is between them and a storm. Takes two minutes; two cores, the worker has one of
them. Prints a table in reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import calls
from serving import print_study
from serving import say

import argparse
import asyncio

#: By what the table calls it, the upstream.
SIDES = {"usual settings": "usual", "a breaker that never opens": "unbroken"}

VIEW = "@@load-upstream?path=/fail&upstream={upstream}&text=f-{{n}}"

#: How many calls there may be for each request.
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
        made = len(await asyncio.to_thread(calls, service)) - before
        say(f"{title}: {len(figures.answers)} requests, {made} calls")
        sides.append((figures, made))
    return list(rows(sides))


def rows(sides):
    yield ["", *SIDES]
    yield ["requests, each with one call", *(len(figures.answers) for figures, _ in sides)]
    yield ["calls that the provider got", *(made for _, made in sides)]
    ratios = [made / len(figures.answers) for figures, made in sides]
    yield [f"for each request (at most {LIMIT})", *(f"{ratio:.3f}" for ratio in ratios)]
    times = [f"{ms(f.share(50))}, {ms(f.share(99))}" for f, _ in sides]
    yield ["p50, p99 of the answers, rendered without it", *times]
    yield ["errors", *(figures.errors() for figures, _ in sides)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each side")
    parser.add_argument("--rate", type=float, default=100.0, help="requests in a second")
    options = parser.parse_args()
    print_study(study, options, max_held_per_client=5000)


if __name__ == "__main__":
    main()
