"""The request body: read once, before a slot is taken; read by each pass from its start."""

from .applications import open_files_in
from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.wsgi.body import BodyRefused
from collective.wsgifutures.wsgi.body import RequestBody
from collective.wsgifutures.wsgi.body import Unread
from collective.wsgifutures.wsgi.limits import Room
from contextlib import nullcontext

import io
import os
import pytest
import tempfile

CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
BIG = b"0123456789" * 20_000
SECONDS = 5


class Input:
    """A server's input: cannot seek, and gives less than it is asked for."""

    def __init__(self, data, most=1000):
        self._data = io.BytesIO(data)
        self._most = most
        self.taken = 0

    def read(self, size=-1):
        assert size > 0, "a read without a limit may wait for ever"
        chunk = self._data.read(min(size, self._most))
        self.taken += len(chunk)
        return chunk


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Let temporary files be made where they can be counted."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def body(data, in_memory=100, room=None, **environ):
    """Return the body of a request."""
    return RequestBody(
        {"wsgi.input": Input(data), **environ}, in_memory, room or Room(10**9), SECONDS
    )


@pytest.mark.parametrize(
    ("data", "environ", "expected"),
    [
        (b"text", {"CONTENT_LENGTH": "4"}, b"text"),
        (b"text and more", {"CONTENT_LENGTH": " 4 "}, b"text"),
        (b"text", {"CONTENT_LENGTH": "4", "wsgi.input_terminated": True}, b"text"),
        (b"text", CHUNKED, b"text"),
        (b"text", {**CHUNKED, "CONTENT_LENGTH": ""}, b"text"),
        (b"text", {**CHUNKED, "CONTENT_LENGTH": "2"}, b"text"),
        (b"text", {}, b""),
        (b"text", {"wsgi.input_terminated": True}, b""),
        (b"text", {"CONTENT_LENGTH": ""}, b""),
        (b"text", {"CONTENT_LENGTH": "0"}, b""),
        (b"text", {"HTTP_TRANSFER_ENCODING": "chunked"}, b""),
        (BIG, {"CONTENT_LENGTH": str(len(BIG))}, BIG),
        (BIG, CHUNKED, BIG),
    ],
)
@pytest.mark.parametrize("in_memory", [0, 3, 4, 1500, 1_000_000])
def test_the_body_is_what_its_headers_say(data, environ, expected, in_memory, folder):
    """By length, or to the end where the server tells it; small or large, in each pass."""
    kept = body(data, in_memory, **environ)
    assert kept.size == len(expected)
    assert open_files_in(folder) == (len(expected) > in_memory)
    for _ in range(2):
        stream = kept.open()
        assert stream.read() == expected
        stream.seek(0)
        assert stream.read(2) == expected[:2]
        stream.close()
    kept.close()
    assert open_files_in(folder) == 0


def test_no_more_is_read_than_was_announced():
    """What follows on the connection is another request's."""
    stream = Input(b"x" * 10)
    RequestBody({"wsgi.input": stream, "CONTENT_LENGTH": "4"}, 100, Room(100), SECONDS)
    assert stream.taken == 4


@pytest.mark.parametrize("in_memory", [2, 100])
def test_a_body_that_is_too_short_is_refused(in_memory, folder):
    """And nothing of it stays."""
    room = Room(9)
    with pytest.raises(BodyRefused) as raised:
        body(b"text", in_memory, room, CONTENT_LENGTH="9")
    assert raised.value.args == ("its body ended after 4 of 9 bytes", "400 Bad Request")
    assert open_files_in(folder) == 0
    room.take(9)


@pytest.mark.parametrize("length", ["x", "-1", "1.5", "1_0", "0x1", "+1", "٣", "1, 1"])
def test_a_length_that_is_no_number_is_refused(length):
    """Such a request is somebody's attempt."""
    with pytest.raises(BodyRefused) as raised:
        body(b"text", CONTENT_LENGTH=length)
    assert raised.value.text == f"its Content-Length is {length!r}, not a number"


def test_a_connection_that_breaks_leaves_no_file(folder):
    """The error is the server's."""

    class Broken(Input):
        def read(self, size=-1):
            chunk = super().read(size)
            if self.taken > 2000:
                raise ConnectionResetError("gone")
            return chunk

    room = Room(len(BIG))
    with pytest.raises(ConnectionResetError):
        RequestBody({"wsgi.input": Broken(BIG), **CHUNKED}, 10, room, SECONDS)
    assert open_files_in(folder) == 0
    room.take(len(BIG))


@pytest.mark.parametrize("environ", [{"CONTENT_LENGTH": "1001"}, CHUNKED])
@pytest.mark.parametrize("in_memory", [2, 5000])
def test_a_body_larger_than_the_whole_room_is_refused_for_ever(environ, in_memory, folder):
    """413: it never fits; an announced one is not read at all."""
    room = Room(1000)
    stream = Input(b"x" * 1001, most=100)
    with pytest.raises(BodyRefused) as raised:
        RequestBody({"wsgi.input": stream, **environ}, in_memory, room, SECONDS)
    assert raised.value.args == ("its body is larger than 1000 bytes", "413 Content Too Large")
    assert stream.taken == (0 if "CONTENT_LENGTH" in environ else 1001)
    assert open_files_in(folder) == 0
    room.take(1000)


