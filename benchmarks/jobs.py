"""What jobs cost a site on a FileStorage, whose web worker runs them.

    .venv/bin/python benchmarks/jobs.py [--only submit growth start waiting idle visitors]

*submit*: a POST that creates a page, with a job and without, in turn. *growth*: how much larger
each job makes the database, before a pack and after it. *start*: how long after the commit a job
starts where nothing else is to do. *waiting*: submitting and claiming beside 100,000 jobs that
wait, compared to 100. *idle*: the CPU and the writes of a worker that runs jobs, but has none.
*visitors*: a fast view while jobs always wait, and without jobs. Takes fifteen minutes; two
cores, the worker has one of them. Prints a table in reStructuredText for each.
"""

from arrivals import ms
from arrivals import Visitors
from collections import defaultdict
from queues import ask
from queues import cores
from queues import Jobs
from queues import memory
from queues import parser_of
from queues import print_parts
from queues import share
from queues import sites
from serving import say

import asyncio
import os
import signal
import statistics
import time

#: The most that a submission may add to a POST.
MORE = 0.15

#: The most seconds until a job starts, half of the times.
START = 0.05

#: The most CPU that looking for jobs may cost an idle worker, as a share of a core.
IDLE = 0.002

#: How much slower than beside 100 jobs it may be beside 100,000.
SLOWER = 0.2

#: The most times that visitors may wait longer while jobs wait.
LONGER = 1.5

#: How many jobs wait where "few" do.
FEW = 100

DAY = 86_400

#: How many clients ask for the fast view, one request after the other, where slots are scarce.
CLIENTS = 32

#: The load of visitors, as a share of what the worker can serve.
LOAD = 0.4

UNSERVED = "in a queue that nobody serves"
DUE = "due, and run"

#: What waits beside: the options of its submission, by the title in the table.
BESIDE = {
    "delayed for a day": {"delay": DAY},
    "in a queue that is paused": {"queue": '"paused"'},
    UNSERVED: {"queue": '"elsewhere"'},
    "in a queue that runs as many as it may": {"queue": '"full"'},
    DUE: {"queue": '"paused"'},  # until they are measured
}

#: For how many seconds jobs are counted that are due.
WINDOW = 5.0


# Submitting


def measure_submit(site, options):
    """Yield the rows of a POST that creates a page, with a job and without."""
    found = defaultdict(list)
    site.serve()
    for side in ("off", "on", "off", "on"):
        _create(site, side, 2 * options.requests)
    for number in range(options.rounds):
        for side in ("off", "on") if number % 2 else ("on", "off"):
            found[side].append(_create(site, side, options.requests))
        say(f"submit, round {number + 1}: {found['off'][-1]} {found['on'][-1]}")
    yield ["a POST that creates a page", "without a job", "with a job", "more"]
    for position, title in enumerate(("CPU of the worker", "time of the answer, p50")):
        off, on = ([one[position] for one in found[side]] for side in ("off", "on"))
        more = statistics.median(b / a for a, b in zip(off, on, strict=True)) - 1
        times = [f"{statistics.median(side) * 1000:.1f} ms" for side in (off, on)]
        yield [title, *times, f"{more:+.1%} (at most {MORE:.0%})"]


def _create(site, side, requests):
    """Return CPU and time of each of so many requests."""
    before, times = site.cpu(), []
    for _ in range(requests):
        began = time.monotonic()
        ask(site.url, "create", submit=side)
        times.append(time.monotonic() - began)
    return (site.cpu() - before) / requests, statistics.median(times)


# Growth


def measure_growth(site, options):
    """Yield the rows of how the database grows by jobs that change nothing."""
    site.serve()
    Jobs(site.url).rate(50)
    _pack(site)
    before = _size(site)
    for _ in range(options.jobs):
        ask(site.url, "submit", task="nothing", delay=options.jobs / 20)
    submitted = _size(site)
    _wait_until_none_waits(site)
    done = _size(site)
    _pack(site)
    sizes = {
        "submitted, each in a transaction of its own": submitted - before,
        "claimed and done": done - submitted,
        "together": done - before,
        "together, after a pack": _size(site) - before,
    }
    yield ["how much larger each job makes the database", "bytes"]
    yield from ([title, f"{size / options.jobs:,.0f}"] for title, size in sizes.items())


def _size(site):
    return ask(site.url, "runner")["size"]


def _pack(site):
    time.sleep(1.5)  # a pack leaves what was written in this second
    ask(site.url, "pack")


def _wait_until_none_waits(site):
    while any((told := ask(site.url, "runner"))[name] for name in ("waiting", "running")):
        say(f"{told['waiting']} wait")
        time.sleep(2)


# The start of a job


