"""``current_job``: what a task knows of the job that it works on."""

from .publishing import JOB
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from typing import BinaryIO
from typing import Protocol
from zope.globalrequest import getRequest


class File(Protocol):
    """A file that a worker elsewhere handed over with its result."""

    filename: str  #: what the worker calls it
    content_type: str  #: as the worker says
    size: int  #: in bytes

    def open(self) -> BinaryIO:
        """Return the file, open for reading. It is there until the job is done."""


class CurrentJob(Protocol):
    """The job that is being worked on here."""

    id: str  #: its name, as in links
    key: str  #: the same in each attempt, for services that do a thing once for each key
    attempt: int  #: the number of this attempt, from 1

    #: Of timed work, the time that this is for, in the time zone of its expression: the job may
    #: begin later. None of other jobs, and of those that a person runs now.
    slot: datetime | None

    files: Mapping[str, "File"]  #: what the worker elsewhere handed over whose result this gets

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants it to end."""

    def progress(self, done: float, words: str = "") -> None:
        """Tell people how far it is.

        Args:
            done: From 0 to 1.
            words: For people: ``"40 of 100"``.

        Raises:
            ValueError: *done* is not from 0 to 1.
        """


def current_job() -> CurrentJob | None:
    """Return the job that is being worked on here; None outside of one, and inside of a future."""
    run: Any = getattr(getRequest(), "environ", {}).get(JOB)
    return None if run is None else run.current
