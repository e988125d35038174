"""What is kept of timed work in the ZODB: which slots have run, and who has paused what.

It is in the root of Zope's main database, beside the jobs: a slot is kept in the transaction that
records its job. Each entry of each site has a value of its own, so two entries never conflict, and
two processes that look at one entry always do.
"""

from BTrees.OOBTree import OOBTree
from collections.abc import Collection
from persistent import Persistent
from typing import Any

ROOT = "collective.wsgifutures.clock"

#: Seconds after which what is kept of an entry that is not there is forgotten.
GONE = 90 * 86400.0

#: How many of the latest slots are known to have run.
KNOWN = 100


class Kept(Persistent):  # type: ignore[misc]
    """What is kept of one entry.

    Args:
        rule: When the entry is due, as ``Entry.rule`` has it.
        now: Nothing before this is due, in seconds since the epoch.
    """

    ran: tuple[float, ...] = ()  #: the latest slots that got a job, also if a clock was ahead
    job = ""  #: the id of the last job
    slot = 0.0  #: the slot of the last job
    skipped = 0.0  #: the last slot that got no job, since the one before still ran
    error = ""  #: why the last slot got no job
    paused = 0.0  #: since when it is switched off; 0: it is not
    gone = 0.0  #: since when the site that it was added in is not there; 0: it is

    def __init__(self, rule: tuple[str, str], now: float) -> None:
        self.rule = rule
        self.last = now  #: up to where slots have been looked at

    def begin_anew(self, rule: tuple[str, str], now: float) -> None:
        """Let nothing before *now* be due."""
        self.rule, self.last = rule, now

    def note_job(self, slot: float, job: str) -> None:
        """Note that *slot* has got its job."""
        self.ran = tuple(sorted({*self.ran, slot})[-KNOWN:])
        self.slot, self.job, self.error = slot, job, ""


def forget_old(connection: Any, known: Collection[tuple[str, str]], now: float) -> int:
    """Forget what is kept of entries that are gone for long; return of how many.

    Args:
        connection: To the main database.
        known: The sites and names of those that there are.
        now: In seconds since the epoch. Another process may have ZCML that this one has not yet,
            or no more: what was looked at or paused within ``GONE`` stays.
    """
    tree = connection.root().get(ROOT) or {}
    old = [
        key
        for key, kept in tree.items()
        if key not in known and max(kept.last, kept.paused) < now - GONE
    ]
    for key in old:
        del tree[key]
    return len(old)


def find(connection: Any, site: str, name: str) -> Kept | None:
    """Return what is kept of an entry; None if nothing is."""
    tree = connection.root().get(ROOT)
    return None if tree is None else tree.get((site, name))


def make(connection: Any, site: str, name: str, rule: tuple[str, str], now: float) -> Kept:
    """Return what is kept of an entry, from *now* on if there was nothing."""
    root = connection.root()
    if ROOT not in root:
        root[ROOT] = OOBTree()
    key = (site, name)
    if key not in root[ROOT]:
        root[ROOT][key] = Kept(rule, now)
    return root[ROOT][key]  # type: ignore[no-any-return]
