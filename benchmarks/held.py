"""5,000 responses held at once by one worker: their memory, and what visitors notice.

    .venv/bin/python benchmarks/held.py [--held 500]

Requests with calls of 120 s come at half of the rate that the worker can hold, and wait until
the slow service answers all of them at once. Meanwhile a fast view is asked for, at a fixed
rate below half of what the worker can serve. Takes five minutes
(one with ``--held 500``); two cores, the worker has one of them. Prints a table in
reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import get
from serving import print_study
from serving import say
from serving import Study

import argparse
import asyncio
import time

#: Seconds that a call takes, unless it is released earlier.
CALL = 120

#: The share of the capacity at which held requests come in.
LET_IN = 0.5

#: The share of the capacity at which the fast view is asked for while responses are held.
FAST = 0.4

#: The same while all calls settle: a quarter of the passes is left for new requests then.
NEW = 0.2

#: Seconds without load before the worker's memory is read.
SETTLE = 3

#: The largest allowed memory of a held response, in KB.
BUDGET = 33


class HeldStudy(Study):
    """One run of the benchmark."""

    def __init__(self, server, service, options):
        super().__init__(server, service, options)
        self._visitors = Visitors(server.site)
        self._view = f"@@load-hold?client={options.client}&text=h-{{n}}"

    async def run(self):
        """Measure, and return the rows of the table."""
        seconds = self._options.seconds
        holds, fast = await self._capacities()
        rate = fast * FAST
        say(f"capacity: {holds:.0f} held and {fast:.0f} fast requests/s")
        idle = await self._idle_memory()
        alone = await self._visitors.at_rate("@@fast", rate, seconds)
        say(f"fast with none held: p99 {ms(alone.share(99))}")
        held = asyncio.create_task(self._let_in(holds * LET_IN))
        await self._all_wait(held)
        memory = (self._server.worker_memory() - idle) / self._options.held
        say(f"all wait: {memory:.1f} KB each")
        beside = await self._visitors.at_rate("@@fast", rate, seconds)
        say(f"fast with all held: p99 {ms(beside.share(99))}")
        burst, during = await self._release(held, fast * NEW)
        await asyncio.sleep(SETTLE)
        after = await self._visitors.at_rate("@@fast", rate, seconds)
        figures = await held
        return self._rows(figures, memory, holds, rate, alone, beside, burst, during, after)

    async def _capacities(self):
        """Return how many held and how many fast requests the worker serves in a second."""
        view = self._view + "&seconds=0.1"
        await self._visitors.clients(view, 16, requests=100)  # each slot warms up
        holds = await self._visitors.clients(view, 100, self._options.warm_up)
        fast = await self._visitors.clients("@@fast", 16, self._options.warm_up)
        return holds.per_second(), fast.per_second()

    async def _idle_memory(self):
        await asyncio.sleep(SETTLE)
        return self._server.worker_memory()

    async def _let_in(self, rate):
        seconds = (self._options.held - 0.5) / rate
        view = f"{self._view}&seconds={CALL}"
        return await self._visitors.at_rate(view, rate, seconds, patience=CALL + 60)

    async def _all_wait(self, held):
        while not held.done():
            waiting = int(await self._ask_service("/waiting"))
            if waiting >= self._options.held:
                break
            say(f"{waiting} wait")
            await asyncio.sleep(5)
        await asyncio.sleep(SETTLE)

    async def _release(self, held, rate):
        """Release all calls; return how long that took, and the figures of other visitors."""
        over = asyncio.Event()
        began = time.monotonic()
        visitors = asyncio.create_task(self._visitors.at_rate("@@fast", rate, CALL, until=over))
        say(f"released {await self._ask_service('/release')}")
        await held
        burst = time.monotonic() - began
        over.set()
        say(f"the burst took {burst:.1f} s")
        return burst, await visitors

    def _ask_service(self, path):
        return asyncio.to_thread(lambda: get(self._service + path).decode())

    def _rows(self, figures, memory, holds, rate, alone, beside, burst, during, after):
        slots = 4  # the number for a FileStorage
        ratio = beside.share(99) / alone.share(99)
        fast = f"p99 of a fast view, {rate:.0f} times a second"
        refused = during.statuses().get(503, 0)
        return [
            ["", "measured", "at most"],
            ["responses held at once", self._options.held, ""],
            ["let in, per second", f"{holds * LET_IN:.0f} of {holds:.0f}", ""],
            ["errors", figures.errors(), 0],
            ["ZODB connections", self._server.connections(), f"{slots} (slots)"],
            ["memory per held response", f"{memory:.1f} KB", f"{BUDGET} KB"],
            [f"{fast}, none held", ms(alone.share(99)), ""],
            [f"{fast}, all held", f"{ms(beside.share(99))} ({ratio:.2f} times)", "1.5 times"],
            ["all settle at once: time until the last answer", f"{burst:.1f} s", ""],
            [
                f"p50, p99 of the fast view meanwhile, {rate * NEW / FAST:.0f} times a second",
                f"{ms(during.share(50))}, {ms(during.share(99))}",
                "",
            ],
            [
                "refusals and other errors of that view",
                f"{refused}, {during.errors() - refused}",
                "0",
            ],
            [f"{fast}, afterwards", ms(after.share(99)), ""],
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--held", type=int, default=5000)
    parser.add_argument("--client", choices=["waiting", "urllib3", "requests"], default="waiting")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each measurement of p99")
    parser.add_argument(
        "--warm-up", type=float, default=10.0, help="for each measurement of capacity"
    )
    options = parser.parse_args()
    settings = {"deadline": 600, "max_held": options.held, "max_held_per_client": options.held}
    print_study(lambda *args: HeldStudy(*args).run(), options, **settings)


if __name__ == "__main__":
    main()
