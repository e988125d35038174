"""Tokens are tested with a real ZODB, several connections to it, and no Plone site."""

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
        host.abort()
        host.connection.close()
    database.close()
