"""``wsgifutures work``: a process without a port that runs the jobs of a site.

It loads the site as a server does, from the same paste file, and waits with threads. So a task may
compute for as long as it likes: visitors are served by other processes, and the heartbeat goes on.
At SIGTERM and SIGINT it claims nothing more, lets what runs end, and lets go of what does not.

Nothing of Zope is imported here at the top: the command has to say what is wrong first.
"""

from .kernel.settings import SettingRefused
from .loading import add_paste
from .loading import load_site
from .loading import SiteRefused
from .wsgi.joints import joints
from .wsgi.settings import Settings
from .wsgi.settings import variable_of
from .wsgi.worker import Worker
from dataclasses import replace
from typing import Any

import argparse
import logging
import os
import signal
import sys
import threading
import time

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Run the jobs of a site in a process of its own, without a port. It works beside any number of
servers and of its kind, on any host, if the database is served: by ZEO or RelStorage.
"""
_EPILOG = """\
SIGTERM and SIGINT let running jobs end; a second one does not wait for them.

example: WSGIFUTURES_JOBS=off for the servers, and beside them
         wsgifutures work --paste etc/zope.ini --queues texts,mail --slots 2
"""

#: How many seconds jobs may run on at a stop.
GRACEFUL = 60.0


def add_parser(commands: Any) -> None:
    """Add the command to those of ``wsgifutures``."""
    parser = commands.add_parser(
        "work",
        help="run jobs in a process of its own",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_paste(parser)
    parser.add_argument("--queues", metavar="NAME,...", help="the queues to serve (default: all)")
    parser.add_argument(
        "--slots",
        metavar="N",
        type=int,
        default=2,
        help="how many jobs compute at a time, besides those that wait (default: 2)",
    )
    parser.add_argument(
        "--graceful",
        metavar="SECONDS",
        type=float,
        default=GRACEFUL,
        help=f"how long running jobs may take at a stop (default: {GRACEFUL:g})",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, others: list[str]) -> int:
    """Run jobs until the process is told to end; return the exit status."""
    if others:
        options.parser.error(f"unknown: {' '.join(others)}")
    if options.slots < 1:
        options.parser.error(f"--slots is {options.slots}; it takes a whole number, 1 or more")
    try:
        settings = _settings(options)
        application = load_site(options.paste)
        worker = Worker(application, settings)
    except (SettingRefused, SiteRefused) as refused:
        print(f"wsgifutures work does not start. {refused}", file=sys.stderr)
        return 1
    with _Stop() as stop:
        worker.start(logger.info)
        stop.first.wait()
        _end(stop.second, options.graceful)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings, and switch off the runner of a filter in the pipeline."""
    if options.queues is not None:
        os.environ[variable_of("job_queues")] = options.queues
    os.environ[variable_of("jobs")] = "on"
    # One slot more: the gate leaves one to visitors, of whom there are none.
    settings = replace(Settings.read(), slots=options.slots + 1)
    os.environ[variable_of("jobs")] = "off"
    return settings


class _Stop:
    """The signals to stop: the first one, and the second one, which does not wait for jobs."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.second = threading.Event()

    def __enter__(self) -> "_Stop":
        self._before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        return self

    def __exit__(self, *raised: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        if self.first.is_set():
            self.second.set()
        self.first.set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _end(hurry: threading.Event, seconds: float) -> None:
    for joint in joints:
        joint.worker_stops()
    until = time.monotonic() + seconds
    while any(joint.is_busy() for joint in joints) and time.monotonic() < until:
        if hurry.wait(0.1):
            break
    for joint in joints:
        joint.worker_ends()
