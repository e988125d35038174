"""The words that a view uses: ``websocket``, and ``accept``."""

from .. import declarations
from ..calls import Call
from ..streams.functions import OutsideFunction
from ..streams.functions import P
from .answers import SocketAnswer
from .answers import SocketLimits
from .socket import WebSocket
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Concatenate
from typing import overload

#: How many seconds a websocket may take in all, and without a message, if it is not declared.
DEFAULT_TIME_LIMIT = 3600.0
DEFAULT_IDLE = 300.0

#: The largest message that a client may send, in bytes, if it is not declared.
DEFAULT_MAX_SIZE = 64 * 1024


class Handshake:
    """A websocket that a view can accept. Calling what ``@websocket`` declares returns it."""

    def __init__(self, call: Call, limits: SocketLimits, subprotocols: Sequence[str]) -> None:
        self._call = call
        self._limits = limits
        self._subprotocols = subprotocols

    def __repr__(self) -> str:
        return f"<Handshake {self._call.name}>"

    def accept(self, *, origins: Sequence[str] = ()) -> SocketAnswer:
        """Return the answer that accepts the websocket, once the view's pass is committed.

        Args:
            origins: Other sites whose pages may ask for it, as ``https://example.com``. A page of
                this site always may, and so may a client that is no browser.

        Raises:
            UpgradeRequired: The request asks for a page.
            OriginRefused: It comes from a page of another site.
            NoWebSockets: The server has none.
            StreamBusy: This worker holds and streams as many responses as it may.
        """
        if isinstance(origins, str):
            raise TypeError(f"origins={origins!r} is one site; it takes a list of them")
        return SocketAnswer(self._call, self._limits, origins, self._subprotocols).prepare()


class SocketFunction(OutsideFunction[P]):
    """A function declared with ``@websocket``. A call of it, without socket, is a ``Handshake``."""

    kind = "websocket"

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], Awaitable[Any]],
        limits: SocketLimits,
        subprotocols: Sequence[str],
        key: str | None,
    ) -> None:
        super().__init__(function, key)
        parameters = list(self._signature.parameters.values())[1:]
        self._signature = self._signature.replace(parameters=parameters)
        self._limits = limits
        self._subprotocols = subprotocols

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Handshake:
        """Return the handshake of these arguments, all but the socket.

        Raises:
            ArgumentRefused: An argument is not plain data.
            TypeError: The arguments do not fit the function.
        """
        return Handshake(self.take(args, kwargs), self._limits, self._subprotocols)


@overload
def websocket(
    function: Callable[Concatenate[WebSocket, P], Awaitable[Any]], /
) -> SocketFunction[P]: ...
@overload
def websocket(
    *,
    time_limit: float = DEFAULT_TIME_LIMIT,
    idle: float = DEFAULT_IDLE,
    max_size: int = DEFAULT_MAX_SIZE,
    subprotocols: Sequence[str] = (),
    key: str | None = None,
) -> Callable[[Callable[Concatenate[WebSocket, P], Awaitable[Any]]], SocketFunction[P]]: ...
def websocket(
    function: Any = None,
    /,
    *,
    time_limit: float = DEFAULT_TIME_LIMIT,
    idle: float = DEFAULT_IDLE,
    max_size: int = DEFAULT_MAX_SIZE,
    subprotocols: Sequence[str] = (),
    key: str | None = None,
) -> Any:
    """Declare an async function that has a websocket, outside of Zope, in the server's loop.

    It gets the websocket, and copies of the arguments that the view gave, which are plain data.
    It begins when the last pass of the handshake is committed, and its connection and slot are
    given back. When it returns, the websocket is closed; when that is closed, it is cancelled.

    Args:
        function: An ``async def`` function. Its first argument is the ``WebSocket``.
        time_limit: How long the websocket may take in all, in seconds.
        idle: How long it may be without a message, from either side, in seconds.
        max_size: The largest message that the client may send, in bytes.
        subprotocols: What the function speaks, the best one first.
        key: The name of the websocket, instead of its dotted name. A function inside a function
            needs a key.

    Raises:
        ValueError: *time_limit*, *idle* or *max_size* is not above 0.
        TypeError: *function* is not ``async def``, takes no socket, or has no name and no *key*.
    """
    limits = SocketLimits(
        declarations.to_seconds(time_limit, "time_limit") or DEFAULT_TIME_LIMIT,
        declarations.to_seconds(idle, "idle") or DEFAULT_IDLE,
        max_size,
    )
    if not isinstance(max_size, int) or max_size < 1:
        raise ValueError(f"max_size={max_size!r} is not a number of bytes above 0")
    declarations.check_key(key)

    def declare(function: Any) -> SocketFunction[Any]:
        declarations.check_socket(function, key)
        return SocketFunction(function, limits, tuple(subprotocols), key)

    return declare if function is None else declare(function)
