"""Futures that are ``async def``: a loop in a thread, and what libraries do in it.

Under gevent that is in another process, where these hold as well: see test_helper.
"""

from .boxes import Mailbox
from .fakes import raised_by
from .test_executors import SECONDS
from .test_gate import wait_until
from .test_waiting import Request
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.runtime import current
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import anyio.to_thread
import asyncio
import functools
import gc
import httpx
import pytest
import socket
import threading
import time
import weakref

pytestmark = pytest.mark.concurrency

setting = ContextVar("setting", default="unset")


class Box(list):
    """Is no plain data, so a function that closes over it gets no copy."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.2)
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Return the URL of a server that answers with the path, after 0.2 s."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def run(view, executors):
    return Request(view, executors=executors).run()


def test_async_def_picks_asyncio_by_itself(executors):
    """Also where functools.partial or a wrapper that is async stands around it."""

    async def one(n):
        await asyncio.sleep(0)
        return n

    @functools.wraps(one)
    async def wrapper(*args):
        return await one(*args)

    for function in (one, wrapper):
        call = future(key="one")(function)
        assert run(lambda call=call: call(3), executors) == 3
    assert list(executors.by_name) == ["asyncio"]


def test_httpx_asks_many_at_once(executors, server):
    """By the name of the host, so that it is looked up; in the time of one or two."""

    client = httpx.AsyncClient(timeout=SECONDS)  # to make one takes 0.1 s

    async def get(n):
        return (await client.get(f"{server}/{n}")).text

    call = future(key="get")(get)
    call_one = functools.partial(run, lambda: call(-1), executors)
    assert call_one() == "/-1"  # it is warm
    began = time.monotonic()
    assert run(lambda: gather(*map(call.submit, range(30))), executors) == [
        f"/{n}" for n in range(30)
    ]
    assert time.monotonic() - began < 30 * 0.2 / 1.5  # one after the other: 30 * 0.2


def test_a_client_is_kept_from_one_future_to_the_next(executors, server):
    """There is one loop, so its connections stay."""
    clients = Box()

    async def get(n):
        if not clients:
            clients.append(httpx.AsyncClient(timeout=SECONDS))
        assert len(clients) == 1
        return (await clients[0].get(f"{server}/{n}")).text

    call = future(key="get")(get)
    assert [run(lambda n=n: call(n), executors) for n in range(3)] == ["/0", "/1", "/2"]


def test_a_cancelled_task_closes_its_connection(executors):
    """The other side sees the end, and ``finally`` runs."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(SECONDS)
    ended = Mailbox()

    async def wait():
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"here")
        try:
            return await reader.read(1)
        except asyncio.CancelledError:
            ended.put("cancelled")
            raise
        finally:
            writer.close()

    request = Request(future(key="wait")(wait), executors=executors)
    request.publish()
    request.waiter.start()
    with listening, listening.accept()[0] as theirs:
        theirs.settimeout(SECONDS)
        assert theirs.recv(4) == b"here"
        request.waiter.close()
        assert ended.get(timeout=SECONDS) == "cancelled"
        assert theirs.recv(1) == b""


def blocked(seconds):
    time.sleep(seconds)
    return threading.get_native_id()


def test_what_libraries_do_in_a_loop_works(executors):
    """Threads of asyncio and of anyio, locks, time limits, streams, a process."""

    async def everything():
        lock = asyncio.Lock()
        async with lock, asyncio.timeout(SECONDS):
            values = [
                len(await asyncio.gather(*(asyncio.to_thread(blocked, 0.05) for _ in range(4)))),
                bool(await anyio.to_thread.run_sync(blocked, 0.05)),
                bool(await asyncio.get_running_loop().getaddrinfo("localhost", 80)),
            ]
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(SECONDS)
        except TimeoutError:
            values.append("in time")
        return values

    call = future(key="everything")(everything)
    assert run(call, executors) == [4, True, True, "in time"]


def test_a_task_that_never_sleeps_lets_the_others_read(executors, server):
    """The loop looks at its sockets in each turn."""
    done = Box()

    async def spin():
        while not done:
            await asyncio.sleep(0)
        return "spun"

    async def get():
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            text = (await client.get(f"{server}/x")).text
        done.append(text)
        return text

    spinning, getting = future(key="spin")(spin), future(key="get")(get)
    values = run(lambda: gather(spinning.submit(), getting.submit()), executors)
    assert values == ["spun", "/x"]


