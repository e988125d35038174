"""Makes all figures of the docs anew, one program after the other.

    make benchmarks                                           # two hours
    .venv/bin/python benchmarks/run_all.py --only held cpu

Each program's tables go to ``docs/benchmarks-<name>.txt``, with when and on what they were made.
If a program fails, its old figures stay, the others run, and the end says so. The machine should
do nothing else meanwhile: it warns if it does.
"""

from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from serving import ROOT
from serving import say

import argparse
import os
import platform
import subprocess
import sys
import textwrap
import time

DOCS = ROOT / "docs"

#: Runnable processes from which on the machine is not quiet.
BUSY = 0.7

#: What the figures depend on.
PACKAGES = {"Plone": "Products.CMFPlone", "gunicorn": "gunicorn", "gevent": "gevent"}


@dataclass
class Figures:
    """The figures that one run of a program makes.

    Args:
        program: With its options, as the docs show it.
        minutes: How long it takes, more or less.
        environment: The folder of the Python that runs it; empty: the one that runs this.
    """

    program: str
    minutes: float
    environment: str = ""

    def make(self, file: Path) -> bool:
        """Run the program and write its tables to *file*; tell whether it ran to its end."""
        python = ROOT / self.environment / "bin/python" if self.environment else sys.executable
        command = [str(python), *self.program.split()]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode == 0:
            made = f"One run of ``{self.program}``, {describe_machine()}"
            file.write_text(
                f"{textwrap.fill(made, 120, break_on_hyphens=False)}\n{done.stdout.rstrip()}\n"
            )
        return done.returncode == 0


#: The environment with RelStorage and huey: ``make .venv-storages/.ready``.
STORAGES = ".venv-storages"

#: By the name in the docs.
ALL = {
    "compare": Figures("benchmarks/compare.py --rounds 2", 6),
    "crowd": Figures("benchmarks/crowd.py", 2),
    "crowd-slower": Figures("benchmarks/crowd.py --slower 3", 4),
    "held": Figures("benchmarks/held.py", 5),
    "cpu": Figures("benchmarks/cpu.py --rounds 1", 3),
    "parts": Figures("benchmarks/parts.py --only held --rounds 5", 2),
    "deferred": Figures("benchmarks/parts.py --only deferred --rounds 3", 3),
    "cached": Figures("benchmarks/cached.py", 3),
    "stalled": Figures("benchmarks/stalled.py", 3),
    "storm": Figures("benchmarks/storm.py", 1),
    "mix": Figures("benchmarks/mix.py --seconds 30", 2),
    "overload": Figures("benchmarks/overload.py --seconds 30 --warm-up 5", 5),
    "memory": Figures("benchmarks/memory.py --requests 30000", 3),
    "monitor": Figures("benchmarks/monitor.py --rounds 2", 2),
    "status": Figures("benchmarks/status.py", 6),
    "faults": Figures("benchmarks/faults.py", 4),
    "jobs": Figures("benchmarks/jobs.py --only submit growth start idle", 7),
    "jobs-waiting": Figures("benchmarks/jobs.py --only waiting", 15),
    "jobs-visitors": Figures("benchmarks/jobs.py --only visitors", 6),
    "jobs-storages": Figures("benchmarks/jobs_storages.py", 15, STORAGES),
    "jobs-kills": Figures("benchmarks/jobs_kills.py", 15, STORAGES),
    "servers": Figures("benchmarks/servers.py --rounds 2", 8),
    "streams": Figures("benchmarks/streams.py", 5),
    "tokens": Figures("benchmarks/tokens.py", 1),
    "tokens-refresh": Figures("benchmarks/tokens_refresh.py", 5),
    "workers": Figures("benchmarks/workers.py", 8),
    "workers-broker": Figures("benchmarks/workers_broker.py", 6, STORAGES),
    "workers-kills": Figures("benchmarks/workers_kills.py", 10, STORAGES),
}


def file_of(name: str) -> Path:
    """Return the file with the figures of that name."""
    return DOCS / f"benchmarks-{name}.txt"


def describe_machine() -> str:
    """Return when and on what figures are made."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpus if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    packages = [f"{name} {version(package)}" for name, package in PACKAGES.items()]
    return (
        f"{date.today()}, on {cores} cores ({models[0] if models else 'of an unknown kind'}) with "
        f"{memory:.0f} GB, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, {', '.join(packages)}:"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(ALL), default=list(ALL))
    chosen = parser.parse_args().only
    say(f"{len(chosen)} programs, about {sum(ALL[name].minutes for name in chosen):.0f} minutes.")
    if os.getloadavg()[0] > BUSY:
        say(f"This machine does something else (load {os.getloadavg()[0]:.1f}): figures will vary.")
    failed = []
    for number, name in enumerate(chosen, 1):
        say(f"{number} of {len(chosen)}: {ALL[name].program}, {ALL[name].minutes:.0f} min")
        began = time.monotonic()
        if not ALL[name].make(file_of(name)):
            failed.append(name)
        say(f"{name} took {(time.monotonic() - began) / 60:.1f} min")
    if failed:
        sys.exit(f"These failed, and their old figures stay: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
