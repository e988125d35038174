"""What has to be right before a worker may serve Zope: state per greenlet, and storages.

That Zope was imported too early cannot be seen from gevent's patches, which say that all
is well. So a greenlet is asked what it sees, and that is compared with what is seen here.
"""

from ..kernel.runtime import under_gevent
from ..wsgi.findings import error
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from AccessControl import SecurityManagement
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from zope.component.hooks import siteinfo

import sys
import transaction

_LATER = "Import {} only after gevent's patches, not in gunicorn's config file."
_MARK = "collective_wsgifutures_audit"

#: RelStorage's drivers that block, and what to take in their place. RelStorage's ``auto``
#: takes the right one but for SQLite, where it takes either.
COOPERATIVE = {
    "MySQLdb": "gevent MySQLdb",
    "psycopg2": "gevent psycopg2",
    "sqlite3": "gevent sqlite3",
}

#: Where storages keep those that they stand on.
_STANDS_ON = ("_BlobStorage__storage", "base", "changes")


def of_zope(database: Any, workers: int) -> list[Finding]:
    """Return what was found out about this Zope.

    Args:
        database: The root database.
        workers: How many processes serve it.
    """
    opened = dict(database.databases) or {"main": database}
    found = [storage(name, opened[name].storage, workers) for name in sorted(opened)]
    return [*shared_state(), *found, *psycopg2_of_others()]


# What greenlets share


def shared_state() -> Iterator[Finding]:
    """Each greenlet has a transaction, a security manager and a site of its own."""
    if not under_gevent():
        return
    shared = list(_shared())
    yield from shared
    if not shared:
        yield ok("zope", "Each greenlet has its own transaction, security manager and site.")


def _shared() -> Iterator[Finding]:
    if _same(lambda: transaction.manager.manager):
        yield error(
            "transaction",
            "All greenlets share one transaction: a request would commit what another has "
            "half done, or abort it.",
            _LATER.format("transaction"),
        )
    if _same(lambda: SecurityManagement.get_ident()):
        yield error(
            "security",
            "All greenlets share one security manager: a visitor would be served as somebody "
            "else who is logged in.",
            _LATER.format("AccessControl"),
        )
    if _site_is_shared():
        yield error(
            "site",
            "All greenlets share one site hook (zope.component.hooks.siteinfo): a request would "
            "be served with the settings of another's site.",
            _LATER.format("zope.component"),
        )


def _same(look: Callable[[], Any]) -> bool:
    return bool(_in_a_greenlet(look) == look())


def _site_is_shared() -> bool:
    setattr(siteinfo, _MARK, True)
    try:
        return bool(_in_a_greenlet(lambda: hasattr(siteinfo, _MARK)))
    finally:
        delattr(siteinfo, _MARK)


def _in_a_greenlet(look: Callable[[], Any]) -> Any:
    import gevent

    return gevent.spawn(look).get()


# Storages


def storage(name: str, opened: Any, workers: int) -> Finding:
    """Return what *opened*, a storage, means for a server of greenlets.

    Nothing of its address is told: it may have a password.
    """
    stack = list(layers(opened))
    topic, kind = f"storage {name}", " on ".join(type(one).__name__ for one in stack)
    if any(type(one).__name__ == "FileStorage" and not one.isReadOnly() for one in stack):
        return file_storage(topic, kind, workers)
    drivers = [one._adapter.driver for one in stack if hasattr(one, "_adapter")]
    blocking = [driver for driver in drivers if not driver.gevent_cooperative()]
    if blocking and under_gevent():
        return blocking_driver(topic, kind, blocking[0].__name__)
    through = "".join(f" through the driver {driver.__name__!r}" for driver in drivers)
    return ok(topic, f"{kind}{through}.")


def file_storage(topic: str, kind: str, workers: int) -> Finding:
    """A FileStorage belongs to one process."""
    if workers == 1:
        return ok(topic, f"{kind} and one worker.")
    return error(
        topic,
        f"{kind} and {workers} workers: it belongs to one process, the others cannot open it.",
        "Start gunicorn with one worker (-w 1), or use RelStorage or ZEO.",
    )


def blocking_driver(topic: str, kind: str, driver: str) -> Finding:
    """While such a driver waits for its database, no greenlet runs."""
    fitting = COOPERATIVE.get(driver, "auto")
    return warning(
        topic,
        f"{kind} through the driver {driver!r}: while it waits for the database the whole "
        "worker stands still.",
        f"Write 'driver {fitting}' into the adapter's section in zope.conf.",
    )


def psycopg2_of_others() -> Iterator[Finding]:
    """What else uses psycopg2 waits with the hub."""
    extensions = sys.modules.get("psycopg2.extensions")
    if extensions is None or not under_gevent():
        return
    callback = extensions.get_wait_callback()
    if callback is None:
        yield warning(
            "psycopg2",
            "psycopg2 is used without a wait callback: while one request waits for its "
            "database, the whole worker stands still.",
            "Install psycogreen and call psycogreen.gevent.patch_psycopg() in post_worker_init.",
        )
    elif type(callback).__module__.startswith("relstorage."):
        yield ok(
            "psycopg2",
            "psycopg2 waits as RelStorage's connections need it, and in no other: code of your "
            "own takes psycopg 3 or pg8000.",
        )
    else:
        yield ok("psycopg2", "psycopg2 lets other greenlets run while it waits.")


def layers(opened: Any) -> Iterator[Any]:
    """Yield a storage and those that it stands on: compression, a demo's base, blobs."""
    yield opened
    names = getattr(opened, "__dict__", {})
    for name in _STANDS_ON:
        if name in names:
            yield from layers(names[name])


# Visitors' addresses


def proxies(trusted: Any, behind: bool, per_client: int) -> Finding:
    """Visitors who are not logged in are told apart by their addresses.

    Args:
        trusted: Zope's ``trusted-proxy``.
        behind: The server only listens where a proxy is in front.
        per_client: How many responses of one client are held.
    """
    if trusted:
        return ok("proxies", f"trusted-proxy: {', '.join(sorted(trusted))}.")
    if not behind:
        return ok("proxies", "No trusted-proxy: a client's address is that of its connection.")
    return ok(
        "proxies",
        "No trusted-proxy: behind a proxy all visitors who are not logged in count as one "
        f"client, of which {per_client} responses are held. Name the proxy in zope.conf "
        "(trusted-proxy) if there is one.",
    )
