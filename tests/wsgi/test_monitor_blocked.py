"""A greenlet that lets no other run is logged."""

from collective.wsgifutures.kernel.outcomes import run_to_end
from collective.wsgifutures.wsgi.monitor import Monitor

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
    made._timer.stop()


WAYS = {
    "acme.View": lambda monitor: monitor.run(lambda: "acme.View", "/path", compute),
    "acme.calls.compute": lambda monitor: run_to_end("acme.calls.compute", compute),
    "Something that is neither a view nor a future": lambda monitor: compute(),
}


@pytest.mark.parametrize("name", WAYS)
def test_what_lets_nothing_else_run_is_logged_once_with_its_name_and_stack(monitor, name, caplog):
    """A view, a future, or what is neither."""
    caplog.set_level(logging.WARNING)
    gevent.sleep(0)  # the loop has ticked, however long the test took to start
    for _ in range(2):
        gevent.spawn(WAYS[name], monitor).join()
    (message,) = [r.getMessage() for r in caplog.records if "in compute" in r.getMessage()]
    assert message.startswith(f"{name} lets nothing else run in this worker, for 0.")
    assert monitor.counts["blocked"] == len(caplog.records)


def test_what_lets_others_run_is_not_logged(monitor, caplog):
    """However long it waits."""
    caplog.set_level(logging.WARNING)
    gevent.spawn(gevent.sleep, 0.3).join()
    assert [r for r in caplog.records if "gevent.sleep" in r.getMessage()] == []
