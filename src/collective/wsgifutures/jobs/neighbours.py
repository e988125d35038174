"""The other runners of a database, as one of them sees them: who lives, and whose turn is what.

A runner that has jobs changes its heartbeat every few seconds. Clocks of hosts differ, so what
counts is for how long nothing was seen to change, by the clock of whoever looks. Whoever was paused
has seen nothing, and begins anew.
"""

from .desk import jobs_of_runner
from .records import Runner
from .records import Store

import os
import pathlib
import socket
import time

#: Seconds without a heartbeat after which a runner is dead.
SILENCE = 20.0

#: A runner that has not looked for so many seconds was paused.
PAUSE = 10.0

#: Seconds until a runner without jobs is forgotten.
FORGOTTEN = 86400.0


def find_place() -> tuple[str, int]:
    """Return where this process runs: its machine, or its container, and its process id."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        boot = space = ""
    return f"{socket.gethostname()} {boot} {space}", os.getpid()


class Neighbours:
    """What is known of the other runners.

    Args:
        own: The id of the runner that looks.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._beats: dict[str, tuple[int, float]] = {}  # the last one, and since when
        self._looked = 0.0  # when, by this process's clock
        self.share = (0, 1)  #: the number of this runner among those that have jobs, and how many

    def __len__(self) -> int:
        """Return how many other runners there are."""
        return len(self._beats)

    def look(self, store: Store, place: tuple[str, int]) -> list[str]:
        """Look at all runners, from *place*; return the ids of the dead ones."""
        now, known, self._beats = time.monotonic(), self._beats, {}
        was_paused, self._looked = now - self._looked > PAUSE, now
        dead, live = [], [self._own]
        for id, runner in store.runners.items():
            if id == self._own:
                continue
            beat, since = known.get(id, (runner.beat, now))
            if beat != runner.beat or was_paused:
                since = now
            self._beats[id] = runner.beat, since
            if is_dead(runner, now - since, place):
                dead.append(id)
            elif now - since < SILENCE:
                live.append(id)
        self.share = sorted(live).index(self._own), len(live)
        return dead

    def has_moved(self, runner: Runner) -> bool:
        """Tell whether *runner* has given a sign of life since the last look."""
        beat, _ = self._beats.get(runner.id, (None, 0.0))
        return beat != runner.beat


def is_dead(runner: Runner, silence: float, place: tuple[str, int]) -> bool:
    """Tell whether *runner* is dead, which has changed nothing for so many seconds of *silence*."""
    if is_gone(runner.place, place):
        return True
    return silence > (SILENCE if has_jobs(runner) else FORGOTTEN)


def is_gone(there: tuple[str, int], here: tuple[str, int]) -> bool:
    """Tell whether a process that ran *there* has ended, seen from *here*: False if unknown."""
    machine, pid = there
    return machine == here[0] and (pid == here[1] or not _runs(pid))


def has_jobs(runner: Runner) -> bool:
    """Tell whether *runner* has jobs. One that it let go of is nobody's."""
    return bool(jobs_of_runner(runner))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
