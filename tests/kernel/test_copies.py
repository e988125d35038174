"""What reading uses up: an exception's is the same in each pass, a result has none."""

from .fakes import Plain
from .fakes import raised_by
from collective.wsgifutures import future
from collective.wsgifutures.kernel.calls import Raised
from collective.wsgifutures.kernel.calls import Returned
from collective.wsgifutures.kernel.calls import run
from collective.wsgifutures.kernel.errors import ResultRefused
from collective.wsgifutures.testing import HeldRequest
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import csv
import errno
import io
import itertools
import pickle
import pytest
import requests
import socket
import sys
import tempfile
import threading
import time
import zipfile

# results


async def _coroutine():
    """Is never awaited."""


async def _items():
    yield 1


def _coroutine_that_is_closed():
    made = _coroutine()
    made.close()
    return made


def _open(mode="r", buffering=-1):
    return Path(__file__).open(mode, buffering)


_LIST = "return a list of it: list(...)."
_READ = "read it inside of the future, and return what read() gives."

ONCE = {
    "a generator": (lambda: (n for n in [1]), _LIST),
    "iter": (lambda: iter([1]), _LIST),
    "a text's iter": (lambda: iter("ab"), _LIST),
    "map": (lambda: map(int, "12"), _LIST),
    "zip": (lambda: zip([1], [2], strict=True), _LIST),
    "filter": (lambda: filter(None, [1]), _LIST),
    "enumerate": (lambda: enumerate([1]), _LIST),
    "reversed": (lambda: reversed([1]), _LIST),
    "chain": (lambda: itertools.chain([1], [2]), _LIST),
    "csv": (lambda: csv.reader(["a,b"]), _LIST),
    "keys": (lambda: {"a": 1}.keys(), _LIST),
    "a text file": (lambda: _open(), _READ),
    "a binary file": (lambda: _open("rb"), _READ),
    "a raw file": (lambda: _open("rb", 0), _READ),
    "BytesIO": (lambda: io.BytesIO(b"x"), "return its getvalue()."),
    "StringIO": (lambda: io.StringIO("x"), "return its getvalue()."),
    "a coroutine": (_coroutine_that_is_closed, "declared as async def."),
    "an async generator": (_items, "return [item async for item in it]."),
    "memoryview": (lambda: memoryview(b"x"), "return bytes(...) of it."),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [{"a": v}], lambda v: _with(v)])
@pytest.mark.parametrize(("make", "mend"), ONCE.values(), ids=ONCE)
def test_a_result_that_can_be_read_once_is_refused(make, mend, wrap):
    """Two viewlets that ask for it would share it; the message says what to return."""
    error = raised_by(Returned, "shop.price", wrap(make()))
    assert isinstance(error, ResultRefused)
    assert error.reason.startswith("it is or contains a")
    assert error.reason.endswith(f", which can be read once; {mend}") or mend in error.reason


def _with(value):
    plain = Plain()
    plain.value = value
    return plain


@pytest.mark.parametrize("make", [tempfile.TemporaryFile, tempfile.SpooledTemporaryFile])
def test_a_temporary_file_is_refused(make):
    """It is on no other machine, and gone with its process."""
    with make() as file:
        assert isinstance(raised_by(Returned, "shop.price", file), ResultRefused)


def test_an_archive_that_is_open_is_refused():
    """It has a file in it."""
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        assert isinstance(raised_by(Returned, "shop.price", archive), ResultRefused)


@pytest.mark.parametrize("value", [range(3), [1], {"a": (1,)}, {1}, b"x", bytearray(b"x")])
def test_a_result_that_can_be_read_often_is_kept(value):
    """A container is no iterator."""
    assert Returned("shop.price", value).get() == value


# exceptions


class Failed(Exception):
    """Takes something else than its args, and carries it."""

    def __init__(self, text, **carried):
        super().__init__(text)
        self.__dict__.update(carried)


def once(content=b"why"):
    """Return a file that can neither be copied nor read twice, as a socket's."""
    return io.BufferedReader(io.BytesIO(content))


def fails(error):
    """Return the outcome of a future that raises *error*."""

    def function():
        raise error

    return run("shop.price", function)


CARRIES = {
    "as an attribute": (lambda file: Failed("no", body=file), lambda e: e.body),
    "as an argument": (lambda file: ValueError("no", file), lambda e: e.args[1]),
    "in a dict": (lambda file: Failed("no", answer={"Body": file}), lambda e: e.answer["Body"]),
    "in an object": (lambda file: Failed("no", answer=_with(file)), lambda e: e.answer.value),
    "beside a lock": (
        lambda file: Failed("no", body=file, lock=threading.Lock()),
        lambda e: e.body,
    ),
    "in an object with a lock": (
        lambda file: Failed("no", answer=_with([file, threading.Lock()])),
        lambda e: e.answer.value[0],
    ),
    "in a group": (
        lambda file: ExceptionGroup("several", [Failed("no", body=file)]),
        lambda e: e.exceptions[0].body,
    ),
    "in an exception": (
        lambda file: Failed("no", why=Failed("too", body=file)),
        lambda e: e.why.body,
    ),
}


@pytest.mark.parametrize(("make", "get"), CARRIES.values(), ids=CARRIES)
def test_a_file_that_an_exception_carries_is_the_same_in_each_pass(make, get):
    """It is read where the future runs; each pass reads a copy."""
    outcome = fails(make(once()))
    assert [get(outcome.exception()).read() for _ in range(3)] == [b"why"] * 3
    assert get(outcome.exception()).read() == b"why"


