"""What only greenlets can: be killed. Collected where gevent has patched."""

from .boxes import Mailbox
from .fakes import raised_by
from .test_executors import Blocking
from .test_executors import made
from .test_executors import SECONDS
from .test_gate import free_slots
from .test_gate import run_new
from .test_gate import run_resumed
from .test_gate import wait_until
from .test_gate_jobs import run_job
from .test_waiting import Only
from .test_waiting import Request
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures.kernel.executors.greenlets import Greenlets
from collective.wsgifutures.kernel.executors.threads import Threads
from collective.wsgifutures.kernel.gate import Gate
from collective.wsgifutures.kernel.gate import NoAnswer
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.waiting import drive
from contextvars import ContextVar
from ctypes import CDLL

import asyncio
import gc
import gevent
import logging
import pytest
import socket
import subprocess
import sys
import threading
import time
import weakref

pytestmark = pytest.mark.concurrency


class Box(list):
    """Is no plain data, so a function that closes over it gets no copy."""


@pytest.mark.parametrize("with_block", [True, False])
def test_the_socket_of_a_call_over_its_timeout_is_closed(with_block):
    """Its greenlet is killed; the other side sees the end of the connection."""
    ours, theirs = socket.socketpair()
    sockets = Box([ours])
    del ours

    def reads():
        sock = sockets.pop()
        if with_block:
            with sock:
                return sock.recv(1)
        return sock.recv(1)

    call = future(key="reads", timeout=0.05)(lambda: reads())
    assert isinstance(raised_by(Request(call).run), FutureTimeout)
    theirs.settimeout(SECONDS)
    assert theirs.recv(1) == b""
    theirs.close()


def test_a_kill_reaches_a_call_inside_a_call():
    """What runs in place is ended with the future around it."""
    slow = Blocking()
    ended = Box()
    inner = future(key="inner")(lambda: slow())

    def calls():
        try:
            return inner()
        except Exception:  # a kill is none
            return ended.append("went on")
        finally:
            ended.append("ended")

    call = future(key="outer", timeout=0.05)(lambda: calls())
    assert isinstance(raised_by(Request(call).run), FutureTimeout)
    wait_until(lambda: ended)
    assert ended == ["ended"]


def test_a_cancelled_greenlet_that_has_not_begun_never_runs():
    """It is killed where it stands."""
    ran = []
    job = Greenlets().start(made(lambda: ran.append(1)), ran.append)
    job.cancel()
    gevent.sleep(0.01)
    assert ran == []


def test_a_slot_is_one_greenlet_for_all_its_passes():
    """What is kept per thread is made once per slot."""
    gate = Gate(1)
    assert run_new(gate, gevent.getcurrent) is run_new(gate, gevent.getcurrent)
    assert run_new(gate, gevent.getcurrent) is not gevent.getcurrent()


def test_a_pass_that_does_not_end_in_time_goes_on_and_frees_its_slot():
    """Its request gets no answer; what it returns later is closed."""
    gate = Gate(1)
    closed = []

    class Response:
        def close(self):
            closed.append("closed")

    slow = Blocking(Response())
    error = raised_by(run_resumed, gate, slow, until=time.monotonic() + 0.02)
    assert (type(error), str(error)) == (NoAnswer, "the pass did not end in time")
    assert (free_slots(gate), closed) == (0, [])
    slow.go_on.set()
    wait_until(lambda: closed)
    assert (free_slots(gate), closed) == (1, ["closed"])


def test_pass_of_a_job_that_does_not_end_in_time_is_a_jobs_until_it_ends():
    """No other job has its place meanwhile."""
    gate, slow = Gate(2), Blocking()
    error = raised_by(run_job, gate, slow, until=time.monotonic() + 0.02)
    assert (type(error), gate.jobs_running, free_slots(gate)) == (NoAnswer, 1, 1)
    slow.go_on.set()
    wait_until(lambda: free_slots(gate) == 2)
    assert gate.jobs_running == 0


@pytest.mark.parametrize("error", [gevent.GreenletExit, gevent.Timeout])
def test_who_is_killed_while_its_pass_runs_loses_no_slot(error):
    """The pass is never killed; what it returns is closed."""
    gate = Gate(1)
    slow = Blocking()
    waiter = gevent.spawn(run_new, gate, slow)
    assert slow.running.wait(SECONDS)
    waiter.kill(error)
    assert free_slots(gate) == 0
    slow.go_on.set()
    wait_until(lambda: free_slots(gate) == 1)
    assert run_resumed(gate, lambda: "fine", until=time.monotonic() + SECONDS) == "fine"


