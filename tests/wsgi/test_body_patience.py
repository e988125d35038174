"""A client that sends its body too slowly is not waited for."""

from collective.wsgifutures.wsgi.body import BodyRefused
from collective.wsgifutures.wsgi.body import RequestBody
from collective.wsgifutures.wsgi.body import Unread
from collective.wsgifutures.wsgi.limits import Room

import gevent
import pytest
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
    text = f"less than {9 - sum(map(len, chunks))} bytes of its body came in 0.05 s"
    assert raised.value.args == (text, "408 Request Timeout")
    assert time.monotonic() - began < 2
    room.take(9)


def test_body_that_comes_slowly_is_waited_for():
    """Each part has its own time."""
    environ = {"wsgi.input": Stalled(*[b"x"] * 9, every=0.02), "CONTENT_LENGTH": "9"}
    assert RequestBody(environ, 100, Room(9), 0.15).size == 9


class Connection:
    """A server's, which closes it where an error says so."""

    def __init__(self, stream):
        self.environ = {"wsgi.input": stream, "CONTENT_LENGTH": "9", "gunicorn.socket": self}
        self.closed = False

    def send(self, response):
        list(response)
        try:
            response.close()
        except ConnectionResetError:
            self.closed = True


def test_refused_body_of_which_nothing_comes_is_not_dropped_for_ever():
    """Its connection is closed."""
    connection = Connection(Stalled())
    connection.send(Unread([], connection.environ, 0.05))
    assert connection.closed


def test_refused_body_that_comes_slowly_is_not_dropped_for_ever():
    """All of what is left has one time."""
    connection = Connection(Stalled(*[b"x"] * 9, every=0.05))
    began = time.monotonic()
    connection.send(Unread([], connection.environ, 0.12))
    assert connection.closed
    assert time.monotonic() - began < 0.3


@pytest.mark.parametrize("how", ["too slow", "interrupted"])
def test_body_whose_reading_broke_off_is_not_read_again(how):
    """A server's parser may have lost its place: the connection is closed, at once."""
    connection = Connection(Stalled(b"x"))
    limit = gevent.Timeout(0.02, KeyboardInterrupt)
    if how == "interrupted":
        limit.start()
    room = Room(9)
    with pytest.raises((BodyRefused, KeyboardInterrupt)):
        RequestBody(connection.environ, 100, room, 0.05)
    room.take(9)  # it was given back
    began = time.monotonic()
    connection.send(Unread([], connection.environ, 1))
    assert connection.closed
    assert time.monotonic() - began < 0.5


def test_body_that_comes_fast_lets_others_run():
    """Its server never has to wait for it."""
    turns = []

    class Fast:
        def read(self, size):
            turns.append("read")
            return b"x" * size

    def other():
        for _ in range(5):
            turns.append("other")
            gevent.sleep(0)

    gevent.spawn(other)
    environ = {"wsgi.input": Fast(), "CONTENT_LENGTH": str(5 * 64 * 1024)}
    RequestBody(environ, 10**6, Room(10**6), 1).close()
    assert turns == ["read", "other"] * 5
