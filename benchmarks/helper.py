"""What threads and asyncio cost in the helper process, against the same in a gevent worker.

    .venv/bin/python benchmarks/helper.py [--calls 2000] [--plone]

Both sides in one run, in turn, in a process that gevent has patched: how long one call takes
alone, what CPU a call takes of the worker and of the helper, how long 1,000 take that are asked
for at once, and the memory of both processes with the futures' module alone, with requests
imported, and with Plone imported. Then the helper is killed: what that costs, and how soon the
next call is answered. Takes a minute. Prints a table in reStructuredText.
"""

from gevent import monkey

monkey.patch_all()

from collective.wsgifutures.kernel.calls import Call  # noqa: E402
from collective.wsgifutures.kernel.executors.asyncio import Asyncio  # noqa: E402
from collective.wsgifutures.kernel.executors.helper import Helper  # noqa: E402
from collective.wsgifutures.kernel.executors.helper import HelperAsyncio  # noqa: E402
from collective.wsgifutures.kernel.executors.helper import HelperThreads  # noqa: E402
from collective.wsgifutures.kernel.executors.threads import Threads  # noqa: E402
from collective.wsgifutures.kernel.runtime import current  # noqa: E402
from collective.wsgifutures.kernel.waiting import Inbox  # noqa: E402
from pathlib import Path  # noqa: E402

import argparse  # noqa: E402
import helped  # noqa: E402
import importlib  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402

ROUNDS = 5


def call_of(function, *args):
    """Return a call of a future, as an executor is given one."""
    return Call(function.__name__, args, function, args, timeout=60.0)


def ask(executor, function, many):
    """Make the calls, *many* at once; return how long that took and whether all came."""
    box = Inbox(current().signal())
    began = time.monotonic()
    for argument in many:
        executor.start(call_of(function, argument), box.put)
    values = [outcome.get() for outcome in take(box, len(many))]
    taken = time.monotonic() - began
    if sorted(values) != sorted(many):
        raise SystemExit(f"{executor.name}: not each call got its own value")
    return taken


def take(box, number):
    """Return so many items of *box*; wait for them."""
    found = []
    while len(found) < number and box.signal.wait(60.0):
        found += box.take_all()
    return found


def cpu(pid):
    """Return the CPU that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid, field="Rss"):
    """Return the resident (or own: "Pss") memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(executor, pids, one, later, calls):
    """Return latency, CPU of a call in each process, and the time of 1,000 at once, with both."""
    ask(executor, one, range(50))  # it is warm
    alone = statistics.median(ask(executor, one, [n]) for n in range(200))
    before = [cpu(pid) for pid in pids]
    for _ in range(calls // 50):
        ask(executor, one, range(50))
    each = [(cpu(pid) - was) / calls for pid, was in zip(pids, before, strict=True)]
    at_once = statistics.median(ask(executor, one, range(1000)) for _ in range(3))
    waiting = statistics.median(ask(executor, later, range(1000)) for _ in range(2))
    return [alone * 1000, *(cost * 1e6 for cost in each), at_once * 1000, waiting * 1000]


def rows(options):
    """Measure, and yield the rows."""
    helper = Helper()
    sides = {
        ("threads", "in the worker"): (Threads(), helped.nothing, helped.wait),
        ("threads", "helper"): (HelperThreads(helper), helped.nothing, helped.wait),
        ("asyncio", "in the worker"): (Asyncio(), helped.nothing_async, helped.wait_async),
        ("asyncio", "helper"): (HelperAsyncio(helper), helped.nothing_async, helped.wait_async),
    }
    yield [
        *(
            "executor",
            "where",
            "a call alone, ms",
            "CPU of the worker, µs",
            "CPU of the helper, µs",
        ),
        *("1,000 at once, ms", "1,000 of 0.1 s at once, ms"),
    ]
    found = {}
    threads = sides["threads", "helper"][0]
    ask(threads, helped.nothing, [1])
    for side in [*sides] * options.rounds:
        pids = [os.getpid(), helper.pid]
        found.setdefault(side, []).append(
            measure(sides[side][0], pids, *sides[side][1:], options.calls)
        )
    for side, several in found.items():
        middle = [statistics.median(values) for values in zip(*several, strict=True)]
        yield [*side, *(f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in middle)]
    yield from memory_rows(helper, threads, options)
    yield from crash_rows(helper, threads)
    helper.close()


def memory_rows(helper, threads, options):
    """Yield what the helper keeps, module by module, and how long the first call takes."""
    modules = ["helped", "helped_requests", *(["helped_plone"] if options.plone else [])]
    for name in modules:
        module = importlib.import_module(name)  # the worker has it in either case
        helper.close()
        first = ask(threads, module.nothing, [1])
        used = memory(helper.pid), memory(helper.pid, "Pss")
        yield [
            "memory",
            f"with {name}",
            f"first call {first:.2f} s",
            f"worker {memory(os.getpid()):.0f} MB",
            f"helper {used[0]:.0f} MB, its own share {used[1]:.0f} MB",
            "",
            "",
        ]


def crash_rows(helper, threads):
    """Yield how soon a call is answered after the helper was killed."""
    box = Inbox(current().signal())
    for n in range(10):
        threads.start(call_of(helped.wait, n), box.put)
    time.sleep(0.05)
    began = time.monotonic()
    os.kill(helper.pid, signal.SIGKILL)
    errors = [type(outcome.exception()).__name__ for outcome in take(box, 10)]
    told = time.monotonic() - began
    again = ask(threads, helped.nothing, [1])
    yield [
        *("a kill", f"{len(errors)} calls that ran: {', '.join(sorted(set(errors)))}"),
        *(f"told after {told * 1000:.0f} ms", f"next call {again:.2f} s", "", "", ""),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plone", action="store_true", help="import Plone, too")
    for row in rows(parser.parse_args()):
        print(" | ".join(map(str, row)), flush=True)


if __name__ == "__main__":
    main()
