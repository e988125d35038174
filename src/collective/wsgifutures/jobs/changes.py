"""Changes that a runner commits by itself: one at a time, and again after a conflict."""

from . import desk
from .records import Job
from .records import Store
from .store import find_store
from collections.abc import Callable
from transaction.interfaces import TransientError
from typing import Any
from ZODB.POSException import POSKeyError

import threading
import time

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
        for again in range(TRIES, 0, -1):
            try:
                with self.lock, desk.changing(self._database) as connection:
                    store = find_store(connection)
                    if store is None or not change(store):
                        return
            except TransientError:
                if again == 1:
                    raise
                time.sleep(0.01)
            else:
                then()
                return


def find(connection: Any, oid: bytes) -> Job | None:
    """Return the job of a record; None if its submission was undone, or it was purged."""
    try:
        return connection.get(oid)  # type: ignore[no-any-return]
    except POSKeyError:
        return None
