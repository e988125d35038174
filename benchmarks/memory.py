"""Memory over 100,000 held requests: what the worker keeps of requests that have ended.

    .venv/bin/python benchmarks/memory.py [--requests 5000]

2,000 clients ask for a held response with a call of 3 s, on a new connection for each request,
so that the worker always holds about 2,000 responses. Its resident memory is read after each
tenth of the requests. Takes ten minutes; two cores, the worker has one of them. Prints a table in
reStructuredText.
"""

from arrivals import Visitors
from serving import measured
from serving import say
from serving import table

import argparse
import asyncio

VIEW = "@@load-hold?seconds=3&text=r-{n}"

#: The largest allowed ratio of the memory at the end to the memory in the middle.
LIMIT = 1.02


async def study(server, options):
    """Measure, and return the rows of the table."""
    visitors = Visitors(server.site)
    memory = {}

    def tell(answered):
        if answered % (options.requests // 10) == 0:
            memory[answered] = server.worker_memory()
            say(f"{answered} answered: {memory[answered] / 1024:.1f} MB")

    figures = await visitors.clients(VIEW, options.clients, requests=options.requests, tell=tell)
    return list(rows(memory, figures, options.requests))


def rows(memory, figures, requests):
    middle, end = memory[requests // 2], memory[requests]
    yield ["held requests answered", "memory of the worker"]
    for answered, kilobytes in memory.items():
        yield [f"{answered:,}", f"{kilobytes / 1024:.1f} MB"]
    yield ["the end to the middle", f"{end / middle:.3f} (at most {LIMIT})"]
    yield ["errors", figures.errors()]
    yield ["requests per second", f"{figures.per_second():.0f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000, help="a multiple of 10")
    parser.add_argument("--clients", type=int, default=2000)
    options = parser.parse_args()
    limits = {"max_held_per_client": 5000, "max_waiting": options.clients * 2}
    with measured(**limits, max_wait=86_400) as (server, _):
        result = asyncio.run(study(server, options))
    print(f"\n{table(result)}\n")


if __name__ == "__main__":
    main()
