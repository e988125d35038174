"""What arrives for a request that waits: for the one who takes, from wherever."""

from .boxes import Mailbox
from .test_executors import SECONDS

import pytest
import queue
import threading
import time

pytestmark = pytest.mark.concurrency


def test_what_was_put_before_is_taken_in_its_order_and_at_once():
    """Nobody waits for what is there."""
    box = Mailbox()
    assert box.empty()
    for item in "abc":
        box.put(item)
    assert not box.empty()
    assert [box.get(timeout=0.0) for _ in range(3)] == ["a", "b", "c"]
    assert box.empty()


def test_what_is_put_while_it_is_waited_for_wakes_who_waits():
    """At once, and not when its time is up."""
    box = Mailbox()
    threading.Timer(0.02, box.put, args=("a",)).start()
    began = time.monotonic()
    assert box.get(timeout=SECONDS) == "a"
    assert time.monotonic() - began < SECONDS / 2


@pytest.mark.parametrize("timeout", [0.0, 0.02])
def test_what_does_not_come_in_time_is_empty(timeout):
    """And what comes later is there for the next."""
    box = Mailbox()
    with pytest.raises(queue.Empty):
        box.get(timeout=timeout)
    box.put("a")
    assert box.get(timeout=0.0) == "a"


def test_several_that_are_put_at_once_are_all_there():
    """One wakes who waits, the others stay."""
    box = Mailbox()
    threads = [threading.Timer(0.02, box.put, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    assert sorted(box.get(timeout=SECONDS) for _ in threads) == list(range(20))
    assert box.empty()


def test_who_waits_again_is_woken_again():
    """By the next item, and not by what woke it before."""
    box = Mailbox()
    for number in range(50):
        threading.Thread(target=box.put, args=(number,)).start()
        assert box.get(timeout=SECONDS) == number
    with pytest.raises(queue.Empty):
        box.get(timeout=0.01)
