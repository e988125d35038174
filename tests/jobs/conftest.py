"""Jobs are tested with a real ZODB, several connections to it, and no Plone."""

from .made import Client
from collective.wsgifutures.jobs.store import make_store
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage

import pytest
import transaction


@pytest.fixture
def database():
    """A database in memory, with a store that is empty."""
    made = DB(MappingStorage())
    yield made
    made.close()


@pytest.fixture
def file_database(tmp_path):
    """A database in a file, with a store that is empty. It can undo."""
    made = DB(FileStorage(str(tmp_path / "Data.fs")))
    yield made
    made.close()


@pytest.fixture
def open_client(database):
    """Open clients of the database; they are closed."""
    clients = []

    def open_one(of=database):
        clients.append(Client(of))
        make_store(clients[-1].connection)
        clients[-1].commit()
        return clients[-1]

    yield open_one
    transaction.abort()
    for client in clients:
        client.close()


@pytest.fixture
def client(open_client):
    """One client of the database."""
    return open_client()


@pytest.fixture
def store(client):
    """The store, as ``client`` sees it."""
    return client.store
