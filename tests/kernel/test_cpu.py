"""What the threads of a process do is known: which computes, and which stops all others."""

from .test_executors import SECONDS
from collective.wsgifutures.kernel.runtime.cpu import cpu_of_threads
from collective.wsgifutures.kernel.runtime.cpu import InterpreterWatch

import sys
import threading
import time
import traceback


def compute_in_c(seconds):
    """Let nothing else run, in calls of C code that take as long."""
    number, began = 1_000_000, time.monotonic()
    while time.monotonic() - began < seconds:
        number, began = 2 * number, time.monotonic()
        sum(range(number))
    for _ in range(3):
        sum(range(number))


def test_thread_that_computes_uses_cpu_and_one_that_waits_does_not():
    """By the numbers of threads."""
    ends = threading.Event()
    waiting = threading.Thread(target=ends.wait, args=(SECONDS,))
    waiting.start()
    here = threading.get_ident()
    before = cpu_of_threads([here, waiting.ident])
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
    after = cpu_of_threads([here, waiting.ident])
    ends.set()
    waiting.join()
    assert after[here] - before[here] >= 0.1
    assert after[waiting.ident] - before[waiting.ident] < 0.1


def test_thread_that_has_ended_has_no_cpu():
    """Nor one that nobody knows."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert cpu_of_threads([thread.ident, 1]) == {}


def compute(told):
    """Stop all threads, again and again: on a machine that is busy, not each time is told."""
    while not told.is_set():
        compute_in_c(0.6)


def test_c_code_that_stops_all_threads_is_told_with_where_it_stands():
    """Of several threads, the one that computes."""
    found, told, ends = [], threading.Event(), threading.Event()

    def tell(seconds, frame):
        found.append((seconds, "".join(traceback.format_stack(frame))))
        told.set()

    others = [threading.Thread(target=ends.wait, args=(SECONDS,)) for _ in range(3)]
    for thread in others:
        thread.start()
    watch = InterpreterWatch(0.2, tell)
    try:
        thread = threading.Thread(target=compute, args=(told,))
        thread.start()
        assert told.wait(30)
    finally:
        watch.end()
        ends.set()
        told.set()
    seconds, stack = found[0]
    assert seconds > 0.2
    assert "in compute_in_c\n" in stack
    thread.join()


def test_process_that_stood_still_as_a_whole_tells_nothing():
    """Nothing in it has stopped the others: the machine was busy, or the process was stopped."""
    found = []
    watch = InterpreterWatch(60, lambda *told: found.append(told))
    watch._tell_if_late(time.monotonic() - 100)
    watch.end()
    assert found == []


def test_threads_that_let_others_run_are_not_told():
    """Python gives way by itself."""
    found = []
    watch = InterpreterWatch(1.0, lambda *told: found.append(told))
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        sys.getsizeof(0)
    watch.end()
    assert found == []
