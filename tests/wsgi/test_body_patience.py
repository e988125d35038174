"""A client that sends nothing of its body for too long is not waited for."""

from collective.wsgifutures.wsgi.body import BodyRefused
from collective.wsgifutures.wsgi.body import RequestBody
from collective.wsgifutures.wsgi.body import Unread
from collective.wsgifutures.wsgi.limits import Room

import gevent
import pytest
import socket
import time

pytestmark = pytest.mark.concurrency


class Stalled:
    """A server's input that gives some, and then nothing."""

    def __init__(self, *chunks, every=0.0):
        self._chunks = list(chunks)
        self._every = every

    def read(self, size):
        gevent.sleep(self._every)
        if not self._chunks:
            gevent.sleep(5)
        return self._chunks.pop(0)


@pytest.mark.parametrize("chunks", [(), (b"ab",)])
def test_body_of_which_nothing_comes_is_refused(chunks):
    """408; the room is given back."""
    room = Room(9)
    environ = {"wsgi.input": Stalled(*chunks), "CONTENT_LENGTH": "9"}
    began = time.monotonic()
    with pytest.raises(BodyRefused) as raised:
        RequestBody(environ, 100, room, 0.05)
    assert raised.value.args == ("nothing of its body came for 0.05 s", "408 Request Timeout")
    assert time.monotonic() - began < 2
    room.take(9)


def test_body_that_comes_slowly_is_waited_for():
    """Each part has its own time."""
    environ = {"wsgi.input": Stalled(*[b"x"] * 9, every=0.02), "CONTENT_LENGTH": "9"}
    assert RequestBody(environ, 100, Room(9), 0.15).size == 9


def test_refused_body_of_which_nothing_comes_is_not_dropped_for_ever():
    """Its connection is closed."""
    server, client = socket.socketpair()
    environ = {"wsgi.input": Stalled(), "CONTENT_LENGTH": "9", "gunicorn.socket": server}
    Unread([], environ, 0.05).close()
    assert server.recv(1) == b""
    server.close()
    client.close()
