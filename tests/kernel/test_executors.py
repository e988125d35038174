"""What runs futures: side by side, up to a limit, stopped as far as it can be."""

from .boxes import Mailbox
from collective.wsgifutures.kernel import executors
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.executors.threads import Threads
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.runtime import under_gevent

import logging
import pytest
import threading

pytestmark = pytest.mark.concurrency

SECONDS = 20  # until a test gives up


class Blocking:
    """A function that says when it runs, and waits until it may go on."""

    def __init__(self, name="done"):
        self.name = name
        self.running = threading.Event()
        self.go_on = threading.Event()

    def __call__(self):
        self.running.set()
        assert self.go_on.wait(SECONDS)
        return self.name


class Raw(Call):
    """A call whose outcome is what its function returns."""

    def run(self):
        return self.function()


def made(function):
    """Return a call that *function* makes."""
    return Raw("fake", "fake", function)


def kinds():
    """Return the executors that there are here."""
    if not under_gevent():
        return [Threads]
    from collective.wsgifutures.kernel.executors.greenlets import Greenlets

    return [Threads, Greenlets]


def test_futures_run_on_what_suits_the_process():
    """Greenlets where gevent has patched, else threads."""
    expected = "greenlets" if under_gevent() else "threads"
    assert current().executor == Executors().get(None).name == expected
    executors.check_available(None)
    executors.check_available(expected)


def test_an_executor_that_does_not_exist_is_refused():
    """All kinds may be declared anywhere: a module is imported in scripts too."""
    for name in (None, "greenlets", "threads", "processes", "asyncio"):
        executors.kind_of(name)
    with pytest.raises(ValueError, match="executor='elsewhere' does not exist; there are: greenl"):
        executors.kind_of("elsewhere")
    with pytest.raises(ValueError, match="executor='elsewhere' does not exist"):
        Executors().get("elsewhere")


def test_greenlets_are_refused_where_gevent_has_not_patched():
    """Nothing falls back in silence. The others are everywhere."""
    for name in ("threads", "processes", "asyncio"):
        executors.check_available(name)
    if under_gevent():
        executors.check_available("greenlets")
        return
    for ask in (executors.check_available, Executors().get):
        with pytest.raises(ValueError, match="executor='greenlets' is not available in this pro"):
            ask("greenlets")


@pytest.mark.parametrize("kind", kinds())
def test_functions_run_side_by_side_and_are_told_when_done(kind):
    """Each gives what it returned, in whatever order they end."""
    box = Mailbox()
    executor = kind()
    one, other = Blocking("one"), Blocking("other")
    for function in (one, other):
        executor.start(made(function), box.put)
    assert one.running.wait(SECONDS)
    assert other.running.wait(SECONDS)
    other.go_on.set()
    assert box.get(timeout=SECONDS) == "other"
    one.go_on.set()
    assert box.get(timeout=SECONDS) == "one"


def test_threads_beyond_the_limit_stand_in_line_and_that_is_logged_once(caplog):
    """The limit holds; the first in line comes first."""
    caplog.set_level(logging.WARNING)
    box = Mailbox()
    threads = Threads(limit=1)
    functions = [Blocking(n) for n in range(3)]
    for function in functions:
        threads.start(made(function), box.put)
    assert functions[0].running.wait(SECONDS)
    assert not functions[1].running.is_set()
    for number, function in enumerate(functions):
        function.go_on.set()
        assert box.get(timeout=SECONDS) == number
    for number in range(3):  # another line, in the same ten seconds
        threads.start(made(lambda n=number: n), box.put)
    assert [box.get(timeout=SECONDS) for _ in range(3)] == [0, 1, 2]
    assert [r.getMessage() for r in caplog.records] == ["All 1 threads for futures are busy."]


def test_a_cancelled_function_that_stands_in_line_never_runs():
    """It leaves its place to the next."""
    box = Mailbox()
    threads = Threads(limit=1)
    first, never, last = Blocking("first"), Blocking("never"), Blocking("last")
    last.go_on.set()
    jobs = [threads.start(made(function), box.put) for function in (first, never, last)]
    jobs[1].cancel()
    assert threads._line.places.waiting == 1  # nothing of it stays behind a thread that hangs
    first.go_on.set()
    assert [box.get(timeout=SECONDS) for _ in range(2)] == ["first", "last"]
    assert not never.running.is_set()


def test_a_thread_cannot_be_stopped_and_counts_until_it_returns():
    """Its place is taken for so long, and its result is dropped, as by all executors."""
    box = Mailbox()
    threads = Threads(limit=1)
    slow, next_one = Blocking("slow"), Blocking("next")
    next_one.go_on.set()
    job = threads.start(made(slow), box.put)
    assert slow.running.wait(SECONDS)
    job.cancel()
    threads.start(made(next_one), box.put)
    assert not next_one.running.is_set()
    slow.go_on.set()
    assert box.get(timeout=SECONDS) == "next"
    assert box.empty()


def test_a_thread_that_cannot_be_started_does_not_count(monkeypatch):
    """The next one finds its place free."""
    box = Mailbox()
    threads = Threads(limit=1)

    def no_thread_left(target):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr(threads._line, "_thread", no_thread_left)
        with pytest.raises(RuntimeError):
            threads.start(made(lambda: 1), box.put)
    threads.start(made(lambda: 2), box.put)
    assert box.get(timeout=SECONDS) == 2
