"""Crowds that one worker serves with the default settings, and refuses nobody.

    .venv/bin/python benchmarks/crowd.py [--slower 3] [--only burst]

- burst: 1,000 clients at once, each for a view whose call takes a second
- again: 2,000 clients, who ask for it again and again for 30 s
- users: 400 requests at once, twenty of each visitor, beside 200 clients of a fast view
- pages: 200 requests at once for a full page that holds; meanwhile another visitor looks at the
  front page again and again

The clients of burst, again and pages have eight addresses. ``--slower 3`` stops the
worker for two thirds of the time, as a machine that is three times slower would. Takes three
minutes, more if slower; two cores. Prints a table in reStructuredText, and ends with an error if
somebody was refused.
"""

from collections import Counter
from contextlib import contextmanager
from load import Load
from serving import prepared
from serving import say
from serving import table

import argparse
import gevent
import os
import signal
import subprocess
import sys
import time

HELD = "@@load-hold?seconds=1&text=c-{n}"
FAST = "@@fast"
PAGE = "section-0/@@load-parts?call=sleep&text=p-{n}&wsgifutures-wait=1&first=1"
FRONT = ""

#: Seconds after which a client gives up. A proxy would, too.
PATIENCE = 60

#: Seconds from one crowd to the next.
CALM = 5

#: Lets a process run for 20 ms, then stops it for the rest of so many times 20 ms, again and again.
SLOWING = """
import os, signal, sys, time
pid, times = int(sys.argv[1]), int(sys.argv[2])
while times > 1:
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.02)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.02 * (times - 1))
"""


class Crowds:
    """The crowds at one server; each returns its results, and a note."""

    def __init__(self, server):
        self._server = server

    def burst(self):
        """Send 1,000 requests at once."""
        return [self._load(HELD, 1000, requests=1000).run()], ""

    def again(self):
        """Let 2,000 clients ask again and again."""
        return [self._load(HELD, 2000, seconds=30).run()], ""

    def users(self):
        """Send twenty requests of each of twenty visitors, and let others ask for a fast view."""
        visitors = self._load(HELD, 400, requests=400, addresses=20)
        return side_by_side(visitors, self._load(FAST, 200, seconds=20)), ""

    def pages(self):
        """Send 200 requests for a page, and let another visitor look at the front page."""
        alone = self._load(FRONT, 1, requests=20).run()
        crowd = gevent.spawn(self._load(PAGE, 200, requests=200).run)
        waits = []
        while not crowd.ready():
            waits.append(self._load(FRONT, 1, requests=1).run())
        longest = max(wait.p99 for wait in waits)
        note = f"the visitor waited {longest:.2f} s at most, {alone.p99:.2f} s alone"
        return [crowd.get(), *waits], note

    def _load(self, view, clients, *, requests=1_000_000, seconds=PATIENCE, addresses=8):
        return Load(self._server.site + view, clients, requests, seconds, addresses=addresses)


def side_by_side(*loads):
    """Run *loads* at the same time; return their results."""
    return [one.value for one in gevent.joinall([gevent.spawn(load.run) for load in loads])]


def row(name, results, note):
    """Return a row of the table; its last cell but one says what was not served."""
    statuses, errors = Counter(), Counter()
    for result in results:
        statuses.update(result.statuses)
        errors.update(result.errors)
    served = statuses.pop(200, 0)
    slowest = max(result.p99 for result in results)
    return [name, served, f"{slowest:.2f} s", dict(statuses + errors) or "none", note]


@contextmanager
def slowed(pid, times):
    """Stop the process *pid* for a part of each moment, so that it is so many *times* slower."""
    slowing = subprocess.Popen([sys.executable, "-c", SLOWING, str(pid), str(times)])
    try:
        yield
    finally:
        slowing.kill()
        slowing.wait()
        os.kill(pid, signal.SIGCONT)


def main():
    kinds = ["burst", "again", "users", "pages"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=kinds)
    parser.add_argument("--slower", type=int, default=1, help="how many times slower it is made")
    options = parser.parse_args()
    rows = [["", "served", "99 % within", "not served", ""]]
    with prepared() as (serve, _), serve() as server:
        server.get("@@load-fill", ("admin", "admin"))
        for view in (HELD, PAGE, FRONT):  # each slot compiles its templates
            Load(server.site + view, 8, 40, PATIENCE).run()
        with slowed(server.worker, options.slower):
            for kind in [options.only] if options.only else kinds:
                began = time.monotonic()
                rows.append(row(kind, *getattr(Crowds(server), kind)()))
                say(f"{rows[-1]}, {time.monotonic() - began:.0f} s")
                gevent.sleep(CALM)
        refusals = [line for line in server.log().splitlines() if "Refused" in line]
    print(f"\n{table(rows)}\n")
    if any(kind[3] != "none" for kind in rows[1:]):
        sys.exit("\n".join(["Not everybody was served.", *refusals]))


if __name__ == "__main__":
    main()
