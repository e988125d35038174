"""A provider that stalls for ever: what other visitors notice, and when it is let alone.

    .venv/bin/python benchmarks/stalled.py [--seconds 30]

Others ask for fast views and full pages on a schedule, at half of what the worker can serve. Then
they do so beside 200 clients who ask for a view that calls the provider, by an upstream with the
usual settings; each asks again some five seconds after its answer. Takes three minutes; two cores,
the worker has one of them. Prints a table in reStructuredText.
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

#: What the others ask for: a quarter of the worker's time each.
OTHERS = {"fast view": "@@fast", "full page": ""}
LOAD = 0.25

#: Of the upstream: how long it may send nothing, and how long its breaker looks back.
READ = 10.0
WINDOW = 10.0

#: The calls by when they came, counted from the first one.
PHASES = (
    (0, "before any of them could be known to fail", ""),
    (1, f"in the next {WINDOW:.0f} s, the breaker's window", ""),
    (2, "later, to find out whether it is back", "one in 5 s"),
)

#: How much later the others may be answered.
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
    """Return the figures of each kind, all asked for side by side."""
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
    yield ["their errors", sum(f.errors() for f in (*quiet.values(), *beside.values())), 0]
    after = [one - came[0] for one in came]
    yield ["asked for what the stalled provider gives", len(stalled.answers), ""]
    yield ["calls that it got", len(after), ""]
    for number, title, most in PHASES:
        yield [f"of those, {title}", sum(_phase(one) == number for one in after), most]
    took = sorted(one.took for one in stalled.answers if one.took < READ / 2)
    if took:
        last = took[int(len(took) * 0.99)]
        yield ["rendered without a call: how many, p99", f"{len(took)}, {ms(last)}", ""]
    yield ["seconds that it was measured", f"{stalled.ended - stalled.began:.0f}", ""]


def _phase(second):
    return (second > READ) + (second > READ + WINDOW)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the two cases")
    parser.add_argument("--warm-up", type=float, default=5.0, help="of each look at capacity")
    options = parser.parse_args()
    print_study(study, options, max_held_per_client=5000)


if __name__ == "__main__":
    main()
