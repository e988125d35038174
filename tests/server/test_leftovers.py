"""Nothing of a transaction that RelStorage on SQLite has refused is ever committed."""

from collective.wsgifutures.publisher.leftovers import always_roll_back
from persistent.mapping import PersistentMapping
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.POSException import ReadConflictError

import pytest
import transaction


def open_database(folder, driver):
    from relstorage.adapters.sqlite.adapter import Sqlite3Adapter
    from relstorage.options import Options
    from relstorage.storage import RelStorage

    options = Options(driver=driver)
    return DB(RelStorage(Sqlite3Adapter(str(folder), pragmas={}, options=options), options=options))


def connect(database):
    connection = database.open(transaction.TransactionManager())
    return connection, connection.transaction_manager


@pytest.mark.storages
@pytest.mark.parametrize("driver", ["gevent sqlite3", "sqlite3"])
def test_what_was_refused_is_not_committed_by_the_next(tmp_path, driver):
    """A transaction that read what another process has changed leaves no row for the next one."""
    ours, others = open_database(tmp_path, driver), open_database(tmp_path, driver)
    assert always_roll_back(ours.storage)
    connection, manager = connect(ours)
    connection.root().update({name: PersistentMapping(value="old") for name in "abc"})
    manager.commit()
    other, other_manager = connect(others)

    connection.readCurrent(connection.root()["a"])
    connection.root()["b"]["value"] = "refused"
    other.root()["a"]["value"] = "new"
    other_manager.commit()
    with pytest.raises(ReadConflictError):
        manager.commit()
    manager.abort()
    connection.root()["c"]["value"] = "new"
    manager.commit()

    other_manager.begin()
    values = {name: other.root()[name]["value"] for name in "abc"}
    assert values == {"a": "new", "b": "old", "c": "new"}
    ours.close()
    others.close()


def test_other_storages_are_left_alone():
    """Also those that wrap another one."""
    assert not always_roll_back(DemoStorage())
