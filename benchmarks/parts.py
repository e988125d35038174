"""What ten slow parts cost a page of Plone: one wait, and CPU of the worker.

    .venv/bin/python benchmarks/parts.py [--rounds 1] [--only held|deferred]

A page in Plone's main template, of a folder with twenty pages, has ten viewlets. Each viewlet is
a fragment that waits for a call of a second: the call sleeps, or an upstream makes the call, or
the view asks for all ten before it renders. The page is compared to the same page without the
viewlets, by the CPU of the worker per page. Takes four minutes; two cores, the worker has one of
them. Prints a table in reStructuredText.

Then the same page has deferred parts. They are fetched after the page as a browser does, over
six connections, or all at once as with HTTP/2. Takes six minutes more.
"""

from arrivals import Visitors
from collections import Counter
from dataclasses import dataclass
from html import unescape
from serving import prepared
from serving import say
from serving import table

import argparse
import asyncio
import re
import time

PLAIN = "section-0/@@load-page"
DEFERRED = "section-0/@@load-parts?call=sleep&text={n}"
HELD = f"{DEFERRED}&wsgifutures-wait=1"
PARTS = {
    "calls that sleep": HELD,
    "calls of an upstream": HELD.replace("sleep", "upstream"),
    "calls that the view asks for first": f"{HELD}&first=1",
}

#: How many connections fetch the parts of a page; None for the page that waits.
FETCHED = {"held": None, "deferred, six connections": 6, "deferred, all at once": 10}

#: The most seconds that a page alone may take.
SECONDS = 1.3

#: The most passes of a page.
PASSES = 2

#: The largest allowed ratio of its CPU to the CPU of the page without the parts.
CPU = 2.1

#: All requests wait for their turn: no CPU is used for refusals.
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
    """Return the CPU of a page of each kind, in seconds, and the number of errors."""
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


@dataclass
class Whole:
    """A page with all of its parts. Times are seconds."""

    first: float  #: until the first byte
    took: float  #: until the page was complete
    passes: int
    errors: int


_ADDRESS = re.compile(r'data-wsgifutures-part="([^"]+)"')


async def whole(visitors, connections):
    """Ask for the page, and then for its parts over *connections* connections."""
    began = time.monotonic()
    page = await visitors.ask(HELD if connections is None else DEFERRED, body=True)
    free = asyncio.Semaphore(connections or 1)

    async def fetch(address):
        async with free:
            return await visitors.ask(address)

    addresses = [unescape(address) for address in _ADDRESS.findall(page.body)]
    answers = [page, *await asyncio.gather(*map(fetch, addresses))]
    return Whole(
        first=page.first,
        took=time.monotonic() - began,
        passes=sum(a.passes for a in answers),
        errors=sum(a.status != 200 for a in answers) + (len(addresses) != 10 * bool(connections)),
    )


async def wholes(visitors, connections, clients, pages):
    """Ask for *pages* pages from *clients* clients; return the pages."""
    left = iter(range(pages))

    async def client():
        return [await whole(visitors, connections) for _ in left]

    answered = await asyncio.gather(*(client() for _ in range(clients)))
    return [page for pages in answered for page in pages]


async def deferred_alone(site, options):
    """Ask for one page after the other; return the pages of each kind."""
    visitors, found = Visitors(site), {}
    for title, connections in FETCHED.items():
        pages = await wholes(visitors, connections, 1, options.alone + 1)
        found[title] = pages[1:]  # the first one compiles its templates
        say(f"{title}: {found[title][-1]}")
    return found


async def deferred_costs(server, options):
    """Return the CPU of a page with its parts of each kind, in seconds, and the errors."""
    visitors, spent, errors = Visitors(server.site), Counter(), Counter()
    for number in range(-1, options.rounds):
        for title, connections in FETCHED.items():
            before = server.cpu()
            pages = await wholes(visitors, connections, options.clients, options.pages)
            if number >= 0:  # the first round warms up
                spent[title] += (server.cpu() - before) / len(pages) / options.rounds
            errors[title] += sum(page.errors for page in pages)
        say(f"round {number + 1}: {dict(spent)}")
    return spent, errors


def deferred_rows(found, cpu, errors):
    def most(name):
        return [max(getattr(page, name) for page in pages) for pages in found.values()]

    yield ["a page with ten parts", *FETCHED]
    yield ["alone: seconds until the first byte", *(f"{took:.2f}" for took in most("first"))]
    yield ["alone: seconds until the page is complete", *(f"{took:.2f}" for took in most("took"))]
    yield ["alone: passes, of all requests", *most("passes")]
    yield ["CPU with all its parts", *(f"{cpu[title] * 1000:.0f} ms" for title in FETCHED)]
    yield [
        "compared to the held page",
        *(f"{cpu[title] / cpu['held']:.2f} times" for title in FETCHED),
    ]
    yield ["errors, in all", *(errors[t] + sum(p.errors for p in found[t]) for t in FETCHED)]


def rows(found, cpu, errors):
    yield ["a page with ten parts", *PARTS, "at most"]
    yield ["alone: seconds", *(f"{took:.2f}" for took, _, _ in found.values()), SECONDS]
    yield ["alone: passes", *(passes for _, passes, _ in found.values()), PASSES]
    yield ["CPU per page", *(f"{cpu[view] * 1000:.1f} ms" for view in PARTS.values()), ""]
    plain = cpu[PLAIN]
    yield ["CPU of the page without its parts", *([f"{plain * 1000:.1f} ms"] * len(PARTS)), ""]
    yield ["ratio of the two", *(f"{cpu[view] / plain:.2f} times" for view in PARTS.values()), CPU]
    yield ["errors, in all", *([errors + sum(e for _, _, e in found.values())] * len(PARTS)), 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", type=int, default=10, help="pages, one after the other")
    parser.add_argument("--clients", type=int, default=20, help="how many ask at a time")
    parser.add_argument("--pages", type=int, default=40, help="of each kind in each round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", choices=("held", "deferred"))
    options = parser.parse_args()
    with prepared() as (serve, _):
        if options.only != "deferred":
            print(f"\n{table(rows(*measured(serve, alone, costs, options)))}\n")
        if options.only != "held":
            found = measured(serve, deferred_alone, deferred_costs, options)
            print(f"\n{table(deferred_rows(*found))}\n")


def measured(serve, alone, costs, options):
    """Return the figures of *alone*, from a worker with ``debug``, and of *costs*, from another."""
    with serve(debug="on", **LIMITS) as server:
        server.get("@@load-fill", ("admin", "admin"))
        found = asyncio.run(alone(server.site, options))
    with serve(**LIMITS) as server:
        server.get("@@load-fill", ("admin", "admin"))
        return found, *asyncio.run(costs(server, options))


if __name__ == "__main__":
    main()
