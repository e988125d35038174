"""How this process and one that runs futures talk: bytes with their length before them."""

import socket
import struct

_LENGTH = struct.Struct("!Q")


def send(channel: socket.socket, message: bytes) -> None:
    """Send *message*."""
    channel.sendall(_LENGTH.pack(len(message)))
    channel.sendall(message)


def receive(channel: socket.socket) -> bytes | None:
    """Return the next message; None where the other side has ended."""
    head = _exactly(channel, _LENGTH.size)
    return None if head is None else _exactly(channel, _LENGTH.unpack(head)[0])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
