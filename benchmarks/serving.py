"""Starts the measured Plone site behind a server, and the slow service beside it.

Each program makes a fresh site, and every server gets a copy of it. If a program says so, the
worker has a core to itself; the load and the slow service share another core.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import asyncio
import base64
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / "examples"))
sys.path.append(str(ROOT / "tools"))

from instance import make_instance  # noqa: E402
from ports import free_port  # noqa: E402

WAITRESS = ["runwsgi", "etc/zope.ini"]
GUNICORN = ["gunicorn", "-k", "gevent", "--paste", "etc/zope.ini"]
HOLD = ["-c", "python:collective.wsgifutures.gunicorn"]
ASYNCIO = ["gunicorn", "-k", "asgi", *HOLD, "--paste", "etc/zope.ini"]

#: Seconds until a server must answer.
START_SECONDS = 60

#: Seconds until a server must have ended.
STOP_SECONDS = 20


@dataclass
class Side:
    """One way to serve the site."""

    title: str
    command: list
    view: str = "@@blocking"
    threads: int = 0
    settings: dict = field(default_factory=dict)

    def configure(self, folder, port):
        """Change the instance's files as this side needs them."""
        ini = folder / "etc" / "zope.ini"
        server = f"port = {port}"
        if (
            self.threads
        ):  # waitress takes 100 connections by default, and so uses 100 threads at most
            server += f"\nthreads = {self.threads}"
            server += "\nconnection_limit = 5000\nasyncore_use_poll = true"
        ini.write_text(ini.read_text().replace("port = 8080", server))
        if self.threads:
            conf = folder / "etc" / "zope.conf"
            pool = f"<zodb_db main>\n   pool-size {self.threads}"
            conf.write_text(conf.read_text().replace("<zodb_db main>", pool))


def held_side(**settings):
    """Return the side that holds responses, with *settings* of the add-on."""
    return Side("held", [*GUNICORN, *HOLD], view="@@load-hold", settings=settings)


