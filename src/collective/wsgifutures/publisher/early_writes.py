"""Warns developers of views that write before they suspend.

A pass that waits is thrown away and made again. Its writes into the ZODB are undone, and were
work for nothing.
"""

from ..kernel.passes import Pass
from collections import Counter
from typing import Any
from ZODB.Connection import Connection

import transaction

_WRITES = (
    "has written into the ZODB (%s) when it suspends: the writes are undone, and made again in "
    "each pass. Ask for the results first, and write afterwards."
)


def look(this: Pass) -> None:
    """Log what *this* pass, which suspends now, has written."""
    watch = this.hold.watch
    if watch is None:
        return
    watch.view = this.publisher.view_name()
    # A page cannot ask earlier for results that only fragments wait for.
    if any(call not in this.placed for call in this.awaited):
        classes = _changed_classes()
        if classes:
            watch.tell("writes", _WRITES, classes)


def _changed_classes() -> str:
    """Return the names of the classes that this transaction has changed most often."""
    joined = transaction.get()._resources  # the transaction has no other way to ask
    connections = [manager for manager in joined if isinstance(manager, Connection)]
    found = Counter(type(o).__name__ for c in connections for o in _changed_objects(c))
    return ", ".join(name for name, _ in found.most_common(3))


def _changed_objects(connection: Connection) -> list[Any]:
    saved = connection._savepoint_storage
    oids = [] if saved is None else list(saved.index)
    changed = [*connection._registered_objects, *(connection.get(oid) for oid in oids)]
    return list({id(o): o for o in changed}.values())
