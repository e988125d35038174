"""Jobs run by processes of their own, on ZEO and PostgreSQL, beside a web worker on a FileStorage.

    .venv-storages/bin/python benchmarks/jobs_storages.py [--only rates starts idle]

*rates*: how many jobs are done in a second, by one, two and four slots, in one process or in
several, and how many transactions conflicted meanwhile. *starts*: how long after the commit in a
web worker a job starts elsewhere. *idle*: the CPU and the writes of a process that waits for jobs.
Takes ten minutes and two cores, which all processes share; ``make .venv-storages/.ready`` makes
the environment. Prints a table in reStructuredText for each.
"""

from arrivals import ms
from queues import ask
from queues import cpu
from queues import Jobs
from queues import parser_of
from queues import print_parts
from queues import share
from queues import sites
from serving import say

import statistics
import time

#: How many processes there are, and how many slots each has.
SHAPES = [(1, 1), (1, 2), (1, 4), (2, 1), (4, 1)]

#: The storages, by the names of their pages, and their titles.
STORAGES = {"zeo": "ZEO", "postgresql": "RelStorage, PostgreSQL"}

#: The most seconds until a job starts elsewhere, half of the times.
START = 1.1

#: The most CPU of a process that waits for jobs, as a share of a core.
IDLE = 0.002

#: Seconds after which a stopped process's runner is not counted any more by the others.
GONE = 2.0


def measure_rates(make, options):
    """Yield the rows of how many jobs are done in a second, and how many conflicts there were."""
    yield ["run by", "slots", "jobs per second", "conflicts per 100 jobs"]
    for slots in (1, 2, 4):
        with make("filestorage") as site:
            site.serve(slots=slots + 1)  # one is for visitors
            yield ["the web worker, FileStorage", slots, *_rate(site, Jobs(site.url), options)]
    for storage, title in STORAGES.items():
        with make(storage) as site:
            site.serve(jobs="off")
            jobs = Jobs(site.url, most=100_000)
            for processes, slots in SHAPES:
                workers = [site.work(slots, number) for number in range(processes)]
                found = _rate(site, jobs, options)
                for worker in workers:
                    worker.stop()
                what = "process" if processes == 1 else "processes"
                yield [f"{processes} {what}, {title}", f"{processes} of {slots}", *found]


def _rate(site, jobs, options):
    jobs.wait(jobs.submit(40), 40)  # all have begun to work
    rates, conflicts = [], 0
    for _ in range(options.rounds):
        before = site.conflicts()
        rates.append(jobs.rate(options.jobs))
        conflicts += site.conflicts() - before
    say(f"{rates} {conflicts}")
    each = 100 * conflicts / options.rounds / options.jobs
    return f"{statistics.median(rates):.0f}", f"{each:.1f}"


def measure_starts(make, options):
    """Yield the rows of how long a job waits that is run elsewhere, where nothing else is to do."""
    yield ["from the commit to the start of a job", "p50", "p99"]
    for storage, title in STORAGES.items():
        with make(storage) as site:
            site.serve(jobs="off")
            site.work(2)
            found = Jobs(site.url).starts(options.starts)
            half = f"{ms(share(found, 50))} (at most {ms(START)})"
            yield [f"elsewhere, {title}", half, ms(share(found, 99))]


def measure_idle(make, options):
    """Yield the rows of a process that waits for jobs."""
    yield ["a process that waits for jobs", "CPU", "writes"]
    for storage, title in STORAGES.items():
        with make(storage) as site:
            site.serve(jobs="off")
            process, jobs = site.work(2), Jobs(site.url)
            jobs.rate(20)
            time.sleep(10)
            last, before = ask(site.url, "runner")["last"], cpu(process.pid)
            time.sleep(options.idle)
            used = (cpu(process.pid) - before) / options.idle
            writes = "no" if ask(site.url, "runner")["last"] == last else "some"
            yield [title, f"{used:.3%} (at most {IDLE:.1%})", writes]


PARTS = {"rates": measure_rates, "starts": measure_starts, "idle": measure_idle}


def main():
    parser = parser_of(__doc__, PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=600, help="in each round")
    parser.add_argument("--starts", type=int, default=100, help="how many are measured")
    parser.add_argument("--idle", type=float, default=60, help="seconds without any job")
    options = parser.parse_args()
    with sites() as make:
        print_parts(PARTS, make, options)


if __name__ == "__main__":
    main()
