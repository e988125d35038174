"""How a worker and its processes talk: frames of a kind, the number of a call, and bytes.

Many calls may share one socket. Whatever one side has to say is put into a box; one thread or
greenlet sends all that is in the box at once.
"""

from ..waiting import Inbox
from collections.abc import Generator
from typing import Any
from typing import NamedTuple

import contextlib
import socket
import struct

#: What a frame is about. The worker sends the first two, its process sends the others.
CALL, CANCEL, DONE, LOG = range(4)

_HEAD = struct.Struct("!QBQ")


class Frame(NamedTuple):
    """What one side says at a time."""

    kind: int
    number: int  #: of the call; 0 where there is one call at a time
    content: bytes


def pack_frame(kind: int, number: int, content: bytes = b"") -> bytes:
    """Return a frame as bytes, its length first."""
    return _HEAD.pack(len(content), kind, number) + content


def frames(channel: socket.socket) -> Generator[Frame]:
    """Yield what the other side sends, until that has ended."""
    with contextlib.suppress(OSError), channel.makefile("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, kind, number = _HEAD.unpack(head)
            content = file.read(size)
            if len(content) < size:
                return
            yield Frame(kind, number, content)


def send_for_ever(channel: socket.socket, box: Inbox) -> None:
    """Send what is put into *box*; end with the other side, or when b"" is put."""
    with contextlib.suppress(OSError):
        while all(sent := wait_for_items(box)):
            channel.sendall(b"".join(sent))


def wait_for_items(box: Inbox) -> list[Any]:
    """Return all that is in *box*; wait for the first item."""
    while not (items := box.take_all()):
        box.signal.wait(3600.0)  # an end: gevent's loop may have nothing else to wait for
    return items
