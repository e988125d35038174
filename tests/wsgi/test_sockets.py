"""Websockets behind an asyncio server: which is accepted, what its function gets, how it ends."""

from .applications import echo
from .applications import log
from .applications import page
from .applications import SECONDS
from .test_asgi import serve
from .test_asgi import until
from .test_scope import scope
from .test_streams import answering
from collective.wsgifutures import NoWebSockets
from collective.wsgifutures import OriginRefused
from collective.wsgifutures import StreamBusy
from collective.wsgifutures import UpgradeRequired
from collective.wsgifutures import websocket
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.sockets.answers import SocketAnswer
from collective.wsgifutures.kernel.sockets.answers import SocketLimits
from collective.wsgifutures.traces import ids
from collective.wsgifutures.wsgi.scope import HANDSHAKE
from collective.wsgifutures.wsgi.scope import make_environ
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.sockets import check_handshake
from collective.wsgifutures.wsgi.talking import WAITING

import asyncio
import pytest
import threading
import time

pytestmark = pytest.mark.usefixtures("asyncio_runtime")

ACCEPTED = {"type": "websocket.accept", "subprotocol": None}


def ended(code, reason=""):
    return {"type": "websocket.close", "code": code, "reason": reason}


def text(words):
    return {"type": "websocket.send", "text": words}


class Peer:
    """A client that asks for a websocket.

    Args:
        sees: Is called with each message that it gets.
    """

    def __init__(self, app, sees=None, **changes):
        self.sent = []
        self.taken = 0  # of what it gives
        self.reads = True
        self._sees = sees
        self._messages = asyncio.Queue()
        self.give(type="websocket.connect")
        changes = {"type": "websocket", "scheme": "ws", "method": None, **changes}
        asked = {name: value for name, value in scope(**changes).items() if value is not None}
        self.task = asyncio.ensure_future(app(asked, self._receive, self._send))

    def give(self, **message):
        self._messages.put_nowait(message)

    def says(self, message):
        kind = "text" if isinstance(message, str) else "bytes"
        self.give(type="websocket.receive", **{kind: message})

    def goes(self):
        self.give(type="websocket.disconnect", code=1006)

    async def _receive(self):
        message = await self._messages.get()
        self.taken += 1
        return message

    async def _send(self, message):
        while not self.reads and message["type"] == "websocket.send":
            await asyncio.sleep(0.005)
        self.sent.append(message)
        if self._sees is not None:
            await self._sees(message)

    @property
    def is_accepted(self):
        return ACCEPTED in self.sent

    async def closed(self):
        await asyncio.wait_for(self.task, SECONDS)
        return self.sent


def talk(function, client, sees=None, **options):
    """Let *client* ask for a websocket whose *function* gets "hall"; return what it returns."""
    declared = websocket(key="talk", **options)(function)
    view = answering(lambda environ: declared("hall").accept())

    async def asks(app):
        peer = Peer(app, sees)
        await until(lambda: peer.is_accepted or peer.task.done())
        found = await client(app, peer)
        await until(lambda: not app.worker.held.count)
        assert (app.interrupts.sockets, app.interrupts.requests) == (set(), set())
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        return found

    return serve(view, asks)


async def wait(socket, room):
    """Wait for what never comes."""
    log.append("begins")
    try:
        await asyncio.sleep(SECONDS * 10)
    finally:
        log.append("cancelled")


async def repeat(socket, room):
    """Say all that the client says."""
    log.append("begins")
    async for message in socket:
        await socket.send(message)


# which is accepted


def answer(*origins):
    limits = SocketLimits(1.0, 1.0, 1)
    return SocketAnswer(Call("talk", None, repeat), limits, origins, ())


def handshake(origin=None, host="example.com", scheme="wss"):
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return make_environ(scope(type="websocket", scheme=scheme, headers=headers))


@pytest.mark.parametrize(
    ("origin", "host", "public"),
    [
        (None, "example.com", ""),
        ("https://example.com", "example.com", ""),
        ("https://Example.com:443", "example.com", ""),
        ("https://example.com", "10.0.0.1:8080", "https://example.com"),
        ("https://example.com:8443", "example.com:8443", ""),
        ("https://app.example.org", "example.com", ""),
    ],
)
def test_page_of_this_site_and_of_one_that_is_allowed_may_ask(origin, host, public):
    """So may who is no browser. The address is that which a proxy has rewritten."""
    check_handshake(answer("https://app.example.org"), handshake(origin, host), public)


