"""Generators that are ``async def``, where their loop runs: under gevent in another process.

``produce`` runs one from its begin to its end in one task, as libraries of asyncio want it.
``take`` hands over what it has yielded, so that each side waits for the other.
"""

from ..by_name import unpack
from ..calls import Call
from .current import current
from .current import CurrentStream
from collections.abc import Generator
from typing import Any

import asyncio
import contextlib

#: How many items wait before the generator does.
LIMIT = 16


class _Items:
    """The items of one generator that nobody has taken."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.ended = False
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()

    async def put(self, item: Any) -> None:
        self.waiting.append(item)
        self.arrived.set()
        while len(self.waiting) >= LIMIT:
            self.room.clear()
            await self.room.wait()

    async def take(self) -> list[Any]:
        while not self.waiting and not self.ended:
            self.arrived.clear()
            await self.arrived.wait()
        taken, self.waiting = self.waiting, []
        self.room.set()
        return taken


#: The generators that run in this process, by their keys.
_running: dict[str, _Items] = {}


def opened(call: Call) -> contextlib.aclosing[Any]:
    """Return a context that has the generator of *call*, and closes it."""
    assert call.function is not None  # noqa: S101  as a stream has it
    return contextlib.aclosing(call.function(*call.args, **call.kwargs))


async def produce(key: str, source: bytes | Call, name: str, last_event_id: str) -> None:
    """Run the generator of *source*; its items are taken with the *key*."""
    items = _running.setdefault(key, _Items())
    current.set(CurrentStream(name, last_event_id))
    try:
        call = unpack(source).call() if isinstance(source, bytes) else source
        async with opened(call) as generator:
            async for item in generator:
                await items.put(item)
    except asyncio.CancelledError:
        _running.pop(key, None)
        raise
    finally:
        items.ended = True
        items.arrived.set()


async def take(key: str) -> list[Any]:
    """Return what the generator has yielded, as soon as there is something; [] at its end."""
    try:
        taken = await _running.setdefault(key, _Items()).take()
    except asyncio.CancelledError:
        _running.pop(key, None)
        raise
    if not taken:
        _running.pop(key, None)
    return taken


def iterate(call: Call) -> Generator[Any, None, None]:
    """Yield the items of a generator where no loop runs: each is awaited by itself."""
    assert call.function is not None  # noqa: S101  as a stream has it
    generator = call.function(*call.args, **call.kwargs)
    with asyncio.Runner() as runner:
        try:
            while True:
                try:
                    item = runner.run(_next(generator))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            runner.run(generator.aclose())


async def _next(generator: Any) -> Any:
    return await anext(generator)
