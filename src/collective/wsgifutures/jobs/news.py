"""Whether a database has changed: asked once a second by whoever waits for jobs.

Where the storage hears of all commits, the question costs nothing. RelStorage hears of those of
other processes when a transaction begins, so there one is begun, and nothing else is read.
"""

from ..publisher.zope_audit import layers
from . import desk
from typing import Any


class News:
    """Tells whether somebody has committed something since the last question.

    Args:
        database: The database with the jobs.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self._hears_all = not _is_relational(database.storage)
        self._last: Any = None

    def has_come(self) -> bool:
        """Tell whether there is something new; the first time there is."""
        last, self._last = self._last, self._last_transaction()
        return bool(last != self._last)

    def forget(self) -> None:
        """Take everything for new again."""
        self._last = None

    def _last_transaction(self) -> Any:
        if self._hears_all:
            return self._database.lastTransaction()
        with desk.changing(self._database) as connection:
            return connection._storage.lastTransaction()


def _is_relational(storage: Any) -> bool:
    """Tell whether *storage* does not hear of what other processes commit."""
    *_, innermost = layers(storage)
    return type(innermost).__module__.startswith("relstorage.")
