"""What takes too long is logged, with its view and where it stands."""

from collective.wsgifutures.wsgi.monitor import Monitor

import logging
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

SECONDS = 5


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

        args = (lambda: view, "/path", publish)
        threads.append(threading.Thread(target=monitor.run, args=args, daemon=True))
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
    assert record.getMessage().startswith("acme.View (/path) has been in its slot for 0.0")
    assert "in wait_here" in record.getMessage()
    assert monitor.counts == {"slow passes": 1}


def test_pass_in_time_is_not_logged(waiting, caplog):
    """Nor one that has ended."""
    caplog.set_level(logging.WARNING)
    monitor = Monitor(slow_pass=SECONDS, blocked=1)
    waiting(monitor)
    monitor.look()
    late = Monitor(slow_pass=0.001, blocked=1)
    assert late.run(lambda: "acme.View", "/path", lambda: time.sleep(0.002) is None)
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
