"""What the current user may see of all workers, and which holds this user may cancel.

The workers serve all sites of their Zope. A user with the permission in one site sees the paths
and users of that site, and the numbers of all sites. A user with the permission in Zope's root
sees everything.
"""

from ...status import overview
from ...status.board import Board
from ...status.board import board_of
from ...status.board import FolderRefused
from ...status.board import Snapshot
from ...wsgi.settings import Settings
from ...wsgi.visit import SETTINGS
from AccessControl import Unauthorized
from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from plone import api
from typing import Any

import logging
import time

logger = logging.getLogger(__name__)

VIEW_STATUS = "collective.wsgifutures: View status"
CANCEL_HOLDS = "collective.wsgifutures: Cancel held responses"
MANAGE_SETTINGS = "collective.wsgifutures: Manage settings"


class State(Enum):
    """Whether there is a status to see; if not, why."""

    ON = "on"
    OFF = "off"
    NO_DATA = "no data yet"
    NO_HOLD = "this process does not hold responses"
    REFUSED = "the folder of the status cannot be used"


class Seen:
    """The status, for the user of *request* in *site*.

    Raises:
        Unauthorized: The user may not see the status.
    """

    def __init__(self, site: Any, request: Any) -> None:
        if not may_view(site):  # the permission to cancel does not include this one
            raise Unauthorized(f"You need the permission “{VIEW_STATUS}”.")
        self._site = site
        self._board: Board | None = None
        #: The fault because of which there is no status to see; None if there is no fault.
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
        """The user sees the holds below this path."""
        root = self._site.getPhysicalRoot()
        return "/" if may_view(root) else "/".join(self._site.getPhysicalPath())

    def hold(self, worker: str, hold_id: str) -> Mapping[str, Any] | None:
        """Return a hold that the user sees; None if no such hold has that id."""
        return overview.hold_of(self.overview, worker, hold_id)

    def cancel(self, worker: str, hold_id: str) -> bool:
        """Ask *worker* to cancel a hold; return False if the user sees no hold of that id."""
        hold = self.hold(worker, hold_id)
        if hold is None or self._board is None or not self._board.cancel(worker, hold_id):
            return False
        user = api.user.get_current().getId()
        trace = {"trace_id": hold["trace"]}
        logger.info("%s cancels the held response of %s", user, hold["path"], extra=trace)
        return True


def may_view(site: Any) -> bool:
    """Tell whether the user may see the status."""
    return bool(api.user.has_permission(VIEW_STATUS, obj=site))


def may_cancel(site: Any) -> bool:
    """Tell whether the user may cancel holds."""
    return bool(api.user.has_permission(CANCEL_HOLDS, obj=site))


def may_manage(site: Any) -> bool:
    """Tell whether the user may manage the settings."""
    return bool(api.user.has_permission(MANAGE_SETTINGS, obj=site))
