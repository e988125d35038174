"""Between two passes: futures start, settle, run out of time and are stopped."""

from .fakes import raised_by
from .test_executors import Blocking
from .test_executors import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import HoldCancelled
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.hold import HoldState
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.waiting import drive
from collective.wsgifutures.kernel.waiting import Waiter
from collective.wsgifutures.testing.by_hand import publish_once
from contextvars import ContextVar

import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

setting = ContextVar("setting", default="unset")


class Only:
    """Runs every future on one executor."""

    def __init__(self, executor):
        self.get = lambda name: executor


class Request:
    """A request's thread: publishes and waits until it is answered."""

    def __init__(self, view, *, executors=None, **options):
        self.hold = Hold(time.monotonic(), **options)
        self.waiter = Waiter(self.hold, (executors or Executors()).get)
        self.view = view

    def publish(self):
        """Publish once; tell whether it was the last pass."""
        return publish_once(self.hold, self._publish, time.monotonic, self.waiter.wait_inside)

    def _publish(self):
        self.answer = self.view()
        return True

    def run(self):
        """Return the answer."""
        try:
            while not self.publish():
                drive(self.waiter.wait())
            return self.answer
        finally:
            self.waiter.close()


def test_a_request_is_held_and_published_again_with_the_value():
    """The whole way of one call: pass, executor, pass."""
    call = future(key="call")(lambda: 3)
    request = Request(lambda: call() + 1)
    assert request.run() == 4
    assert request.hold.passes == 2


def test_wait_returns_as_soon_as_what_it_waits_for_is_there():
    """A call that nobody waits for delays no pass, and is stopped when it is answered."""
    slow = Blocking()
    fast_call = future(key="fast")(lambda: "fast")
    slow_call = future(key="slow")(lambda: slow())

    def view():
        pending = slow_call.submit()
        value = fast_call()
        pending.cancel()
        return value

    assert Request(view).run() == "fast"
    slow.go_on.set()


def test_a_call_over_its_timeout_is_an_error_in_the_view():
    """The pass is not later than that, whatever the call does."""
    slow = Blocking()
    call = future(key="slow", timeout=0.05)(lambda: slow())
    started = time.monotonic()
    error = raised_by(Request(call).run)
    assert (type(error), error.name, error.timeout) == (FutureTimeout, "slow", 0.05)
    assert 0.05 <= time.monotonic() - started < SECONDS
    slow.go_on.set()


def test_at_the_deadline_one_last_pass_is_published():
    """The wait ends there, though the call goes on."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())
    request = Request(call, deadline=0.3)
    error = raised_by(request.run)
    assert (type(error), request.hold.passes) == (HoldExpired, 2)
    slow.go_on.set()


def test_cancel_from_another_thread_publishes_the_last_pass_at_once():
    """The call is stopped; `result(default=)` gives its default."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())
    request = Request(lambda: call.submit().result(default="without"))
    canceller = threading.Thread(
        target=lambda: (slow.running.wait(SECONDS), request.waiter.cancel())
    )
    canceller.start()
    started = time.monotonic()
    assert (request.run(), request.hold.passes) == ("without", 2)
    assert time.monotonic() - started < SECONDS
    canceller.join()
    slow.go_on.set()


