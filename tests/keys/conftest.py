"""Keys are tested with a real ZODB, several connections to it, and no Plone site."""

from .made import Host
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

import pytest


@pytest.fixture
def open_host(tmp_path):
    """Open hosts of one database, which resolves conflicts; they are closed."""
    database, hosts = DB(FileStorage(str(tmp_path / "Data.fs"))), []

    def open_one():
        hosts.append(Host(database))
        return hosts[-1]

    yield open_one
    for host in hosts:
        host.close()
    database.close()


@pytest.fixture
def host(open_host):
    return open_host()


@pytest.fixture
def place(host):
    return host.place()
