"""A request is refused before it is parsed, where that is certain from its first bytes."""

from .applications import SECONDS
from collective.wsgifutures.wsgi import apologies
from collective.wsgifutures.wsgi.door import Door
from collective.wsgifutures.wsgi.limits import Refusals
from collective.wsgifutures.wsgi.settings import Settings
from types import SimpleNamespace

import pytest
import socket

GET = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"HEAD /page HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ends():
    """A client's end of a connection and the server's."""
    client, server = socket.socketpair()
    client.settimeout(SECONDS)
    yield client, server
    client.close()
    server.close()


class Worker:
    """Handles connections; knows what it handled, and reads nothing."""

    def __init__(self, full=True, open_path=None, **settings):
        self.handled = []
        settings = Settings(**settings)
        limit = "max_waiting" if full else None
        self.refusals = Refusals(settings)
        refuse = self.refusals.note

        def refuses(path=None):
            return None if path is not None and path == open_path else limit

        hold = SimpleNamespace(settings=settings, refuse=refuse, refuses=refuses)
        self.door = Door(lambda *connection: self.handled.append(connection), hold)


def received(client):
    """Return all that comes, to the end."""
    data = b""
    while part := client.recv(65536):
        data += part
    return data


@pytest.mark.parametrize("request_", [GET, HEAD], ids=["GET", "HEAD"])
def test_request_is_refused_when_no_more_can_be_taken(ends, request_):
    """With the answer that it would have had, and its connection is closed."""
    client, server = ends
    worker = Worker()
    client.sendall(request_)
    worker.door("listener", server, "address")
    head, _, body = received(client).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert dict(line.split(": ") for line in headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "48",
        "Retry-After": "5",
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    busy = b"The site is busy. Please try again in a moment.\n"
    assert body == (busy if request_ is GET else b"")
    assert (worker.handled, worker.refusals.counts) == ([], {"max_waiting": 1})


@pytest.mark.parametrize(
    ("wants", "language"),
    [
        (b"Accept: text/html, */*;q=0.8\r\nAccept-Language: de-AT, en;q=0.5\r\n", "de"),
        (b"accept-language:fi\r\naccept:text/html\r\n", "fi"),
        (b"Accept: text/html\r\n", "en"),
    ],
)
def test_browser_that_is_refused_gets_a_page_in_its_language(ends, wants, language):
    """The one that it would have had."""
    client, server = ends
    client.sendall(GET[:-2] + wants + b"\r\n")
    Worker().door("listener", server, "address")
    head, _, body = received(client).partition(b"\r\n\r\n")
    assert body == apologies.render(apologies.BUSY, language)
    assert b"\r\nContent-Type: text/html; charset=utf-8\r\n" in head
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    assert b"\r\nContent-Security-Policy: default-src 'none'; " in head
    assert b"\r\nRetry-After: 5\r\nCache-Control: no-store\r\n" in head


def test_connection_goes_through_when_more_can_be_taken(ends):
    """Nothing of it is looked at."""
    _, server = ends
    worker = Worker(full=False)
    worker.door("listener", server, "address")
    assert worker.handled == [("listener", server, "address")]


@pytest.mark.parametrize(
    "target", [b"/b%C3%BCcher", b"/b%c3%bccher?q=/page"], ids=["path", "query"]
)
def test_request_to_a_path_for_which_nobody_waits_is_not_refused(ends, target):
    """Though a crowd waits for another; the path is read as the server does."""
    client, server = ends
    worker = Worker(open_path="/b\xc3\xbccher")
    client.sendall(b"GET " + target + b" HTTP/1.1\r\n\r\n")
    worker.door("listener", server, "address")
    assert worker.handled == [("listener", server, "address")]


USUAL = {
    "a body": b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
    "a body of a GET": b"GET / HTTP/1.1\r\ncontent-length : 3\r\n\r\n",
    "chunks": b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "Expect": b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
    "Upgrade": b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a second request behind it": GET + GET,
    "a head that is not whole": GET[:-2],
    "a proxy's line": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + GET,
    "liveness": b"GET /alive HTTP/1.1\r\n\r\n",
    "nonsense": b"\0\1\2",
}


@pytest.mark.parametrize("data", USUAL.values(), ids=USUAL)
def test_what_is_more_than_a_whole_get_goes_the_usual_way(ends, data):
    """It is refused there; nothing of it was read."""
    client, server = ends
    worker = Worker(liveness_path="/alive")
    client.sendall(data)
    worker.door("listener", server, "address")
    assert worker.handled == [("listener", server, "address")]
    assert (server.recv(65536), worker.refusals.counts) == (data, {})


def test_path_that_begins_as_the_one_of_liveness_is_refused(ends):
    """Only that path is answered."""
    client, server = ends
    worker = Worker(liveness_path="/alive")
    client.sendall(b"GET /alive/not HTTP/1.1\r\n\r\n")
    worker.door("listener", server, "address")
    assert received(client).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize(
    "leave", [socket.socket.close, lambda client: None], ids=["gone", "silent"]
)
def test_client_that_sends_nothing_is_left(ends, leave):
    """Or that has gone."""
    client, server = ends
    worker = Worker(body_timeout=0.05)
    leave(client)
    worker.door("listener", server, "address")
    assert server.fileno() == -1 or worker.handled
