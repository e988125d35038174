"""What becomes of one attempt at a job, and what the site is told of it."""

from . import plain
from .errors import Hopeless
from .errors import Retry
from .site import File
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TYPE_CHECKING

import asyncio
import inspect
import traceback

if TYPE_CHECKING:
    from .job import Job

#: How many characters of an error's text the site gets.
LONGEST_ERROR = 2000


@dataclass
class Outcome:
    """A result with its files, or an error."""

    result: Any = None
    error: str | None = None
    files: list[File] = field(default_factory=list)
    #: Seconds until the next attempt, if the function said so.
    retry_after: float | None = None
    #: Whether no further attempt can succeed.
    hopeless: bool = False
    #: What ``job.progress`` was given; only ``testing.run`` fills it.
    progress: list[tuple[float, str]] = field(default_factory=list)
    #: Where the error was raised, for the log of this worker.
    trace: str = field(default="", repr=False)

    def message(self) -> tuple[str, dict[str, Any]]:
        """Return the verb of the protocol, and what goes with it."""
        if self.error is None:
            return "complete", {"result": self.result}
        body: dict[str, Any] = {"error": self.error}
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        if self.hopeless:
            body["hopeless"] = True
        return "fail", body


def attempt(function: Callable[..., Any] | None, job: "Job", secret: bool = False) -> Outcome:
    """Do *job*; whatever the function raises becomes the outcome.

    Args:
        secret: Tell the type of an unexpected error, and not its text.
    """
    if function is None:
        why = f'The worker that claimed this job does not do "{job.task}".'
        return Outcome(error=why, retry_after=60.0)
    try:
        result = function(job)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        return Outcome(plain.write(result), files=job.files)
    except KeyboardInterrupt:  # somebody tests by hand
        raise
    except BaseException as error:
        return _failure(error, secret)


def _failure(error: BaseException, secret: bool) -> Outcome:
    if isinstance(error, Retry):
        return Outcome(error=error.why, retry_after=error.after)
    if isinstance(error, Hopeless):
        return Outcome(error=str(error), hopeless=True)
    name = type(error).__name__
    if secret:
        return Outcome(error=name)
    text = f"{name}: {error}" if str(error) else name
    trace = "".join(traceback.format_exception(error))
    return Outcome(error=text[:LONGEST_ERROR], trace=trace)
