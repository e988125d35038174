"""Files that a worker elsewhere hands over with a result, until the task that gets it is done.

They are blobs of the job that gets them: committed with "done" of the first job, and dropped when
the second one is done, cancelled or forgotten. The database removes a dropped blob when it is
packed.
"""

from collections.abc import Mapping
from persistent import Persistent
from typing import BinaryIO
from typing import Protocol
from ZODB.blob import Blob

import mimetypes
import shutil


class Upload(Protocol):
    """What is handed over: a file that is open, as ZPublisher's ``FileUpload``."""

    filename: str

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""


class StagedFile(Persistent):  # type: ignore[misc]
    """A file that waits for the task that gets the result.

    Args:
        filename: What the worker calls it, without a folder.
        content_type: As the worker says.
    """

    def __init__(self, filename: str, content_type: str) -> None:
        self.filename = filename
        self.content_type = content_type
        self.size = 0  #: in bytes
        self._blob = Blob()

    def open(self) -> BinaryIO:
        """Return the file, open for reading."""
        return self._blob.open("r")  # type: ignore[no-any-return]

    def fill(self, source: Upload) -> None:
        """Take all that *source* has."""
        with self._blob.open("w") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            self.size = target.tell()


def stage(uploads: Mapping[str, Upload]) -> Mapping[str, StagedFile]:
    """Return files by their names, kept in the database with what refers to them.

    Args:
        uploads: Those; ``headers`` of one may have its content type.
    """
    return {name: _stage(upload) for name, upload in uploads.items()}


def _stage(upload: Upload) -> StagedFile:
    filename = str(upload.filename or "").replace("\\", "/").rpartition("/")[2]
    guessed = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    headers = getattr(upload, "headers", None) or {}
    staged = StagedFile(filename, str(headers.get("content-type") or guessed))
    staged.fill(upload)
    return staged