def test_who_is_killed_at_the_moment_its_pass_ends_has_it_closed_once():
    """Between the end of the pass and the waking of its request."""
    gate = Gate(1)
    closed = []

    class Response:
        def close(self):
            closed.append("closed")

    def ends():
        waiter.kill(block=False)  # before the waiter is woken
        return Response()

    waiter = gevent.spawn(lambda: run_new(gate, ends))
    waiter.join(SECONDS)
    assert isinstance(waiter.value, gevent.GreenletExit)
    assert (closed, free_slots(gate)) == (["closed"], 1)


def test_who_is_killed_before_its_pass_begins_is_not_published():
    """It has its slot, and the slot has not begun."""
    gate = Gate(1)
    published = []
    waiter = gevent.spawn(lambda: run_new(gate, lambda: published.append("published")))
    gevent.sleep(0)
    assert free_slots(gate) == 0
    waiter.kill()
    wait_until(lambda: free_slots(gate) == 1)
    assert published == []


def test_pass_that_fails_when_nobody_waits_for_it_leaves_nothing_behind():
    """Its exception and the pass would keep each other."""
    gate = Gate(1)
    slow = Blocking()
    kept = []

    def fails():
        local = Box()
        kept.append(weakref.ref(local))
        slow()
        raise ValueError(local)

    waiter = gevent.spawn(run_new, gate, fails)
    assert slow.running.wait(SECONDS)
    waiter.kill()
    gc.disable()
    try:
        slow.go_on.set()
        wait_until(lambda: free_slots(gate) == 1)
        gevent.sleep(0)
        assert kept[0]() is None
    finally:
        gc.enable()


def test_who_is_killed_in_line_leaves_it():
    """The next one gets the slot."""
    gate = Gate(1)
    slow = Blocking()
    first = gevent.spawn(run_new, gate, slow)
    killed, last = (
        gevent.spawn(run_new, gate, lambda: "never"),
        gevent.spawn(run_new, gate, lambda: "last"),
    )
    wait_until(lambda: len(gate.new) == 2)
    killed.kill()
    assert len(gate.new) == 1
    slow.go_on.set()
    gevent.joinall([first, last], timeout=SECONDS)
    assert (last.value, free_slots(gate)) == ("last", 1)


def test_who_is_killed_at_the_moment_it_is_served_gives_the_slot_back():
    """It has a slot and never uses it."""
    gate = Gate(1)
    slow = Blocking()
    first = gevent.spawn(run_new, gate, slow)
    assert slow.running.wait(SECONDS)
    killed = gevent.spawn(run_new, gate, lambda: "never")
    wait_until(lambda: len(gate.new) == 1)
    ticket = next(iter(gate.new))
    slow.go_on.set()
    ticket.serve, serve = lambda slot: (serve(slot), killed.kill(block=False)), ticket.serve
    gevent.joinall([first, killed], timeout=SECONDS)
    assert isinstance(killed.value, gevent.GreenletExit)
    wait_until(lambda: free_slots(gate) == 1)
    assert run_resumed(gate, lambda: "fine", until=time.monotonic() + SECONDS) == "fine"


def test_a_slot_whose_greenlet_is_killed_while_idle_is_replaced():
    """Another greenlet takes its work over."""
    gate = Gate(1)
    one = run_new(gate, gevent.getcurrent)
    gevent.sleep(0)
    one.kill()
    other = run_resumed(gate, gevent.getcurrent, until=time.monotonic() + SECONDS)
    assert (other is one, free_slots(gate)) == (False, 1)


def test_a_slot_whose_greenlet_is_killed_in_a_pass_is_not_lost():
    """The kill ends the pass, like any exception; whoever waited for it is not killed."""
    gate = Gate(1)
    slow = Blocking()
    greenlets = []
    waiter = gevent.spawn(run_new, gate, lambda: (greenlets.append(gevent.getcurrent()), slow()))
    assert slow.running.wait(SECONDS)
    greenlets[0].kill(block=False)
    waiter.join(SECONDS)
    assert str(waiter.exception) == "The view raised GreenletExit."
    assert run_resumed(gate, lambda: "fine", until=time.monotonic() + SECONDS) == "fine"


