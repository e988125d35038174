"""The tasks of the demo: work that is done after the answer."""

from .calls import slow
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from zope.annotation.interfaces import IAnnotations

EXPORT = "wsgifutures_demo.export"
ANSWERS = "wsgifutures_demo.answers"
MOST_ANSWERS = 5
SHELVES = 15


@task(title="Export the catalogue", goes_to="@@job-exported")
def export(context, seconds):
    """Ask the slow service for each shelf, and write down what it says."""
    shelves = []
    for n in range(SHELVES):
        current_job().progress(n / SHELVES, f"{n} of {SHELVES} shelves")
        shelves.append(slow(seconds, f"Shelf {n + 1}"))  # held: no slot meanwhile
    IAnnotations(context)[EXPORT] = tuple(shelves)
    return f"{len(shelves)} shelves"


@task(title="Keep an answer")
def keep_answer(context, text):
    """Write down what the model has said, the newest first."""
    notes = IAnnotations(context)
    notes[ANSWERS] = (text, *notes.get(ANSWERS, ()))[:MOST_ANSWERS]
