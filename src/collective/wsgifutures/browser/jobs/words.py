"""The states of jobs, in words for the people who submitted them."""

from ...interfaces import _
from ...jobs.records import Job
from ...jobs.records import JobState
from typing import Any
from typing import NamedTuple


class Word(NamedTuple):
    """How a state looks, and what it is called: not everybody can tell colours apart."""

    icon: str
    colour: str
    title: Any
    text: Any  #: what that means, in a sentence


STATES = {
    JobState.WAITING: Word(
        "hourglass", "secondary", _("Waiting"), _("The work begins when it is its turn.")
    ),
    JobState.RUNNING: Word(
        "play-circle", "primary", _("In progress"), _("The work is being done.")
    ),
    JobState.DONE: Word("check-circle", "success", _("Done"), _("The work is done.")),
    JobState.DEAD: Word(
        "x-octagon",
        "danger",
        _("Failed"),
        _("The work could not be done, and nothing of it was saved."),
    ),
    JobState.CANCELLED: Word(
        "slash-circle",
        "secondary",
        _("Cancelled"),
        _("The work was cancelled, and nothing of it was saved."),
    ),
}

AGAIN = Word(
    "arrow-clockwise",
    "warning",
    _("Waiting for another attempt"),
    _("The last attempt failed, and nothing of it was saved."),
)
ENDING = Word(
    "slash-circle",
    "warning",
    _("Being cancelled"),
    _("The work has been asked to end. That may take a moment."),
)


def word_for(job: Job) -> Word:
    """Return how *job* is doing."""
    if job.state is JobState.RUNNING and job.side.cancel:
        return ENDING
    if job.state is JobState.WAITING and job.attempt:
        return AGAIN
    return STATES[job.state]
