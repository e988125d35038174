"""Websockets without a server: what can be declared and accepted, what a function gets."""

from .test_streams import in_a_pass
from .test_streams import Lists
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import FuturesError
from collective.wsgifutures import NoWebSockets
from collective.wsgifutures import StreamBusy
from collective.wsgifutures import WebSocket
from collective.wsgifutures import websocket
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import Pass
from collective.wsgifutures.kernel.passes import publish
from collective.wsgifutures.kernel.passes import Publisher

import asyncio
import contextvars
import pytest


@websocket
async def chat(socket, room, *, user="nobody"):
    """Talk."""


def accept_in(this, publisher, **options):
    """Return what a view of *this* pass answers that accepts a websocket."""
    found = []

    def view():
        this.publisher = publisher
        return not found.append(chat("hall").accept(**options))

    publish(this, view, lambda: 0.0, contextvars.copy_context())
    return found[0]


# what is declared


def test_websocket_keeps_name_and_docstring_of_its_function():
    """As a future does."""
    assert (chat.__name__, chat.__doc__) == ("chat", "Talk.")
    assert repr(chat) == f"<websocket {__name__}.chat>"
    assert repr(chat("hall")) == f"<Handshake {__name__}.chat>"


def test_function_that_is_no_coroutine_or_takes_no_socket_is_refused():
    """Where it is declared."""

    def plain(socket):
        """Return."""

    async def words(socket):
        yield "a"

    async def without(): ...

    async def named(*, socket): ...

    for function in (plain, words):
        with pytest.raises(TypeError, match="is not async def, and yields nothing"):
            websocket(key="a")(function)
    for function in (without, named):
        with pytest.raises(TypeError, match="takes no socket"):
            websocket(key="a")(function)
    with pytest.raises(TypeError, match="give it a name"):
        websocket(words)
    with pytest.raises(TypeError, match=r"@websocket\(idle=60\)"):
        websocket(60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_limit": 0}, "time_limit=0 is not a number of seconds"),
        ({"idle": -1}, "idle=-1 is not a number of seconds"),
        ({"max_size": 0}, "max_size=0 is not a number of bytes"),
        ({"max_size": "1 MB"}, "max_size='1 MB' is not a number of bytes"),
    ],
)
def test_limit_that_is_none_is_refused(options, message):
    """Everything ends."""
    with pytest.raises(ValueError, match=message):
        websocket(**options)


def test_arguments_are_plain_data_and_copies():
    """All but the socket, with the rules of a future."""
    with pytest.raises(ArgumentRefused, match="cannot take room"):
        chat(Lists())
    with pytest.raises(TypeError, match="missing a required argument: 'room'"):
        chat(user="me")
    with pytest.raises(TypeError, match="unexpected keyword argument 'socket'"):
        chat("hall", socket=1)
    given = ["hall"]
    handshake = chat(given)
    given.append("b")
    assert (handshake._call.args, handshake._call.kwargs) == ((["hall"],), {"user": "nobody"})


def test_websocket_of_a_class_is_refused_where_it_would_get_self():
    """A view may not be kept."""

    class View:
        talk = chat

    with pytest.raises(ArgumentRefused, match="Declare the websocket outside of the class"):
        View().talk("a")


# what is accepted


def test_websocket_is_accepted_where_a_server_has_one_alone():
    """In no script, in no test, on no other server."""
    with pytest.raises(NoWebSockets, match="-k asgi"):
        chat("hall").accept()
    with pytest.raises(NoWebSockets, match="-k asgi"):
        in_a_pass(lambda: chat("hall").accept())
    with pytest.raises(TypeError, match="is one site"):
        chat("hall").accept(origins="https://example.com")


def test_handshake_is_looked_at_before_there_is_looked_for_room():
    """With the address that the publisher knows, and the sites that the view allows."""
    happened = []

    class Told(Publisher):
        def stream(self, answer):
            happened.append(repr(answer))

        def public_url(self):
            return "https://example.com"

    this = Pass(Hold(0.0), 0.0)
    this.check_handshake = lambda answer, public: happened.append((answer.origins, public))
    this.check_room = happened.append
    answer = accept_in(this, Told(), origins=["https://a.example.com"])
    name = f"{__name__}.chat"
    seen = (["https://a.example.com"], "https://example.com")
    assert happened == [seen, f"<answer of the websocket {name}>", name]
    with pytest.raises(FuturesError, match="return it as the view's answer"):
        next(answer)


def test_websocket_that_has_no_room_is_refused_in_the_view():
    """Before anything is committed."""

    def full(name):
        raise StreamBusy(name, "max_held")

    this = Pass(Hold(0.0), 0.0)
    this.check_handshake, this.check_room = (lambda answer, public: None), full
    with pytest.raises(StreamBusy):
        accept_in(this, Publisher())


# what the function gets


def test_socket_sends_text_and_bytes_and_has_what_its_client_sent():
    """And nothing else, but for what JSON can have."""
    sent, waiting = [], asyncio.Queue()

    async def send(message):
        sent.append(message)

    async def talk():
        for message in ("a", b"b", "c"):
            waiting.put_nowait(message)
        socket = WebSocket(waiting.get, send)
        async for message in socket:
            await socket.send(message)
            if message == b"b":
                break
        await socket.send_json({"got": await socket.receive()})
        with pytest.raises(TypeError, match="takes str or bytes, not dict; send_json"):
            await socket.send({})

    asyncio.run(talk())
    assert sent == ["a", b"b", '{"got": "c"}']
