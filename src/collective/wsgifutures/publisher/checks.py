"""What a view does to the world before it suspends, told to who develops it.

A pass that waits is thrown away and made again. What it wrote into the ZODB is undone, and
was work for nothing. Mail that it sent at once has left, and leaves again in each pass.

Mail is heard of by Python's own audit events, so nothing of Zope or Plone is patched. Such a
hook cannot be taken away again: it is only there once a pass was published with ``debug``.
"""

from ..kernel.passes import current_pass
from ..kernel.passes import Pass
from collections import Counter
from typing import Any
from ZODB.Connection import Connection

import sys
import transaction

_WRITES = (
    "has written into the ZODB (%s) when it suspends: that is undone, and made again in each "
    "pass. Ask for what it needs first, and write afterwards."
)

_MAILS = (
    "has sent mail at once when it suspends: it goes out in each pass. Send it without "
    "immediate=True, then it goes out once, when the last pass is committed; or ask for what "
    "the view needs first."
)

_hooks: list[Any] = []


def listen() -> None:
    """Hear of mail from now on."""
    if not _hooks:
        _hooks.append(_hear)
        sys.addaudithook(_hear)


def look(this: Pass) -> None:
    """Tell what *this* has done, which suspends now."""
    watch = this.hold.watch
    if watch is None:
        return
    watch.view = this.publisher.view_name()
    if watch.mailed_in == this.hold.passes:
        watch.tell("mail", _MAILS)
    # What only fragments wait for the page cannot ask for earlier.
    if any(call not in this.placed for call in this.awaited):
        written = _written()
        if written:
            watch.tell("writes", _WRITES, written)


def _hear(event: str, arguments: Any) -> None:
    if event == "smtplib.connect":
        this = current_pass()
        if this is not None and this.hold.watch is not None:
            this.hold.watch.mailed_in = this.hold.passes


def _written() -> str:
    """Return the classes of what this transaction has changed, the most frequent first."""
    joined = transaction.get()._resources  # there is no other way to ask for them
    connections = [one for one in joined if isinstance(one, Connection)]
    found = Counter(type(o).__name__ for one in connections for o in _changed(one))
    return ", ".join(name for name, _ in found.most_common(3))


def _changed(connection: Connection) -> list[Any]:
    saved = connection._savepoint_storage
    oids = [] if saved is None else list(saved.index)
    changed = [*connection._registered_objects, *(connection.get(oid) for oid in oids)]
    return list({id(one): one for one in changed}.values())
