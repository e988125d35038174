"""What a view returns to accept a websocket: it begins once the view's pass is committed."""

from ..calls import Call
from ..errors import NoWebSockets
from ..passes import current_pass
from ..streams.answers import StreamAnswer
from ..streams.answers import StreamLimits
from ..streams.formats import Text
from ..streams.producing import Source
from collections.abc import Sequence
from typing import NamedTuple

import math


class SocketLimits(NamedTuple):
    """What a websocket may take."""

    time_limit: float  #: in all, in seconds
    idle: float  #: without a message, in seconds
    max_size: int  #: of a message from the client, in bytes


class SocketAnswer(StreamAnswer):
    """The answer of a view to a handshake. Like a stream it begins after the commit.

    Args:
        call: The function that gets the socket, and its other arguments.
        limits: What the websocket may take.
        origins: Other sites whose pages may ask for it.
        subprotocols: Those that the function speaks, the best one first.
    """

    def __init__(
        self, call: Call, limits: SocketLimits, origins: Sequence[str], subprotocols: Sequence[str]
    ) -> None:
        # It runs in the loop of the server, and is never looked for by its name.
        source = Source(call, is_async=False)
        super().__init__(source, StreamLimits(limits.time_limit, limits.idle), Text(), math.inf)
        self.call = call
        self.max_size = limits.max_size
        self.origins = origins
        self.subprotocols = subprotocols

    def __repr__(self) -> str:
        return f"<answer of the websocket {self.source.name}>"

    def prepare(self) -> "SocketAnswer":
        """See whether the request may have it, and whether there is room for it.

        Raises:
            HandshakeRefused: The request may not have it, or is no handshake.
            StreamBusy: This worker holds and streams as many responses as it may.
        """
        this = current_pass()
        if this is None:
            raise NoWebSockets(self.source.name)
        this.check_handshake(self, this.publisher.public_url())
        super().prepare()
        return self
