"""Threads and asyncio in a process of the worker that gevent never patched."""

from . import calls
from . import helped
from . import slow_to_import
from .fakes import raised_by
from .test_executors import SECONDS
from .test_gate import wait_until
from .test_processes import runs
from .test_waiting import Request
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import future
from collective.wsgifutures import FuturesError
from collective.wsgifutures import gather
from collective.wsgifutures import ProcessEnded
from collective.wsgifutures.kernel.errors import ExecutorBusy
from collective.wsgifutures.kernel.executors import carried
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.executors import kind_of
from collective.wsgifutures.kernel.executors.helper import Helper
from collective.wsgifutures.kernel.executors.helper import HelperAsyncio
from collective.wsgifutures.kernel.executors.helper import HelperThreads
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.kernel.waiting import drive
from contextvars import ContextVar
from contextvars import copy_context
from pathlib import Path

import logging
import os
import pytest
import signal
import socket
import time

pytestmark = pytest.mark.concurrency

setting = ContextVar("setting", default="unset")

#: The same by a thread and by the loop.
KINDS = ("threads", "asyncio")


class Helped:
    """The two executors of one helper, as a request finds them."""

    def __init__(self, blocked=2.0, limit=64, length=1000):
        self.helper = Helper(blocked)
        threads = HelperThreads(self.helper, limit, length)
        self._made = {"threads": threads, "asyncio": HelperAsyncio(self.helper)}

    def get(self, name):
        return self._made[name]

    def start(self, view):
        """Publish once, start what it asks for, and return the request."""
        request = Request(view, executors=self)
        request.publish()
        request.waiter.start()
        return request

    def run(self, view):
        return Request(view, executors=self).run()


@pytest.fixture
def helped_by():
    """Return what makes helpers; they are ended."""
    made = []

    def make(**options):
        made.append(Helped(**options))
        return made[-1]

    yield make
    for one in made:
        one.helper.close()


@pytest.fixture
def here(helped_by):
    return helped_by()


def declare(kind, function, **options):
    return calls.declare(kind, function, **options)


def test_threads_and_asyncio_share_one_fresh_python_beside_the_worker(here):
    """It is started once; threads are many, the loop is one; no gevent, nothing of the server."""
    where = declare("threads", helped.echo_later)
    places = here.run(lambda: gather(*(where.submit(0.1, n) for n in range(3))))
    assert places == [0, 1, 2]
    pid, thread = here.run(declare("threads", helped.where))
    loop = [here.run(declare("asyncio", helped.where)) for _ in range(2)]
    assert loop[0] == loop[1]
    assert (loop[0][0], loop[0][1] != thread, pid != os.getpid()) == (pid, True, True)
    assert pid == here.helper.pid
    names = set(here.run(declare("threads", helped.imported)))
    assert names & {"gevent", "Zope2", "ZPublisher", "transaction", "pytest"} == set()


def test_a_thread_is_kept_for_the_next_call(here):
    """One after the other they need one; side by side each has its own."""
    call = declare("threads", helped.where_later)
    one_by_one = {here.run(lambda n=n: call(0.0, n)) for n in range(5)}
    at_once = here.run(lambda: gather(*(call.submit(0.3, n) for n in range(5))))
    assert len(one_by_one) <= 2  # one that has just answered may not be free yet
    assert len(set(at_once)) == 5


@pytest.mark.parametrize("function", ["thread", "process", "loop", "pool", "look_up", "fork"])
def test_what_libraries_do_in_a_thread_works(here, function):
    """Several at once, as in any Python."""
    call = declare("threads", getattr(helped, function))
    assert here.run(lambda: gather(*map(call.submit, range(3)))) == [0, 1, 2]


