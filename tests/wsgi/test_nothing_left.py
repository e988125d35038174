"""Hundreds of requests at random, of clients that go at random: what is left of them is nothing."""

from .applications import Answer
from .applications import holding
from .applications import make_environ
from collections import Counter
from collective.wsgifutures import future
from collective.wsgifutures import FuturesError
from collective.wsgifutures import gather
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.runtime import ClientGone
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.wsgi.settings import Settings

import asyncio
import functools
import gc
import io
import pytest
import random
import threading
import time

pytestmark = pytest.mark.concurrency

REQUESTS = 300
SECONDS = 20  # until a test gives up

#: What was called: by which request, and its number there.
started: list[tuple[str, int]] = []


def work(name, number, seconds, fails):
    started.append((name, number))
    time.sleep(seconds)
    return result(name, number, fails)


async def async_work(name, number, seconds, fails):
    started.append((name, number))
    await asyncio.sleep(seconds)
    return result(name, number, fails)


def compute(name, number, seconds, fails):
    """In a process, whose list is another one."""
    return result(name, number, fails)


def result(name, number, fails):
    if fails:
        raise LookupError(name)
    return [name, number]


FUTURES = [
    *[future(timeout=0.05)(work), future(executor="threads", timeout=0.5)(work)] * 4,
    *[future(timeout=0.5)(async_work)] * 4,
    future(executor="processes", timeout=2)(compute),
]


def view(environ):
    """Ask for this and that: the same in each pass of one request, whose name says what."""
    name = environ["QUERY_STRING"]
    chance = random.Random(name)
    numbers = iter(range(100))
    assert environ["wsgi.input"].read() == b"z" * int(environ["CONTENT_LENGTH"])
    for _ in range(chance.randrange(1, 4)):
        asked = [
            chance.choice(FUTURES).submit(name, n, chance.random() / 20, chance.random() < 0.2)
            for n in [next(numbers) for _ in range(chance.randrange(1, 4))]
        ]
        if chance.random() < 0.1:
            asked[0].cancel()
        try:
            values = gather(*asked)
        except (LookupError, FuturesError):
            continue
        assert [value[0] for value in values] == [name] * len(asked)
    if chance.random() < 0.1:
        raise LookupError(name)


def application(environ, start_response):
    try:
        view(environ)
    except LookupError:
        start_response("500 Internal Server Error", [])
    else:
        start_response("200 OK", [])
    return [b"done"]


def ask(app, chance, statuses, number):
    size = chance.randrange(20)
    environ = make_environ(
        **{"QUERY_STRING": f"request {number}", "REMOTE_ADDR": str(number % 7)},
        **{"wsgi.input": io.BytesIO(b"z" * size), "CONTENT_LENGTH": str(size)},
    )
    statuses[Answer(app, environ).status] += 1


def disturb(app, chance):
    """Let a client go, or an operator cancel what is held."""
    if under_gevent() and chance.random() < 0.3 and app.worker.interrupts._requests:
        one = chance.choice(list(app.worker.interrupts._requests))
        app.worker.interrupts._loop.run_callback(app.worker.interrupts._interrupt, one, ClientGone)
    held = app.worker.held.oldest(100)
    if held and chance.random() < 0.05:
        app.worker.held.cancel(chance.choice(held).number)


def left_of(app):
    """Return what is not as it was before the first request."""
    gc.collect()
    lines = [app.worker.executors.get(name)._line for name in ("threads", "processes")]
    counts = {
        "held": app.worker.held.count,
        "in slots": app.worker.gate.taken,
        "waiting": app.worker.gate.waiting,
        "bodies": app.worker.bodies.size - app.worker.bodies._left,
        "running": [line.places.taken for line in lines if line.places.taken],
        "in line": sum(line.places.waiting for line in lines),
        "holds": sum(type(one) is Hold for one in gc.get_objects()),
        "interruptible": len(app.worker.interrupts._requests) if under_gevent() else 0,
    }
    return {name: count for name, count in counts.items() if count}


def test_whatever_becomes_of_requests_nothing_is_left_of_them():
    """Each call was made once at most, and everybody got their own."""
    started.clear()
    chance, statuses = random.Random(7), Counter()
    limits = {"slots": 3, "max_threads": 8, "max_processes": 2, "max_queued": 10}
    app = holding(application, Settings(**limits, deadline=1.0, body_in_memory=5))
    before = left_of(app)  # of other tests
    asked = []
    for number in range(REQUESTS):
        go = functools.partial(ask, app, chance, statuses, number)
        asked.append(threading.Thread(target=go, daemon=True))
        asked[-1].start()
        time.sleep(chance.random() / 200)
        disturb(app, chance)
    for thread in asked:
        thread.join(SECONDS)
    del asked[:], thread, go
    until = time.monotonic() + SECONDS
    while left_of(app) != before and time.monotonic() < until:
        time.sleep(0.05)
    assert left_of(app) == before
    assert (statuses.total(), statuses["200 OK"] > REQUESTS / 3) == (REQUESTS, True)
    assert [call for call, times in Counter(started).items() if times > 1] == []
    app.worker.executors.close()