def test_cancel_within_a_pass_ends_the_next_wait():
    """Nothing changes within a pass."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())

    def view():
        if request.hold.passes == 1:
            request.waiter.cancel()
        return call()

    request = Request(view)
    error = raised_by(request.run)
    assert (str(error), request.hold.passes) == (str(HoldCancelled("slow")), 2)
    slow.go_on.set()


def test_cancel_after_the_answer_changes_nothing():
    """Its request may just have ended."""
    request = Request(lambda: "text")
    assert request.run() == "text"
    request.waiter.cancel()


def test_a_late_result_is_dropped():
    """What a call gives after its time was up changes nothing."""
    slow = Blocking("late")
    call = future(key="slow", timeout=0.05)(lambda: slow())
    other = future(key="other")(lambda: "other")

    def view():
        error = raised_by(call) if current_pass().hold.passes > 1 else call()
        slow.go_on.set()
        other()
        return type(error), type(raised_by(call))

    assert Request(view).run() == (FutureTimeout, FutureTimeout)


def test_close_stops_what_runs_and_drops_what_comes_later():
    """A client that goes away frees everything at once."""
    slow = Blocking()
    request = Request(future(key="slow")(lambda: slow()))
    assert request.publish() is False
    request.waiter.start()
    assert slow.running.wait(SECONDS)
    request.waiter.close()
    slow.go_on.set()
    request.waiter.collect()
    assert (request.hold.state, request.hold.calls) == (HoldState.DONE, {})


def test_an_executor_that_cannot_start_is_an_error_in_the_view():
    """It fails the call, not the server."""

    class Broken:
        name = "broken"

        def start(self, call, done):
            raise RuntimeError("can't start new thread")

    call = future(key="call")(lambda: 3)
    error = raised_by(Request(call, executors=Only(Broken())).run)
    assert str(error) == "can't start new thread"


def test_a_future_sees_the_context_of_its_request_and_no_pass():
    """Tracing that was set up outside is there; the hold is not, nor what a pass set."""
    call = future(key="call")(lambda: (setting.get(), current_pass()))

    def view():
        setting.set("by the pass")
        return call()

    setting.set("by the server")
    assert Request(view).run() == ("by the server", None)


def test_what_a_future_sets_in_its_context_is_seen_by_no_other():
    """Each one runs in a copy of its own."""
    number = iter("ab")
    call = future(key="call")(lambda n: (setting.get(), setting.set(next(number)))[0])
    setting.set("by the server")
    assert Request(lambda: [call(1), call(2)]).run() == ["by the server"] * 2
    assert setting.get() == "by the server"


def test_many_requests_at_once_each_get_their_own():
    """No greenlet or thread sees another's state."""
    call = future(key="double")(lambda n: 2 * n)
    answers = {}

    def serve(n):
        answers[n] = Request(lambda: call(n)).run()

    threads = [threading.Thread(target=serve, args=(n,), daemon=True) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == {n: 2 * n for n in range(40)}


class Deaf:
    """An executor that never returns what it started, and does not hear when told to stop."""

    name = "deaf"

    def __init__(self):
        self.started = 0

    def start(self, call, done):
        self.started += 1
        return self

    def cancel(self):
        pass


@pytest.mark.parametrize(
    ("timeout", "deadline", "expected"),
    [(0.05, 55.0, FutureTimeout), (30.0, 0.05, HoldExpired)],
)
def test_an_executor_that_never_returns_is_not_waited_for(timeout, deadline, expected):
    """A future's timeout and a hold's deadline are kept by the request itself."""
    call = future(key="deaf", timeout=timeout)(lambda: 3)
    executor = Deaf()
    began = time.monotonic()
    error = raised_by(Request(call, executors=Only(executor), deadline=deadline).run)
    assert (type(error), executor.started) == (expected, 1)
    assert time.monotonic() - began < SECONDS


def test_each_call_runs_on_the_executor_that_it_was_declared_with():
    """None where it says nothing: what suits the process."""
    asked = []
    here = Executors()

    class Told:
        def get(self, name):
            asked.append(name)
            return here.get(name)

    name = current().executor
    one, other = future(key="one", executor=name)(lambda: 1), future(key="other")(lambda: 2)
    request = Request(lambda: gather(one.submit(), other.submit()), executors=Told())
    assert (request.run(), asked) == ([1, 2], [name, None])


@pytest.mark.parametrize("waits", [True, False])
def test_what_follows_up_a_pass_is_called_once_and_after_it(waits):
    """Before the wait, or when all is answered."""
    log = []
    call = future(key="call")(lambda: 3)

    def view():
        if current_pass().hold.passes == 1:
            current_pass().follow_up(lambda: log.append("follow-up"))
        log.append("pass")
        if waits:
            call()

    request = Request(view)
    request.run()
    request.waiter.close()
    assert log == (["pass", "follow-up", "pass"] if waits else ["pass", "follow-up"])