@pytest.mark.parametrize("function", ["process", "to_thread", "loop_in_thread", "look_up"])
def test_what_libraries_do_in_the_loop_works(here, function):
    """Several at once, as in any Python."""
    call = declare("asyncio", getattr(helped, function + "_async"))
    assert here.run(lambda: gather(*map(call.submit, range(3)))) == [0, 1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_many_calls_at_once_each_get_their_own_value(here, kind):
    """They share one channel."""
    call = declare(kind, helped.double)
    values = here.run(lambda: gather(*map(call.submit, range(500))))
    assert values == [{"doubled": [2 * n]} for n in range(500)]


@pytest.mark.parametrize("kind", KINDS)
def test_large_arguments_and_results_pass(here, kind):
    """More than a socket's buffer, some side by side."""
    call, text = declare(kind, helped.echo_later), "x" * 3_000_000
    values = here.run(lambda: gather(*(call.submit(0.0, text + str(n)) for n in range(3))))
    assert values == [text + str(n) for n in range(3)]


@pytest.mark.parametrize("status", helped.ENDS)
def test_the_end_of_a_helper_is_an_error_in_the_calls_that_it_ran(here, caplog, status):
    """Of threads and of asyncio; the next one starts another, and the log tells."""
    end, slow = declare("threads", helped.end), declare("asyncio", helped.echo_later)
    first = here.run(declare("threads", helped.where))[0]
    errors = here.run(
        lambda: gather(end.submit(status), slow.submit(60, 1), return_exceptions=True)
    )
    assert [(type(e), e.name, e.status) for e in errors] == [
        (ProcessEnded, "end", status),
        (ProcessEnded, "echo_later", status),
    ]
    assert here.run(declare("threads", helped.where))[0] != first
    text = f"The helper process that ran echo_later, end ended with status {status}."
    assert text in [record.getMessage() for record in caplog.records]


def test_a_helper_that_is_killed_while_it_has_nothing_to_do_fails_nobody(here):
    """Another one is started."""
    pid = here.run(declare("threads", helped.where))[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: here.helper.pid is None)
    assert here.run(declare("asyncio", helped.where))[0] != pid


def test_what_a_call_has_forked_does_not_hide_the_end_of_its_helper(here):
    """It has none of the files by which worker and helper know of each other."""
    began = time.monotonic()
    error = raised_by(here.run, lambda: declare("threads", helped.fork_and_stay)(3 * SECONDS))
    assert (type(error), time.monotonic() - began < SECONDS) == (ProcessEnded, True)


def test_a_helper_has_none_of_the_files_of_its_worker(here):
    """A server's port would be taken for as long as anything of the helper's lives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        name = os.readlink(f"/proc/self/fd/{server.fileno()}")
        found = here.run(declare("threads", helped.files))
    assert name not in found.values()


def test_a_helper_leaves_signals_to_the_server_and_not_to_what_it_starts(here):
    """A stop or Ctrl+C reaches the whole group; the calls of held responses go on."""
    assert here.run(declare("threads", helped.signal_itself)) == "goes on"
    stopped = here.run(declare("threads", helped.stop_what_it_starts))
    assert stopped == {number: (-number, -number) for number in helped.STOPS}


def test_a_cancelled_task_is_cancelled_there(here, tmp_path):
    """Its ``finally`` runs; what else runs goes on."""
    path = str(tmp_path / "file")
    beside = here.start(lambda: declare("asyncio", helped.echo_later)(0.5, "beside"))
    request = here.start(lambda: future(key="write")(helped.write_at_end)(path))
    wait_until(Path(path + ".runs").exists)
    request.waiter.close()
    wait_until(Path(path).exists)
    assert Path(path).read_text() == "cancelled"
    drive(beside.waiter.wait())
    beside.publish()
    assert beside.answer == "beside"


def test_close_lets_tasks_end_and_ends_the_helper(here, tmp_path):
    """As the loop of a process without gevent does."""
    path = str(tmp_path / "file")
    request = here.start(lambda: future(key="write")(helped.write_at_end)(path))
    wait_until(Path(path + ".runs").exists)
    pid = here.helper.pid
    here.helper.close()
    drive(request.waiter.wait())
    assert isinstance(raised_by(request.publish), FuturesError)
    wait_until(lambda: not runs(pid))
    assert Path(path).read_text() == "cancelled"


def test_a_module_that_takes_long_to_import_keeps_nobody_else_waiting(here, monkeypatch):
    """Neither threads nor the loop; who is cancelled meanwhile never runs."""
    monkeypatch.setenv("SLOW_TO_IMPORT", "1.0")
    here.run(lambda: declare("asyncio", helped.double)(1))
    imports = here.start(lambda: future(key="slow")(slow_to_import.echo_async)("late"))
    began = time.monotonic()
    for kind in KINDS:
        here.run(lambda kind=kind: declare(kind, helped.double)(1))
    assert time.monotonic() - began < 0.5
    drive(imports.waiter.wait())
    imports.publish()
    assert imports.answer == "late"


def test_threads_beyond_the_limit_wait_here_and_more_are_refused(helped_by):
    """A cancelled one counts until it returns there."""
    here = helped_by(limit=1, length=1)
    here.run(lambda: declare("threads", helped.echo_later)(0.0, "it has started"))
    slow = declare("threads", helped.echo_later, timeout=0.3)
    view = lambda: gather(*(slow.submit(0.8, n) for n in "abc"), return_exceptions=True)  # noqa: E731
    began = time.monotonic()
    errors = here.run(view)
    assert type(errors[2]) is ExecutorBusy
    assert here.run(lambda: declare("threads", helped.echo_later)(0.0, "next")) == "next"
    assert 0.7 < time.monotonic() - began < 1.5


def test_what_is_logged_there_is_logged_here_as_the_worker_logs(here, caplog):
    """By the levels that are set here, in the context of the call, with the traceback."""
    caplog.set_level(logging.INFO, "helped")
    seen = []
    caplog.handler.addFilter(lambda record: seen.append(setting.get()) or True)
    context = copy_context()
    context.run(setting.set, "of the request")
    context.run(here.run, lambda: declare("threads", helped.log)("text"))
    told = [(r.name, r.levelname, r.getMessage().splitlines()) for r in caplog.records]
    assert told[0] == ("helped", "INFO", ["info text"])
    assert (told[1][1], told[1][2][0], told[1][2][-1]) == ("ERROR", "failed", "LookupError: text")
    assert (len(told), set(seen)) == (2, {"of the request"})


def test_what_goes_with_a_call_is_set_where_it_runs(here, monkeypatch):
    """A trace, say; for that call alone."""
    monkeypatch.setattr(carried, "_kinds", [])
    taken = iter(["first", None, "third", "fourth"])
    carried.carry(lambda: next(taken), helped.put_known)
    values = [here.run(declare("threads", helped.look_at_known)) for _ in range(3)]
    values.append(here.run(declare("asyncio", helped.look_at_known)))
    assert values == ["first", "unset", "third", "fourth"]


@pytest.mark.parametrize("function", [helped.stop_the_loop, helped.stop_the_loop_in_a_task])
def test_a_future_that_stops_the_loop_is_named_with_where_it_stands(helped_by, caplog, function):
    """Once for each future, within the time; also where a task of its own does."""
    here = helped_by(blocked=0.3)
    call = future(key="a name")(function)
    here.run(lambda: gather(call.submit(0.6), call.submit(0.7)))
    found = [r.getMessage() for r in caplog.records if "async future" in r.getMessage()]
    assert len(found) == 1
    assert found[0].startswith("a name has let no other async future of this worker run for 0.3 s")
    assert "in stop_the_loop\n    time.sleep(seconds)" in found[0]


def test_c_code_that_lets_nothing_run_is_logged_with_where_it_stands(helped_by, caplog):
    """By a thread of C that needs no lock of Python's."""
    here = helped_by(blocked=0.4)
    here.run(lambda: declare("threads", helped.hold_the_interpreter)(1_200_000))
    wait_until(lambda: "Nothing runs in the helper process" in caplog.text)
    assert "Its calls are: hold_the_interpreter." in caplog.text
    assert 'helped.py", line' in caplog.text


def test_a_future_that_is_not_found_by_its_name_is_refused_where_it_is_sent():
    """Where gevent has patched; in the view, and whoever calls it in place learns it too."""
    here = Executors()
    for kind in KINDS:
        assert kind_of(kind).by_name is under_gevent()
    nested = future(key="nested", executor="threads")(lambda: 1)

    async def inner():
        return 1

    for call in (nested, future(key="inner")(inner)):
        if under_gevent():
            error = raised_by(Request(call, executors=here).run)
            assert (type(error), error.argument) == (ArgumentRefused, "its function")
            assert "declare it at the top of a module" in error.reason
        else:
            assert Request(call, executors=here).run() == 1
    here.close()