def test_a_file_that_a_future_has_read_in_part_goes_on_there():
    """As the view would have had it from the exception itself."""
    file = once(b"head body")
    file.read(5)
    assert fails(Failed("no", body=file)).exception().body.read() == b"body"


def test_a_text_file_stays_one():
    """Its lines are text."""
    file = io.TextIOWrapper(once(b"one\ntwo\n"))
    outcome = fails(Failed("no", body=file))
    assert [list(outcome.exception().body) for _ in range(2)] == [["one\n", "two\n"]] * 2


@pytest.mark.parametrize("make", [lambda: (n for n in "ab"), lambda: map(str, (n for n in "ab"))])
def test_an_iterator_that_an_exception_carries_is_the_same_in_each_pass(make):
    """What is left of it is taken out where the future runs."""
    outcome = fails(Failed("no", rows=make()))
    assert [list(outcome.exception().rows) for _ in range(2)] == [["a", "b"]] * 2


def test_a_file_that_is_named_twice_is_one_file_in_a_copy():
    """What one name has read, the other has not."""
    file = once()
    copy = fails(Failed("no", body=file, fp=file)).exception()
    assert copy.body is copy.fp


@pytest.mark.parametrize("how", ["closed", "written", "broken", "stdin"])
def test_a_file_that_cannot_be_read_is_left_alone(how, tmp_path):
    """The exception is raised all the same."""
    file = {
        "closed": once,
        "written": (tmp_path / "file").open("w").detach,
        "broken": Broken,
        "stdin": lambda: sys.__stdin__,
    }[how]()
    if how == "closed":
        file.close()
    assert fails(Failed("no", body=file)).exception().body is file


class Broken(io.RawIOBase):
    def __reduce_ex__(self, protocol):
        raise TypeError("not this one")

    def read(self, size=-1):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_what_an_exception_comes_from_is_copied_too():
    """A view may look at the cause, and read it."""

    def function():
        try:
            raise Failed("inner", body=once())
        except Failed as inner:
            raise ValueError("outer") from inner

    outcome = run("shop.price", function)
    errors = [outcome.exception() for _ in range(2)]
    assert [error.__cause__.body.read() for error in errors] == [b"why"] * 2
    assert errors[0].__cause__ is errors[0].__context__
    assert errors[0].__cause__ is not errors[1].__cause__
    errors[0].__cause__.add_note("seen")
    assert not hasattr(errors[1].__cause__, "__notes__")


def test_an_exception_that_comes_from_itself_is_copied():
    """A circle has no end, but a copy."""
    error, other = Failed("one"), Failed("other")
    error.__context__, other.__context__ = other, error
    error.why = _with([error, once()])
    copy = fails(error).exception()
    assert copy.__context__.__context__ is copy
    assert copy.why.value[0] is copy


def test_what_the_built_in_class_of_an_exception_has_is_copied():
    """It is in no dict."""
    error = Failed2("https://shop/")
    copy = Raised(error).exception()
    assert (copy.filename, copy.errno, copy.args) == ("https://shop/", 2, ())


class Failed2(OSError):
    def __init__(self, url):
        self.filename = url
        self.errno = 2


def test_an_exception_with_its_own_init_goes_to_another_process():
    """It is made of its parts there."""
    error = HTTPError("https://shop/", 503, "busy", {}, once())
    error.tried = [1]
    outcome = pickle.loads(pickle.dumps(fails(error)))
    copy = outcome.exception()
    assert (type(copy), copy.code, copy.tried, copy.read()) == (HTTPError, 503, [1], b"why")


# real ones


class Refuses(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"why")

    def log_message(self, *args):
        """Nobody reads it."""


@pytest.fixture
def url():
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def with_urllib(url):
    return urlopen(url)


def with_requests(url):
    return requests.get(url, stream=True, timeout=10).raise_for_status()


@pytest.mark.parametrize(
    ("call", "read"),
    [(with_urllib, lambda e: e.read()), (with_requests, lambda e: e.response.content)],
)
def test_an_error_of_an_http_library_has_its_body_in_each_pass(url, call, read):
    """Two passes and two viewlets of one pass read the same."""
    asks, waits = future(key="asks")(lambda url: call(url)), future(key="waits")(lambda: 1)
    bodies = []

    def view():
        bodies.extend(read(asks.submit(url).exception()) for _ in range(2))
        waits()

    HeldRequest(view).run()
    assert bodies == [b"why"] * 4


class Client:
    """Has a connection and a counter, which others go on to use."""

    def __init__(self, sock=None):
        self.file = None if sock is None else sock.makefile("rb")
        self.ids = (number for number in range(10**9))
        self.lock = threading.Lock()


def test_a_client_that_an_exception_carries_is_not_read():
    """Nobody waits for its connection, and its counter stays where it is."""
    ours, theirs = socket.socketpair()
    client = Client(ours)
    with ours, theirs:
        began = time.monotonic()
        ours.settimeout(60)
        fails(Failed(client))
        assert time.monotonic() - began < 30
        assert next(client.ids) == 0


def test_an_exception_that_carries_very_much_is_an_outcome():
    """However deep that goes."""
    first = node = Plain()
    for _ in range(1000):
        node.next = node = Plain()
    node.lock = threading.Lock()
    assert isinstance(fails(Failed(first)).exception(), Failed)
