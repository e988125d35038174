"""Warns developers of views that write or send mail before they suspend.

A pass that waits is thrown away and made again. Its writes into the ZODB are undone, and were
work for nothing. Mail that the pass sent at once is gone, and is sent again in each pass.

Python's audit events report mail, so nothing of Zope or Plone is patched. An audit hook cannot
be removed: it is only added when a pass is published with ``debug``.
"""

from ..kernel.passes import current_pass
from ..kernel.passes import Pass
from collections import Counter
from typing import Any
from ZODB.Connection import Connection

import functools
import sys
import transaction

_WRITES = (
    "has written into the ZODB (%s) when it suspends: the writes are undone, and made again in "
    "each pass. Ask for the results first, and write afterwards."
)

_MAILS = (
    "has sent mail at once when it suspends: the mail is sent again in each pass. Send mail "
    "without immediate=True, so that it is sent once, when the last pass is committed; or ask "
    "for the results first."
)


@functools.cache  # once for a process
def listen() -> None:
    """Notice mail from now on."""
    sys.addaudithook(_hear)


def look(this: Pass) -> None:
    """Log what *this* pass, which suspends now, has written or sent."""
    watch = this.hold.watch
    if watch is None:
        return
    watch.view = this.publisher.view_name()
    if watch.mailed_in == this.hold.passes:
        watch.tell("mail", _MAILS)
    # A page cannot ask earlier for results that only fragments wait for.
    if any(call not in this.placed for call in this.awaited):
        classes = _changed_classes()
        if classes:
            watch.tell("writes", _WRITES, classes)


def _hear(event: str, arguments: Any) -> None:
    if event == "smtplib.connect":
        this = current_pass()
        if this is not None and this.hold.watch is not None:
            this.hold.watch.mailed_in = this.hold.passes


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
