"""A slow service that holds thousands of calls, and releases all of them on request.

    GET /slow?seconds=120&text=hello   answers {"text": …} after that time, or when released
    GET /fail                          answers 503, at once
    GET /words?count=400&rate=20       events, so many a second; each is when it was sent
    GET /calls                         the times of calls to these two, of time.monotonic
    GET /waiting                       the number of calls that wait
    GET /release                       answers all calls that wait; their number

The service prints its address. It uses asyncio without a framework: a waiting call is one object
and one timer.
"""

from urllib.parse import parse_qs
from urllib.parse import urlsplit

import asyncio
import json
import resource
import time


class Call(asyncio.Protocol):
    """One connection, with one call at a time."""

    waiting = {}  #: the timer of each call that waits
    came = []  #: the time of each call

    def connection_made(self, transport):
        self._transport = transport
        self._received = b""
        self._text = ""

    def data_received(self, data):
        self._received += data
        if b"\r\n\r\n" not in self._received:
            return
        target = urlsplit(self._received.split(b" ", 2)[1].decode())
        self._received = b""
        if target.path in ("/slow", "/fail"):
            self.came.append(time.monotonic())
        if target.path == "/slow":
            self._wait(parse_qs(target.query))
        elif target.path == "/fail":
            self._send("not now", "503 Service Unavailable")
        elif target.path == "/words":
            asyncio.get_running_loop().create_task(self._tell(parse_qs(target.query)))
        elif target.path == "/calls":
            self._send(self.came)
        elif target.path == "/waiting":
            self._send(len(self.waiting))
        elif target.path == "/release":
            self._send(self._release())
        else:
            self._send("no such path", "404 Not Found")

    def connection_lost(self, error):
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def answer(self):
        """Answer the call that waits."""
        self.waiting.pop(self).cancel()
        self._send({"text": self._text})

    def _wait(self, query):
        self._text = query["text"][0]
        seconds = float(query["seconds"][0])
        self.waiting[self] = asyncio.get_running_loop().call_later(seconds, self.answer)

    async def _tell(self, query):
        """Send the time again and again, as a language model does its words."""
        loop, pause = asyncio.get_running_loop(), 1 / float(query["rate"][0])
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        self._transport.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        due = loop.time()
        for _ in range(int(query["count"][0])):
            due += pause
            await asyncio.sleep(due - loop.time())
            if self._transport.is_closing():
                return
            event = b"data: %.4f\n\n" % time.monotonic()
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self._transport.write(b"0\r\n\r\n")

    def _release(self):
        calls = list(self.waiting)
        for call in calls:
            call.answer()
        return len(calls)

    def _send(self, data, status="200 OK"):
        body = json.dumps(data).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Call, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
