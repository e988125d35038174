"""What workers elsewhere have done with the jobs of this process: counted when it is committed.

A request that is published again after a conflict counts once, and one that came to nothing does
not count.
"""

from .records import Job
from collections import Counter

#: What is counted since the start of the process: claims, and how they ended.
KINDS = ("claimed", "done", "failed", "released", "lost")

#: How often each happened.
counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))


def count(what: str, job: Job) -> None:
    """Count one of ``KINDS`` once the transaction is committed that *job* is changed in."""
    connection = job._p_jar
    if connection is not None:  # a job that is in no database is nobody's
        transaction = connection.transaction_manager.get()
        transaction.addAfterCommitHook(_add, (what,))


def _add(is_committed: bool, what: str) -> None:
    if is_committed:
        counts[what] += 1
