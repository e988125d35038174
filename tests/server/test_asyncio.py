"""gunicorn's own worker for asyncio: ``-k asgi``.

With ``HOLDTESTS_WORKER=asgi`` the other tests of gunicorn run on it, too.
"""

from processes import Server
from processes import wait_until
from test_stop import address_of
from test_stop import Client
from test_stop import held_request
from test_stop import leave
from test_stop import pipeline
from test_stop import reset
from urllib.parse import quote

import pytest
import signal
import time

SILENT = "GET /Plone/@@silent-async?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_it_says_with_what_it_waits(asyncio_server):
    """In its first line."""
    assert "Responses are held (asyncio): " in asyncio_server.process.output


@pytest.mark.parametrize("go", [leave, reset, pipeline])
def test_client_that_goes_while_held_frees_an_async_call_within_a_second(
    asyncio_server, silent, go
):
    """Its task is cancelled, and its socket closed."""
    client = Client(address_of(asyncio_server), SILENT.format(url=silent.url))
    assert silent.called.wait(10)
    began = time.monotonic()
    go(client)
    assert silent.left.wait(2)
    assert time.monotonic() - began < 1


def test_two_hundred_are_held_side_by_side(asyncio_server, service):
    """None of them keeps a thread: each call is a task of the loop."""
    url = quote(f"{service.url}/slow?seconds=1&text=", safe="")
    began = time.monotonic()
    done = asyncio_server.load(f"@@silent-async?url={url}two-{{n}}", 200, 200)
    assert done["statuses"] == {"200": 200}
    assert time.monotonic() - began < 20


@pytest.mark.operation
def test_stop_answers_what_cannot_be_finished_and_ends_the_worker(start_gunicorn, service, text):
    """A call in a thread does not keep the process from ending."""
    server = Server(*start_gunicorn("--graceful-timeout", "5", worker="asgi"))
    client = Client(address_of(server), held_request(text, seconds=40))
    wait_until(lambda: service.calls(text))
    server.process.signal(signal.SIGTERM)
    assert client.answer()[0] == 503
    assert server.process.wait(20) == 0