class Running:
    """A side's server on a fresh copy of the site.

    Args:
        side: The side to start.
        template: The folder of the site.
        environment: The environment of the server.
        cores: The cores that the server may use; None for all.
    """

    def __init__(self, side, template, environment, cores=None):
        self._folder = Path(tempfile.mkdtemp()) / "instance"
        shutil.copytree(template, self._folder)
        for name in ("zope.conf", "zope.ini"):
            file = self._folder / "etc" / name
            file.write_text(file.read_text().replace(str(template), str(self._folder)))
        self.port = free_port()
        side.configure(self._folder, self.port)
        command = [str(BIN / side.command[0]), *side.command[1:]]
        if side.command[0] == "gunicorn":
            command += ["-b", f"127.0.0.1:{self.port}"]
        peak = {"HOLDTESTS_PEAK": str(self._folder / "connections")}
        settings = {f"WSGIFUTURES_{k.upper()}": str(v) for k, v in side.settings.items()}
        with open(self._folder / "server.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**environment, **peak, **settings},
                stdout=log,
                stderr=log,
                preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
            )
        # Not 127.0.0.1, where plone.app.theming leaves pages without their theme.
        self.site = f"http://localhost:{self.port}/Plone/"
        self._wait()

    def get(self, view, user=None):
        """Return what *view* of the site answers to *user*, a name and a password."""
        return get(self.site + view, user)

    def database_size(self):
        """Return how many bytes the file of the database has."""
        return sum(file.stat().st_size for file in self._folder.rglob("Data.fs"))

    def memory(self):
        """Return the resident memory of the server and its workers, in MB."""
        return sum(_status(pid, "VmRSS") for pid in self._pids()) // 1024

    def worker_memory(self):
        """Return the resident memory of the worker alone, in KB."""
        return _status(self.worker, "VmRSS")

    def cpu(self):
        """Return the CPU that the worker has used, in seconds."""
        return cpu(self.worker)

    @property
    def worker(self):
        """The pid of the worker."""
        return self._pids()[-1]

    def connections(self):
        """Return the most ZODB connections that were open at a time."""
        return int((self._folder / "connections").read_text())

    def log(self):
        """Return the server's output."""
        return (self._folder / "server.log").read_text()

    def stop(self):
        """End the server and drop its site."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder.parent)

    def _pids(self):
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]

    def _wait(self):
        for _ in range(START_SECONDS * 10):
            try:
                self.get("@@fast")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(self.log()[-3000:])


def get(url, user=None):
    """Return what *url* answers to *user*, a name and a password."""
    secret = base64.b64encode(":".join(user or ()).encode()).decode()
    headers = {"Authorization": f"Basic {secret}"} if user else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.read()


@contextmanager
def a_site(*profiles):
    """Make a site with *profiles*, which lasts as long as the context; give its folder."""
    folder = Path(tempfile.mkdtemp())
    try:
        template = folder / "instance"
        make_instance(template, profiles)
        includes = template / "etc" / "package-includes"
        includes.mkdir()
        include = '<include package="holdtests" />'
        (includes / "holdtests-configure.zcml").write_text(include)
        yield template
    finally:
        shutil.rmtree(folder)


@contextmanager
def a_service(*command):
    """Start a slow service, which lasts as long as the context; give its address.

    Args:
        command: The arguments of Python. The service prints its address.
    """
    service = subprocess.Popen(
        [BIN / "python", "-u", *map(str, command)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield service.stdout.readline().strip()
    finally:
        service.terminate()
        service.wait()


def environment(service):
    """Return the environment of a server whose views call *service*."""
    inherited = os.environ.get("PYTHONPATH", "").split()
    path = os.pathsep.join([str(ROOT / "tests" / "server"), *inherited])
    return {**os.environ, "HOLDTESTS_SERVICE": service, "PYTHONPATH": path}


@contextmanager
def prepared(*profiles):
    """Make site and service for a program; give a starter of held sides, and the service.

    The site has *profiles* besides those of a classic site.

    The worker has a core to itself. This process, which makes the load, and the service
    share another one.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        sys.exit("This takes two cores: one for the worker, one for the load.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the contexts end what they started
    os.sched_setaffinity(0, {others[0]})
    allow_open_files()
    with a_site(*profiles) as site, a_service(ROOT / "benchmarks" / "upstream.py") as service:

        @contextmanager
        def serve(**settings):
            server = Running(held_side(**settings), site, environment(service), {first})
            try:
                yield server
            finally:
                server.stop()

        yield serve, service


@contextmanager
def measured(**settings):
    """Start site, service and held side for a program; give server and service."""
    with prepared() as (serve, service), serve(**settings) as server:
        yield server, service


class Study:
    """The base of a program's measurements in one worker.

    Args:
        server: The ``Running`` worker.
        service: The address of the slow service.
        options: The options of the command line.
    """

    def __init__(self, server, service, options):
        self._server = server
        self._service = service
        self._options = options


def print_study(study, options, **settings):
    """Let *study* measure a worker with *settings*, and print the table of its rows.

    Args:
        study: Called with the arguments of ``Study``; returns the rows, or a coroutine for them.
        options: The options of the command line.
    """
    with measured(**settings) as (server, service):
        rows = study(server, service, options)
        if asyncio.iscoroutine(rows):
            rows = asyncio.run(rows)
    print(f"\n{table(rows)}\n")


def allow_open_files():
    """Raise the limit of open files to the hard limit: each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu(pid):
    """Return the CPU that the process *pid* has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calls(service):
    """Return when *service* got its calls, in seconds of ``time.monotonic``."""
    return json.loads(get(service + "/calls"))


def say(text):
    """Print the progress of a program, apart from its table."""
    print(f"# {text}", file=sys.stderr, flush=True)


def table(rows):
    """Return *rows* as a table in reStructuredText; the first row is the head."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [("   * - " if i == 0 else "     - ") + str(cell) for i, cell in enumerate(row)]
    return "\n".join(line.rstrip() for line in lines)


def _status(pid, name):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])
