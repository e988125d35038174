"""``wsgifutures clock --once``: one look at timed work, for a cron or a CronJob elsewhere.

It submits the jobs that are due, and runs none. Nothing of Zope is imported here at the top: the
command has to say what is wrong first.
"""

from .command import add_command
from .loading import load_site
from typing import Any

import argparse
import sys
import time

_DESCRIPTION = """\
Submit the jobs of timed work that is due now, once. Servers and "wsgifutures work" look by
themselves; this is for sites where they do not (WSGIFUTURES_CLOCK=off).
"""
_EPILOG = """\
Call it at least every five minutes: times that are older count as missed. The first call only notes
which timed work there is. The database is served, by ZEO or RelStorage.

example: */5 * * * *  wsgifutures clock --once --paste /srv/plone/etc/zope.ini
"""


def add_parser(commands: Any) -> None:
    """Add the command to those of ``wsgifutures``."""
    parser = add_command(
        commands,
        "clock",
        run,
        help="submit the jobs of timed work that is due",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--once", action="store_true", required=True, help="look once, and end")


def run(options: argparse.Namespace) -> int:
    """Look once; return the exit status: 1 if some timed work got no job that should have.

    Raises:
        SiteRefused: It cannot start.
    """
    load_site(options.paste, logs=False)
    return _look(time.time())


def _look(now: float) -> int:
    from .clock.entries import declared
    from .clock.loop import tick_all
    from .clock.stored import stored
    from .clock.ticks import Ticker
    from .jobs.desk import changing

    import Zope2

    with changing(Zope2.DB) as connection:
        entries = [*declared(), *stored(connection)]
    ticker, status = Ticker(Zope2.DB), 0
    for entry in entries:
        for told in tick_all(Zope2.DB, ticker, entry, now):
            for job in told.jobs:
                print(f"{told.site} {entry.name}: job {job}")
            if told.error:
                print(f"{told.site} {entry.name}: {told.error}", file=sys.stderr)
                status = 1
    print("1 entry" if len(entries) == 1 else f"{len(entries)} entries")
    return status
