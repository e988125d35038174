"""A request that waits in a task: signals, interrupts, and slots that are threads."""

from .test_executors import SECONDS
from collective.wsgifutures.kernel.runtime import WorkerStops
from collective.wsgifutures.kernel.runtime.asynced import ASYNCIO
from collective.wsgifutures.kernel.runtime.asynced import RequestTask
from collective.wsgifutures.kernel.runtime.asynced import TaskInterrupts
from collective.wsgifutures.kernel.waiting import Wait

import asyncio
import pytest
import threading
import time


def waits(*wanted):
    """Steps that wait for each in turn, and return what the waits gave."""
    found = []
    for one in wanted:
        found.append((yield Wait(*one)))
    return found


def drive(steps, during=None, interrupts=None):
    """Drive *steps* in a task; call *during* meanwhile, in the loop."""

    async def main():
        if during is not None:
            asyncio.get_running_loop().call_later(0.02, during)
        return await RequestTask(interrupts or TaskInterrupts()).drive(steps)

    return asyncio.run(asyncio.wait_for(main(), SECONDS))


def in_thread(function):
    return lambda: threading.Thread(target=function).start()


@pytest.mark.parametrize("how", [lambda f: f, in_thread])
def test_a_signal_wakes_the_task_that_waits_for_it(how):
    """Whether it is set in the loop or in another thread."""
    signal = ASYNCIO.signal()
    assert drive(waits((signal, None)), how(signal.set)) == [True]


def test_a_signal_wakes_a_thread_too():
    """What is in a pass, or in the process of futures, waits in its thread."""
    signal = ASYNCIO.signal()
    threading.Timer(0.02, signal.set).start()
    began = time.monotonic()
    assert signal.wait(SECONDS) is True
    assert time.monotonic() - began < SECONDS / 2


def test_a_signal_that_is_set_lets_nobody_wait():
    """Not a thread, and not a task."""
    signal = ASYNCIO.signal()
    signal.set()
    assert signal.wait(SECONDS)
    assert drive(waits((signal, SECONDS))) == [True]


@pytest.mark.parametrize("timeout", [0.0, 0.02])
def test_a_signal_that_is_not_set_in_time_says_so(timeout):
    """To a thread and to a task."""
    signal = ASYNCIO.signal()
    assert signal.wait(timeout) is False
    assert drive(waits((signal, timeout))) == [False]


def test_a_signal_that_is_cleared_is_waited_for_again():
    """The next one who sets it wakes who waits."""
    signal = ASYNCIO.signal()

    def steps():
        signal.set()
        first = yield Wait(signal, None)
        signal.clear()
        second = yield Wait(signal, 0.02)
        return [first, second]

    assert drive(steps()) == [True, False]


def test_many_signals_from_threads_all_arrive():
    """None is lost between the look and the wait."""
    signal = ASYNCIO.signal()

    def steps():
        for _ in range(300):
            signal.clear()
            threading.Thread(target=signal.set).start()
            assert (yield Wait(signal, SECONDS))
        return "all"

    assert drive(steps()) == "all"


def test_an_interrupt_is_raised_in_the_steps_where_they_wait():
    """And what they do about it is the result."""
    interrupts, signal = TaskInterrupts(), ASYNCIO.signal()

    def steps():
        try:
            yield Wait(signal, SECONDS)
        except WorkerStops:
            return "stopped"

    assert drive(steps(), in_thread(interrupts.stop), interrupts) == "stopped"
    assert interrupts.requests == set()


def test_an_interrupt_between_two_waits_is_raised_at_the_next():
    """The steps are never broken off elsewhere."""
    interrupts, log = TaskInterrupts(), []

    def steps():
        for request in interrupts.requests:
            request.interrupt(WorkerStops)
        log.append("goes on")
        yield Wait(ASYNCIO.signal(), SECONDS)

    with pytest.raises(WorkerStops):
        drive(steps(), interrupts=interrupts)
    assert log == ["goes on"]


def test_a_task_that_the_server_cancels_ends_its_steps():
    """They are told, and can free what they have."""
    log = []

    def steps():
        try:
            yield Wait(ASYNCIO.signal(), SECONDS)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main():
        task = asyncio.ensure_future(RequestTask(TaskInterrupts()).drive(steps()))
        await asyncio.sleep(0.02)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert log == ["cancelled"]


def test_what_the_steps_raise_is_raised_and_no_interrupt_reaches_them_later():
    """As in a thread."""
    interrupts = TaskInterrupts()

    def steps():
        yield Wait(ASYNCIO.signal(), 0.0)
        raise LookupError("no")

    with pytest.raises(LookupError):
        drive(steps(), interrupts=interrupts)
    assert interrupts.requests == set()


def test_each_slot_publishes_in_one_thread_of_its_own():
    """What Plone keeps per thread is made once for each slot."""
    slots, seen = ASYNCIO.slots(2), []
    for _ in range(3):
        for number, slot in enumerate(slots):
            ended = threading.Event()
            slot.take(lambda n=number: seen.append((n, threading.get_ident())))
            slot.take(ended.set)
            assert ended.wait(SECONDS)
    assert len(seen) == 6
    assert len(set(seen)) == 2
    assert not any(slot.is_callers for slot in slots)
