"""Changes that a runner commits by itself: one at a time, and again after a conflict."""

from . import desk
from .conflicts import try_again
from .records import Job
from .records import Store
from .store import find_store
from collections.abc import Callable
from typing import Any
from ZODB.POSException import POSKeyError

import threading

#: How often a change is tried that somebody else may make at the same time.
TRIES = 20


class Changes:
    """Commits changes of one runner.

    Args:
        database: The database with the jobs.
    """

    def __init__(self, database: Any) -> None:
        self.lock = threading.Lock()  #: one change at a time
        self._database = database

    def commit(
        self, change: Callable[[Store], bool], then: Callable[[], None] = lambda: None
    ) -> None:
        """Commit what *change* does, if it does something; again after a conflict.

        Args:
            change: Changes the store, and tells whether there is something to commit.
            then: Called after the commit.

        Raises:
            TransientError: There was a conflict each time.
        """

        def attempt() -> bool:
            with self.lock, desk.changing(self._database) as connection:
                store = find_store(connection)
                return store is not None and change(store)

        if try_again(attempt, TRIES):
            then()


def find(connection: Any, oid: bytes) -> Job | None:
    """Return the job of a record; None if its submission was undone, or it was purged."""
    try:
        return connection.get(oid)  # type: ignore[no-any-return]
    except POSKeyError:
        return None
