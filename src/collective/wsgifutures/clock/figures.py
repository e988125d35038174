"""What a process knows of one entry in one site, as plain data: for metrics."""

from .entries import Entry
from .records import find
from typing import Any
from typing import NamedTuple

import math


class Figure(NamedTuple):
    """An entry in a site, when the database was read last."""

    site: str
    entry: str
    slot: float | None  #: the slot of its last job; None: there was none
    due: float | None  #: the first slot that nobody has looked at; None: it is paused, or new
    fails: bool  #: whether its last slot got no job, since that could not be submitted


def figure_of(connection: Any, site: str, entry: Entry) -> Figure:
    """Return the figure of *entry* in a site."""
    kept = find(connection, site, entry.name)
    if kept is None or kept.rule != entry.rule:
        return Figure(site, entry.name, None, None, False)
    due = math.inf if kept.paused else entry.next_after(kept.last)
    return Figure(
        site,
        entry.name,
        slot=kept.slot or None,
        due=None if math.isinf(due) else due,
        fails=bool(kept.error),
    )
