"""Enters a site where nothing is published: for whoever submits jobs without a request.

A thread gets a connection with its own transaction, in which jobs can be submitted, and acts as
somebody for a while. Nothing of that stays in the thread. What needs neither a site nor a
submission is simpler: see ``desk.changing``.
"""

from .conflicts import try_again
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from Testing.makerequest import makerequest
from typing import Any
from typing import TypeVar

import transaction

T = TypeVar("T")

#: How often a transaction is tried that conflicts with others.
TRIES = 10


def commit(database: Any, work: Callable[[Any], T]) -> T:
    """Return what *work* gives for a connection, committed; again after a conflict.

    Raises:
        TransientError: There was a conflict each time.
        Exception: What *work* raises, or the database; nothing is committed.
    """

    def attempt() -> T:
        with _transaction(database) as connection:
            return work(connection)

    return try_again(attempt, TRIES)


def find_site(connection: Any, path: str) -> Any:
    """Return the site at *path*, with a request as if it were published; None if there is none."""
    application = makerequest(connection.root()["Application"])
    return application.unrestrictedTraverse(path.lstrip("/"), None)


@contextmanager
def acting_as(user: Any) -> Iterator[None]:
    """Act as *user* for a while, in the current thread."""
    before = getSecurityManager()
    newSecurityManager(None, user)
    try:
        yield
    finally:
        setSecurityManager(before)


@contextmanager
def _transaction(database: Any) -> Iterator[Any]:
    """Give a connection with this thread's transaction, which is committed at the end."""
    transaction.abort()
    connection = database.open()
    try:
        yield connection
        transaction.commit()
    finally:
        transaction.abort()
        connection.close()
