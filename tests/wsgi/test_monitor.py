"""What takes too long is logged, with its view and where it stands."""

from collective.wsgifutures.kernel.calls import Returned
from collective.wsgifutures.kernel.calls import run_to_end
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.wsgi.monitor import Monitor
from kernel.test_cpu import compute_in_c

import logging
import pytest
import re
import sys
import threading
import time

pytestmark = pytest.mark.concurrency

SECONDS = 20


class Watched:
    """A pass that tells its view's name, and calls a function."""

    path = "/path"
    trace = ""
    is_logged = False

    def __init__(self, view_name, function):
        self.view_name = view_name
        self._function = function

    def run(self, monitor):
        """Run as a pass does in its slot."""
        self.where, self.began = current().here(), time.monotonic()
        monitor.running[id(self)] = self
        try:
            return self._function()
        finally:
            del monitor.running[id(self)]


def wait_here(go_on):
    go_on.wait(SECONDS)


@pytest.fixture
def waiting():
    """A pass that waits in another thread, and what ends it."""
    go_on = threading.Event()
    threads = []

    def start(monitor, view="acme.View"):
        running = threading.Event()

        def publish():
            running.set()
            wait_here(go_on)

        run = Watched(lambda: view, publish).run
        threads.append(threading.Thread(target=run, args=(monitor,), daemon=True))
        threads[-1].start()
        assert running.wait(SECONDS)
        return go_on

    yield start
    go_on.set()
    for thread in threads:
        thread.join(SECONDS)


def test_slow_pass_is_logged_once_with_its_view_its_path_and_its_stack(waiting, caplog):
    """And counted."""
    caplog.set_level(logging.WARNING)
    monitor = Monitor(slow_pass=0.01, blocked=1)
    waiting(monitor)
    time.sleep(0.02)
    for _ in range(3):
        monitor.look()
    (record,) = caplog.records
    assert re.match(r"acme\.View \(/path\) has been in its slot for 0\.\d s\.", record.getMessage())
    assert "in wait_here" in record.getMessage()
    assert monitor.counts == {"slow passes": 1}


def test_pass_in_time_is_not_logged(waiting, caplog):
    """Nor one that has ended."""
    caplog.set_level(logging.WARNING)
    monitor = Monitor(slow_pass=SECONDS, blocked=1)
    waiting(monitor)
    monitor.look()
    late = Monitor(slow_pass=0.001, blocked=1)
    assert Watched(lambda: "acme.View", lambda: time.sleep(0.002) is None).run(late)
    late.look()
    assert (caplog.records, late.counts) == ([], {})


def test_every_slow_pass_is_counted(waiting, caplog):
    """Each of them keeps a slot."""
    monitor = Monitor(slow_pass=0.001, blocked=1)
    for _ in range(3):
        waiting(monitor)
    time.sleep(0.005)
    monitor.look()
    assert monitor.counts == {"slow passes": 3}


def test_view_that_cannot_be_named_is_logged_too(waiting, caplog):
    """Its request may have ended meanwhile; the others are looked at still."""
    caplog.set_level(logging.WARNING)
    monitor = Monitor(slow_pass=0.001, blocked=1)
    waiting(monitor, view=Nameless())
    waiting(monitor)
    time.sleep(0.005)
    monitor.look()
    told = [record.getMessage().partition(" has been")[0] for record in caplog.records]
    assert told == ["A view that cannot be named (ValueError) (/path)", "acme.View (/path)"]


class Nameless:
    """What has no text."""

    def __str__(self):
        raise ValueError("no name")


def test_monitor_goes_on_after_a_look_that_failed(monkeypatch, capsys):
    """It looks once a second for as long as the worker lives."""
    looked = []

    def look():
        looked.append(None)
        if len(looked) == 1:
            raise RuntimeError("dictionary changed size during iteration")
        raise SystemExit  # ends the thread

    monitor = Monitor(slow_pass=1, blocked=1)
    monkeypatch.setattr(monitor, "look", look)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(SystemExit):
        monitor._look_for_ever()
    assert len(looked) == 2
    assert "dictionary changed size" in capsys.readouterr().err


def test_first_answer_of_a_worker_may_block_it(caplog):
    """It compiles templates, but not for ever; later ones are logged at once."""
    answered = []
    monitor = Monitor(slow_pass=1, blocked=1, is_new=lambda: not answered)
    monitor.something_blocks(2.0, sys._getframe())
    assert (caplog.text, monitor.counts["blocked"]) == ("", 0)
    monitor.something_blocks(5.0, sys._getframe())
    assert "let nothing else run in this worker for 5.0 s" in caplog.text
    monitor._blockers.clear()
    answered.append("a page")
    monitor.something_blocks(2.0, sys._getframe())
    assert "let nothing else run in this worker for 2.0 s" in caplog.text


def test_future_whose_c_code_lets_nothing_run_is_named_with_its_stack(caplog):
    """In a thread of a threaded server as in a greenlet."""
    caplog.set_level(logging.WARNING)
    monitor = Monitor(slow_pass=60, blocked=0.2)
    monitor.start()
    name = "acme.calls.report"
    until = time.monotonic() + 30

    def work():  # on a machine that is busy, not each time is told
        while f"{name} has let nothing else run" not in caplog.text and time.monotonic() < until:
            run_to_end(name, lambda: Returned(name, compute_in_c(0.6)))

    thread = threading.Thread(target=work, daemon=True)
    time.sleep(0.2)
    thread.start()
    thread.join()
    monitor._end_watch()
    assert f"{name} has let nothing else run in this worker for " in caplog.text
    assert "in compute_in_c\n" in caplog.text
