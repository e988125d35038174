"""The folder on which each worker leaves its snapshot, and a cancel is left for it.

``<worker>.json`` is what the worker wrote last; ``<worker>.cancel.<id>`` asks it to cancel a
hold. A snapshot tells paths and users, so the folder is its owner's alone: one that others
could have written into is refused. What is not a snapshot there is not read.

The age of a file is the age of its snapshot: a worker that has nothing new to tell only
touches it.
"""

from ..wsgi.joints import joints
from ..wsgi.settings import Settings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import json
import os
import re
import stat
import time

#: What a snapshot is, as JSON. The form is told by ``snapshot.FORMAT``.
Snapshot = dict[str, Any]

#: Of a snapshot that this version can read.
FORMAT = 1

#: A worker that has not written for so many seconds is not well, or not there.
STALE_AFTER = 5.0

#: For so many seconds what a process left is shown that has ended.
ENDED_AFTER = 60.0

#: Where another process may have got its number, or a worker stands still: no longer than this.
FORGOTTEN_AFTER = 3600.0

_WORKER = re.compile(r"[0-9a-f]{8}")
_HOLD = re.compile(r"[0-9]{1,20}")


class FolderRefused(Exception):
    """The folder for snapshots is not its owner's alone."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder  #: where it is
        self.reason = reason  #: what is wrong with it

    def __str__(self) -> str:
        return (
            f"The folder {self.folder} cannot be used for the live status: {self.reason}. "
            "Make the user of the server its owner, with mode 700. Or set status_folder to "
            "another folder, or to off."
        )


class Board:
    """The folder that the workers of one instance share.

    Args:
        folder: Where it is. It is made where it is not there.
        clock: Gives the time in seconds since the epoch.

    Raises:
        FolderRefused: It is somebody else's, or others may write or read there.
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder)
        self._clock = clock
        self._written: Snapshot = {}
        _make_private(self.folder)

    def write(self, snapshot: Snapshot) -> None:
        """Show *snapshot* in place of what its worker showed before.

        Where it tells nothing new but its time, only the time is written.
        """
        told = {**snapshot, "at": None}
        file = self.folder / f"{snapshot['worker']}.json"
        now = self._clock()
        if told != self._written or not file.exists():  # somebody may have tidied up
            self._replace(file, json.dumps(snapshot, separators=(",", ":")).encode())
            self._written = told
        os.utime(file, (now, now))

    def read(self) -> list[Snapshot]:
        """Return what each worker showed last, the one that started first at the beginning.

        Each has ``stale``: whether its worker has not written lately; and ``at``: when it
        was written.
        """
        found = (self._read(file) for file in self.folder.glob("*.json"))
        return sorted((one for one in found if one), key=lambda one: (one["started"], one["pid"]))

    def cancel(self, worker: str, hold_id: str) -> bool:
        """Ask *worker* to cancel a hold, soon; False where there is no such worker.

        Args:
            worker: As its snapshot says.
            hold_id: As that snapshot says.
        """
        known = _WORKER.fullmatch(worker) and _HOLD.fullmatch(hold_id)
        if not known or not (self.folder / f"{worker}.json").exists():
            return False
        with open(self.folder / f"{worker}.cancel.{hold_id}", "wb", opener=_private):
            return True

    def cancels(self, worker: str) -> list[str]:
        """Return the ids of the holds that *worker* is asked to cancel, each of them once."""
        files = list(self.folder.glob(f"{worker}.cancel.*"))
        for file in files:
            file.unlink(missing_ok=True)
        return [file.name.rpartition(".")[2] for file in files]

    def remove(self, worker: str) -> None:
        """Take away all that is here of *worker*."""
        for file in self.folder.glob(f"{worker}.*"):
            file.unlink(missing_ok=True)

    def _replace(self, file: Path, data: bytes) -> None:
        new = file.with_suffix(".new")
        with open(new, "wb", opener=_private) as output:
            output.write(data)
        new.replace(file)

    def _read(self, file: Path) -> Snapshot | None:
        try:
            written = file.stat().st_mtime
            snapshot: Snapshot = json.loads(file.read_bytes())
            if not _WORKER.fullmatch(file.stem) or snapshot["format"] != FORMAT:
                return None
            age = self._clock() - written
            if age > FORGOTTEN_AFTER or (age > ENDED_AFTER and not _runs(snapshot["pid"])):
                self.remove(file.stem)
                return None
        except (OSError, ValueError, KeyError, TypeError):  # taken away, or nothing of ours
            return None
        return {**snapshot, "at": written, "stale": age > STALE_AFTER}


def board_of(settings: Settings) -> Board | None:
    """Return the board of this instance, None where it has none.

    Raises:
        FolderRefused: As ``Board``.
    """
    if settings.status_folder == "off":
        return None
    if settings.status_folder:
        return Board(settings.status_folder)
    homes = [home for home in (joint.home() for joint in joints) if home]
    return Board(Path(homes[0], "wsgifutures")) if homes else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise FolderRefused(str(folder), error.strerror or type(error).__name__) from None
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise FolderRefused(str(folder), "the folder belongs to another user")
    if mode & 0o077:
        raise FolderRefused(str(folder), f"other users may read or write there (mode {mode:o})")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's now
        return False
    return True
