"""A websocket, as the function sees it that has it."""

from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any
from typing import Self

import json


class WebSocket:
    """A websocket that was accepted. Iterate over the messages of its client: str and bytes.

    The function is cancelled when the client goes, so the messages have no end.

    Args:
        receive: Waits for the next message.
        send: Sends a message.
        subprotocol: The one that client and function speak.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[str | bytes]],
        send: Callable[[str | bytes], Awaitable[None]],
        subprotocol: str | None = None,
    ) -> None:
        self._receive = receive
        self._send = send
        self.subprotocol = subprotocol  #: chosen of those that the client offers; None if none

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        return await self._receive()

    async def receive(self) -> str | bytes:
        """Return the next message of the client: a str or bytes.

        Raises:
            ConnectionError: The websocket is closed.
        """
        return await self._receive()

    async def send(self, message: str | bytes) -> None:
        """Send a message, a str or bytes. While the client does not read, this waits.

        Raises:
            ConnectionError: The websocket is closed.
        """
        if not isinstance(message, str | bytes):
            kind = type(message).__qualname__
            raise TypeError(f"send takes str or bytes, not {kind}; send_json takes other data")
        await self._send(message)

    async def send_json(self, value: Any) -> None:
        """Send *value* as JSON, in a str."""
        await self.send(json.dumps(value))
