"""Views that accept websockets. ``log`` has what their functions did, by the client's text."""

from .connections import peak
from .streams import _note
from .streams import log
from .streams import Writing as WritingOfStreams
from .views import slow
from .views import View
from collective.wsgifutures import websocket
from plone import api

import asyncio
import os


@websocket(subprotocols=("echo.v2", "echo.v1"))
async def echo(socket, text, user):
    """Say who asked, and repeat."""
    _note(text, "begins")
    try:
        await socket.send_json([user, peak.open, socket.subprotocol])
        async for message in socket:
            if message == "return":
                return
            if message == "fail":
                raise KeyError("secret")
            await socket.send(message)
    finally:
        _note(text, "ends")


@websocket(time_limit=1.5)
async def limited(socket, text):
    """Talk for ever, and listen."""
    while True:
        await socket.send("word")
        await asyncio.sleep(0.1)


@websocket(idle=1)
async def silent(socket, text):
    await socket.receive()


@websocket(max_size=100)
async def small(socket, text):
    async for message in socket:
        await socket.send(message)


@websocket
async def flood(socket, text):
    """Send for ever, and tell how much."""
    try:
        while True:
            await socket.send(b"x" * 10_000)
            log[text] = [*log.get(text, [0])[:1]]
            log[text][0] += 1
    finally:
        _note(text, "ends")


@websocket
async def deaf(socket, text):
    """Take nothing until there is a file of that name."""
    while not os.path.exists(text):
        await asyncio.sleep(0.05)
    total = 0
    async for message in socket:
        if message == b"end":
            break
        total += len(message)
    await socket.send_json(total)


OTHERS = {"limited": limited, "silent": silent, "small": small, "flood": flood, "deaf": deaf}


class Socket(View):
    """Accepts what is wanted, after a future where one is wanted."""

    def __call__(self, how="echo", wait=0, origins=""):
        if int(wait):
            slow(float(wait), self.text)
        if how == "echo":
            user = api.user.get_current().getId()
            return echo(self.text, user).accept(origins=origins.split())
        return OTHERS[how](self.text).accept()


class Writing(WritingOfStreams):
    """Writes, and accepts one; or ends otherwise."""

    def answer(self):
        return echo(self.text, None).accept()
