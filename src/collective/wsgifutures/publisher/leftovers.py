"""Keeps RelStorage on SQLite from committing what an aborted transaction has left behind.

RelStorage 4.3 first writes the objects of a transaction into a temporary table of its connection,
and commits that table before it locks the database. If it then refuses the transaction because
an object that was only read has changed (``VoteReadConflictError``; each BTree asks for that
check), SQLite is in no transaction. So RelStorage sees nothing to roll back, the rows stay, and
the next transaction of that connection commits them: a part of what was aborted, in somebody
else's name.

A rollback deletes the rows, so it has to be done each time. It costs two statements.
"""

from .zope_audit import layers
from typing import Any

_SQLITE = "relstorage.adapters.sqlite.connmanager"


def always_roll_back(storage: Any) -> bool:
    """Let *storage* roll back each connection that it is done with, if it is on SQLite.

    Returns:
        Whether it is on SQLite.
    """
    *_, innermost = layers(storage)
    manager = getattr(getattr(innermost, "_adapter", None), "connmanager", None)
    if type(manager).__module__ != _SQLITE:
        return False
    manager._may_need_rollback = _may_need_rollback  # type: ignore[union-attr]
    return True


def _may_need_rollback(connection: Any) -> bool:
    return True
