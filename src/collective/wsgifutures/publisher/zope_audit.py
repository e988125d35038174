"""The checks before a worker may serve Zope: state per greenlet, and storages.

gevent's patches do not show that Zope was imported too early. So the state that a new greenlet
sees is compared with the state that is seen here.
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

#: RelStorage's drivers that block, with the drivers to use instead. RelStorage's ``auto`` picks
#: the right driver, except for SQLite, where it may pick either.
COOPERATIVE = {
    "MySQLdb": "gevent MySQLdb",
    "psycopg2": "gevent psycopg2",
    "sqlite3": "gevent sqlite3",
}

#: Attributes in which a storage keeps the storages that it wraps.
_WRAPPED = ("_BlobStorage__storage", "base", "changes")


def of_zope(database: Any, workers: int) -> list[Finding]:
    """Return the findings about this Zope: its root *database*, which so many *workers* serve."""
    opened = dict(database.databases) or {"main": database}
    found = [storage(name, opened[name].storage, workers) for name in sorted(opened)]
    return [*shared_state(), *found, *psycopg2_of_others()]


# What greenlets share


def shared_state() -> Iterator[Finding]:
    """Check that each greenlet has its own transaction, security manager and site."""
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
            "All greenlets share one transaction: a request would commit or abort the "
            "half-finished work of another request.",
            _LATER.format("transaction"),
        )
    if _same(lambda: SecurityManagement.get_ident()):
        yield error(
            "security",
            "All greenlets share one security manager: a visitor would be served as another "
            "user who is logged in.",
            _LATER.format("AccessControl"),
        )
    if _site_is_shared():
        yield error(
            "site",
            "All greenlets share one site hook (zope.component.hooks.siteinfo): a request would "
            "be served with the settings of another request's site.",
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
    """Check whether *opened*, a storage, fits the number of workers and a server of greenlets.

    The finding leaves out the storage's address, which may have a password.
    """
    stack = list(layers(opened))
    topic, kind = f"storage {name}", " on ".join(type(layer).__name__ for layer in stack)
    if any(type(s).__name__ == "FileStorage" and not s.isReadOnly() for s in stack):
        return file_storage(topic, kind, workers)
    drivers = [layer._adapter.driver for layer in stack if hasattr(layer, "_adapter")]
    blocking = [driver for driver in drivers if not driver.gevent_cooperative()]
    if blocking and under_gevent():
        return blocking_driver(topic, kind, blocking[0].__name__)
    through = "".join(f" through the driver {driver.__name__!r}" for driver in drivers)
    return ok(topic, f"{kind}{through}.")


def file_storage(topic: str, kind: str, workers: int) -> Finding:
    """Check that a FileStorage has one worker: only one process can open it."""
    if workers == 1:
        return ok(topic, f"{kind} and one worker.")
    return error(
        topic,
        f"{kind} and {workers} workers: only one process can open a FileStorage.",
        "Start gunicorn with one worker (-w 1), or use RelStorage or ZEO.",
    )


def blocking_driver(topic: str, kind: str, driver: str) -> Finding:
    """Warn of a driver that lets no greenlet run while it waits for its database."""
    fitting = COOPERATIVE.get(driver, "auto")
    return warning(
        topic,
        f"{kind} through the driver {driver!r}: while the driver waits for the database, the "
        "whole worker stands still.",
        f"Write 'driver {fitting}' into the adapter's section in zope.conf.",
    )


def psycopg2_of_others() -> Iterator[Finding]:
    """Check that psycopg2 lets other greenlets run when other code uses it."""
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
            "psycopg2 lets others run in RelStorage's connections only: use psycopg 3 or pg8000 in "
            "your own code.",
        )
    else:
        yield ok("psycopg2", "psycopg2 lets other greenlets run while it waits.")


def layers(opened: Any) -> Iterator[Any]:
    """Yield a storage and the storages that it wraps: compression, a demo's base, blobs."""
    yield opened
    names = getattr(opened, "__dict__", {})
    for name in _WRAPPED:
        if name in names:
            yield from layers(names[name])


# Visitors' addresses


def proxies(trusted: Any, behind: bool, per_client: int) -> Finding:
    """Check that visitors who are not logged in can be told apart by their addresses.

    *trusted* is Zope's ``trusted-proxy``. If the server is *behind*, only processes on this
    machine, as a proxy, can reach it. So many responses are held *per_client*.
    """
    if trusted:
        return ok("proxies", f"trusted-proxy: {', '.join(sorted(trusted))}.")
    if not behind:
        text = "No trusted-proxy: a client's address is the address of its connection."
        return ok("proxies", text)
    return ok(
        "proxies",
        "No trusted-proxy: behind a proxy all visitors who are not logged in count as one "
        f"client, for which at most {per_client} responses are held. If there is a proxy, name it "
        "in zope.conf (trusted-proxy).",
    )
