"""What ten slow parts cost a page of Plone: one wait, and how much of the worker's time.

    .venv/bin/python benchmarks/parts.py [--rounds 1]

A page in Plone's main template, of a folder with twenty pages, has ten viewlets, each a fragment
which waits for a call of a second. The call sleeps; or it is made by an upstream; or the view asks
for all ten before it renders. It is compared to the same page without them: what counts is the CPU
of the worker divided by the pages that it gave. Takes four minutes; two cores, the worker has one
of them. Prints a table in reStructuredText.
"""

from arrivals import Visitors
from collections import Counter
from serving import prepared
from serving import say
from serving import table

import argparse
import asyncio

PLAIN = "section-0/@@load-page"
PARTS = {
    "calls that sleep": "section-0/@@load-parts?call=sleep&text={n}",
    "calls of an upstream": "section-0/@@load-parts?call=upstream&text={n}",
    "calls that the view asks for first": "section-0/@@load-parts?call=sleep&first=1&text={n}",
}

#: At most: seconds of one page alone, its passes, its CPU to that of the page without the parts.
SECONDS = 1.3
PASSES = 2
CPU = 2.1

#: Whoever waits is waited for, so that the CPU is of pages and of no refusals.
LIMITS = {"max_held_per_client": 5000, "max_wait": 86_400}


async def alone(site, options):
    """Ask for one page after the other; return the most seconds and passes of each kind."""
    visitors = Visitors(site)
    found = {}
    for title, view in PARTS.items():
        figures = await visitors.clients(view, 1, requests=options.alone + 1)
        answers = figures.answers[1:]  # the first one compiles its templates
        errors = figures.errors()
        found[title] = max(a.took for a in answers), max(a.passes for a in answers), errors
        say(f"{title}: {found[title]}")
    return found


async def costs(server, options):
    """Return the CPU of a page of each kind, in seconds, and how many were not answered."""
    visitors = Visitors(server.site)
    spent, answers, errors = Counter(), Counter(), 0
    sides = {PLAIN: options.pages, **dict.fromkeys(PARTS.values(), options.pages)}
    for view in sides:
        await visitors.clients(view, options.clients, requests=options.clients * 2)
    for number in range(options.rounds):
        for view, pages in sides.items():
            before = server.cpu()
            figures = await visitors.clients(view, options.clients, requests=pages)
            spent[view] += server.cpu() - before
            answers[view] += len(figures.answers)
            errors += figures.errors()
        say(f"round {number + 1}: { ({view: spent[view] / answers[view] for view in sides}) }")
    return {view: spent[view] / answers[view] for view in sides}, errors


def rows(found, cpu, errors):
    yield ["a page with ten parts", *PARTS, "at most"]
    yield ["alone: seconds", *(f"{took:.2f}" for took, _, _ in found.values()), SECONDS]
    yield ["alone: passes", *(passes for _, passes, _ in found.values()), PASSES]
    yield ["CPU of each", *(f"{cpu[view] * 1000:.1f} ms" for view in PARTS.values()), ""]
    plain = cpu[PLAIN]
    yield ["CPU of the page without them", *([f"{plain * 1000:.1f} ms"] * len(PARTS)), ""]
    yield ["that to this", *(f"{cpu[view] / plain:.2f} times" for view in PARTS.values()), CPU]
    yield ["errors, of all", *([errors + sum(e for _, _, e in found.values())] * len(PARTS)), 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", type=int, default=10, help="pages, one after the other")
    parser.add_argument("--clients", type=int, default=20, help="that ask at a time")
    parser.add_argument("--pages", type=int, default=40, help="of each kind in each round")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with prepared() as (serve, _):
        with serve(debug="on", **LIMITS) as server:  # it tells its passes
            server.get("@@load-fill", ("admin", "admin"))
            found = asyncio.run(alone(server.site, options))
        with serve(**LIMITS) as server:
            server.get("@@load-fill", ("admin", "admin"))
            cpu, errors = asyncio.run(costs(server, options))
    print(f"\n{table(rows(found, cpu, errors))}\n")


if __name__ == "__main__":
    main()
