"""What a process does around its worker, whichever server it is: at its start and at its end.

The server's part is told by a ``Process``: gunicorn's own worker object is one.
"""

from .kernel.runtime import Interrupts
from .wsgi import audit
from .wsgi.joints import joints
from typing import Any
from typing import NoReturn
from typing import Protocol

import gc
import time

#: Seconds that a worker needs to let go of its jobs at its end.
LET_GO_SECONDS = 3.0

#: How many new objects there must be before Python's collector looks at the young ones. Python's
#: default is 700, and objects of a held response are young for seconds: the collector would look
#: at them again and again.
COLLECT_AFTER = 10_000


class Process(Protocol):
    """The process of a worker, as its server knows it."""

    cfg: Any  #: has ``graceful_timeout``: seconds from its end's begin until it is killed

    @property
    def alive(self) -> bool:
        """Whether it was not told to end."""


def make_hold(application: Any) -> Any:
    """Return the middleware of *application*, which may be the filter, first in its pipeline.

    Raises:
        NotConfigured, SettingRefused: There can be none.
    """
    from .wsgi.middleware import Middleware
    from .wsgi.settings import Settings
    from .wsgi.worker import Worker

    if isinstance(application, Middleware):
        return application
    return Middleware(Worker(application, Settings.read()))


def stop_in_time(process: Process, interrupts: Interrupts) -> NoReturn:
    """Answer 503 to what its server would cut off when *process* ends.

    The process is no longer alive when it is told to end, and is killed ``graceful_timeout``
    seconds later.
    """
    while process.alive:
        time.sleep(audit.LOOK_EVERY)
    process.stops_since = time.monotonic()  # type: ignore[attr-defined]
    for joint in joints:
        joint.worker_stops()
    interrupts.stop_sockets()
    graceful = process.cfg.graceful_timeout
    time.sleep(max(0.0, graceful - audit.LOOK_EVERY - min(audit.SEND_SECONDS, graceful / 2)))
    while True:
        interrupts.stop()
        time.sleep(audit.LOOK_EVERY)


def jobs_may_run(process: Process) -> bool:
    """Tell whether jobs run in *process*, which serves no more, and there is time for them."""
    return any(joint.is_busy() for joint in joints) and _time_left(process) > 0


def _time_left(process: Process) -> float:
    """Return for how long jobs may run on, in seconds, until the server kills the process."""
    if hasattr(process, "quits"):
        return 0.0
    stopped = getattr(process, "stops_since", time.monotonic())
    return float(process.cfg.graceful_timeout - (time.monotonic() - stopped) - LET_GO_SECONDS)


def let_go_of_jobs() -> None:
    """Let others have the jobs that still run: the process ends."""
    for joint in joints:
        joint.worker_ends()


def collect_less() -> None:
    """Let the collector skip what Zope has loaded, and look less often at new objects.

    Looking at everything that Zope has loaded stopped a worker for 0.4 s at a time. A threshold
    that a site has raised, or a collector that it has switched off, stays so.
    """
    first, *others = gc.get_threshold()
    if not gc.isenabled() or not first:
        return
    gc.collect()
    gc.freeze()
    if first < COLLECT_AFTER:
        gc.set_threshold(COLLECT_AFTER, *others)


def allow_open_files() -> None:
    """Raise the limit of open files to the hard limit: a held response may need two sockets."""
    import contextlib
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems refuse the limit that they name
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
