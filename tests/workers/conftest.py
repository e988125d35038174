"""Workers are tested with a real ZODB, several connections to it, and no Plone site."""

from .made import log_events
from collective.wsgifutures.keys.places import Place
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from zope.event import subscribers

import pytest


@pytest.fixture
def open_place(tmp_path):
    """Open connections to one site, each with transactions of its own."""
    database, opened = DB(FileStorage(str(tmp_path / "Data.fs"))), []

    def open_one(uid="0f8fad5bd9cb469fa16570867728950e", path="/plone"):
        opened.append(database.open(TransactionManager()))
        return Place(opened[-1], uid, path)

    yield open_one
    for connection in opened:
        connection.transaction_manager.abort()
        connection.close()
    database.close()


@pytest.fixture
def place(open_place):
    return open_place()


@pytest.fixture
def events():
    """The events that were notified, the first one first."""
    noted = []
    listener = log_events(noted)
    subscribers.append(listener)
    yield noted
    subscribers.remove(listener)
