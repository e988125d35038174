"""A view that the benchmarks ask for: the events of the slow service, as they come.

In the form: ``client``, who reads them; ``count`` and ``rate``, how many they are, and how many
come in a second.
"""

from .load_upstreams import SERVICE
from .views import View
from collective.wsgifutures import stream
from collective.wsgifutures import Upstream
from urllib.parse import urlsplit

import asyncio

_service = urlsplit(SERVICE)
_many = Upstream("words", SERVICE, timeout=(30, 60), total=300, max_calls=5000)


@stream(timeout=300, between=60)
def by_upstream(count, rate):
    with _many.stream("GET", "/words", params={"count": count, "rate": rate}) as answer:
        for event in answer.raise_for_status().events():
            yield event.data


@stream(timeout=300, between=60)
async def by_asyncio(count, rate):
    reader, writer = await asyncio.open_connection(_service.hostname, _service.port)
    try:
        path = f"/words?count={count}&rate={rate}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        while size := int(await reader.readline(), 16):
            event = await reader.readexactly(size + 2)
            yield event.decode().strip().removeprefix("data: ")
    finally:
        writer.close()


CLIENTS = {"upstream": by_upstream, "asyncio": by_asyncio}


class Tell(View):
    def __call__(self):
        form = self.request.form
        return CLIENTS[form["client"]](int(form["count"]), float(form["rate"])).events()
