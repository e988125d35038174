"""What is between a generator and its reader: chunks, up to a limit.

One thread or greenlet puts, another one takes. A reader that takes slowly lets the generator
wait, so a stream never keeps more than the limit and one chunk.
"""

from ..calls import Outcome
from ..runtime import current
from collections import deque
from typing import Any

#: How many bytes wait for the reader before the generator does.
LIMIT = 64 * 1024

#: How many items, for a generator in the server's loop: it may yield and never wait for anything.
MOST_IN_LOOP = 16


class Buffer:
    """The chunks of one stream that its reader has not taken yet.

    Args:
        limit: How many bytes it has before ``put`` waits.
    """

    __slots__ = (
        "_chunks",
        "_limit",
        "_put",
        "_room",
        "_taken",
        "arrived",
        "closed",
        "items",
        "outcome",
    )

    def __init__(self, limit: int = LIMIT) -> None:
        self.arrived = current().signal()  #: set when there is something to look at
        self.outcome: Outcome | None = None  #: of the generator, once that has ended
        self.closed = False  #: nobody takes any more
        self.items = 0  #: how many items were put, those without a byte too
        self._room: Any = current().signal()
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        # Counted by one thread each, so that no lock is needed.
        self._put = 0
        self._taken = 0

    def put(self, chunk: bytes) -> bool:
        """Add *chunk*, and wait until there is room for the next; tell whether anybody wants it."""
        self._add(chunk)
        while True:
            self._room.clear()  # first: what is taken from here on sets it again
            if self.closed or self._has_room:
                return not self.closed
            self._room.wait(None)

    async def put_in_loop(self, chunk: bytes) -> bool:
        """Do the same in a task of the server's loop, where others run while it waits."""
        self._add(chunk, counts=True)
        while True:
            self._room.clear()
            if self.closed or (self._has_room and len(self._chunks) < MOST_IN_LOOP):
                return not self.closed
            await self._room.arrives()

    def _add(self, chunk: bytes, *, counts: bool = False) -> None:
        # What has no byte is nothing to take, but a task that yields nothing else has to wait too.
        self._put += len(chunk)
        if chunk or counts:
            self._chunks.append(chunk)
        self.items += 1
        self.arrived.set()

    @property
    def _has_room(self) -> bool:
        return self._put - self._taken < self._limit

    def end(self, outcome: Outcome) -> None:
        """Note that the generator has ended."""
        self.outcome = outcome
        self.arrived.set()

    def take(self) -> bytes:
        """Return all chunks that are there, as one. Never waits."""
        chunks = []
        while self._chunks:
            chunks.append(self._chunks.popleft())
        taken = b"".join(chunks)
        self._taken += len(taken)
        if chunks:
            self._room.set()
        return taken

    def close(self) -> None:
        """Let go of the generator, and of what it has put."""
        self.closed = True
        self._chunks.clear()
        self._room.set()
