"""``wsgifutures work``: a process without a port that runs the jobs of a site.

It loads the site as a server does, from the same paste file, and waits with threads. So a task may
compute for as long as it likes: visitors are served by other processes, and the heartbeat goes on.
At SIGTERM and SIGINT it claims nothing more, lets what runs end, and lets go of what does not.

Nothing of Zope is imported here at the top: the command has to say what is wrong first.
"""

from .command import add_command
from .command import Stop
from .loading import load_site
from .wsgi.joints import joints
from .wsgi.settings import Settings
from .wsgi.settings import variable_of
from .wsgi.worker import Worker
from dataclasses import replace
from typing import Any

import argparse
import logging
import os
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
    parser = add_command(
        commands,
        "work",
        run,
        help="run jobs in a process of its own",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
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


def run(options: argparse.Namespace) -> int:
    """Run jobs until the process is told to end; return the exit status.

    Raises:
        SettingRefused, SiteRefused: It cannot start.
    """
    if options.slots < 1:
        options.parser.error(f"--slots is {options.slots}; it takes a whole number, 1 or more")
    settings = _settings(options)
    worker = Worker(load_site(options.paste, off=["jobs"]), settings)
    with Stop() as stop:
        worker.start(logger.info)
        stop.first.wait()
        _end(stop.second, options.graceful)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings of a worker for jobs alone."""
    if options.queues is not None:
        os.environ[variable_of("job_queues")] = options.queues
    os.environ[variable_of("jobs")] = "on"
    # One slot more: the gate leaves one to visitors, of whom there are none.
    return replace(Settings.read(), slots=options.slots + 1)


def _end(hurry: threading.Event, seconds: float) -> None:
    for joint in joints:
        joint.worker_stops()
    until = time.monotonic() + seconds
    while any(joint.is_busy() for joint in joints) and time.monotonic() < until:
        if hurry.wait(0.1):
            break
    for joint in joints:
        joint.worker_ends()
