"""The CPU of a held request, compared to two requests for a fast view and a bare call.

    .venv/bin/python benchmarks/cpu.py [--rounds 1]

A held request is published twice and makes one call. 1,500 clients ask for the held view, whose
call takes a second, then as many for the fast view of the same site. Then urllib3 makes the bare
call under gevent. The figures are the CPU of the process divided by the number of answers, on
connections that are kept and on new connections.
Takes four minutes; two cores, the worker has one of them. Prints a table in reStructuredText.
"""

from arrivals import HEADERS
from collections import Counter
from load import Load
from serving import BIN
from serving import print_study
from serving import ROOT
from serving import say
from serving import Study

import argparse
import gevent
import json
import os
import subprocess

HELD = "@@load-upstream?seconds=1&text=c-{n}"
FAST = "@@fast"
CALL = "/slow?seconds=1&text=c-{n}"

#: Whether the clients keep their connections, by the title in the table.
CONNECTIONS = {"connections are kept": True, "a new connection each": False}

#: The largest allowed ratio of the held request's CPU to the CPU of the others together: an
#: upstream's call by requests may cost 15 % more than the bare call.
LIMIT = 1.15

#: Seconds until the worker has ended the rest of a load.
SETTLE = 4


class CostStudy(Study):
    """Adds up the CPU of each side, round by round."""

    def __init__(self, server, service, options):
        super().__init__(server, service, options)
        self._cpu = Counter()
        self._answers = Counter()
        self._errors = Counter()

    def run(self):
        """Measure all sides, in turn, and return the rows of the table."""
        for number in range(self._options.rounds):
            for keep in CONNECTIONS.values():
                self._load(FAST, keep)
                self._load(HELD, keep)
            self._bare()
            say(f"round {number + 1} is measured")
        return list(self._rows())

    def _load(self, view, keep):
        """Ask for *view*, and add the CPU that the worker used after the warm-up."""
        options = self._options
        seconds = options.warm_up + options.seconds + 1
        headers = [line for line in HEADERS.split("\r\n") if line and "close" not in line]
        load = Load(
            self._server.site + view, options.clients, 1_000_000, seconds, headers, keep=keep
        )
        running = gevent.spawn(load.run)
        gevent.sleep(options.warm_up)
        cpu, answered = self._server.cpu(), load.answered
        gevent.sleep(options.seconds)
        cpu, answered = self._server.cpu() - cpu, load.answered - answered
        result = running.get()
        errors = sum(n for status, n in result.statuses.items() if status != 200)
        self._add((view, keep), cpu, answered, errors + sum(result.errors.values()))
        gevent.sleep(SETTLE)

    def _bare(self):
        """Make the bare call, on the worker's core."""
        options = self._options
        command = [BIN / "python", ROOT / "benchmarks" / "bare.py", self._service + CALL]
        command += ["--clients", options.clients, "--seconds", options.seconds]
        cores = os.sched_getaffinity(self._server.worker)
        found = json.loads(
            subprocess.run(
                list(map(str, command)),
                stdout=subprocess.PIPE,
                check=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            ).stdout
        )
        self._add("bare", found["cpu"], found["calls"], 0)

    def _add(self, side, cpu, answered, errors):
        say(f"{side}: {answered} answered, {cpu * 1000 / answered:.3f} ms each, {errors} errors")
        self._cpu[side] += cpu
        self._answers[side] += answered
        self._errors[side] += errors

    def _each(self, side):
        return self._cpu[side] / self._answers[side]

    def _rows(self):
        yield ["CPU per request", *CONNECTIONS]
        sides = {
            keep: (self._each((HELD, keep)), self._each((FAST, keep)), self._each("bare"))
            for keep in CONNECTIONS.values()
        }
        for number, title in enumerate(["held request", "fast view", "bare call by urllib3"]):
            yield [title, *(f"{side[number] * 1000:.2f} ms" for side in sides.values())]
        ratios = [held / (2 * fast + bare) for held, fast, bare in sides.values()]
        title = f"a held request to two fast views and a bare call (at most {LIMIT})"
        yield [title, *(f"{ratio:.2f} times" for ratio in ratios)]
        errors = [self._errors[HELD, k] + self._errors[FAST, k] for k in CONNECTIONS.values()]
        yield ["errors", *errors]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each side in each round")
    parser.add_argument(
        "--warm-up", type=float, default=8.0, help="before each measurement, not counted"
    )
    options = parser.parse_args()
    # All requests wait for their turn: no CPU is used for refusals.
    limits = {"max_held_per_client": 5000, "max_waiting": options.clients * 2, "max_wait": 86_400}
    print_study(lambda *args: CostStudy(*args).run(), options, **limits)


if __name__ == "__main__":
    main()
