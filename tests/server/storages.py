"""The storages of ``docs/storages/``, with a site in each and the servers that they need.

What a page shows is what runs here: its blocks are written into the files that their
captions name, with the places of this test in place of the page's. The servers run as
somebody who is not root, in a folder of their own, and are gone after the tests.
"""

from pathlib import Path
from processes import BIN
from processes import free_port
from processes import Process
from processes import ROOT

import os
import pwd
import pytest
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path[:0] = [str(ROOT / "tests" / "docs"), str(ROOT / "tools")]

from blocks import files_of  # noqa: E402
from servers import programs  # noqa: E402

PAGES = ROOT / "docs" / "storages"


def somebody():
    """Return the user that servers run as: not root, where this is root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


class Storage:
    """One storage. This one is a FileStorage."""

    page = "filestorage"
    kind = "FileStorage"
    driver = None

    def __init__(self):
        self._page = PAGES / f"{self.page}.rst"
        (workers,) = re.findall(r"gunicorn -k gevent -w (\d+) ", self._page.read_text())
        self.workers = int(workers)

    def put(self, instance):
        """Let *instance* use this storage, with the site that it has."""
        self._configure(instance, {})

    def stop(self):
        """Stop what was started."""

    def _block(self, name, places):
        """Return the page's file *name*, with other *places* in it."""
        (block,) = files_of(self._page)[name]
        text = block.text
        for place, other in places.items():
            assert place in text, f"{block.place} does not name {place}"
            text = text.replace(place, str(other))
        return text

    def _configure(self, instance, places):
        conf = instance / "etc" / "zope.conf"
        block = self._block("etc/zope.conf", places)
        section = re.compile(r"<zodb_db main>.*?</zodb_db>\n", re.S)
        text, found = section.subn(lambda match: block, conf.read_text())
        assert found == 1
        conf.write_text(text)


class Converted(Storage):
    """A RelStorage, which gets the site by zodbconvert."""

    kind = "RelStorage"

    def _convert(self, instance, places):
        conf = instance / "etc" / "convert.conf"
        conf.write_text(self._block("etc/convert.conf", places))
        done = subprocess.run(
            [str(BIN / "zodbconvert"), str(conf)], cwd=instance, capture_output=True, text=True
        )
        if done.returncode:
            pytest.fail(f"zodbconvert failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class SQLite(Converted):
    """RelStorage in a file."""

    page = "sqlite"
    driver = "gevent sqlite3"

    def put(self, instance):
        self._convert(instance, {})
        self._configure(instance, {})


class Started(Storage):
    """A storage with a server, in a folder of the server's own."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="wsgifutures-"))
        self.user = somebody()
        self.port = free_port()
        self.process = None
        self._own(self.folder)

    def stop(self):
        if self.process is not None:
            self.process.signal(signal.SIGINT)  # PostgreSQL would wait for its clients
            self.process.stop()
        shutil.rmtree(self.folder)

    def _own(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _as_somebody(self):
        if os.geteuid():
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}


class PostgreSQL(Started, Converted):
    """RelStorage in a PostgreSQL of its own."""

    page = "postgresql"
    driver = "gevent psycopg2"

    def __init__(self):
        self._programs = programs()
        if self._programs is None:
            pytest.fail("PostgreSQL is not installed: python tools/servers.py storages")
        super().__init__()

    def put(self, instance):
        self._start()
        places = {"host=127.0.0.1 port=5432": f"host=127.0.0.1 port={self.port}"}
        self._convert(instance, places)
        self._configure(instance, places)

    def _start(self):
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "zodb", "-A", "trust", "-E", "UTF8", "--no-sync")
        command = [self._programs / "postgres", "-D", data, "-p", self.port]
        command += ["-h", "127.0.0.1", "-k", self.folder, "-c", "fsync=off"]
        log = self.folder / "postgresql.log"
        self.process = Process(command, log, cwd=self.folder, **self._as_somebody())
        there = ["-h", "127.0.0.1", "-p", self.port, "-U", "zodb"]
        self.process.wait_for(lambda: self._run("pg_isready", *there, check=False) == 0)
        self._run("createdb", *there, "zodb")

    def _run(self, program, *arguments, check=True):
        done = subprocess.run(
            [str(self._programs / program), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            **self._as_somebody(),
        )
        if check and done.returncode:
            pytest.fail(f"{program} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode


class ZEO(Started):
    """A ZEO server on a FileStorage."""

    page = "zeo"
    kind = "ClientStorage"

    def put(self, instance):
        self._take_over(instance / "var")
        places = {"127.0.0.1:8100": f"127.0.0.1:{self.port}"}
        conf = self.folder / "zeo.conf"
        conf.write_text(self._block("zeo.conf", {**places, "/srv/zeo": self.folder}))
        command = [sys.executable, Path(__file__).with_name("zeo_server.py"), conf]
        log = self.folder / "zeo.log"
        self.process = Process([*command, self.user.pw_name], log, cwd=self.folder)
        self.process.wait_for(lambda: "listening" in self.process.output)
        self._configure(instance, places)

    def _take_over(self, var):
        shutil.move(var / "Data.fs", self.folder)
        shutil.move(var / "blobs", self.folder)
        for path in self.folder.rglob("*"):
            self._own(path)


#: By the name of its page.
STORAGES = {kind.page: kind for kind in (Storage, SQLite, PostgreSQL, ZEO)}
