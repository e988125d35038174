"""A greenlet that lets no other run is logged."""

from .test_monitor import Watched
from collective.wsgifutures.kernel.calls import run_to_end
from collective.wsgifutures.wsgi.monitor import Monitor
from gevent.monkey import get_original

import gevent
import logging
import pytest
import time

pytestmark = pytest.mark.concurrency


def compute():
    """Let no other greenlet run."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass


@pytest.fixture
def monitor():
    made = Monitor(slow_pass=5, blocked=0.1)
    made.start()
    yield made
    made._end_watch()


def without_a_name():
    raise ValueError("its request has ended")


WAYS = {
    "A view that cannot be named (ValueError)": lambda monitor: Watched(
        without_a_name, compute
    ).run(monitor),
    "acme.View": lambda monitor: Watched(lambda: "acme.View", compute).run(monitor),
    "acme.calls.compute": lambda monitor: run_to_end("acme.calls.compute", compute),
    "Something that is neither a view nor a future": lambda monitor: compute(),
}


@pytest.mark.parametrize("name", WAYS)
def test_what_lets_nothing_else_run_is_logged_once_with_its_name_and_stack(monitor, name, caplog):
    """A view, a future, or what is neither."""
    caplog.set_level(logging.WARNING)
    gevent.sleep(0.2)  # the loop has ticked, however long the test took to start
    monitor._blockers.clear()
    monitor.counts.clear()
    caplog.clear()
    for _ in range(2):
        gevent.spawn(WAYS[name], monitor).join()
    (message,) = [r.getMessage() for r in caplog.records if "in compute" in r.getMessage()]
    assert message.startswith(f"{name} has let nothing else run in this worker for ")
    assert monitor.counts["blocked"] == len(caplog.records)


def test_what_lets_others_run_is_not_logged(monitor, caplog):
    """However long it waits."""
    caplog.set_level(logging.WARNING)
    gevent.spawn(gevent.sleep, 0.3).join()
    assert [r for r in caplog.records if "gevent.sleep" in r.getMessage()] == []


def test_monitor_goes_on_after_a_look_that_failed(monitor, monkeypatch, caplog, capsys):
    """The next blocker is logged."""
    caplog.set_level(logging.WARNING)
    gevent.sleep(0)
    monkeypatch.setattr(monitor, "something_blocks", lambda seconds, frame: 1 / 0)
    gevent.spawn(compute).join()
    monkeypatch.undo()
    assert "ZeroDivisionError" in capsys.readouterr().err
    gevent.sleep(0)
    gevent.spawn(compute).join()
    assert [r for r in caplog.records if "in compute" in r.getMessage()] != []


def test_no_greenlet_waits_for_ever_for_a_lock_of_the_log(monitor):
    """A handler's lock is gevent's, and the monitor's thread is none of gevent's."""
    taken = []

    class Lock:
        def acquire(self):
            taken.append(get_original("threading", "get_ident")())

        __enter__ = acquire  # of Python 3.13

        def release(self, *raised):
            pass

        __exit__ = release

    class Handler(logging.Handler):
        def createLock(self):
            self.lock = Lock()

        def emit(self, record):
            pass

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        gevent.sleep(0)
        gevent.spawn(compute).join()
        logging.getLogger("test").warning("from the main thread")
    finally:
        logging.getLogger().removeHandler(handler)
    assert monitor.counts["blocked"] >= 1
    assert set(taken) == {get_original("threading", "get_ident")()}