def test_a_thousand_passes_leave_nothing_behind():
    """No ticket, no work and no greenlet is kept."""
    gate = Gate(2)
    numbers = [gevent.spawn(run_new, gate, lambda n=n: n) for n in range(1000)]
    gevent.joinall(numbers, timeout=SECONDS)
    assert [one.value for one in numbers] == list(range(1000))
    assert (free_slots(gate), len(gate.new), len(gate._resumed)) == (2, 0, 0)
    assert not any(slot._work for slot in gate._free)


def test_who_is_killed_while_it_waits_for_an_item_leaves_no_timer_and_loses_none():
    """What is put at the same moment is there for the next."""
    box = Mailbox()
    waiter = gevent.spawn(box.get, timeout=SECONDS)
    gevent.sleep(0)
    waiter.kill(block=False)
    box.put("a")
    waiter.join()
    assert isinstance(waiter.value, gevent.GreenletExit)
    assert box.get(timeout=0.0) == "a"


def test_an_item_from_a_thread_of_the_system_wakes_who_waits():
    """It comes from outside of the loop."""
    box = Mailbox()
    waiter = gevent.spawn(box.get, timeout=SECONDS)
    gevent.sleep(0)
    pool = gevent.get_hub().threadpool
    began = time.monotonic()
    pool.spawn(box.put, "a")
    assert waiter.get(timeout=SECONDS) == "a"
    assert time.monotonic() - began < SECONDS / 2


def test_a_future_runs_in_a_copy_of_its_callers_context():
    """Without anything between the greenlet and the call."""
    variable = ContextVar("variable", default="unset")
    variable.set("by the caller")
    seen = []

    def look():
        seen.append(variable.get())
        variable.set("by the future")
        return variable.get()

    Greenlets().start(made(look), seen.append)
    gevent.sleep(0.01)
    assert (seen, variable.get()) == (["by the caller", "by the future"], "by the caller")


def test_slots_begin_in_turns_so_that_others_are_heard_between_passes():
    """A pass that never waits is not followed at once by those of the other slots."""
    gate = Gate(4)
    log = []
    mine, other = socket.socketpair()

    def hear():
        while True:
            mine.recv(1)
            log.append("heard")

    def publish():
        log.append("pass")
        other.send(b"x")

    listener = gevent.spawn(hear)
    gevent.sleep(0)
    gevent.joinall([gevent.spawn(run_new, gate, publish) for _ in range(4)], timeout=SECONDS)
    wait_until(lambda: log.count("heard") == 4)
    listener.kill()
    assert log == ["pass", "heard"] * 4


def test_a_slot_whose_greenlet_is_killed_before_its_turn_loses_no_pass():
    """Somebody waits for it."""
    gate = Gate(2)
    (slot, _) = gate._free
    greenlets = [one for one in gc.get_objects() if _publishes(one, slot)]
    waiter = gevent.spawn(run_new, gate, lambda: "published")
    gevent.sleep(0)
    for greenlet in greenlets:
        greenlet.kill(block=False)
    waiter.join(SECONDS)
    assert waiter.value == "published"
    assert run_new(gate, lambda: "fine") == "fine"


def _publishes(one, slot):
    return isinstance(one, gevent.Greenlet) and getattr(one, "_run", None) == slot._publish


def test_c_code_that_waits_by_itself_stops_nobody_in_a_thread(executors):
    """What a blocking driver does, with ``executor="threads"``; greenlets stand still."""
    beats = []

    def beat():
        while True:
            gevent.sleep(0.02)
            beats.append(1)

    beating = gevent.spawn(beat)
    for executor, goes_on in [("threads", True), ("greenlets", False)]:
        beats.clear()
        call = future(key="wait", executor=executor)(wait_in_c)
        Request(call, executors=executors).run()
        assert (len(beats) > 10) is goes_on
    beating.kill()


