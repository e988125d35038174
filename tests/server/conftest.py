"""Real servers on a real site: gunicorn with a gevent worker, and waitress.

Each server is a process of its own with a copy of one instance, which is made once. The
slow service is the demo's; it counts its calls for each text.
"""

from aiosmtpd.controller import Controller
from email import message_from_bytes
from pathlib import Path

import json
import os
import pytest
import re
import requests
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / "examples"))

from instance import make_instance  # noqa: E402
from instance import run  # noqa: E402

START_SECONDS = 60

USERS = {"alice": "wonderland-1", "bob": "wonderland-2"}

_ADD_USERS = """
import transaction

for name, password in {users!r}.items():
    app.acl_users.users.addUser(name, name, password)  # noqa: F821
transaction.commit()
"""


def free_port():
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true, seconds=30):
    """Wait until *true* gives something."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "that was not so in time"
        time.sleep(0.02)


class Process:
    """A server process; its output goes to a file, for the message of a failure."""

    def __init__(self, command, log, env=None, cwd=None, **options):
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                **options,
            )
        self.pid = self._process.pid

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, ready):
        """Wait until *ready* gives something, and return that."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            found = ready()
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"the server did not start:\n{self.output[-4000:]}")

    def wait(self, seconds=START_SECONDS):
        """Wait for its end and return its exit status."""
        return self._process.wait(seconds)

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self):
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.wait()


class Service:
    """The slow service, seen from a test."""

    def __init__(self, process):
        self.process = process
        self.url = process.wait_for(lambda: process.output.strip() or None)

    def calls(self, text):
        """Return how often it was called for *text*."""
        return requests.get(self.url + "/calls", params={"text": text}).json()["calls"]


class Server:
    """A server with a site, seen from a test."""

    def __init__(self, process, port, name="gunicorn", site="/Plone"):
        self.process = process
        self.name = name
        self.root = f"http://127.0.0.1:{port}"
        self.site = self.root + site
        process.wait_for(self.serves)

    def get(self, view, auth=None, headers=None, timeout=120, **params):
        options = {"auth": auth, "headers": headers, "timeout": timeout}
        return self.request("GET", view, params=params, **options)

    def post(self, view, **kwargs):
        return self.request("POST", view, **kwargs)

    def request(self, method, view, **kwargs):
        kwargs.setdefault("timeout", 120)
        kwargs.setdefault("allow_redirects", False)
        return requests.request(method, f"{self.site}/{view}", **kwargs)

    def state(self, **params):
        return self.get("@@state", **params).json()

    def load(self, view, clients, count, *headers):
        """Send *count* requests at once from *clients* clients; return what came of it."""
        command = [BIN / "python", ROOT / "benchmarks" / "load.py", f"{self.site}/{view}"]
        command += ["--clients", clients, "--requests", count]
        for header in headers:
            command += ["--header", header]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def together(self, calls):
        """Make all *calls* at once, functions of this server; return what they returned."""
        results = [None] * len(calls)

        def make(position, call):
            results[position] = call(self)

        threads = [threading.Thread(target=make, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def serves(self):
        """Tell whether it answers now."""
        try:
            return self.get("@@fast", timeout=5).status_code == 200
        except requests.RequestException:
            return False


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The slow service."""
    log = tmp_path_factory.mktemp("service") / "service.log"
    process = Process([BIN / "python", "-u", "-m", "wsgifutures_demo.service"], log)
    yield Service(process)
    process.stop()


@pytest.fixture(scope="session")
def instance_template(tmp_path_factory):
    """An instance with a site, which no server runs on."""
    folder = tmp_path_factory.mktemp("template") / "instance"
    make_instance(folder, ("collective.wsgifutures:default",))
    script = folder / "add_users.py"
    script.write_text(_ADD_USERS.format(users=USERS))
    run("zconsole", "run", folder / "etc" / "zope.conf", script)
    includes = folder / "etc" / "package-includes"
    includes.mkdir()
    (includes / "holdtests-configure.zcml").write_text('<include package="holdtests" />')
    return folder


@pytest.fixture(scope="session")
def new_instance(instance_template, tmp_path_factory):
    """Make a fresh copy of the instance and return its folder."""

    def make():
        folder = tmp_path_factory.mktemp("server") / "instance"
        shutil.copytree(instance_template, folder)
        for name in ("zope.conf", "zope.ini"):
            file = folder / "etc" / name
            file.write_text(file.read_text().replace(str(instance_template), str(folder)))
        return folder

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
        "WSGIFUTURES_MAX_HELD_PER_CLIENT": "5000",  # all clients have one address
        "WSGIFUTURES_MAX_WAIT": "60",  # on a busy machine a thousand take a while
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def running():
    """The servers that were started; they are stopped at the end of the session."""
    processes = []
    yield processes
    for process in processes:
        process.stop()


@pytest.fixture(scope="session")
def start_gunicorn(running, new_instance, environment):
    """Start gunicorn as the docs say, on a free port."""

    def start(*flags, env=None, folder=None, config="python:collective.wsgifutures.gunicorn"):
        folder = folder or new_instance()
        port = free_port()
        command = [BIN / "gunicorn", "-k", "gevent", "-c", config]
        command += ["--paste", folder / "etc" / "zope.ini", "-b", f"127.0.0.1:{port}", *flags]
        log = folder / "server.log"
        process = Process(command, log, {**environment, **(env or {})}, cwd=folder)
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
        process.stop()


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


@pytest.fixture(scope="session", params=["gunicorn", "waitress"])
def server(request):
    """Each of both servers: the same views work on them."""
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
    return USERS


@pytest.fixture
def text(request):
    """A text of this test's own, so that its calls can be counted."""
    return request.node.name
