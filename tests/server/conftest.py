"""Real servers on a real site: gunicorn with a worker of gevent or of asyncio, and waitress.

With ``HOLDTESTS_WORKER=asgi`` in the environment all tests of gunicorn run on its worker for
asyncio, except those marked ``gevent``.

Each server is a process of its own with a copy of one instance (instances.py). The
slow service is the demo's; it counts its calls for each text.
"""

from aiosmtpd.controller import Controller
from email import message_from_bytes
from processes import BIN
from processes import copy_instance
from processes import free_port
from processes import Process
from processes import ROOT
from processes import run_gunicorn
from processes import Server
from processes import Service
from processes import start_service
from processes import WORKER

import functools
import instances
import os
import pytest
import re
import signal
import socket
import threading


def pytest_collection_modifyitems(config, items):
    """Leave out what is about gevent's worker where another one is tested."""
    if WORKER != "gevent":
        others = [item for item in items if item.get_closest_marker("gevent")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The slow service."""
    log = tmp_path_factory.mktemp("service") / "service.log"
    process = start_service(log)
    yield Service(process)
    process.stop()


@pytest.fixture(scope="session")
def instance_template():
    """An instance with a site, which no server runs on."""
    return instances.tested()


@pytest.fixture(scope="session")
def new_instance(instance_template, tmp_path_factory):
    """Make a fresh copy of the instance and return its folder."""

    def make():
        return copy_instance(instance_template, tmp_path_factory.mktemp("server") / "instance")

    return make


@pytest.fixture
def in_memory(new_instance):
    """An instance without a site, whose storage is each worker's own: it can be reloaded."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    filestorage = re.compile(r"<filestorage>.*?</filestorage>", re.S)
    conf.write_text(filestorage.sub("<mappingstorage>\n</mappingstorage>", conf.read_text()))
    return folder


@pytest.fixture(scope="session")
def environment(service):
    """What every server has in its environment."""
    path = os.pathsep.join((str(ROOT / "tests" / "server"), os.environ.get("PYTHONPATH", "")))
    return {
        "HOLDTESTS_SERVICE": service.url,
        "PYTHONPATH": path,
        "WSGIFUTURES_DEBUG": "on",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def running():
    """The servers that were started; they are stopped at the end of the session."""
    processes = []
    yield processes
    for process in processes:
        process.stop(signal.SIGINT)


@pytest.fixture(scope="session")
def start_gunicorn(running, new_instance, environment):
    """Start gunicorn as the docs say, on a free port."""

    def start(*flags, env=None, folder=None, **options):
        port = free_port()
        folder = folder or new_instance()
        process = run_gunicorn(folder, port, {**environment, **(env or {})}, *flags, **options)
        running.append(process)
        return process, port

    return start


@pytest.fixture
def started(start_gunicorn):
    """Start another gunicorn for one test; it stops when the test ends."""
    processes = []

    def start(*flags, site="/Plone", **kwargs):
        process, port = start_gunicorn(*flags, **kwargs)
        processes.append(process)
        return Server(process, port, site=site)

    yield start
    for process in processes:
        process.stop(signal.SIGINT)


@pytest.fixture(scope="session")
def start_waitress(running, new_instance, environment):
    """Start waitress with the hold as a filter, on a free port."""

    def start(env=None, folder=None):
        folder = folder or new_instance()
        port = free_port()
        ini = folder / "etc" / "zope.ini"
        text = ini.read_text().replace("port = 8080", f"port = {port}\nthreads = 32")
        text = text.replace("pipeline =\n", "pipeline =\n    egg:collective.wsgifutures#hold\n")
        ini.write_text(text)
        command = [BIN / "runwsgi", ini]
        process = Process(command, folder / "server.log", {**environment, **(env or {})})
        running.append(process)
        return process, port

    return start


@pytest.fixture(scope="session")
def gunicorn(start_gunicorn):
    """A gunicorn with one gevent worker."""
    return Server(*start_gunicorn())


@pytest.fixture(scope="session")
def waitress(start_waitress):
    """A waitress."""
    return Server(*start_waitress(), name="waitress")


@pytest.fixture(scope="session")
def asyncio_server(start_gunicorn):
    """A gunicorn with one worker for asyncio."""
    return Server(*start_gunicorn(worker="asgi"), name="asyncio")


@pytest.fixture
def start_asyncio(started):
    """Start another gunicorn with one worker for asyncio, for one test."""
    return functools.partial(started, worker="asgi")


@pytest.fixture(scope="session", params=["gunicorn", "waitress", "asyncio_server"])
def server(request):
    """Each of the servers: the same views work on them."""
    return request.getfixturevalue(request.param)


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self):
        self.subjects = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, server, session, envelope):
        self.subjects.append(message_from_bytes(envelope.content)["Subject"])
        return "250 OK"

    def stop(self):
        self._controller.stop()


@pytest.fixture
def smtp():
    """A mail server."""
    mailbox = Mailbox()
    yield mailbox
    mailbox.stop()


class Silent:
    """An upstream that takes a request, answers nothing, and sees when the caller goes."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.called = threading.Event()
        self.left = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection):
        with connection:
            connection.recv(65536)
            self.called.set()
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                pass
            self.left.set()

    def stop(self):
        self._listener.close()


@pytest.fixture
def silent():
    """An upstream that never answers."""
    upstream = Silent()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="session")
def users(instance_template):
    """Names and passwords of two users of every site."""
    return instances.USERS


@pytest.fixture
def text(request):
    """A text of this test's own, so that its calls can be counted."""
    return request.node.name
