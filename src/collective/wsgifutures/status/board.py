"""The folder in which each worker leaves its snapshot, and finds the holds to cancel.

``<worker>.json`` is the last snapshot of the worker; ``<worker>.cancel.<id>`` asks the worker to
cancel a hold. A snapshot names paths and users, so only the owner may read or write the folder:
a folder that other users could have written into is refused. Other files are not read.

The age of a file is the age of its snapshot: a worker whose snapshot has not changed only
touches the file.
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

#: A snapshot, in types that JSON has. ``snapshot.of_worker`` makes it.
Snapshot = dict[str, Any]

#: The format of the snapshots that this version can read.
FORMAT = 1

#: Seconds without a new snapshot until a worker counts as stale.
STALE_AFTER = 5.0

#: Seconds that the snapshot of a dead worker stays visible.
ENDED_AFTER = 60.0

#: Seconds until a snapshot is removed even if its worker seems alive: the worker may stand still,
#: or another process may have got its process id.
FORGOTTEN_AFTER = 3600.0

_WORKER = re.compile(r"[0-9a-f]{8}")
_HOLD = re.compile(r"[0-9]{1,20}")


class FolderRefused(Exception):
    """The folder for snapshots cannot be used, or other users may read or write there."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder  #: the path of the folder
        self.reason = reason  #: what is wrong with the folder

    def __str__(self) -> str:
        return (
            f"The folder {self.folder} cannot be used for the live status: {self.reason}. "
            "Make the user of the server its owner, with mode 700. Or set status_folder to "
            "another folder, or to off."
        )


class Board:
    """The folder that the workers of one instance share.

    Args:
        folder: The path of the folder. A missing folder is made.
        clock: Returns the time, in seconds since the epoch.

    Raises:
        FolderRefused: The folder belongs to another user, or others may read or write there.
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder)
        self._clock = clock
        self._written: Snapshot = {}
        _make_private(self.folder)

    def write(self, snapshot: Snapshot) -> None:
        """Put *snapshot* in place of the worker's last one.

        If only the time has changed, only the time of the file is set.
        """
        content = {**snapshot, "at": None}
        file = self.folder / f"{snapshot['worker']}.json"
        now = self._clock()
        if content != self._written or not file.exists():  # somebody may have tidied up
            self._replace(file, json.dumps(snapshot, separators=(",", ":")).encode())
            self._written = content
        os.utime(file, (now, now))

    def read(self) -> list[Snapshot]:
        """Return the last snapshot of each worker, in the order in which the workers started.

        Each has ``stale``, which tells whether its worker has written nothing lately, and
        ``at``, the time when it was written.
        """
        found = (self._read(file) for file in self.folder.glob("*.json"))
        return sorted(filter(None, found), key=lambda found: (found["started"], found["pid"]))

    def cancel(self, worker: str, hold_id: str) -> bool:
        """Ask *worker* to cancel a hold; return False if there is no worker of that name.

        Both names are those of the worker's snapshot.
        """
        known = _WORKER.fullmatch(worker) and _HOLD.fullmatch(hold_id)
        if not known or not (self.folder / f"{worker}.json").exists():
            return False
        with open(self.folder / f"{worker}.cancel.{hold_id}", "wb", opener=_private):
            return True

    def take_cancels(self, worker: str) -> list[str]:
        """Return the ids of the holds that *worker* shall cancel, each id once."""
        files = list(self.folder.glob(f"{worker}.cancel.*"))
        for file in files:
            file.unlink(missing_ok=True)
        return [file.name.rpartition(".")[2] for file in files]

    def remove(self, worker: str) -> None:
        """Remove all files of *worker*."""
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
            if age > FORGOTTEN_AFTER or (age > ENDED_AFTER and not runs(snapshot["pid"])):
                self.remove(file.stem)
                return None
        except (OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or not a snapshot
            return None
        return {**snapshot, "at": written, "stale": age > STALE_AFTER}


def board_of(settings: Settings | None) -> Board | None:
    """Return the board of this instance; None if it has none, or no *settings*: no hold.

    Raises:
        FolderRefused: The folder cannot be used, as ``Board`` says.
    """
    folder = None if settings is None else folder_of(settings)
    return None if folder is None else Board(folder)


def folder_of(settings: Settings) -> Path | None:
    """Return the folder of this instance's board; None if the instance has none."""
    if settings.status_folder == "off":
        return None
    if settings.status_folder:
        return Path(settings.status_folder)
    homes = [home for home in (joint.home() for joint in joints) if home]
    return Path(homes[0], "wsgifutures") if homes else None


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


def runs(pid: int) -> bool:
    """Tell whether the process *pid* runs, as one of this user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the id now belongs to a process of another user
        return False
    return True