@pytest.mark.parametrize(
    ("origin", "public"),
    [
        ("https://evil.example.org", ""),
        ("https://example.com.evil.org", ""),
        ("http://example.com", ""),
        ("http://example.com:443", ""),
        ("https://example.com:8443", ""),
        ("https://sub.example.com", ""),
        ("null", ""),
        ("", ""),
        ("https://[", ""),
        ("https://[", "https://["),
        ("https://example.com", "https://other.example.com"),
    ],
)
def test_page_of_another_site_is_refused(origin, public):
    """It would come with the cookies of its visitor."""
    with pytest.raises(OriginRefused):
        check_handshake(answer(), handshake(origin), public)


def test_request_that_is_no_handshake_is_refused():
    """It asks for a page, or the server has passed on what it does not understand."""
    environ = make_environ(scope())
    with pytest.raises(UpgradeRequired):
        check_handshake(answer(), environ, "")
    with pytest.raises(NoWebSockets):
        check_handshake(answer(), environ | {"HTTP_UPGRADE": "WebSocket"}, "")


def test_no_header_makes_a_request_a_handshake():
    """Only the server does."""
    name = HANDSHAKE.encode()
    assert HANDSHAKE not in make_environ(scope(headers=[(name, b"1"), (b"http-" + name, b"1")]))


def test_handshake_is_published_as_any_view_and_accepted_when_its_slot_is_given_back():
    """It may wait for futures. Until it is accepted, the function does not run."""
    seen = []

    @websocket(key="seen")
    async def look(socket, word):
        log.append(f"function {word}")

    view = answering(lambda environ: look(echo("a")).accept())

    async def client(app):
        async def sees(message):
            log.append(message["type"])
            seen.append((app.worker.gate.taken, app.worker.held.count, app.worker.held.streams))

        return await Peer(app, sees).closed()

    assert serve(view, client) == [ACCEPTED, ended(1000)]
    before, after = ["pass", "call a", "pass"], ["function a", "websocket.close"]
    assert log == [*before, "websocket.accept", *after]
    assert seen == [(0, 1, 1)] * 2


@pytest.mark.parametrize(
    ("speaks", "offered", "chosen"),
    [(("b", "a"), ("a", "b"), "b"), (("a",), ("c",), None), ((), ("a",), None)],
)
def test_subprotocol_is_the_best_that_both_speak(speaks, offered, chosen):
    """None, and the client decides."""

    async def tell(socket):
        await socket.send(str(socket.subprotocol))

    declared = websocket(key="tell", subprotocols=speaks)(tell)

    async def client(app):
        return await Peer(app, subprotocols=list(offered)).closed()

    sent = serve(answering(lambda environ: declared().accept()), client)
    assert sent[:2] == [{"type": "websocket.accept", "subprotocol": chosen}, text(str(chosen))]


@pytest.mark.parametrize(
    ("view", "status"),
    [
        (page(lambda environ: "a page"), 200),
        (answering(lambda environ: websocket(key="a")(repeat)("a").accept(), "404 Not Found"), 404),
        (answering(lambda environ: websocket(key="a")(repeat)("a").accept(), "302 Found"), 302),
    ],
)
def test_another_answer_refuses_the_handshake_with_its_status(view, status):
    """And its headers and body, where the server can send them."""

    async def client(app):
        whole = await Peer(app, extensions={"websocket.http.response": {}}).closed()
        assert app.worker.held.count == 0
        return whole, await Peer(app).closed()

    whole, bare = serve(view, client)
    kinds = [message["type"] for message in whole]
    assert kinds == ["websocket.http.response.start", "websocket.http.response.body"]
    assert whole[0]["status"] == status
    assert bare == [{"type": "websocket.close"}]  # ASGI knows no status but 403
    assert "begins" not in log


