"""One answer that everybody asks for, and that expires twice meanwhile.

    .venv/bin/python benchmarks/cached.py [--requests 2000]

500 clients ask 10,000 times for a view that shows the same answer of an upstream. The upstream
takes a second for the answer, which expires twice during the run. The first run has ``stale`` and
a warm cache: all clients get the old answer while one call renews it. The second run has neither:
while there is no answer, all clients wait for one call. Requests that took one pass were answered
from the cache. Before each run as many requests ask for a fast view. Takes three minutes; two
cores, the worker has one of them. Prints a table in reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import calls
from serving import print_study
from serving import say
from serving import Study

import argparse
import time

FAST = "@@fast"

#: The view: each side has its own text; ``cache`` and ``stale`` are seconds.
SHARED = "@@load-upstream?seconds=1&text={side}&cache={cache:.2f}&stale={stale}"

#: How many seconds a stale answer is given: longer than any run.
STALE = 600

#: How often the answer expires in a run: halfway between twice and three times.
EXPIRES = 2.5

#: How often the upstream may be called: once, and once each time the answer has expired.
CALLS = 3

#: How many times as long as the fast view the answers may take.
LIMIT = 1.5


class SharedStudy(Study):
    """One run of the benchmark."""

    def __init__(self, server, service, options):
        super().__init__(server, service, options)
        self._visitors = Visitors(server.site)

    async def run(self):
        """Measure, and return the rows of the table."""
        await self._visitors.clients(self._view("warm", 600), 8, requests=40)
        trial = await self._ask(self._view("warm", 600), self._options.requests // 5)
        cache = self._options.requests / trial.per_second() / EXPIRES
        say(f"{trial.per_second():.0f} kept answers/s: kept for {cache:.1f} s")
        sides = {}
        for title, stale in (("stale, warmed before", STALE), ("not stale", 0)):
            view = self._view(f"s{stale}", cache, stale)
            fast = await self._ask(FAST, self._options.requests)
            if stale:
                await self._visitors.ask(view)
            sides[title] = fast, *await self._shared(view, cache, warmed=bool(stale))
        return list(rows(sides))

    def _view(self, side, cache, stale=0):
        return SHARED.format(side=side, cache=cache, stale=stale)

    def _ask(self, view, requests):
        return self._visitors.clients(view, self._options.clients, requests=requests)

    async def _shared(self, view, cache, warmed):
        """Return the figures, how often the answer expired, and the number of all calls."""
        before = len(calls(self._service))
        figures = await self._ask(view, self._options.requests)
        came = calls(self._service)[before:]
        expired = int((time.monotonic() - figures.began) / cache)
        say(f"{figures.statuses()}, {expired} times expired, {len(came)} calls")
        return figures, expired, len(came) + warmed


def rows(sides):
    yield ["", *sides]
    parts = [
        (fast, shared, shared.of_one_pass(), expired, made)
        for fast, shared, expired, made in sides.values()
    ]
    yield ["the answer expired", *(f"{expired} times" for *_, expired, _ in parts)]
    yield [f"calls that the upstream got (at most {CALLS})", *(made for *_, made in parts)]
    title = "answers from the cache"
    yield [title, *(f"{len(k.answers)} of {len(a.answers)}" for _, a, k, *_ in parts)]
    for title, percent in (("p50", 50), ("p99", 99)):
        yield [f"{title} of a fast view", *(ms(f.share(percent)) for f, *_ in parts)]
        ratios = [(k.share(percent), k.share(percent) / f.share(percent)) for f, _, k, *_ in parts]
        most = f" (at most {LIMIT} times)" if percent == 99 else ""
        title = f"{title} of the answers from the cache{most}"
        yield [title, *(f"{ms(seconds)} ({ratio:.2f} times)" for seconds, ratio in ratios)]
    yield ["p99 of all answers", *(ms(a.share(99)) for _, a, *_ in parts)]
    yield ["errors", *(f.errors() + a.errors() for f, a, *_ in parts)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=500)
    options = parser.parse_args()
    # All requests wait for their turn, in both runs: none is refused.
    limits = {"max_held_per_client": 5000, "max_waiting": options.clients * 2, "max_wait": 86_400}
    print_study(lambda *args: SharedStudy(*args).run(), options, **limits, debug="on")


if __name__ == "__main__":
    main()
