"""A provider that stalls for ever: what other visitors notice, and when calls to it stop.

    .venv/bin/python benchmarks/stalled.py [--seconds 30]

Other visitors ask for fast views and full pages on a schedule, at half of what the worker can
serve. Then they do so beside 200 clients who ask for a view that calls the provider, through an
upstream with the usual settings; each client asks again about five seconds after its answer.
Takes three minutes; two cores, the worker has one of them. Prints a table in reStructuredText.
"""

from arrivals import ms
from arrivals import Visitors
from serving import calls
from serving import print_study
from serving import say

import argparse
import asyncio

STALLED = "@@load-upstream?upstream=usual&seconds=86400&text=s-{n}"

#: Seconds, on average, until a client asks again.
PAUSE = 5.0

#: The views that the other visitors ask for.
OTHERS = {"fast view": "@@fast", "full page": ""}

#: The share of the worker's time that each of these views takes.
LOAD = 0.25

#: Seconds that the upstream may send nothing.
READ = 10.0

#: Seconds that the upstream's breaker looks back.
WINDOW = 10.0

#: The phases in which calls come, counted from the first call.
PHASES = (
    (0, "before any of them has timed out", ""),
    (1, f"in the next {WINDOW:.0f} s, the breaker's window", ""),
    (2, "later, as probes", "one in 5 s"),
)

#: How many times as long the other visitors may wait.
LIMIT = 1.5


async def study(server, service, options):
    """Measure, and return the rows of the table."""
    visitors = Visitors(server.site)
    rates = {}
    for title, view in OTHERS.items():
        await visitors.clients(view, 8, requests=40)
        full = await visitors.clients(view, 16, options.warm_up)
        rates[title] = full.per_second() * LOAD
    say(f"others: {', '.join(f'{rate:.0f} {title}/s' for title, rate in rates.items())}")
    quiet = await others(visitors, rates, options.seconds)
    say(f"quiet: p99 {', '.join(ms(figures.share(99)) for figures in quiet.values())}")
    asking = visitors.clients(STALLED, options.clients, options.seconds, pause=PAUSE)
    stalled, beside = await asyncio.gather(asking, others(visitors, rates, options.seconds))
    say(f"beside: p99 {', '.join(ms(figures.share(99)) for figures in beside.values())}")
    came = await asyncio.to_thread(calls, service)
    return list(rows(rates, quiet, beside, stalled, came))


async def others(visitors, rates, seconds):
    """Return the figures of each kind, with all kinds side by side."""
    loads = (visitors.at_rate(OTHERS[kind], rate, seconds) for kind, rate in rates.items())
    return dict(zip(rates, await asyncio.gather(*loads), strict=True))


def rows(rates, quiet, beside, stalled, came):
    yield ["", "measured", "at most"]
    for kind, rate in rates.items():
        before, after = quiet[kind].share(99), beside[kind].share(99)
        title = f"p99 of a {kind}, {rate:.0f} times a second"
        yield [f"{title}, quiet", ms(before), ""]
        ratio = f"{ms(after)} ({after / before:.2f} times)"
        yield [f"{title}, beside the stalled", ratio, f"{LIMIT} times"]
    yield ["errors of these views", sum(f.errors() for f in (*quiet.values(), *beside.values())), 0]
    after = [moment - came[0] for moment in came]
    yield ["requests that need the stalled provider", len(stalled.answers), ""]
    yield ["calls that the provider got", len(after), ""]
    for number, title, most in PHASES:
        yield [f"calls {title}", sum(_phase(moment) == number for moment in after), most]
    took = sorted(answer.took for answer in stalled.answers if answer.took < READ / 2)
    if took:
        last = took[int(len(took) * 0.99)]
        yield ["requests rendered without a call, p99", f"{len(took)}, {ms(last)}", ""]
    yield ["seconds of measurement", f"{stalled.ended - stalled.began:.0f}", ""]


def _phase(second):
    return (second > READ) + (second > READ + WINDOW)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of the two cases")
    parser.add_argument(
        "--warm-up", type=float, default=5.0, help="for each measurement of capacity"
    )
    options = parser.parse_args()
    print_study(study, options, max_held_per_client=5000)


if __name__ == "__main__":
    main()
