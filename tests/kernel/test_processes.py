"""Futures in processes of their own: what such a process is, and how it ends."""

from . import calls
from . import helped
from .calls import declare
from .fakes import raised_by
from .test_executors import SECONDS
from .test_gate import wait_until
from .test_waiting import Request
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import ProcessEnded
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.kernel.waiting import drive
from enum import Enum
from pathlib import Path

import os
import pytest
import signal
import socket
import threading
import time

pytestmark = pytest.mark.concurrency


def run(view, executors):
    return Request(view, executors=executors).run()


def runs(pid):
    """Tell whether a process runs; one that has ended and is not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_is_a_fresh_python_that_imports_the_module_of_the_future(executors):
    """No gevent, no Zope, nothing of what started this one."""
    imported = set(run(lambda: declare("processes", calls.imported)(), executors))
    assert "kernel.calls" in imported
    foreign = {"gevent", "Zope2", "ZPublisher", "ZODB", "transaction", "pytest", "multiprocessing"}
    assert imported & foreign == set()


def test_a_process_serves_one_call_after_the_other(executors):
    """It is started once, when it is first asked for."""
    call = declare("processes", calls.where)
    pids = {run(call, executors)[0] for _ in range(5)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_process_has_none_of_the_files_of_its_worker(executors):
    """A server's port would be taken for as long as anything of the process lives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        name = os.readlink(f"/proc/self/fd/{server.fileno()}")
        found = run(declare("processes", helped.files), executors)
    assert name not in found.values()


def test_a_process_leaves_signals_to_the_server_and_not_to_what_it_starts(executors):
    """A stop or Ctrl+C reaches the whole group; the calls of held responses go on."""
    assert run(declare("processes", helped.signal_itself), executors) == "goes on"
    stopped = run(declare("processes", helped.stop_what_it_starts), executors)
    assert stopped == {number: (-number, -number) for number in helped.STOPS}


def test_what_a_call_has_forked_does_not_hide_the_end_of_its_process(executors):
    """It has not the socket by which worker and process know of each other."""
    began = time.monotonic()
    stay = declare("processes", helped.fork_and_stay)
    error = raised_by(run, lambda: stay(3 * SECONDS), executors)
    assert (type(error), time.monotonic() - began < SECONDS) == (ProcessEnded, True)


def test_what_a_call_sets_in_its_context_is_not_there_in_the_next(executors):
    """Each has a context of its own, with what goes with it."""
    run(lambda: declare("processes", helped.put_known)("left"), executors)
    assert run(declare("processes", helped.look_at_known), executors) == "unset"


@pytest.mark.parametrize("kind", ["processes", "threads", "asyncio"])
def test_a_fork_of_the_worker_that_ends_leaves_the_executors_to_the_worker(executors, kind):
    """Its ``atexit`` would end the calls of the worker's requests."""
    before = run(declare(kind, calls.where), executors)[0]
    pid = os.fork()
    if pid == 0:
        executors.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert run(declare(kind, calls.where), executors)[0] == before


@pytest.mark.parametrize("kind", ["processes", "threads", "asyncio"])
def test_a_fork_of_the_worker_that_asks_again_has_executors_of_its_own(executors, kind):
    """What it sent to the worker's processes would be taken for the worker's calls."""
    run(declare(kind, calls.where), executors)
    before = executors.get(kind)
    helper = vars(executors).get("helper")
    assert (helper is not None) == (under_gevent() and kind != "processes")
    pid = os.fork()
    if pid == 0:
        executors.close()
        after = executors.get(kind)
        shared = helper is not None and vars(executors)["helper"] is helper
        os._exit(int(after is before or shared))
    assert os.waitpid(pid, 0)[1] == 0


def test_who_kills_itself_fails_alone(executors):
    """The call beside it goes on; the next one gets a new process."""
    die = declare("processes", calls.die)
    slow = declare("processes", calls.echo_later)
    values = run(
        lambda: gather(slow.submit(0.4, "fine"), die.submit(), return_exceptions=True), executors
    )
    assert values[0] == "fine"
    assert (type(values[1]), values[1].status) == (ProcessEnded, 3)
    assert run(lambda: slow(0.0, "next"), executors) == "next"


