"""Reports what its worker does: writes a snapshot each second, takes the cancels left for it.

Under gevent it is a greenlet, so that a worker whose loop stands still is seen to be stale;
elsewhere a thread.
"""

from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.worker import Worker
from .board import Board
from .board import board_of
from .board import FolderRefused
from .history import History
from .snapshot import of_worker
from .snapshot import Sender
from collections.abc import Callable
from typing import Any

import atexit
import logging
import secrets
import threading
import time

logger = logging.getLogger(__name__)

#: Seconds between two looks.
EVERY = 1.0


class Reporter:
    """Of one worker.

    Args:
        worker: What it holds responses with.
        board: Where it reports.
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(
        self, worker: Worker, board: Board, clock: Callable[[], float] = time.time
    ) -> None:
        self.sender = Sender(secrets.token_hex(4), clock())
        self._worker = worker
        self._board = board
        self._clock = clock
        self._history = History()
        self._failed = ""
        self._ended = False

    def start(self) -> None:
        """Report until the process ends."""
        self._board.read()  # which takes away what dead workers left, though nobody may look
        threading.Thread(target=self._report_to_the_end, daemon=True, name="status").start()
        atexit.register(self._end)

    def report(self) -> None:
        """Do all that is to be done now."""
        now = self._clock()
        held = self._worker.held
        for hold in self._board.cancels(self.sender.name):
            held.cancel(int(hold))
        refused = sum(self._worker.refusals.counts.values())
        self._history.add(now, held.count, self._worker.gate.waiting, refused)
        points = self._history.points()
        self._board.write(of_worker(self.sender, self._worker, now, points))

    def _end(self) -> None:
        """Take away what it told, and tell no more: a process may take its time to end."""
        self._ended = True
        self._board.remove(self.sender.name)

    def _report_to_the_end(self) -> None:
        while not self._ended:
            try:
                self.report()
                self._failed = ""
            except Exception as error:  # a full disk, say: it may be over in a moment
                self._say_once(error)
            time.sleep(EVERY)

    def _say_once(self, error: Exception) -> None:
        if repr(error) != self._failed:
            self._failed = repr(error)
            logger.error("The live status cannot be written: %s", error, exc_info=error)


def report(worker: Worker) -> None:
    """Let a worker report, where there is a board."""
    try:
        board = board_of(worker.settings)
    except FolderRefused as refused:
        logger.error("%s", refused)
        return
    if board is not None:
        Reporter(worker, board).start()


class Reports(Joint):
    """Lets each worker report."""

    def worker_starts(self, worker: Worker) -> None:
        """Begin to report what *worker* does, where there is a board."""
        report(worker)


def zope_has_started(event: Any) -> None:
    """Let each worker of this Zope report."""
    join(Reports())