def test_limits_of_the_worker_refuse_a_handshake():
    """As any request: 503."""

    async def client(app):
        publishing, waiting = Peer(app), Peer(app)
        await until(lambda: app.worker.gate.new)
        refused = await Peer(app, extensions={"websocket.http.response": {}}).closed()
        released.set()
        await asyncio.gather(publishing.closed(), waiting.closed())
        return refused[0]["status"]

    released = threading.Event()
    view = page(lambda environ: str(released.wait(SECONDS)))
    assert serve(view, client, Settings(slots=1, max_waiting=1)) == 503


def test_client_that_goes_before_it_is_accepted_gets_nothing():
    """Its function never runs."""
    released = threading.Event()

    def view(environ):
        log.append("publishes")
        released.wait(SECONDS)
        return websocket(key="a")(repeat)("hall").accept()

    async def client(app):
        peer = Peer(app)
        await until(lambda: "publishes" in log)
        peer.goes()
        await asyncio.sleep(0.02)
        released.set()
        await peer.closed()
        await until(lambda: not app.worker.gate.taken)
        return peer.is_accepted, app.worker.held.count

    assert serve(answering(view), client) == (False, 0)
    assert "begins" not in log


def test_client_that_goes_at_the_last_moment_gets_nothing():
    """Its pass has ended already, and nothing waits any more that could be interrupted."""
    loops, peers = [], []

    def view(environ):
        loops[0].call_soon_threadsafe(time.sleep, 0.3)  # what follows comes in one turn of the loop
        loops[0].call_soon_threadsafe(lambda: peers[0].goes())
        return websocket(key="a")(repeat)("hall").accept()

    async def client(app):
        loops.append(asyncio.get_running_loop())
        peers.append(Peer(app))
        await peers[0].closed()
        return peers[0].is_accepted, app.worker.held.count

    assert serve(answering(view), client) == (False, 0)
    assert "begins" not in log


def test_view_gets_what_refuses_its_request():
    """So that it may answer with something else."""
    refused = []

    def view(environ):
        try:
            return websocket(key="a")(repeat)("hall").accept()
        except OriginRefused as error:
            refused.append(error.public)
            raise

    async def client(app):
        headers = [(b"host", b"example.com"), (b"origin", b"https://evil.example.org")]
        peer = Peer(app, headers=headers)
        with pytest.raises(OriginRefused):  # which Zope would answer
            await peer.closed()
        return peer.sent

    assert serve(answering(view), client) == []
    assert refused == ["http://example.com"]


# what comes and goes


def test_messages_come_and_go_as_they_are():
    """Text and bytes; another message of the server is nothing."""

    async def client(app, peer):
        peer.says("a")
        peer.give(type="websocket.receive", text=None, bytes=b"\0")
        peer.give(type="websocket.receive", text="", bytes=None)
        peer.give(type="websocket.else")
        await until(lambda: len(peer.sent) == 4)
        peer.goes()
        return await peer.closed()

    sent = talk(repeat, client)
    assert sent == [ACCEPTED, text("a"), {"type": "websocket.send", "bytes": b"\0"}, text("")]


def test_function_runs_in_the_loop_with_the_trace_of_its_handshake():
    """As a future that is async def."""

    async def tell(socket, room):
        await socket.send(f"{threading.get_ident()} {ids.current_id()}")

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = (b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())
    declared = websocket(key="tell")(tell)

    async def client(app):
        return await Peer(app, headers=[header]).closed()

    sent = serve(answering(lambda environ: declared("hall").accept()), client)
    assert sent[1] == text(f"{threading.get_ident()} {trace}")


def test_few_messages_wait_for_a_function_that_takes_none():
    """Then the server reads no more, and the client has to wait."""

    async def client(app, peer):
        for _ in range(WAITING * 3):
            peer.says("a")
        await until(lambda: "begins" in log)
        await asyncio.sleep(0.05)
        taken = peer.taken
        peer.task.cancel()
        return taken

    assert talk(wait, client) == 1 + WAITING + 1  # one is the server's; one is at the door


