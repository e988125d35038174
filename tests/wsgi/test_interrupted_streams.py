"""A stream whose client goes or does not read, or whose worker stops, ends wherever it stands."""

from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import SECONDS
from .test_streams import answering
from collective.wsgifutures import stream
from collective.wsgifutures.wsgi.settings import Settings

import gevent
import pytest
import socket

pytestmark = pytest.mark.concurrency


@stream
def wait(*words):
    try:
        yield from words
        log.append("waits")
        gevent.sleep(SECONDS)
    finally:
        log.append("closed")


@stream(timeout=0.3)
def flood():
    try:
        while True:
            yield "x" * 100_000
    finally:
        log.append("closed")


@pytest.fixture
def connection():
    """A client and the server's end of its connection."""
    client, server = socket.socketpair()
    yield client, server
    client.close()
    server.close()


class Served:
    """A request that a server's greenlet answers: it sends what it gets to *server*."""

    def __init__(self, view, server):
        self.app = holding(answering(view), Settings())
        self.server = server
        self.ended_by = None
        self.greenlet = gevent.spawn(self._serve)
        gevent.sleep(0.1)

    def _serve(self):
        environ = make_environ(**{"gunicorn.socket": self.server})
        body = self.app(environ, lambda *start: None)
        try:
            for chunk in body:
                self.server.sendall(chunk)
        except OSError as error:
            self.ended_by = error
        finally:
            getattr(body, "close", int)()

    def end(self):
        """Wait for its end, and return what ended it."""
        self.greenlet.get(timeout=SECONDS / 2)
        gevent.sleep(0.05)
        assert self.app.worker.held.count == 0
        return self.ended_by


def test_client_that_goes_while_the_generator_waits_closes_it_at_once(connection):
    """Nothing has to be sent for that."""
    client, server = connection
    served = Served(lambda environ: wait("a").text(), server)
    assert (client.recv(99), log) == (b"a", ["pass", "waits"])
    client.close()
    assert isinstance(served.end(), ConnectionResetError)
    assert (log, served.app.worker.record.gone) == (["pass", "waits", "closed"], 1)


def test_client_that_goes_before_the_first_item_closes_the_generator_at_once(connection):
    """As a held response."""
    client, server = connection
    served = Served(lambda environ: wait().text(), server)
    assert (served.app.worker.held.count, log) == (1, ["pass", "waits"])
    client.close()
    served.end()
    assert (log, served.app.worker.record.gone) == (["pass", "waits", "closed"], 1)


def test_client_that_does_not_read_is_cut_off_at_the_limit(connection):
    """In the server's own call, and never while the stream waits for a chunk."""
    served = Served(lambda environ: flood().text(), connection[1])
    assert served.app.worker.held.count == 1
    assert isinstance(served.end(), ConnectionResetError)
    assert log == ["pass", "closed"]


def test_client_is_cut_off_once():
    """A server that goes on all the same is not hit again in the midst of something else."""
    app = holding(answering(lambda environ: flood().text()), Settings())
    body = app(make_environ(), lambda *start: None)
    next(body)
    with pytest.raises(ConnectionResetError):
        gevent.sleep(SECONDS)
    gevent.sleep(1.3)
    body.close()
    gevent.sleep(0.05)
    assert log == ["pass", "closed"]


@pytest.mark.parametrize("form", ["events", "text"])
def test_stop_ends_a_stream_that_goes_on(connection, form):
    """With a last event; text breaks off."""
    client, server = connection
    served = Served(lambda environ: getattr(wait("a"), form)(), server)
    served.app.worker.interrupts.stop()
    ended_by = served.end()
    server.close()
    got = b"".join(iter(lambda: client.recv(999), b""))
    if form == "events":
        assert (ended_by, got) == (None, b"data: a\n\nevent: error\ndata: stopped\n\n")
    else:
        assert (type(ended_by), got) == (ConnectionResetError, b"a")
    assert log == ["pass", "waits", "closed"]


def test_stop_before_the_first_item_is_503(connection):
    """As for a held response."""
    client, server = connection
    served = Served(lambda environ: wait().text(), server)
    served.app.worker.interrupts.stop()
    served.end()
    server.close()
    assert b"The site is busy" in b"".join(iter(lambda: client.recv(999), b""))
    assert log == ["pass", "waits", "closed"]