def test_a_process_that_is_killed_is_an_error_in_its_future(executors):
    """As the system does it where memory runs out."""
    kill = declare("processes", calls.kill_itself)
    error = raised_by(run, kill, executors)
    assert (type(error), error.status) == (ProcessEnded, -signal.SIGKILL)
    assert str(error).startswith("The process that ran kill_itself ended by signal 9.")


def test_a_process_that_was_killed_while_it_had_nothing_to_do_fails_nobody(executors):
    """Another one is started."""
    call = declare("processes", calls.where)
    pid, _ = run(call, executors)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not runs(pid))
    assert run(call, executors)[0] != pid


def test_what_computes_stops_nobody_here(executors):
    """Time goes on in this process while another one computes."""
    beats = []
    done = threading.Event()

    def beat():
        while not done.wait(0.02):
            beats.append(time.monotonic())

    threading.Thread(target=beat, daemon=True).start()
    run(lambda: declare("processes", calls.compute)(0.6), executors)
    done.set()
    assert len(beats) > 15


def test_a_call_that_hears_no_signal_is_killed_at_its_timeout(executors):
    """Nothing in its process has to agree."""
    call = declare("processes", calls.compute_deaf, timeout=0.3)
    pid, _ = run(declare("processes", calls.where), executors)
    raised_by(run, lambda: call(30.0), executors)
    wait_until(lambda: not runs(pid))


def test_large_arguments_and_results_pass(executors):
    """More than a socket's buffer."""
    text = "x" * 5_000_000
    assert run(lambda: declare("processes", calls.echo_later)(0.0, text), executors) == text


def test_close_ends_all_processes_also_those_that_work(executors):
    """And nobody waits for ever for what they did."""
    pid, _ = run(declare("processes", calls.where), executors)
    request = Request(lambda: declare("processes", calls.compute)(30.0), executors=executors)
    request.publish()
    request.waiter.start()
    time.sleep(0.2)
    executors.close()
    drive(request.waiter.wait())
    assert type(raised_by(request.publish)) is ProcessEnded
    wait_until(lambda: not runs(pid))


def test_a_call_in_line_that_is_cancelled_never_runs(tmp_path):
    """It leaves its place."""
    one = Executors(max_processes=1)
    slow = declare("processes", calls.echo_later)
    path = str(tmp_path / "file")
    first = Request(lambda: slow(0.4, "first"), executors=one)
    never = Request(lambda: declare("processes", calls.write_later)(0.0, path), executors=one)
    for request in (first, never):
        request.publish()
        request.waiter.start()
    never.waiter.close()
    drive(first.waiter.wait())
    first.publish()
    assert (first.answer, Path(path).exists()) == ("first", False)
    one.close()


class Colour(Enum):
    RED = 1


def test_what_a_process_cannot_be_sent_is_refused_where_it_is_submitted():
    """A function without a name of its own, an argument that does not pickle."""

    class Local(Enum):
        RED = 1

    nested = future(key="nested", executor="processes")(lambda: 1)
    error = raised_by(nested.submit)
    assert (type(error), error.argument) == (ArgumentRefused, "its function")
    assert "a process cannot find it as kernel.test_processes.test_what_a_process" in error.reason
    call = declare("processes", calls.double)
    assert call(Colour.RED.value) == {"doubled": [2]}
    error = raised_by(call.submit, Local.RED)
    assert (type(error), error.argument) == (ArgumentRefused, "its arguments")
    assert "they do not pickle" in error.reason


def test_a_future_that_is_declared_in_the_usual_way_is_found_by_its_name(executors):
    """Its name is that of the future, and the process calls the plain function."""
    pid, _ = run(lambda: calls.declared(), executors)
    assert pid != os.getpid()
    assert calls.declared()[0] == os.getpid()  # in place
