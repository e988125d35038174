"""How a worker and its helper talk: frames of a kind, the number of a call, and bytes.

Many calls share one socket. What one side has to say is put into a box; one thread, or
greenlet, sends all that is in it at once.
"""

from collections.abc import Iterator
from typing import Any

import contextlib
import queue
import socket
import struct

#: What a frame is about. The worker sends the first two, the helper the others.
CALL, CANCEL, DONE, LOG = range(4)

_HEAD = struct.Struct("!QBQ")


def frame(kind: int, number: int, content: bytes = b"") -> bytes:
    """Return a frame, its length first."""
    return _HEAD.pack(len(content), kind, number) + content


def frames(channel: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, number and content of what the other side sends, until it has ended."""
    with contextlib.suppress(OSError), channel.makefile("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, kind, number = _HEAD.unpack(head)
            content = file.read(size)
            if len(content) < size:
                return
            yield kind, number, content


def send_for_ever(channel: socket.socket, box: Any) -> None:
    """Send what is put into *box*; end when the other side has, or when b"" is put."""
    with contextlib.suppress(OSError):
        while all(sent := _take(box)):
            channel.sendall(b"".join(sent))


def _take(box: Any) -> list[bytes]:
    """Return all that is in *box*; wait for the first one."""
    while True:
        with contextlib.suppress(queue.Empty):
            taken = [box.get(timeout=3600.0)]
            break
    while not box.empty():
        taken.append(box.get(timeout=0.0))
    return taken
