"""The audit of Zope: what greenlets would share, and what storages they wait for."""

from collective.wsgifutures.publisher import zope_audit as audit
from collective.wsgifutures.wsgi.findings import Level
from pathlib import Path
from ZODB.blob import BlobStorage
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage

import collective.wsgifutures.wsgi.joints
import pytest
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wsgi"))

from patched import run_patched

SHARED = """
from collective.wsgifutures.publisher import zope_audit as audit
for one in audit.shared_state(): print(one.level.value, one.topic)
"""

#: A storage as RelStorage's looks from here, and what uses psycopg2.
WAITING = """
from collective.wsgifutures.publisher import zope_audit as audit
import sys, types
class RelStorage: pass
def show(*findings):
    for one in findings: print(one.level.value, one)
def finding(name, cooperative):
    driver = types.SimpleNamespace(__name__=name, gevent_cooperative=lambda: cooperative)
    storage = RelStorage()
    storage._adapter = types.SimpleNamespace(driver=driver, dsn="password=secret")
    return audit.storage("main", storage, 2)
def psycopg2(callback):
    extensions = types.SimpleNamespace(get_wait_callback=lambda: callback)
    sys.modules["psycopg2.extensions"] = extensions
    return audit.psycopg2_of_others()
"""


@pytest.fixture
def file_storage(tmp_path):
    """A FileStorage."""
    storage = FileStorage(str(tmp_path / "Data.fs"))
    yield storage
    storage.close()


# What greenlets share


def test_shared_state_when_gevent_has_patched_first_is_ok():
    """One finding for all three."""
    assert run_patched(SHARED).splitlines() == ["ok zope"]


@pytest.mark.parametrize(
    ("early", "shared"),
    [
        ("transaction", ["transaction"]),
        ("AccessControl.SecurityManagement", ["transaction", "security"]),
        ("zope.component.hooks", ["transaction", "site"]),
        ("Products.CMFPlone", ["transaction", "security", "site"]),
    ],
)
def test_shared_state_when_imported_before_the_patches_is_an_error_for_each(early, shared):
    """Each is looked at: a config file may have imported only one."""
    lines = run_patched(SHARED, before=f"import {early}").splitlines()
    assert lines == [f"error {topic}" for topic in shared]


def test_shared_state_when_it_is_looked_at_leaves_nothing_in_the_site_hook():
    """The mark is taken away."""
    code = "from zope.component.hooks import siteinfo\nprint(sorted(vars(siteinfo)))\n"
    lines = run_patched(f"{code}{SHARED}{code}").splitlines()
    assert lines[0] == lines[-1]


def test_shared_state_when_it_is_a_threaded_server_has_nothing_to_say():
    """Threads are threads here."""
    assert list(audit.shared_state()) == []


# Storages


def test_file_storage_when_there_is_one_worker_is_ok(file_storage):
    """It belongs to one process."""
    assert audit.storage("main", file_storage, 1).level is Level.OK


def test_file_storage_when_there_are_two_workers_is_an_error(file_storage):
    """Only one of them could open it."""
    finding = audit.storage("main", file_storage, 2)
    assert (finding.level, finding.topic) == (Level.ERROR, "storage main")
    assert "FileStorage and 2 workers" in finding.meaning


def test_file_storage_when_it_is_read_only_is_ok_for_all_workers(file_storage, tmp_path):
    """It takes no lock."""
    file_storage.close()
    storage = FileStorage(str(tmp_path / "Data.fs"), read_only=True)
    assert audit.storage("main", storage, 2).level is Level.OK
    storage.close()


@pytest.mark.parametrize("wrap", ["blobs", "demo"])
def test_file_storage_when_another_stands_on_it_is_found(file_storage, tmp_path, wrap):
    """Blobs beside it, a demo above it."""
    outer = {
        "blobs": lambda: BlobStorage(str(tmp_path / "blobs"), file_storage),
        "demo": lambda: DemoStorage(base=file_storage),
    }[wrap]()
    finding = audit.storage("main", outer, 2)
    assert (finding.level, "FileStorage" in finding.meaning) == (Level.ERROR, True)


def test_storage_in_memory_is_ok():
    """Nothing waits, and nobody else has it."""
    assert audit.storage("main", MappingStorage(), 1).level is Level.OK


@pytest.mark.parametrize(
    ("driver", "fitting"),
    [
        ("sqlite3", "gevent sqlite3"),
        ("psycopg2", "gevent psycopg2"),
        ("MySQLdb", "gevent MySQLdb"),
        ("cx_Oracle", "auto"),
    ],
)
def test_driver_when_it_keeps_others_waiting_is_a_warning_with_what_to_set(driver, fitting):
    """By RelStorage's own word. Its address is not told."""
    line = run_patched(f"{WAITING}show(finding({driver!r}, False))")
    assert line.startswith("warning storage main: RelStorage through the driver ")
    assert f"Write 'driver {fitting}'" in line
    assert "secret" not in line


def test_driver_when_others_run_while_it_waits_is_ok():
    """And named."""
    line = run_patched(f"{WAITING}show(finding('gevent sqlite3', True))")
    assert line == "ok storage main: RelStorage through the driver 'gevent sqlite3'.\n"


def test_psycopg2_when_it_has_no_wait_callback_is_a_warning_that_names_psycogreen():
    """Somebody else uses it."""
    line = run_patched(f"{WAITING}show(*psycopg2(None))")
    assert line.startswith("warning psycopg2: ")
    assert "psycogreen" in line


@pytest.mark.parametrize(
    ("looked_at", "expected"),
    [("psycopg2(print)", "ok psycopg2"), ("audit.psycopg2_of_others()", "")],
)
def test_psycopg2_when_it_waits_with_the_hub_or_is_not_there_is_no_warning(looked_at, expected):
    """psycogreen has seen to it."""
    assert run_patched(f"{WAITING}show(*{looked_at})").partition(":")[0] == expected


def test_psycopg2_when_relstorage_has_seen_to_it_says_that_others_cannot_use_it():
    """Its wait callback is one for the process, and takes RelStorage's connections only."""
    callback = "type('Callback', (), {'__module__': 'relstorage.adapters'})()"
    line = run_patched(f"{WAITING}show(*psycopg2({callback}))")
    assert line.startswith("ok psycopg2: ")
    assert "psycopg 3 or pg8000" in line


def test_every_mounted_database_is_looked_at(file_storage):
    """Each by its name."""
    databases = {}
    root = DB(MappingStorage(), databases=databases, database_name="main")
    DB(file_storage, databases=databases, database_name="catalog")
    found = [(one.topic, one.level) for one in audit.of_zope(root, 2)]
    assert found == [("storage catalog", Level.ERROR), ("storage main", Level.OK)]


def test_joint_of_zope_tells_the_audit_what_was_found(site):
    """By the number of workers."""
    joints = collective.wsgifutures.wsgi.joints.joints
    topics = [finding.topic for joint in joints for finding in joint.findings(2)]
    assert any(topic.startswith("storage ") for topic in topics)


# Visitors


@pytest.mark.parametrize(
    ("trusted", "behind", "words"),
    [
        (("10.0.0.1",), True, "trusted-proxy: 10.0.0.1."),
        ((), False, "a client's address is the address of its connection"),
        ((), True, "count as one client, for which at most 500"),
    ],
)
def test_proxies_that_are_not_named_are_told_and_no_error(trusted, behind, words):
    """Whether there is one cannot be known."""
    finding = audit.proxies(trusted, behind, 500)
    assert (finding.level, words in finding.meaning) == (Level.OK, True)
