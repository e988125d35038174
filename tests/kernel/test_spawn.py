"""Something runs beside what runs here."""

from .test_executors import Blocking
from .test_executors import SECONDS
from collective.wsgifutures.kernel.runtime import current
from contextvars import ContextVar

import pytest
import threading

pytestmark = pytest.mark.concurrency

setting = ContextVar("setting", default="unset")


def test_function_that_is_spawned_runs_beside_its_caller():
    """Nobody waits for it; it is another thread or greenlet."""
    function, seen = Blocking(), []

    def run():
        seen.append(current().here())
        function()
        seen.append("ended")

    current().spawn(run)
    assert function.running.wait(SECONDS)
    assert seen[0] != current().here()
    assert len(seen) == 1
    function.go_on.set()
    ended = threading.Event()
    current().spawn(ended.set)
    assert ended.wait(SECONDS)


def test_function_that_is_spawned_does_not_keep_its_process():
    """A thread ends with the process, as a greenlet does."""
    seen, ended = [], threading.Event()

    def run():
        seen.append(threading.current_thread())
        ended.set()

    current().spawn(run)
    assert ended.wait(SECONDS)
    assert current().name == "gevent" or seen[0].daemon


def test_function_that_is_spawned_has_a_context_of_its_own():
    """What is set where it is spawned is not seen there: it is no part of a request."""
    seen, ended = [], threading.Event()

    def run():
        seen.append(setting.get())
        ended.set()

    token = setting.set("here")
    current().spawn(run)
    assert ended.wait(SECONDS)
    setting.reset(token)
    assert seen == ["unset"]
