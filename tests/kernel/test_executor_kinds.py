"""One suite for all kinds of executors: what they give, what they stop, what they carry."""

from . import calls
from .calls import declare
from .fakes import raised_by
from .test_executors import SECONDS
from .test_gate import wait_until
from .test_waiting import Request
from collective.wsgifutures import FuturesError
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import ResultRefused
from collective.wsgifutures.kernel.errors import ExecutorBusy
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.executors import kind_of
from collective.wsgifutures.kernel.executors import KINDS as ALL_KINDS
from collective.wsgifutures.kernel.runtime import under_gevent
from pathlib import Path
from urllib.error import HTTPError

import os
import pytest
import threading
import time
import traceback

pytestmark = pytest.mark.concurrency

NAMES = list(ALL_KINDS)
KINDS = NAMES if under_gevent() else NAMES[1:]

#: What a cancelled call does: only a thread cannot be stopped.
STOPS = {kind: kind != "threads" for kind in NAMES}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_a_value_comes_back_and_is_published(kind, executors):
    """The whole way: pass, executor, pass."""
    call = declare(kind, calls.double)
    request = Request(lambda: call(21), executors=executors)
    assert request.run() == {"doubled": [42]}
    assert request.hold.passes == 2
    assert list(executors.by_name) == [kind]


def test_each_call_gets_its_own_value(kind, executors):
    """Also where more are asked for than run side by side."""
    call = declare(kind, calls.double)
    request = Request(lambda: gather(*map(call.submit, range(20))), executors=executors)
    assert request.run() == [{"doubled": [2 * n]} for n in range(20)]


def test_an_exception_is_raised_in_the_view_with_where_it_came_from(kind, executors):
    """Its class, what it carries, and the line that raised it."""
    call = declare(kind, calls.fail)
    with pytest.raises(calls.Own) as raised:
        Request(lambda: call(7), executors=executors).run()
    error = raised.value
    assert (error.args, error.code) == (("number 7",), 7)
    assert 'raise Own(f"number {n}", code=n)' in "".join(traceback.format_exception(error))


def test_an_exception_that_does_not_pickle_is_told(kind, executors):
    """It is raised as it is where it does not have to leave its process."""
    call = declare(kind, calls.fail_unpicklable)
    error = raised_by(Request(call, executors=executors).run)
    if kind_of(kind).by_name:
        assert type(error) is FuturesError
        assert "raised Unpicklable, which does not pickle: about a file" in str(error)
        assert "raise Unpicklable" in error.__notes__[0]
    else:
        assert (type(error), error.args) == (calls.Unpicklable, ("about a file",))


def test_an_error_of_zope_tells_in_the_view_that_the_future_ran_outside(kind, executors):
    """Once, and beside the notes that the error has."""
    call = declare(kind, calls.look_up)
    error = raised_by(Request(lambda: call("IRegistry"), executors=executors).run)
    text = "".join(traceback.format_exception(error))
    assert type(error).__name__ == "ComponentLookupError"
    assert text.count(f"{call.name} ran outside of Zope, as every future does") == 1
    assert text.count("a note of its own") == 1


def test_an_http_error_has_its_body_in_every_pass(kind, executors):
    """Reading the body in one pass leaves it to the next."""
    call = declare(kind, calls.fail_as_urllib_does)
    read = []

    def view():
        error = call.submit().exception()
        read.append((type(error), error.code, error.filename, error.headers, error.read()))
        return declare(kind, calls.double)(1)

    Request(view, executors=executors).run()
    assert read == [(HTTPError, 503, "https://shop/", {"Retry-After": "3"}, b"why")] * 2


@pytest.mark.parametrize("name", ["give_a_file", "give_an_iterator", "give_a_map", "give_a_stream"])
def test_a_result_that_can_be_read_once_is_refused(kind, name, executors):
    """The first reader would take it from all others; the message says what to return."""
    error = raised_by(Request(declare(kind, getattr(calls, name)), executors=executors).run)
    assert type(error) is ResultRefused
    assert "which can be read once; " in error.reason


def test_what_ends_a_thread_or_process_is_an_error_in_the_view(kind, executors):
    """And the next call runs."""
    error = raised_by(Request(declare(kind, calls.leave), executors=executors).run)
    assert type(error) is FuturesError
    assert "raised SystemExit(3), which ends a thread or process" in str(error)
    assert Request(lambda: declare(kind, calls.double)(1), executors=executors).run()


