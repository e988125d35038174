"""Streams without a server: what can be declared, what is written, what is kept back."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import current_stream
from collective.wsgifutures import FuturesError
from collective.wsgifutures import ResultRefused
from collective.wsgifutures import stream
from collective.wsgifutures import StreamEvent
from collective.wsgifutures.kernel.calls import Returned
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import Pass
from collective.wsgifutures.kernel.passes import publish
from collective.wsgifutures.kernel.passes import Publisher
from collective.wsgifutures.kernel.streams.buffer import Buffer
from collective.wsgifutures.kernel.streams.formats import Events
from collective.wsgifutures.kernel.streams.formats import Lines
from collective.wsgifutures.kernel.streams.formats import Text

import contextvars
import functools
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@stream
def words(*said):
    """Say it."""
    yield from said


@stream(timeout=5, between=1)
async def words_async(*said):
    for one in said:
        yield one


@stream
def named():
    yield current_stream().name


closed = []


@stream
def closing():
    try:
        yield "a"
        yield "b"
    finally:
        closed.append(True)


class Lists(list):
    """No plain data."""


def in_a_pass(view):
    """Return what *view* returns in a pass."""
    found = []
    publish(
        Pass(Hold(0.0), 0.0),
        lambda: not found.append(view()),
        lambda: 0.0,
        contextvars.copy_context(),
    )
    return found[0]


# what is declared


def test_stream_keeps_name_and_docstring_of_its_function():
    """As a future does."""
    assert (words.__name__, words.__doc__) == ("words", "Say it.")
    assert repr(words) == f"<stream {__name__}.words>"
    assert repr(words("a")) == f"<Stream {__name__}.words>"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (len, "yields nothing"),
        (lambda: None, "has no dotted name"),
        ("text", "is for a function"),
        (functools.partial(words.plain, "a"), "not for a partial"),
    ],
)
def test_what_is_no_generator_function_is_refused(function, message):
    """Where it is declared."""
    with pytest.raises(TypeError, match=message):
        stream(function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout=0 is not a number of seconds"),
        ({"between": "5"}, "between='5' is not a number of seconds"),
    ],
)
def test_limit_that_is_none_is_refused(options, message):
    """Everything ends."""
    with pytest.raises(ValueError, match=message):
        stream(**options)


@pytest.mark.parametrize("declared", [words, words_async])
def test_argument_that_is_not_plain_data_is_refused(declared):
    """Where the view passes it."""
    with pytest.raises(ArgumentRefused, match=r"cannot take said\[1\]"):
        declared("a", Lists())
    with pytest.raises(TypeError, match="unexpected keyword"):
        declared(word="a")


def test_generator_gets_copies_of_its_arguments():
    """What the view changes afterwards changes nothing."""
    given = ["a"]
    said = words(given)
    given.append("b")
    assert list(said) == [["a"]]


def test_stream_of_a_class_is_refused_where_it_would_get_self():
    """A view may not be kept."""

    class View:
        tell = words

    with pytest.raises(ArgumentRefused, match="Declare the stream outside of the class"):
        View().tell("a")


# in place, and in a pass


@pytest.mark.parametrize("declared", [words, words_async])
def test_stream_runs_in_place_where_no_pass_is_published(declared):
    """In a script, a test, a future: as items, or as the bytes of an answer."""
    assert list(declared("a", "b")) == ["a", "b"]
    assert b"".join(declared("a", "b").text()) == b"ab"


def test_generator_in_place_knows_its_stream():
    """And its caller does not."""
    assert list(named()) == [f"{__name__}.named"]
    assert current_stream() is None


def test_generator_in_place_is_closed_where_its_reader_stops():
    """What it opened with it."""
    closed.clear()
    chunks = closing().text()
    assert next(chunks) == b"a"
    chunks.close()
    assert closed == [True]


def test_error_in_place_ends_the_answer():
    """Events say so first."""

    @stream(key="failing")
    def failing():
        yield "a"
        raise KeyError

    got = []
    with pytest.raises(KeyError):
        got.extend(failing().events())
    assert got == [b"data: a\n\n", b"event: error\ndata: failed\n\n"]
    with pytest.raises(KeyError):
        b"".join(failing().text())


def test_stream_in_a_pass_is_not_read_there():
    """Its slot would be kept: nothing runs."""
    with pytest.raises(FuturesError, match="as the view's answer"):
        in_a_pass(lambda: list(words("a")))
    with pytest.raises(FuturesError, match="begins when the pass is committed"):
        in_a_pass(lambda: list(words("a").text()))


def test_publisher_of_a_pass_prepares_the_answer_before_there_is_looked_for_room():
    """So it is known whose it is."""
    happened = []

    class Told(Publisher):
        def stream(self, answer):
            happened.append(repr(answer))

    def view():
        this.publisher = Told()
        this.check_room = happened.append
        return words("a").text()

    this = Pass(Hold(0.0), 0.0)
    publish(this, lambda: bool(view()), lambda: 0.0, contextvars.copy_context())
    name = f"{__name__}.words"
    assert happened == [f"<answer of the stream {name}>", name]


# what is written


@pytest.mark.parametrize(
    ("item", "written"),
    [
        ("a", "data: a\n\n"),
        ("", "data: \n\n"),
        ("a\nb\r\nc\rd\n", "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        ({"a": [1]}, 'data: {"a":[1]}\n\n'),
        (None, "data: null\n\n"),
        (StreamEvent("a", event="word", id="7"), "event: word\nid: 7\ndata: a\n\n"),
        (StreamEvent(id="", retry=1.5), "id: \nretry: 1500\n\n"),
        (StreamEvent({"a": "\n"}), 'data: {"a":"\\n"}\n\n'),
        (StreamEvent(comment="a\nb"), ": a\n: b\n\n"),
        ("\u2028ä", "data: \u2028ä\n\n"),
    ],
)
def test_event_is_written_as_the_standard_says(item, written):
    """No data can be taken for another field."""
    assert Events().encode("words", item).decode() == written


@pytest.mark.parametrize(
    ("format", "item"),
    [
        (Text(), b"bytes"),
        (Text(), 1),
        (Text(), "\ud800"),
        (Lines(), object()),
        (Lines(), float("nan")),
        (Events(), "\ud800"),
        (Events(), object()),
        (Events(), StreamEvent("a", id="7\nevent: error")),
        (Events(), StreamEvent("a", event="a\rb")),
        (Events(), StreamEvent("a", id="\0")),
        (Events(), StreamEvent("a", retry=-1)),
        (Events(retry=float("nan")), "a"),
    ],
)
def test_what_cannot_be_written_is_refused(format, item):
    """With the name of the stream."""
    with pytest.raises(ResultRefused, match="words"):
        format.encode("words", item)


# what is kept back


def test_buffer_lets_its_writer_wait_until_there_is_room():
    """It keeps its limit and one chunk."""
    buffer, put = Buffer(limit=10), []

    def write():
        for _ in range(4):
            buffer.put(b"x" * 6)
            put.append(True)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    time.sleep(0.1)
    assert len(put) == 1
    assert buffer.take() == b"x" * 12
    time.sleep(0.1)
    assert len(put) == 3
    taken = b""
    while len(taken) < 12:
        taken += buffer.take()
        time.sleep(0.01)
    thread.join(2)
    assert len(put) == 4


def test_buffer_keeps_nothing_of_an_item_without_a_byte():
    """A generator that yields nothing again and again has no limit to wait at."""
    buffer = Buffer(limit=10)
    for _ in range(1000):
        assert buffer.put(b"")
    assert (len(buffer._chunks), buffer.items, buffer.take()) == (0, 1000, b"")


def test_buffer_that_is_closed_lets_its_writer_go():
    """And tells it that nobody wants more."""
    buffer, told = Buffer(limit=1), []
    thread = threading.Thread(target=lambda: told.append(buffer.put(b"xx")), daemon=True)
    thread.start()
    time.sleep(0.05)
    buffer.close()
    thread.join(2)
    assert (told, buffer.take()) == ([False], b"")


def test_buffer_tells_its_reader_of_the_end():
    """After all that was put."""
    buffer = Buffer()
    assert buffer.put(b"a")
    buffer.end(Returned("words", None))
    assert buffer.arrived.is_set()
    assert (buffer.take(), buffer.outcome.get()) == (b"a", None)
