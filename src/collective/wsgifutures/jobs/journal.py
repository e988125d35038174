"""A line in the log for what becomes of a job: for people, and as fields for programs.

A line has the job's id, its task, and numbers. It has no argument, and of an error of a task only
the name of its class: its text may have an argument's value. The text is kept with the job, for
those who may see the job.

A line is made while the job's record is at hand, and logged when its change is committed.
"""

from .errors import ArgumentsLost
from .errors import JobError
from .records import Job
from .records import JobState
from .work import Attempt
from typing import Any
from typing import NamedTuple

import logging

logger = logging.getLogger(__name__)

#: What a person does about a dead job.
LOOK = "Look at it, and retry or discard it: Live status, Jobs."

_NAMED = "Job %(job)s (%(task)s)"
_FAILED = f"{_NAMED} failed after %(seconds).2f s, attempt %(attempt)s of %(attempts)s: %(error)s."


class Line(NamedTuple):
    """A line of the log."""

    level: int
    text: str
    facts: dict[str, Any]

    def log(self) -> None:
        """Log the line; the facts are fields of its record."""
        logger.log(self.level, self.text, self.facts, extra=self.facts)


def done(attempt: Attempt, seconds: float) -> Line:
    """Return the line of a job that is done, so many seconds after its claim."""
    text = f"{_NAMED} is done after %(seconds).2f s, attempt %(attempt)s of %(attempts)s."
    return Line(logging.INFO, text, _facts(attempt, "done", seconds))


def failed(attempt: Attempt, job: Job, error: BaseException, seconds: float) -> Line:
    """Return the line of an attempt that failed: it says what becomes of the *job*."""
    facts = {**_facts(attempt, job.state.value, seconds), "error": describe(error)}
    if job.state is JobState.WAITING:
        facts["in_seconds"] = round(max(0.0, job.due - job.since), 3)
        return Line(logging.WARNING, f"{_FAILED} It is tried again in %(in_seconds).0f s.", facts)
    if job.state is JobState.DEAD:
        return Line(logging.ERROR, f"{_FAILED} It is dead. {LOOK}", facts)
    return Line(logging.INFO, f"{_NAMED} is cancelled after %(seconds).2f s.", facts)


def let_go(attempt: Attempt, error: BaseException, seconds: float) -> Line:
    """Return the line of a job that could not be finished here, which counts as no attempt."""
    facts = {**_facts(attempt, "let go", seconds), "error": describe(error)}
    text = f"{_NAMED} was broken off after %(seconds).2f s and begins again: %(error)s."
    return Line(logging.INFO, text, facts)


def lost(attempt: Attempt, seconds: float) -> Line:
    """Return the line of an attempt whose job is another runner's, or has ended."""
    text = (
        f"{_NAMED} is no longer this runner's. What the runner did for it in %(seconds).2f s is "
        "not committed."
    )
    return Line(logging.WARNING, text, _facts(attempt, "lost", seconds))


def hopeless(job: Job, error: BaseException) -> Line:
    """Return the line of a job that is dead before it was tried."""
    facts = {**_facts_of(job), "error": describe(error)}
    return Line(logging.ERROR, f"{_NAMED} cannot be done: %(error)s. It is dead. {LOOK}", facts)


def rescued(job: Job) -> Line:
    """Return the line of a job whose runner has ended without a word."""
    text, facts = f"{_NAMED} is %(ended)s: the process that ran it has ended.", _facts_of(job)
    if job.state is not JobState.DEAD:
        return Line(logging.WARNING, text, facts)
    return Line(logging.ERROR, f"{text} That happened {job.deaths} times. {LOOK}", facts)


def silent(job: Job) -> Line:
    """Return the line of a job whose worker elsewhere let its lease end."""
    text, facts = f"{_NAMED} is %(ended)s: the worker that had it is silent.", _facts_of(job)
    if job.state is not JobState.DEAD:
        return Line(logging.WARNING, text, facts)
    return Line(logging.ERROR, f"{text} It is dead. {LOOK}", facts)


def from_elsewhere(job: Job, seconds: float) -> Line:
    """Return the line of a job whose worker elsewhere has told how it ended, after its claim."""
    facts = {**_facts_of(job), "seconds": round(seconds, 3)}
    text = f"{_NAMED} is %(ended)s, says its worker after %(seconds).2f s."
    if job.state is JobState.DEAD:
        return Line(logging.ERROR, f"{text} {LOOK}", facts)
    level = logging.WARNING if job.said == "fail" else logging.INFO
    return Line(level, text, facts)


def describe(error: BaseException) -> str:
    """Return the class of *error*, and what an error of ours says."""
    kind = type(error).__qualname__
    is_ours = isinstance(error, JobError) and not isinstance(error, ArgumentsLost)
    return f"{kind}: {error}".rstrip(".") if is_ours else kind


def _facts(attempt: Attempt, ended: str, seconds: float) -> dict[str, Any]:
    wanted = attempt.wanted
    return {
        "job": attempt.claim.job,
        "task": wanted.task,
        "queue": wanted.queue,
        "ended": ended,
        "seconds": round(seconds, 3),
        "attempt": attempt.current.attempt,
        "attempts": wanted.attempts,
        "trace_id": attempt.trace,
    }


def _facts_of(job: Job) -> dict[str, Any]:
    wanted = job.wanted
    return {
        "job": job.id,
        "task": wanted.task,
        "queue": wanted.queue,
        "ended": job.state.value,
        "attempts": wanted.attempts,
        "trace_id": "",
    }
