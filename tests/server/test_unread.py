"""What a refused or stopped request leaves unread of its body is never taken for a request."""

from wire import request
from wire import Wire

import contextlib
import pytest
import signal
import time

pytestmark = pytest.mark.operation

CHUNKED = "Transfer-Encoding: chunked"


def test_what_follows_on_an_upload_that_a_stop_has_ended_is_no_request(started):
    """The connection is closed: where the next request begins is not known."""
    server = started("--graceful-timeout", "4")
    with Wire(server) as wire:
        wire.send(request("@@fault-read", CHUNKED, method="POST") + b"fffff\r\nbegin")
        time.sleep(0.3)
        server.process.signal(signal.SIGTERM)
        first = wire.answer()
        wire.send(request("@@fast"))
        assert [first.status, *(a.status for a in wire.answers())] == [503]


def test_what_follows_on_a_refused_body_that_is_not_read_to_its_end_is_no_request(started):
    """The connection is closed, whatever the client still sends."""
    server = started(env={"WSGIFUTURES_MAX_BODIES": "1000000"})
    inner = request("@@fault-hidden?text=hidden")
    block = inner * (2**20 // len(inner))
    with Wire(server) as wire:
        length = f"Content-Length: {200 * len(block)}"
        wire.send(request("@@fault-read", length, method="POST"))
        with contextlib.suppress(OSError):  # it is closed in the middle of it
            for _ in range(200):
                wire.send(block)
        assert [answer.status for answer in wire.answers()] == [413]
    assert server.get("@@fault-how-often-hidden", text="hidden").text == "0"
