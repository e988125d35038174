"""What the current user may see of all workers, and cancel there.

The processes serve all sites of their Zope. Who has the permission only in one site sees
the paths and users of that site, and numbers of all; who has it in Zope's root sees all.
"""

from ...status import overview
from ...status.board import Board
from ...status.board import board_of
from ...status.board import FolderRefused
from ...status.board import Snapshot
from ...wsgi.attempt import SETTINGS
from ...wsgi.settings import Settings
from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from typing import Any

import logging
import time

logger = logging.getLogger(__name__)

VIEW_STATUS = "collective.wsgifutures: View status"
CANCEL_HOLDS = "collective.wsgifutures: Cancel held responses"


class State(Enum):
    """Whether there is something to see."""

    ON = "on"
    OFF = "off"
    NO_DATA = "no data yet"
    NO_HOLD = "this process does not hold responses"
    REFUSED = "the folder of the status cannot be used"


class Seen:
    """The status, for one user in one site.

    Args:
        site: Where it is asked for.
        request: Of that user.

    Raises:
        Unauthorized: The user may not see it.
    """

    def __init__(self, site: Any, request: Any) -> None:
        if not may_view(site):  # who may cancel need not be one who may look
            raise Unauthorized(f"You need the permission “{VIEW_STATUS}”.")
        self._site = site
        self._board: Board | None = None
        #: Why there is nothing to see, where it is a fault.
        self.fault: FolderRefused | None = None
        self.state = self._find_board(request.environ.get(SETTINGS))
        snapshots: list[Snapshot] = [] if self._board is None else self._board.read()
        if snapshots:
            self.state = State.ON
        self.overview = overview.of(snapshots, time.time(), self.place)

    def _find_board(self, settings: Settings | None) -> State:
        if settings is None:
            return State.NO_HOLD
        try:
            self._board = board_of(settings)
        except FolderRefused as refused:
            self.fault = refused
            return State.REFUSED
        return State.OFF if self._board is None else State.NO_DATA

    @cached_property
    def place(self) -> str:
        """The path below which the user sees holds."""
        root = self._site.getPhysicalRoot()
        return "/" if may_view(root) else "/".join(self._site.getPhysicalPath())

    def hold(self, worker: str, hold_id: str) -> Mapping[str, Any] | None:
        """Return a hold that the user sees, None where there is none of that id."""
        return overview.hold_of(self.overview, worker, hold_id)

    def cancel(self, worker: str, hold_id: str) -> bool:
        """Ask *worker* to cancel a hold; False where the user sees none of that id."""
        hold = self.hold(worker, hold_id)
        if hold is None or self._board is None or not self._board.cancel(worker, hold_id):
            return False
        user = getSecurityManager().getUser().getId()
        trace = {"trace_id": hold["trace"]}
        logger.info("%s cancels the held response of %s", user, hold["path"], extra=trace)
        return True


def may_view(site: Any) -> bool:
    """Tell whether the user may see the status."""
    return bool(getSecurityManager().checkPermission(VIEW_STATUS, site))


def may_cancel(site: Any) -> bool:
    """Tell whether the user may cancel holds."""
    return bool(getSecurityManager().checkPermission(CANCEL_HOLDS, site))
