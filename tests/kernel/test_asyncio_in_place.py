"""Futures that are ``async def`` where there is no hold; threads with a hub of their own."""

from .boxes import Mailbox
from .fakes import raised_by
from .test_executors import SECONDS
from .test_gate import wait_until
from .test_waiting import Request
from collective.wsgifutures import future
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.runtime import under_gevent
from contextvars import ContextVar

import asyncio
import os
import pytest
import socket
import threading
import time

pytestmark = pytest.mark.concurrency

setting = ContextVar("setting", default="unset")


async def fine():
    await asyncio.sleep(0.01)
    return "fine"


async def look():
    await asyncio.sleep(0)
    return setting.get()


def test_in_place_it_runs_to_its_end():
    """Where there is no hold: in a script, a test, inside another future."""
    setting.set("by the caller")
    assert future(key="fine")(fine)() == "fine"
    assert future(key="look")(look)() == "by the caller"
    error = raised_by(future(key="fails")(fails))
    assert (type(error), error.args) == (LookupError, ("nothing",))


async def fails():
    raise LookupError("nothing")


inner = future(key="inner")(fine)


async def outer():
    await asyncio.sleep(0)
    return inner()


def test_in_place_where_a_loop_runs_it_has_another_thread(executors):
    """A future that is called in an ``async def``, one with a loop of its own or ours."""
    assert Request(future(key="outer")(outer), executors=executors).run() == "fine"
    if not under_gevent():
        assert asyncio.run(outer()) == "fine"


def test_in_place_several_greenlets_or_threads_do_not_meet():
    """Under gevent they share one thread of the system, which can have one loop."""
    call = future(key="fine")(fine)
    values = Mailbox()
    threads = [threading.Thread(target=lambda: values.put(call()), daemon=True) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert [values.get(timeout=SECONDS) for _ in threads] == ["fine"] * 10


def test_a_thread_of_the_system_does_what_gevent_has_patched_and_ends():
    """It has a hub for so long; its files are closed."""
    box = Mailbox()

    def work():
        time.sleep(0.01)
        one, other = socket.socketpair()
        with one, other:
            other.sendall(b"x")
            box.put((one.recv(1), threading.get_native_id()))

    current().thread(target=work).start()
    assert box.get(timeout=SECONDS)[0] == b"x"
    before = open_files()
    for _ in range(20):
        current().thread(target=work).start()
        value, thread = box.get(timeout=SECONDS)
        assert (value, thread != threading.get_native_id()) == (b"x", True)
    wait_until(lambda: open_files() <= before + 4)


def open_files():
    return len(os.listdir("/proc/self/fd"))