def measure_start(site, options):
    """Yield the rows of how long a job waits where nothing else is to do."""
    site.serve()
    found = Jobs(site.url).starts(options.starts)
    yield ["from the commit to the start of a job", "p50", "p99"]
    half = f"{ms(share(found, 50))} (at most {ms(START)})"
    yield ["in the web worker", half, ms(share(found, 99))]


# Many jobs that wait


def measure_waiting(make, options):
    """Yield the rows of submitting and claiming beside few jobs and beside many."""
    yield [
        f"beside {options.waiting:,} jobs, compared to {FEW}",
        f"CPU of a submission (at most {SLOWER:+.0%})",
        "its answer, p50",
        f"jobs per second (at least {-SLOWER:+.0%})",
        "the worker's memory",
        "from its start to its first job",
    ]
    for title in options.beside:
        with make() as site, make() as other:
            few, many = _Beside(site, title, FEW), _Beside(other, title, options.waiting)
            for number in range(options.rounds):
                for side in (few, many) if number % 2 else (many, few):
                    side.measure(options)
        say(f"{title}: {dict(few.found)}, {dict(many.found)}")
        yield [title, *_compare(few.found, many.found)]


def _compare(few, many):
    for name in ("cpu", "answer", "rate"):
        ratio = statistics.median(many[name]) / statistics.median(few[name])
        yield f"{ratio - 1:+.0%}"
    yield f"{many['memory'][0] - few['memory'][0]:+.0f} MB"
    yield f"{few['start'][0]:.1f} s, {many['start'][0]:.1f} s"


class _Beside:
    """A server with jobs that wait.

    Args:
        site: A new site.
        kind: Which of ``BESIDE`` they are.
        count: How many wait.
    """

    def __init__(self, site, kind, count):
        self.found = defaultdict(list)
        self._site = site
        settings = {"job_limits": "full=1", "max_jobs": 11}
        if kind == UNSERVED:
            settings["job_queues"] = "default"
        site.serve(**settings)
        self._jobs = Jobs(site.url, most=count + 20_000)
        ask(site.url, "pause", queue="paused", on="on")
        ask(site.url, "submit", task="hold", queue='"full"', priority='"high"')
        time.sleep(3)
        self._are_due = kind == DUE and count > FEW
        began = time.monotonic()
        self._count, self._first = count, self._jobs.submit(count, **BESIDE[kind])
        say(f"{kind}: {count} submitted in {time.monotonic() - began:.0f} s")
        site.server.stop(signal.SIGINT)  # at once: one job waits for a day
        self._start_again(settings)
        self._jobs.rate(50)

    def _start_again(self, settings):
        began = time.monotonic()
        self._site.serve(**settings)
        self._jobs.site = self._site.url
        self._jobs.wait(self._jobs.submit(1), 1)
        self.found["start"].append(time.monotonic() - began)
        self.found["memory"].append(memory(self._site.worker))

    def measure(self, options):
        """Measure one round."""
        before, times = self._site.cpu(), []
        for _ in range(options.requests):
            began = time.monotonic()
            ask(self._site.url, "submit", task="nothing", delay=DAY)
            times.append(time.monotonic() - began)
        self.found["cpu"].append((self._site.cpu() - before) / options.requests)
        self.found["answer"].append(statistics.median(times))
        rate = self._rate_of_due if self._are_due else lambda: self._jobs.rate(options.claims)
        self.found["rate"].append(rate())

    def _rate_of_due(self):
        """Let jobs that wait begin; return how many are done in a second."""
        ask(self._site.url, "pause", queue="paused", on="off")
        time.sleep(WINDOW / 2)
        began = time.time()
        time.sleep(WINDOW)
        ask(self._site.url, "pause", queue="paused", on="on")
        told = ask(self._site.url, "tell", first=self._first, count=self._count)
        times = [done[0] for done in told["done"] if done]
        return sum(began <= when < began + WINDOW for when in times) / WINDOW


# An idle worker


def measure_idle(make, options):
    """Yield the rows of workers that do nothing, one of which runs jobs."""
    yield ["an idle worker", "CPU", "writes"]
    with make() as site, make() as other:
        sides = {"on": site, "off": other}
        for side, site in sides.items():
            site.serve(jobs=side)
            Jobs(site.url).submit(1)
        time.sleep(10)
        last = ask(sides["on"].url, "runner")["last"]
        before = {side: site.cpu() for side, site in sides.items()}
        time.sleep(options.idle)
        used = {side: (site.cpu() - before[side]) / options.idle for side, site in sides.items()}
        writes = "no" if ask(sides["on"].url, "runner")["last"] == last else "some"
    yield ["that runs jobs", f"{used['on']:.3%}", writes]
    yield ["that does not", f"{used['off']:.3%}", ""]
    yield ["the difference", f"{used['on'] - used['off']:.3%} (at most {IDLE:.1%})", ""]