def test_loops_in_greenlets_are_refused_with_the_executor_to_take(executors):
    """One runs, the others say what to do; in threads all run."""
    call = future(key="loop")(run_a_loop)
    view = lambda: gather(*map(call.submit, range(3)), return_exceptions=True)  # noqa: E731
    first, *others = Request(view, executors=executors).run()
    assert (first, [type(error) for error in others]) == (0, [RuntimeError] * 2)
    assert "Declare this future as async def, or with executor='threads'." in others[0].__notes__[0]
    in_threads = future(key="loop", executor="threads")(run_a_loop)
    values = Request(lambda: gather(*map(in_threads.submit, range(3))), executors=executors).run()
    assert values == [0, 1, 2]


def run_a_loop(n):
    return asyncio.run(asyncio.sleep(0.1, n))


def wait_in_c():
    CDLL(None).usleep(500_000)


def test_threads_and_greenlets_log_at_the_same_time_and_none_stands_for_ever(tmp_path):
    """Nobody waits in one thread for a lock of gevent's that another one has."""
    handler = logging.FileHandler(tmp_path / "log")
    logger = logging.getLogger("both")
    logger.addHandler(handler)

    def log():
        for number in range(500):
            logger.warning("line %d", number)
        return "logged"

    call = future(key="log", timeout=SECONDS)(lambda n: log())
    view = lambda: gather(*map(call.submit, range(8)))  # noqa: E731
    request = Request(view, executors=Only(Threads()))
    request.publish()
    request.waiter.start()
    log()
    drive(request.waiter.wait())
    request.publish()
    assert request.answer == ["logged"] * 8
    logger.removeHandler(handler)
    handler.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 9 * 500


def test_a_thread_starts_whatever_lock_a_handler_has():
    """One of somebody's own may have another kind than logging gives it; it stays."""
    handler = logging.NullHandler()
    handler.lock = lock = threading.Lock()
    call = future(key="fine")(lambda: "fine")
    assert Request(call, executors=Only(Threads())).run() == "fine"
    assert handler.lock is lock


def test_the_first_hub_of_a_process_is_made_before_its_first_thread():
    """Two threads that make it side by side import the same, and may wait for ever."""
    code = (
        "from gevent import monkey; monkey.patch_all(); "
        "from gevent._hub_local import get_hub_if_exists as hub; "
        "from collective.wsgifutures.kernel.runtime import current; "
        "assert hub() is None; current().thread(target=lambda: None).start(); "
        "assert hub() is not None"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_thread_that_has_ended_leaves_neither_its_hub_nor_its_request():
    """It had one, since it waited for something that gevent has patched."""
    hubs = threads_hubs()
    call = future(key="wait")(lambda n: time.sleep(0.001))
    holds = []
    for number in range(5):
        request = Request(lambda number=number: call(number), executors=Only(Threads()))
        request.run()
        holds.append(weakref.ref(request.hold))
        del request
    wait_until(lambda: gc.collect() is not None and threads_hubs() <= hubs)
    assert [hold() for hold in holds] == [None] * 5


def threads_hubs():
    """Return how many hubs there are."""
    return sum(isinstance(one, gevent.hub.Hub) for one in gc.get_objects())


@pytest.mark.parametrize("executor", ["greenlets", "threads", "processes", "asyncio"])
def test_nobody_waits_while_a_call_is_started(executors, executor):
    """A request may be ended wherever it waits; a call that nobody knows of would go on."""
    function = fine_later if executor == "asyncio" else fine
    request = Request(future(executor=executor)(function), executors=executors)
    request.publish()
    others = []
    other = gevent.spawn(others.append, "ran meanwhile")
    request.waiter.start()
    assert others == []
    drive(request.waiter.wait())
    request.publish()
    assert (request.answer, other.ready()) == ("fine", True)


def fine():
    return "fine"


async def fine_later():
    return "fine"


def test_whoever_gives_way_comes_after_all_that_is_ready():
    """Also after its next steps."""
    steps = []

    def go_on():
        for number in range(5):
            steps.append(number)
            gevent.sleep(0)

    current().spawn(go_on)
    current().give_way(SECONDS)
    assert len(steps) == 5


def test_whoever_gives_way_does_so_for_a_while():
    """Something may always be ready."""
    over = gevent.event.Event()

    def go_on():
        while not over.is_set():
            gevent.sleep(0)

    current().spawn(go_on)
    began = time.monotonic()
    current().give_way(0.05)
    over.set()
    assert time.monotonic() - began < SECONDS / 2