def test_client_that_reads_slowly_slows_the_function():
    """Each message waits until the server takes it."""

    async def flood(socket, room):
        while True:
            log.append(await socket.send("word"))

    async def client(app, peer):
        peer.reads = False
        before = len(log)
        await asyncio.sleep(0.05)
        stopped = len(log) - before
        peer.reads = True
        await until(lambda: len(log) > before + 3)  # and others have their turns meanwhile
        peer.goes()
        await peer.closed()
        return stopped

    assert talk(flood, client) <= 1


# what ends it


def test_function_that_returns_closes_it():
    """1000. What it returns is nobody's, whatever that is."""

    async def leave(socket, room):
        return threading.Lock()

    assert talk(leave, lambda app, peer: peer.closed()) == [ACCEPTED, ended(1000)]


def test_function_that_raises_closes_it_and_is_logged_without_its_arguments(caplog):
    """1011, and the client is told nothing of the error."""

    async def fail(socket, room):
        raise LookupError("broken")

    async def client(app, peer):
        return await peer.closed()

    assert talk(fail, client) == [ACCEPTED, ended(1011, "error")]
    [record] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.getMessage() == "GET /: the websocket talk failed."
    assert record.exc_info[0] is LookupError
    assert "hall" not in caplog.text


def test_function_that_uses_zope_is_told_where_it_runs(caplog):
    """With the note that a future has."""

    async def use(socket, room):
        from zope.component import getUtility
        from zope.interface import Interface

        getUtility(Interface, name="none")

    talk(use, lambda app, peer: peer.closed())
    assert "ran outside of Zope, as every future does" in caplog.text


def test_client_that_goes_cancels_the_function_within_a_second():
    """Nobody is told anything, and nothing is logged."""

    async def client(app, peer):
        await until(lambda: "begins" in log)
        began = time.monotonic()
        peer.goes()
        await until(lambda: "cancelled" in log)
        assert time.monotonic() - began < 1
        return await peer.closed()

    assert talk(wait, client) == [ACCEPTED]


def test_client_that_goes_while_it_is_sent_something_is_no_error(caplog):
    """Servers raise an OSError then, maybe before they tell that it has gone."""

    async def say(socket, room):
        await socket.send("a")

    async def gone(message):
        if message["type"] == "websocket.send":
            raise ConnectionResetError

    assert talk(say, lambda app, peer: peer.closed(), gone) == [ACCEPTED, text("a")]
    assert caplog.records == []


def test_time_limit_ends_it_also_while_there_are_messages():
    """1008: everything ends."""

    async def tick(socket, room):
        while True:
            await socket.send("tick")
            await asyncio.sleep(0.01)

    sent = talk(tick, lambda app, peer: peer.closed(), time_limit=0.2, idle=0.1)
    assert len(sent) > 5
    assert sent[-1] == ended(1008, "time limit")


def test_silence_ends_it():
    """1008: nothing from either side."""
    began = time.monotonic()
    sent = talk(wait, lambda app, peer: peer.closed(), idle=0.1)
    assert (sent, log) == ([ACCEPTED, ended(1008, "idle")], ["pass", "begins", "cancelled"])
    assert 0.1 <= time.monotonic() - began < SECONDS


def test_message_of_the_client_is_no_silence():
    """Also if the function does not answer."""

    async def client(app, peer):
        began = time.monotonic()
        for _ in range(5):
            await asyncio.sleep(0.05)
            peer.says("a")
        await peer.closed()
        return time.monotonic() - began

    assert talk(wait, client, idle=0.15) >= 0.3


@pytest.mark.parametrize(
    ("message", "fits"), [("ä" * 5, True), ("ä" * 6, False), (b"x" * 11, False)]
)
def test_message_that_is_too_large_ends_it(message, fits):
    """1009, in bytes; the function does not get it."""

    async def client(app, peer):
        peer.says(message)
        await until(lambda: len(peer.sent) == 2)
        peer.goes()
        return (await peer.closed())[1]

    sent = talk(repeat, client, max_size=10)
    assert sent == (text(message) if fits else ended(1009, "message too large"))


@pytest.mark.parametrize("stop", ["stop_sockets", "stop"])
def test_worker_that_stops_ends_it(stop):
    """1001, from the thread that stops the worker."""

    async def client(app, peer):
        await until(lambda: "begins" in log)
        threading.Thread(target=getattr(app.interrupts, stop)).start()
        return await peer.closed()

    assert talk(wait, client) == [ACCEPTED, ended(1001, "the server stops")]
    assert log[-1] == "cancelled"


