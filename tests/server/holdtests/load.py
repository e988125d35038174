"""Views that the benchmarks ask for: one call each, made by four clients.

``http.client``, which ``requests`` and ``urllib3`` are made of, makes its response, with
a buffer of 8 KB, before the answer is there. A connection that waits for the first byte
keeps nothing of that while its call takes its time.
"""

from .views import session
from .views import View
from collective.wsgifutures import future
from collective.wsgifutures import held
from urllib.parse import urlencode
from urllib.parse import urlsplit

import asyncio
import functools
import json
import os
import urllib3

#: More than any worker holds: connections are kept, and none is thrown away.
_MANY = 20_000

_TIMEOUT = urllib3.Timeout(connect=10, read=None)  # the future's own timeout ends the call
_NO_RETRIES = urllib3.Retry(0, redirect=False)


class WaitingConnection(urllib3.connection.HTTPConnection):
    """Waits for the first byte of the answer before it makes a response."""

    def getresponse(self):
        from gevent.socket import wait_read

        wait_read(self.sock.fileno())
        return super().getresponse()


class WaitingPool(urllib3.HTTPConnectionPool):
    ConnectionCls = WaitingConnection


@functools.cache
def pool(make):
    """Return the one pool of that class in this process."""
    service = urlsplit(os.environ["HOLDTESTS_SERVICE"])
    return make(
        service.hostname, service.port, maxsize=_MANY, timeout=_TIMEOUT, retries=_NO_RETRIES
    )


def _target(seconds, text):
    return "/slow?" + urlencode({"seconds": seconds, "text": text})


@future(timeout=600)
def by_waiting(seconds, text):
    return pool(WaitingPool).urlopen("GET", _target(seconds, text)).json()["text"]


@future(timeout=600)
def by_urllib3(seconds, text):
    return pool(urllib3.HTTPConnectionPool).urlopen("GET", _target(seconds, text)).json()["text"]


@future(timeout=600)
def by_requests(seconds, text):
    url = os.environ["HOLDTESTS_SERVICE"] + _target(seconds, text)
    return session.get(url, timeout=None).json()["text"]


#: Kept connections of the loop, each a reader and a writer.
_kept = []


@future(timeout=600)
async def by_asyncio(seconds, text):
    reader, writer = _kept.pop() if _kept else await _connect()
    writer.write(f"GET {_target(seconds, text)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = head.partition("content-length:")[2].partition("\r")[0]
    body = await reader.readexactly(int(length))
    _kept.append((reader, writer))
    return json.loads(body)["text"]


async def _connect():
    service = urlsplit(os.environ["HOLDTESTS_SERVICE"])
    return await asyncio.open_connection(service.hostname, service.port)


CLIENTS = {
    "waiting": by_waiting,
    "urllib3": by_urllib3,
    "requests": by_requests,
    "asyncio": by_asyncio,
}


class Hold(View):
    """Waits for the slow service, asked by the client of that name."""

    @held(answer=lambda self: self.call.submit(self.seconds, self.text))
    def __call__(self, answer):
        return answer

    @property
    def call(self):
        return CLIENTS[self.request.form.get("client", "waiting")]