def test_a_result_that_cannot_be_kept_is_refused(kind, executors):
    """With the name of the future."""
    error = raised_by(Request(declare(kind, calls.give_a_generator), executors=executors).run)
    assert type(error) is ResultRefused
    assert error.reason == (
        "it is or contains a generator, which can be read once; return a list of it: list(...)."
    )


def test_a_call_over_its_timeout_is_stopped_where_it_can_be(kind, executors, tmp_path):
    """The view is told in time; a thread goes on."""
    path = str(tmp_path / "file")
    call = declare(kind, calls.write_later, timeout=0.5)
    Request(lambda: declare(kind, calls.double)(1), executors=executors).run()  # it is warm
    began = time.monotonic()
    error = raised_by(Request(lambda: call(1.0, path), executors=executors).run)
    assert type(error) is FutureTimeout
    assert time.monotonic() - began < 0.9
    assert Path(path + ".runs").exists()
    time.sleep(0.8)
    assert Path(path).exists() is not STOPS[kind]


def test_a_call_is_stopped_when_its_client_goes_away(kind, executors, tmp_path):
    """As far as it can be; the executor serves others."""
    path = str(tmp_path / "file")
    call = declare(kind, calls.write_later)
    request = Request(lambda: call(0.5, path), executors=executors)
    assert request.publish() is False
    request.waiter.start()
    wait_until(Path(path + ".runs").exists)
    request.waiter.close()
    assert Request(lambda: declare(kind, calls.double)(1), executors=executors).run()
    time.sleep(0.7)
    assert Path(path).exists() is not STOPS[kind]


def test_the_context_is_carried_and_the_hold_is_not(kind, executors):
    """Tracing that was set up outside is seen; not in another process, which says so."""
    calls.setting.set("by the server")
    seen = Request(lambda: declare(kind, calls.look_around)(), executors=executors).run()
    assert seen == ("unset" if kind_of(kind).by_name else "by the server", None)


def test_a_future_inside_of_a_future_runs_in_place(kind, executors):
    """There is no hold in it."""
    assert Request(lambda: declare(kind, calls.call_another)(1), executors=executors).run() == 2


def test_many_requests_at_once_each_get_their_own_value(kind, executors):
    """The first ones all ask for an executor that has not begun."""
    call = declare(kind, calls.double)
    answers = {}

    def serve(n):
        answers[n] = Request(lambda: call(n), executors=executors).run()

    threads = [threading.Thread(target=serve, args=(n,), daemon=True) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == {n: {"doubled": [2 * n]} for n in range(30)}
    assert len(executors.by_name) == 1


def test_calls_run_where_their_kind_says(kind, executors):
    """A process of its own, a thread of its own, or none of both."""
    pid, thread = Request(lambda: declare(kind, calls.where)(), executors=executors).run()
    assert (pid != os.getpid()) is kind_of(kind).by_name
    assert (thread != threading.get_native_id()) is (kind != "greenlets")


def test_an_executor_that_was_ended_begins_anew_when_it_is_asked(kind, executors):
    """The calls that run when it ends are stopped or told, and nothing hangs."""
    call = declare(kind, calls.double)
    assert Request(lambda: call(1), executors=executors).run()
    executors.close()
    assert executors.by_name == {}
    assert Request(lambda: call(1), executors=executors).run()


@pytest.mark.parametrize("limited", ["threads", "processes"])
def test_over_the_length_of_the_line_a_call_fails_and_says_so(limited, tmp_path):
    """One runs, one waits; who is one more is told at once. Who waited has its turn."""
    executors = Executors(max_threads=1, max_processes=1, max_queued=1)
    call = declare(limited, calls.write_later)
    paths = [str(tmp_path / name) for name in "abc"]

    def view():
        return gather(*(call.submit(0.3, path) for path in paths), return_exceptions=True)

    first, second, error = Request(view, executors=executors).run()
    executors.close()
    assert [first, second] == paths[:2]
    assert (type(error), error.executor, error.limit, error.queued) == (ExecutorBusy, limited, 1, 1)
    assert f"all 1 {limited} for futures are busy, and 1 calls wait already" in str(error)
    assert not Path(paths[2] + ".runs").exists()
