"""A request's wait ends from outside: its client went away, or the worker stops."""

from collective.wsgifutures.kernel.runtime import ClientGone
from collective.wsgifutures.kernel.runtime import WorkerStops
from collective.wsgifutures.kernel.runtime.interrupts import GreenletInterrupts
from collective.wsgifutures.serving import stop_in_time
from types import SimpleNamespace

import gevent
import gevent.event
import os
import pytest
import socket
import time

pytestmark = pytest.mark.concurrency

SECONDS = 20


@pytest.fixture
def interrupts():
    made = GreenletInterrupts()
    yield made
    assert (made._requests, made._by_descriptor) == ({}, {})
    made._watcher.stop()
    made._epoll.close()


def tcp():
    """Return both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.fixture(params=[tcp, socket.socketpair], ids=["tcp", "unix"])
def connection(request):
    """A client and the server's end of its connection."""
    client, server = request.param()
    yield client, server
    client.close()
    server.close()


class Request:
    """A request that waits, and how its wait ended."""

    def __init__(self, interrupts, environ):
        self.ended = None
        self._interrupts, self._environ = interrupts, environ
        self._go_on = gevent.event.Event()
        self._greenlet = gevent.spawn(self._wait)
        gevent.sleep(0)

    def _wait(self):
        try:
            with self._interrupts.allowed(self._environ.get("gunicorn.socket")):
                self._go_on.wait(SECONDS)
                self.ended = "answered"
        except BaseException as reason:
            self.ended = type(reason)

    def answer(self):
        self._go_on.set()
        self._greenlet.join()

    def join(self):
        self._greenlet.join(1)
        return self.ended


def environ_of(server, **environ):
    return {"gunicorn.socket": server, "SERVER_PROTOCOL": "HTTP/1.1", **environ}


def reset(client):
    """Close with a reset in place of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def pipeline(client):
    """Send another request and go away."""
    client.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    client.close()


LEAVE = [socket.socket.close, reset, pipeline, lambda c: c.shutdown(socket.SHUT_WR)]


@pytest.mark.parametrize("leave", LEAVE, ids=["close", "reset", "pipelined", "half-close"])
def test_client_that_leaves_ends_the_wait_at_once(interrupts, connection, leave):
    """However it does, and whatever it has sent ahead."""
    client, server = connection
    request = Request(interrupts, environ_of(server))
    began = time.monotonic()
    leave(client)
    assert request.join() is ClientGone
    assert time.monotonic() - began < 1


def test_what_a_client_has_sent_ahead_is_not_read(interrupts, connection):
    """It is the next request's."""
    client, server = connection
    client.sendall(b"next")
    request = Request(interrupts, environ_of(server))
    client.sendall(b" request")
    gevent.sleep(0.01)
    assert request.ended is None
    request.answer()
    assert (request.ended, server.recv(100)) == ("answered", b"next request")


def test_client_that_has_left_before_ends_the_wait_too(interrupts, connection):
    """The edge is seen when it is looked at first."""
    client, server = connection
    client.close()
    assert Request(interrupts, environ_of(server)).join() is ClientGone


def test_requests_after_another_on_one_connection_are_each_watched(interrupts, connection):
    """Keep-alive."""
    client, server = connection
    first = Request(interrupts, environ_of(server))
    first.answer()
    second = Request(interrupts, environ_of(server))
    client.close()
    assert (first.ended, second.join()) == ("answered", ClientGone)


def test_only_the_request_of_the_client_that_left_ends(interrupts):
    """Of a hundred."""
    ends = [socket.socketpair() for _ in range(100)]
    requests = [Request(interrupts, environ_of(server)) for _, server in ends]
    ends[42][0].close()
    assert requests[42].join() is ClientGone
    assert [r.ended for n, r in enumerate(requests) if n != 42] == [None] * 99
    for request in requests:
        request.answer()
    for end in ends:
        for one in end:
            one.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"gunicorn.socket": None}],
    ids=["no socket", "None"],
)
def test_request_whose_socket_tells_nothing_is_not_watched(interrupts, connection, environ):
    """It waits to its deadline."""
    client, server = connection
    whole = environ_of(server, **environ) if environ else {}
    request = Request(interrupts, whole)
    client.close()
    gevent.sleep(0.02)
    assert request.ended is None
    request.answer()
    assert request.ended == "answered"


def test_request_whose_socket_cannot_be_watched_waits_to_its_deadline(interrupts, tmp_path):
    """The system has a limit on what it watches; a request is not refused for that."""
    with (tmp_path / "file").open("w") as unwatchable:
        request = Request(interrupts, environ_of(unwatchable))
        request.answer()
    assert request.ended == "answered"


def test_socket_that_is_closed_meanwhile_disturbs_nothing(interrupts, connection):
    """Its number may be another's by then."""
    _, server = connection
    request = Request(interrupts, environ_of(server))
    server.close()
    request.answer()
    assert request.ended == "answered"


def test_stop_ends_all_waits(interrupts, connection):
    """Also of those that are not watched, and of none that is answered."""
    _, server = connection
    requests = [Request(interrupts, environ_of(server)), Request(interrupts, {})]
    answered = Request(interrupts, {})
    interrupts.stop()
    answered.answer()
    assert [r.join() for r in requests] == [WorkerStops, WorkerStops]
    assert answered.ended in ("answered", WorkerStops)


def test_request_that_is_answered_meanwhile_is_left_alone(interrupts):
    """It sends what it has; nothing is raised outside of its wait."""
    go_on = gevent.event.Event()

    def request():
        with interrupts.allowed(None):
            go_on.wait(SECONDS)
        gevent.sleep(0.02)
        return "sent"

    greenlet = gevent.spawn(request)
    gevent.sleep(0)
    go_on.set()
    interrupts.stop()
    assert greenlet.get(timeout=SECONDS) == "sent"


def test_stop_in_time_when_the_worker_is_told_to_end_waits_for_what_may_finish():
    """Not before its time, but before it is killed."""
    stopped = []
    worker = SimpleNamespace(alive=True, cfg=SimpleNamespace(graceful_timeout=2))
    interrupts = SimpleNamespace(
        stop=lambda: stopped.append(time.monotonic()), stop_sockets=lambda: None
    )
    greenlet = gevent.spawn(stop_in_time, worker, interrupts)
    gevent.sleep(0.3)
    worker.alive, began = False, time.monotonic()
    until = began + SECONDS
    while len(stopped) < 2 and time.monotonic() < until:
        gevent.sleep(0.01)
    greenlet.kill()
    assert 0.5 < stopped[0] - began < 1.8
    assert len(stopped) == 2  # who comes by a connection that is open is stopped too


def test_descriptors_are_not_leaked(interrupts, connection):
    """The epoll knows of none when nobody waits."""
    _, server = connection
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        Request(interrupts, environ_of(server)).answer()
    assert len(os.listdir("/proc/self/fd")) == before
    assert interrupts._epoll.poll(0) == []
