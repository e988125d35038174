"""The clock is tested with a real ZODB, several processes that look at it, and no Plone site."""

from .made import Host
from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage

import pytest


@pytest.fixture
def database():
    """A database in memory."""
    made = DB(MappingStorage())
    yield made
    made.close()


@pytest.fixture
def new_host(database):
    """Make one more host."""
    return lambda off=0.0: Host(database, off)


@pytest.fixture
def host(new_host):
    """A host whose clock is right."""
    return new_host()