@pytest.mark.parametrize("environ", [{"CONTENT_LENGTH": "600"}, CHUNKED])
@pytest.mark.parametrize("in_memory", [2, 5000])
def test_a_body_for_which_the_room_is_too_full_is_refused_for_now(environ, in_memory, folder):
    """503: others' bodies take it; when they are closed it fits."""
    room = Room(1000)
    first = body(b"x" * 401, in_memory, room, CONTENT_LENGTH="401")
    stream = Input(b"x" * 600, most=100)
    with pytest.raises(Refused, match="max_bodies"):
        RequestBody({"wsgi.input": stream, **environ}, in_memory, room, SECONDS)
    assert stream.taken == (0 if "CONTENT_LENGTH" in environ else 600)
    with pytest.raises(Refused):
        room.take(600)  # no more was given back than was taken
    first.close()
    second = body(b"x" * 600, in_memory, room, **environ)
    assert second.open().read() == b"x" * 600
    second.close()
    assert open_files_in(folder) == 0
    room.take(1000)


def test_a_body_takes_room_only_for_what_has_come():
    """Who announces much and sends nothing keeps nobody out."""
    room = Room(1000)

    class Slow(Input):
        def read(self, size=-1):
            room.take(998)
            room.give(998)
            return super().read(size)

    kept = RequestBody(
        {"wsgi.input": Slow(b"x" * 2, most=1), "CONTENT_LENGTH": "2"}, 100, room, SECONDS
    )
    assert kept.size == 2


def test_what_was_opened_stays_readable_when_the_body_is_closed():
    """A response that streams may still read it."""
    kept = body(BIG, 10, **CHUNKED)
    stream = kept.open()
    kept.close()
    kept.close()
    assert stream.read() == BIG
    stream.close()


def test_a_body_in_a_file_is_read_by_several_passes_at_a_time():
    """One that was left alone may still read; each has a position of its own."""
    kept = body(BIG, 10, **CHUNKED)
    one, other = kept.open(), kept.open()
    assert (one.read(7), other.read(3), one.readline(5)) == (BIG[:7], BIG[:3], BIG[7:12])
    assert (one.seek(-4, os.SEEK_END), one.read(), one.tell()) == (len(BIG) - 4, BIG[-4:], len(BIG))
    assert (other.seek(2, os.SEEK_CUR), other.read(2), other.seek(0)) == (5, BIG[5:7], 0)
    with pytest.raises(ValueError, match="before the start"):
        other.seek(-1, os.SEEK_CUR)
    kept.close()
    assert other.read() == BIG
    one.close()
    other.close()


def test_a_pass_cannot_change_the_body_of_the_next():
    """Each has a file of its own."""
    kept = body(b"text", CONTENT_LENGTH="4")
    kept.open().write(b"TEXT")
    assert kept.open().read() == b"text"


@pytest.mark.parametrize("environ", [{"CONTENT_LENGTH": "5000"}, CHUNKED])
def test_what_a_refused_request_still_sends_is_dropped_after_the_answer(environ):
    """The next request of the connection is found behind it."""
    stream = Input(b"x" * 5000)
    answer = Unread([b"refused"], {"wsgi.input": stream, **environ}, SECONDS)
    assert (list(answer), stream.taken) == ([b"refused"], 0)
    answer.close()
    assert stream.taken == 5000


def test_dropping_what_never_comes_is_no_error():
    """The client has gone, or announced what is no number."""

    class Broken(Input):
        def read(self, size=-1):
            raise ConnectionResetError("gone")

    for environ in ({"CONTENT_LENGTH": "4"}, {"CONTENT_LENGTH": "x"}):
        Unread([], {"wsgi.input": Broken(b""), **environ}, SECONDS).close()


@pytest.mark.parametrize(("size", "closed"), [(60 * 2**20, False), (70 * 2**20, True)])
def test_of_what_is_dropped_there_is_an_end(size, closed):
    """More than that is not read: gunicorn is told to close the connection, others are not."""
    chunk = b"x" * 65536

    class Endless:
        taken = 0

        def read(self, most):
            self.taken += len(chunk)
            return chunk

    gunicorn = {"gunicorn.socket": None}
    for server in ({}, gunicorn, {**gunicorn, "SERVER_PROTOCOL": "HTTP/2.0"}):
        stream = Endless()
        environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(size), **server}
        told = closed and server == gunicorn
        with pytest.raises(ConnectionResetError) if told else nullcontext():
            Unread([], environ, SECONDS).close()
        assert stream.taken <= 64 * 2**20 + len(chunk)


def test_body_that_was_read_whole_is_not_read_again():
    """Not every server's input knows its end: it may wait for ever."""
    stream = Input(b"x" * 10)
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": "4"}
    RequestBody(environ, 100, Room(100), SECONDS)
    Unread([], environ, SECONDS).close()
    assert stream.taken == 4
