"""A pass that waits for the outside world in its slot is told to who develops it."""

from .test_monitor import Watched
from collective.wsgifutures import future
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.wsgi.monitor import Monitor
from collective.wsgifutures.wsgi.waits import PERIOD
from collective.wsgifutures.wsgi.waits import SEEN
from collective.wsgifutures.wsgi.waits import Waits
from http.client import HTTPConnection
from types import ModuleType

import contextlib
import logging
import pytest
import socket
import subprocess
import tempfile
import threading
import time

pytestmark = pytest.mark.concurrency

#: Long enough to be seen several times, also on a slow machine.
LONG = 7 * PERIOD * SEEN

#: The same in a module of that name: a database is known by its package.
SLEEPER = "import time\ndef work(function, *args):\n    return function(*args)\n"


def in_module(name):
    """Return a function of a module of that *name*, which calls what it is given."""
    module = ModuleType(name)
    exec(SLEEPER, module.__dict__)
    return module.work


@pytest.fixture
def told(caplog, monkeypatch):
    """Run a function as a pass, look at it meanwhile, and return what was told."""
    monkeypatch.setattr(checks, "_logged", set())
    caplog.set_level(logging.WARNING)

    def run(*functions, view_name=lambda: "acme.View"):
        running = {}
        waits = Waits(running, current())
        for function in functions:
            watched = Watched(view_name, function)
            arguments = (type("Monitor", (), {"running": running}),)
            thread = threading.Thread(target=watched.run, args=arguments)
            thread.start()
            while thread.is_alive():
                time.sleep(PERIOD)
                waits.look()
            waits.look()
        return [r.getMessage() for r in caplog.records if "waits in its pass" in r.getMessage()]

    return run


def sleep():
    time.sleep(LONG)


def wait_for_another_thread():
    threading.Event().wait(LONG)


def wait_for_a_process():
    subprocess.run(["sleep", str(LONG)], check=True)


@contextlib.contextmanager
def silent_server():
    """Yield the port of a server that answers nothing for a while."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def ask_http():
    with silent_server() as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
        with contextlib.suppress(TimeoutError):
            connection.request("GET", "/secret?token=secret")
            connection.getresponse()


def read_socket():
    with silent_server() as port:
        client = socket.create_connection(("127.0.0.1", port), LONG)
        with client, contextlib.suppress(TimeoutError):
            client.makefile("rb").read(1)


def read_unix_socket():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/service"
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(path)
            listener.listen()
            client.connect(path)
            client.settimeout(LONG)
            with contextlib.suppress(TimeoutError):
                client.makefile("rb").read(1)


def test_pass_that_waits_at_a_unix_socket_is_told_with_its_path(told):
    """It has no port."""
    (message,) = told(read_unix_socket)
    assert "/service. Its stack is:" in message


def test_wait_of_a_view_that_cannot_be_named_is_told_too(told):
    """Its request may have ended meanwhile; the look goes on."""

    def fail():
        raise KeyError("PUBLISHED")

    (message,) = told(sleep, view_name=fail)
    assert message.startswith("A view that cannot be named (KeyError) waits in its pass")


@pytest.mark.parametrize("function", [sleep, wait_for_another_thread, wait_for_a_process])
def test_pass_that_waits_is_told_with_the_line_that_waits(told, function):
    """Whatever it waits with."""
    (message,) = told(function)
    assert message.startswith("acme.View waits in its pass, for ")
    assert f"in {function.__name__}\n" in message
    assert message.endswith("declare what it calls as a future.")


@pytest.mark.parametrize("function", [ask_http, read_socket])
def test_pass_that_waits_for_a_service_is_told_with_its_host_and_port(told, function):
    """And nothing of what was sent. The last line of the stack is the caller's own."""
    (message,) = told(function)
    assert " s, for 127.0.0.1:" in message
    assert "secret" not in message
    stack = message.partition("Its stack is:\n")[2]
    assert f"in {function.__name__}\n" in stack
    assert "/http/client.py" not in stack


def test_seconds_are_told_as_they_were(told):
    """About: it is looked at now and then."""
    (message,) = told(sleep)
    seconds = float(message.partition("for ")[2].partition(" s")[0])
    assert LONG / 3 < seconds < 10 * LONG


def test_wait_is_told_once_for_each_line(told):
    """And another line is told too."""
    assert len(told(sleep, sleep, wait_for_another_thread)) == 2


def test_two_waits_of_one_pass_are_two(told):
    """Each with its own line."""

    def both():
        sleep()
        wait_for_another_thread()

    assert len(told(both)) == 2


def compute():
    until = time.thread_time() + LONG / 2
    while time.thread_time() < until:
        pass


def compute_in_c():
    for _ in range(5):
        sum(range(3_000_000))


def quick():
    time.sleep(PERIOD / 3)


@pytest.mark.parametrize("function", [compute, compute_in_c, quick])
def test_pass_that_computes_or_hardly_waits_is_not_told(told, function):
    """Python code, C code, and less than a tenth of a second."""
    assert told(function) == []


DATABASES = [
    *("ZEO.asyncio.client", "ZODB.Connection", "relstorage.adapters.postgresql", "psycopg2"),
    *("memcache", "transaction._transaction", "sqlalchemy.engine"),
]


@pytest.mark.parametrize("name", DATABASES)
def test_pass_may_wait_for_its_database_and_caches_and_in_its_commit(told, name):
    """With whatever these wait with."""
    assert told(lambda: in_module(name)(sleep)) == []


def test_package_whose_name_begins_alike_is_no_database(told):
    """It is told."""
    assert len(told(lambda: in_module("ZODBtools.client")(sleep))) == 1


nap = future(key="nap")(sleep)


def test_future_that_runs_in_place_is_not_told(told):
    """The site wants that, or it runs inside of another."""
    assert told(nap) == []


def test_monitor_looks_for_waits_with_debug_alone(monkeypatch):
    """Without, no thread is started for it."""
    started = []
    monkeypatch.setattr(Waits, "start", lambda self: started.append(self))
    for debug in (False, True):
        monitor = Monitor(slow_pass=60, blocked=60, debug=debug)
        monitor.start()
        monitor._end_watch()
        assert len(started) == debug