def test_a_coroutine_that_blocks_stops_its_loop_and_nobody_else(executors):
    """This process goes on."""
    beats = []
    done = threading.Event()

    def beat():
        while not done.wait(0.02):
            beats.append(1)

    async def block():
        blocked(0.5)
        return "late"

    threading.Thread(target=beat, daemon=True).start()
    assert run(future(key="block")(block), executors) == "late"
    done.set()
    assert len(beats) > 10


def test_a_future_that_stops_the_loop_is_named_with_where_it_stands(caplog):
    """In the worker of a threaded server: once, after the time of ``blocked``."""

    async def stop():
        blocked(1.0)

    executors = Executors(blocked=0.2)
    try:
        call = future(key="acme.calls.stop")(stop)
        for _ in range(2):
            run(call, executors)
    finally:
        executors.close()
    (message,) = [r.getMessage() for r in caplog.records if "async future" in r.getMessage()]
    assert message.startswith("acme.calls.stop has let no other async future of this worker run")
    assert "in blocked\n" in message


def test_what_raises_an_end_leaves_the_loop_running(executors):
    """SystemExit and a CancelledError that nobody asked for."""

    async def leave():
        raise SystemExit

    async def cancelled():
        raise asyncio.CancelledError

    for function in (leave, cancelled):
        error = raised_by(run, future(key="call")(function), executors)
        assert "which ends a thread or process" in str(error)
    loop = executors.get("asyncio")._loop
    assert run(future(key="fine")(fine), executors) == "fine"
    assert executors.get("asyncio")._loop is loop


@pytest.mark.parametrize("how", ["stop", "SystemExit"])
def test_a_task_that_would_end_the_loop_ends_no_call(executors, caplog, how):
    """One of somebody's own, beside the calls; what was waiting goes on."""

    async def leave():
        raise SystemExit(3)

    async def ends():
        loop = asyncio.get_running_loop()
        task = loop.create_task(leave()) if how == "SystemExit" else None
        loop.call_soon(loop.stop) if task is None else None
        await asyncio.sleep(0.1)
        return "went on"

    ending, beside = future(key="ends")(ends), future(key="fine")(fine)
    values = run(lambda: gather(ending.submit(), beside.submit()), executors)
    assert values == ["went on", "fine"]
    assert run(beside, executors) == "fine"
    told = ["A task of asyncio would have ended its loop."] if how == "SystemExit" else []
    assert [r.getMessage() for r in caplog.records if r.name.startswith("collective")] == told
    executors.close()


async def fine():
    await asyncio.sleep(0.01)
    return "fine"


def test_nobody_waits_for_the_loop_to_run(executors, monkeypatch):
    """What is started before begins then; what is cancelled before never does."""
    held_up, new_loop, ran = current().lock(), asyncio.new_event_loop, Mailbox()

    def new_loop_later():
        with held_up:
            return new_loop()

    async def note(name):
        ran.put(name)

    def start(name):
        call = Call(name, name, note, (name,), timeout=SECONDS)
        return executors.get("asyncio").start(call, lambda outcome: None)

    monkeypatch.setattr(asyncio.events, "new_event_loop", new_loop_later)
    with held_up:
        for name in ("cancelled", "early", "another"):
            job = start(name)
            if name == "cancelled":
                job.cancel()
    start("late")
    assert {ran.get(timeout=SECONDS) for _ in range(3)} == {"early", "another", "late"}


def test_the_loop_keeps_nothing_of_a_call_that_has_ended(executors):
    """Not of the first one either, which its thread began with."""
    holds = []
    for _ in range(3):
        request = Request(future(key="fine")(fine), executors=executors)
        assert request.run() == "fine"
        holds.append(weakref.ref(request.hold))
        del request
    wait_until(lambda: gc.collect() is not None and not any(hold() for hold in holds))


def test_a_loop_that_cannot_be_made_fails_its_calls_and_is_made_anew(
    executors, monkeypatch, caplog
):
    """Where no file descriptor is left, say: only for as long as that is so."""
    full = Box([OSError(24, "Too many open files")])
    new_loop = asyncio.new_event_loop

    def new_loop_or_failure():
        if full:
            raise full.pop()
        return new_loop()

    monkeypatch.setattr(asyncio.events, "new_event_loop", new_loop_or_failure)
    call = future(key="fine")(fine)
    error = raised_by(run, call, executors)
    assert (type(error), error.errno) == (OSError, 24)
    assert "The loop of asyncio has failed." in caplog.text
    assert run(call, executors) == "fine"
