"""What the commands have in common that load a site and serve nobody: options, refusal, stop.

Nothing of Zope is imported here at the top: the command has to say what is wrong first.
"""

from .kernel.settings import SettingRefused
from .loading import SiteRefused
from collections.abc import Callable
from typing import Any

import argparse
import signal
import sys
import threading


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], **texts: str
) -> argparse.ArgumentParser:
    """Add a command to those of ``wsgifutures``; return its parser.

    Args:
        commands: Where it is added.
        name: Its name.
        run: Does it, and returns the exit status. ``SettingRefused`` and ``SiteRefused`` are said
            in one sentence.
        texts: ``help``, ``description`` and ``epilog``.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **texts,
    )
    parser.add_argument(
        "--paste",
        metavar="FILE",
        default="etc/zope.ini",
        help="the paste file of the site (default: etc/zope.ini)",
    )

    def start(options: argparse.Namespace, others: list[str]) -> int:
        if others:
            parser.error(f"unknown: {' '.join(others)}")
        try:
            return run(options)
        except (SettingRefused, SiteRefused) as refused:
            print(f"wsgifutures {name} does not start. {refused}", file=sys.stderr)
            return 1

    parser.set_defaults(run=start, parser=parser)
    return parser


class Stop:
    """The signals to stop: the first one, and the second one, for whoever is in a hurry."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.second = threading.Event()

    def __enter__(self) -> "Stop":
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
