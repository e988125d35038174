"""The entries that people have added in Site Setup, and where they are kept.

That is beside what is kept of all entries, in the root of Zope's main database: an export or a
copy of a site takes no timed work along, and no process has to look into sites to know what is
due. Only people write here; what belongs to a site that is gone for long is forgotten.
"""

from .entries import Entry
from .errors import EntryRefused
from .records import GONE
from .records import make
from .records import ROOT as KEPT
from BTrees.OOBTree import OOBTree
from collections.abc import Collection
from dataclasses import asdict
from dataclasses import fields
from typing import Any

import logging

logger = logging.getLogger(__name__)

ROOT = "collective.wsgifutures.clock.entries"

_FIELDS = tuple(field.name for field in fields(Entry))


def stored(connection: Any) -> list[Entry]:
    """Return the entries of all sites of a database."""
    tree = connection.root().get(ROOT) or {}
    found = (_read(value) for value in tree.values())
    return [entry for entry in found if entry is not None]


def find_stored(connection: Any, site: str, name: str) -> Entry | None:
    """Return the entry of that name, as it is now; None: nobody has added one."""
    value = (connection.root().get(ROOT) or {}).get((site, name))
    return None if value is None else _read(value)


def store(connection: Any, entry: Entry) -> None:
    """Keep *entry*, in place of the one of its name."""
    root = connection.root()
    if ROOT not in root:
        root[ROOT] = OOBTree()
    root[ROOT][entry.site, entry.name] = asdict(entry)


def forget(connection: Any, entry: Entry) -> None:
    """Forget *entry*, and what is kept of it."""
    for name in (ROOT, KEPT):
        (connection.root().get(name) or {}).pop((entry.site, entry.name), None)


def forget_orphans(connection: Any, known: Collection[tuple[str, str]], now: float) -> None:
    """Forget the entries of sites that are gone for long: deleted, renamed or moved.

    Args:
        connection: To the main database.
        known: The sites and names of the entries whose site is there.
        now: In seconds since the epoch. A site may be away for a while: it is noted since when.
    """
    for entry in stored(connection):
        kept = make(connection, entry.site, entry.name, entry.rule, now)
        is_gone = (entry.site, entry.name) not in known
        if is_gone and kept.gone and kept.gone < now - GONE:
            forget(connection, entry)
            logger.info("Timed work %s is forgotten: %s is gone.", entry.name, entry.site)
        elif is_gone != bool(kept.gone):
            kept.gone = now if is_gone else 0.0


def _read(value: dict[str, Any]) -> Entry | None:
    try:
        return Entry(**{name: value[name] for name in _FIELDS if name in value})
    except EntryRefused as refused:  # this machine does not know the time zone, say
        logger.warning("Timed work that was added in Site Setup is left out. %s", refused)
        return None