def test_worker_that_stops_websockets_leaves_held_requests():
    """They are finished first."""

    async def client(app):
        held = Peer(app, extensions={"websocket.http.response": {}})
        await until(lambda: "call a" in log)
        app.interrupts.stop_sockets()
        return (await held.closed())[0]["status"]

    assert serve(page(lambda environ: echo("a")), client) == 200


def test_operator_can_cancel_it():
    """It is listed as a stream is."""

    async def client(app, peer):
        await until(lambda: "begins" in log)
        [held] = app.worker.held.oldest(9)
        assert (held.stream, held.path, held.client) == ("talk", "/", "10.0.0.1")
        threading.Thread(target=app.worker.held.cancel, args=[held.number]).start()
        return await peer.closed()

    assert talk(wait, client) == [ACCEPTED, ended(1008, "cancelled")]


def test_server_that_cancels_its_task_cancels_the_function():
    """gunicorn does that with what is left of a connection that is gone."""

    async def client(app, peer):
        await until(lambda: "begins" in log)
        peer.task.cancel()
        await until(lambda: "cancelled" in log)
        return peer.sent

    assert talk(wait, client) == [ACCEPTED]


def test_server_that_cancels_all_tasks_of_its_loop_is_no_error(caplog):
    """gunicorn does that at a quick stop."""

    async def client(app):
        Peer(app)
        await until(lambda: "begins" in log)

    declared = websocket(key="talk")(wait)
    serve(answering(lambda environ: declared("hall").accept()), client)
    assert (log[-1], caplog.records) == ("cancelled", [])


def test_client_that_does_not_take_the_end_is_left(monkeypatch):
    """Its place is free then."""
    from collective.wsgifutures.wsgi import talking

    monkeypatch.setattr(talking, "CLOSE_SECONDS", 0.05)

    async def deaf(message):
        if message["type"] == "websocket.close":
            await asyncio.sleep(SECONDS * 10)

    async def leave(socket, room): ...

    assert talk(leave, lambda app, peer: peer.closed(), deaf) == [ACCEPTED, ended(1000)]


def test_function_that_goes_on_after_the_end_has_no_socket():
    """What it caught was its cancellation."""

    async def stay(socket, room):
        log.append("begins")
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            for use in (lambda: socket.send("a"), socket.receive):
                try:
                    await use()
                except ConnectionError as error:
                    log.append(str(error))

    async def client(app, peer):
        await until(lambda: "begins" in log)
        peer.goes()
        sent = await peer.closed()
        await until(lambda: len(log) == 4)
        return sent

    assert talk(stay, client) == [ACCEPTED]
    assert log[2:] == ["The websocket talk is closed."] * 2


@pytest.mark.parametrize(
    ("limit", "settings"),
    [("max_held", {"max_held": 1}), ("max_held_per_client", {"max_held_per_client": 1})],
)
def test_websocket_counts_as_held(limit, settings):
    """Over the limit its view gets an exception, and nothing is accepted."""
    declared = websocket(key="talk")(wait)
    limits = []

    def view(environ):
        try:
            return declared("hall").accept()
        except StreamBusy as busy:
            limits.append(busy.limit)
            raise

    async def client(app):
        first = Peer(app)
        await until(lambda: "begins" in log)
        second = Peer(app, extensions={"websocket.http.response": {}})
        await second.closed()
        first.goes()
        await first.closed()
        third = Peer(app)
        await until(lambda: third.is_accepted)
        third.goes()
        await third.closed()
        return second.sent[0]["status"], app.worker.record.streams

    assert serve(answering(view), client, Settings(**settings)) == (503, 2)
    assert limits == [limit]


def test_websocket_whose_work_was_thrown_away_is_refused():
    """403, as a stream is."""

    def view(environ):
        answer = websocket(key="a")(repeat)("hall").accept()
        answer.is_committed = lambda: False
        return answer

    async def client(app):
        return await Peer(app, extensions={"websocket.http.response": {}}).closed()

    assert serve(answering(view), client)[0]["status"] == 403
    assert "begins" not in log