# Visitors


def measure_visitors(site, options):
    """Yield the rows of a fast view, while jobs always wait and while there are none."""
    site.serve()
    study = _Visitors(site, options)
    yield ["a fast view", "no jobs", "jobs always wait", "times longer", "jobs per second"]
    for title, load in study.loads().items():
        quiet, busy, rates = [], [], []
        for number in range(options.rounds):
            quiet.append(study.quiet(load))
            figures, rate = study.busy(load)
            busy.append(figures)
            rates.append(rate)
            say(f"{title}, round {number + 1}: {rate:.1f} jobs per second")
        yield from _visitor_rows(title, quiet, busy, f"{statistics.median(rates):.1f}")
    yield ["no visitors", "", "", "", f"{study.alone:.1f}"]


def _visitor_rows(title, quiet, busy, rate):
    for percent in (50, 99):
        pairs = [[f.share(percent) for f in side] for side in (quiet, busy)]
        longer = statistics.median(b / a for a, b in zip(*pairs, strict=True))
        times = [ms(statistics.median(side)) for side in pairs]
        most = f" (at most {LONGER})" if percent == 99 else ""
        yield [f"{title}, p{percent}", *times, f"{longer:.2f}{most}", rate]
    errors = [sum(f.errors() for f in side) for side in (quiet, busy)]
    yield [f"{title}, errors", *errors, "", ""]


class _Visitors:
    """Visitors of a site, with jobs and without.

    Args:
        site: A site that is served.
        options: The options of the command line.
    """

    def __init__(self, site, options):
        self._url = site.url
        self._options = options
        self._visitors = Visitors(site.url)
        self._jobs = Jobs(site.url, most=200_000)
        self._args = {"args": f"[{options.work}]"}
        asyncio.run(self._visitors.clients("@@fast", 8, requests=400))
        self.alone = self._jobs.rate(300, **self._args)
        full = asyncio.run(self._visitors.clients("@@fast", 16, options.seconds))
        self._full = full.per_second()
        say(f"{self._full:.0f} views or {self.alone:.0f} jobs per second, errors {full.errors()}")

    def loads(self):
        """Return the loads, by their titles."""
        seconds, rate = self._options.seconds, self._full * LOAD
        return {
            f"{rate:.0f} requests per second": lambda: self._visitors.at_rate(
                "@@fast", rate, seconds
            ),
            f"{CLIENTS} clients, always": lambda: self._visitors.clients(
                "@@fast", CLIENTS, seconds
            ),
        }

    def quiet(self, load):
        """Return the figures of *load* without jobs."""
        ask(self._url, "pause", queue="default", on="on")
        time.sleep(2)
        return asyncio.run(load())

    def busy(self, load):
        """Return the figures of *load* while jobs wait, and how many were done in a second."""
        ask(self._url, "pause", queue="default", on="off")
        count = int(self.alone * self._options.seconds * 1.5)
        first = self._jobs.submit(count, **self._args)
        before, began = self._done(first, count), time.monotonic()
        figures = asyncio.run(load())
        seconds = time.monotonic() - began
        return figures, (self._done(first, count) - before) / seconds

    def _done(self, first, count):
        told = ask(self._url, "tell", first=0, count=first + count)
        return sum(map(bool, told["done"]))


def _in_a_site(measure):
    """Return *measure* as a function that makes its site."""

    def measure_in_a_site(make, options):
        with make() as site:
            yield from measure(site, options)

    return measure_in_a_site


PARTS = {
    "submit": _in_a_site(measure_submit),
    "growth": _in_a_site(measure_growth),
    "start": _in_a_site(measure_start),
    "waiting": measure_waiting,
    "idle": measure_idle,
    "visitors": _in_a_site(measure_visitors),
}


def main():
    parser = parser_of(__doc__, PARTS)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=20, help="of each side in each round")
    parser.add_argument("--jobs", type=int, default=1000, help="whose size is measured")
    parser.add_argument("--starts", type=int, default=200, help="how many are measured")
    parser.add_argument("--waiting", type=int, default=100_000, help="how many jobs are many")
    parser.add_argument("--beside", nargs="+", choices=list(BESIDE), default=list(BESIDE))
    parser.add_argument("--claims", type=int, default=200, help="jobs of each side in each round")
    parser.add_argument(
        "--idle", type=float, default=60, help="seconds that the workers do nothing"
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each load of visitors")
    parser.add_argument("--work", type=float, default=0.0, help="seconds that a job computes")
    options = parser.parse_args()
    first, *others = cores()
    with sites(cores={first}) as make:
        os.sched_setaffinity(0, {others[0]})
        print_parts(PARTS, make, options)


if __name__ == "__main__":
    main()
