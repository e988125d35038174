"""A request of an asyncio server: it waits in its task, and its passes run in threads."""

from .applications import echo
from .applications import log
from .applications import page
from .applications import SECONDS
from .test_scope import scope
from .test_streams import answering
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import stream
from collective.wsgifutures.kernel.executors import turning
from collective.wsgifutures.kernel.runtime.asynced import ASYNCIO
from collective.wsgifutures.kernel.streams.followers import Following
from collective.wsgifutures.wsgi.asgi import Asgi
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker

import asyncio
import pytest
import threading
import time

pytestmark = pytest.mark.usefixtures("asyncio_runtime")


@future(key="thread of a coroutine")
async def coroutine_thread():
    await asyncio.sleep(0)
    return threading.get_ident()


@future(key="thread of a function")
def function_thread():
    return threading.get_ident()


@future(key="sleep in the loop")
async def sleep():
    log.append("sleeps")
    try:
        await asyncio.sleep(SECONDS * 10)
    finally:
        log.append("ended")


class Asked:
    """One request of a client.

    Args:
        chunks: The parts of its body, in their order.
        is_open: The client sends more, later or never.
        reads: It reads the answer.
    """

    def __init__(self, app, *chunks, is_open=False, reads=True, **changes):
        self.app = app
        self._reads = reads
        self.sent = []
        self._messages = asyncio.Queue()
        for number, chunk in enumerate(chunks):
            more = is_open or number < len(chunks) - 1
            self.give(type="http.request", body=chunk, more_body=more)
        if not chunks:
            self.give(type="http.request", body=b"", more_body=False)
        self.task = asyncio.ensure_future(app(scope(**changes), self._messages.get, self._send))

    def give(self, **message):
        self._messages.put_nowait(message)

    def goes(self):
        """Leave, as a client does."""
        self.give(type="http.disconnect")

    async def _send(self, message):
        self.sent.append(message)
        if not self._reads and message["type"] == "http.response.body":
            await asyncio.sleep(SECONDS * 10)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    async def answered(self):
        await asyncio.wait_for(self.task, SECONDS)
        return self


def serve(application, client, settings=None):
    """Let *client*, a coroutine function, use *application* in a loop; return what it returns."""

    async def main():
        ASYNCIO.serve_in(asyncio.get_running_loop())
        return await client(Asgi(Worker(application, settings or Settings())))

    return asyncio.run(main())


def get(application, *chunks, settings=None, **changes):
    """Return the answer to one request."""
    return serve(application, lambda app: Asked(app, *chunks, **changes).answered(), settings)


async def until(true):
    """Wait until *true* is."""
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.005)


def length(number):
    return {"method": "POST", "headers": [(b"content-length", str(number).encode())]}


CHUNKED = {"method": "POST", "headers": [(b"transfer-encoding", b"chunked")]}


def read(environ):
    return environ["wsgi.input"].read().decode() + environ.get("CONTENT_LENGTH", "")


def test_page_is_answered_with_its_status_its_headers_and_its_body():
    """In one message each."""
    asked = get(page(lambda environ: environ["PATH_INFO"]), raw_path=b"/a")
    assert (asked.status, asked.body, log) == (200, b"/a", ["pass"])
    assert asked.headers[b"content-type"] == b"text/plain"
    assert [message.get("more_body", False) for message in asked.sent] == [False, False]


def test_header_of_the_connection_is_the_servers():
    """An application's would break it."""

    def app(environ, start_response):
        start_response("200 OK", [("Connection", "close"), ("X-Own", "1")])
        return [b""]

    asked = get(app)
    assert (b"connection" in asked.headers, asked.headers[b"x-own"]) == (False, b"1")


def test_pass_runs_in_a_slot_and_never_in_the_loop():
    """A slot is a thread that lives as long as the worker."""
    asked = get(page(lambda environ: threading.current_thread().name))
    assert asked.body.startswith(b"slot-")


def test_held_request_is_published_twice_and_makes_its_call_once():
    """As on every server."""
    asked = get(page(lambda environ: echo("a")))
    assert (asked.body, log) == (b"a", ["pass", "call a", "pass"])


def test_async_future_runs_in_the_loop_of_the_server_and_a_plain_one_in_a_thread():
    """Neither keeps the slot."""
    ids = []

    def view(environ):
        ids[:] = gather(coroutine_thread.submit(), function_thread.submit())
        return threading.get_ident()

    loop_thread = threading.get_ident()
    asked = get(page(view))
    assert ids[0] == loop_thread
    assert ids[1] not in (loop_thread, int(asked.body))


def test_held_requests_wait_without_a_slot():
    """More of them than there are slots, and a fast page is answered meanwhile."""

    def view(environ):
        return "fast" if environ["PATH_INFO"] == "/fast" else sleep()

    async def client(app):
        held = [Asked(app, raw_path=b"/held") for _ in range(9)]
        await until(lambda: log.count("sleeps") == 9)
        assert (app.worker.held.count, app.worker.gate.taken) == (9, 0)
        fast = await Asked(app, raw_path=b"/fast").answered()
        for asked in held:
            asked.goes()
        await until(lambda: log.count("ended") == 9)
        return fast.body

    settings = Settings(max_held_per_client=100)
    assert serve(page(view), client, settings) == b"fast"


def test_client_that_goes_while_held_ends_its_call_and_is_published_no_more():
    """What it kept is free at once."""

    async def client(app):
        asked = Asked(app)
        await until(lambda: "sleeps" in log)
        asked.goes()
        await asked.answered()
        return asked.status, app.worker.held.count, app.worker.record.gone

    assert serve(page(lambda environ: sleep()), client) == (499, 0, 1)
    assert log == ["pass", "sleeps", "ended"]


def test_worker_that_stops_answers_who_is_held():
    """With 503, which says when to come again."""

    async def client(app):
        asked = Asked(app)
        await until(lambda: "sleeps" in log)
        threading.Thread(target=app.worker.interrupts.stop).start()
        await asked.answered()
        return asked.status, asked.headers[b"retry-after"]

    assert serve(page(lambda environ: sleep()), client)[0] == 503


def test_request_that_the_server_cancels_frees_all_that_it_kept():
    """gunicorn does that to what is left of a connection that is gone."""

    async def client(app):
        asked = Asked(app)
        await until(lambda: "sleeps" in log)
        asked.task.cancel()
        await until(lambda: "ended" in log)
        return app.worker.held.count

    assert serve(page(lambda environ: sleep()), client) == 0


def test_call_that_is_out_of_time_is_cancelled():
    """The view gets an exception, and where it does not catch that, the client 504."""

    def view(environ):
        return late()

    @future(key="late", timeout=0.05)
    async def late():
        await asyncio.sleep(SECONDS)

    assert get(page(view)).status == 504


@pytest.mark.parametrize("in_c", [False, True])
def test_async_future_that_blocks_is_named(caplog, monkeypatch, in_c):
    """It keeps the whole worker, and not only its own request. uvloop has no frames to look at."""
    if in_c:
        monkeypatch.setattr(turning, "_name", lambda frame: "")

    @future(key="blocks the loop")
    async def block():
        time.sleep(0.4)

    async def client(app):
        await Asked(app).answered()
        await until(lambda: caplog.records)

    serve(page(lambda environ: block()), client, Settings(blocked=0.1))
    assert "blocks the loop has let no other async future of this worker run" in caplog.text


def test_error_of_the_application_is_the_servers():
    """gunicorn logs it and answers 500."""
    with pytest.raises(ZeroDivisionError):
        get(page(lambda environ: 1 / 0))


def test_body_is_read_whole_before_the_pass():
    """Whatever pieces it comes in; each pass reads it from its start."""
    asked = get(page(read), b"ab", b"", b"c", **length(3))
    assert asked.body == b"abc3"


def test_body_without_a_length_has_one_then():
    """Chunked, or as HTTP/2 sends it."""
    assert get(page(read), b"ab", b"c", **CHUNKED).body == b"abc3"
    assert get(page(read), b"ab", method="POST", http_version="2").body == b"ab2"
    assert get(page(read), http_version="2").body == b"0"


def test_body_that_is_large_is_in_a_file():
    """And is given back when the request is over."""

    async def client(app):
        asked = await Asked(app, b"a" * 50, b"b" * 50, **length(100)).answered()
        app.worker.bodies.check(app.worker.bodies.size)
        return asked.body

    settings = Settings(body_in_memory=10)
    assert serve(page(read), client, settings) == b"a" * 50 + b"b" * 50 + b"100"


def test_body_that_is_larger_than_all_may_be_is_refused_and_dropped():
    """413, and the client that still sends can read it."""

    async def client(app):
        asked = Asked(app, b"a" * 50, is_open=True, **length(100))
        asked.give(type="http.request", body=b"b" * 50, more_body=False)
        await asked.answered()
        return asked.status, asked._messages.qsize()

    assert serve(page(read), client, Settings(max_bodies=60)) == (413, 0)


def test_body_that_does_not_come_is_refused():
    """408, for a client that keeps a connection and sends nothing."""

    async def client(app):
        asked = await Asked(app, b"a", is_open=True, **length(3)).answered()
        return asked.status, app.interrupts.requests

    assert serve(page(read), client, Settings(body_timeout=0.05)) == (408, set())
    assert log == []


def test_body_that_trickles_is_refused():
    """Each byte in time is not enough."""

    async def client(app):
        asked = Asked(app, b"a", is_open=True, **length(1000))
        began = time.monotonic()
        while not asked.sent and time.monotonic() < began + SECONDS:
            await asyncio.sleep(0.01)
            asked.give(type="http.request", body=b"a", more_body=True)
        asked.task.cancel()
        return asked.status

    assert serve(page(read), client, Settings(body_timeout=0.1)) == 408


def test_body_that_ends_early_is_refused():
    """The client has gone, or has sent less than it said."""

    async def client(app):
        asked = Asked(app, b"a", is_open=True, **length(3))
        asked.goes()
        return (await asked.answered()).status

    assert serve(page(read), client) == 400
    assert get(page(read), b"a", **length(3)).status == 400


def test_worker_that_stops_answers_who_still_sends():
    """With 503."""

    async def client(app):
        asked = Asked(app, b"a", is_open=True, **length(3))
        await asyncio.sleep(0.02)
        app.worker.interrupts.stop()
        await until(lambda: asked.sent)
        asked.task.cancel()
        return asked.status

    assert serve(page(read), client) == 503


class File:
    """A body that is read meanwhile."""

    def __init__(self):
        self.threads, self.closed = [], False

    def __iter__(self):
        return self

    def __next__(self):
        if len(self.threads) == 100:
            raise StopIteration
        self.threads.append(threading.current_thread().name)
        time.sleep(0.002)
        return b"x"

    def close(self):
        self.closed = True


def sending(file):
    def app(environ, start_response):
        start_response("200 OK", [])
        return file

    return app


def test_file_is_read_in_a_thread_and_closed():
    """The loop serves others meanwhile."""
    file = File()
    asked = get(sending(file))
    assert (asked.body, file.closed) == (b"x" * 100, True)
    assert all(name.startswith("body") for name in file.threads)


def test_file_whose_client_goes_is_read_no_further():
    """And closed."""
    file = File()

    async def client(app):
        asked = Asked(app)
        await until(lambda: len(asked.sent) > 5)
        asked.goes()
        await asked.answered()

    serve(sending(file), client)
    assert file.closed
    assert len(file.threads) < 100


@stream(timeout=60)
async def talk(*words):
    try:
        for word in words:
            yield word
        log.append("waits")
        await asyncio.sleep(SECONDS * 10)
    finally:
        log.append("closed")


@stream(timeout=0.2)
async def flood():
    try:
        while True:
            yield "x" * 1000
            await asyncio.sleep(0)
    finally:
        log.append("closed")


@stream
async def tell(*words):
    for word in words:
        yield word


@stream
async def fail(*words):
    for word in words:
        yield word
    raise KeyError("secret")


def test_stream_is_sent_to_its_end():
    """Each chunk when it is there."""
    asked = get(answering(lambda environ: tell("a", "b").text()))
    assert (asked.status, asked.body) == (200, b"ab")
    assert [m["more_body"] for m in asked.sent[1:]][-1] is False


def test_stream_whose_client_goes_is_closed():
    """At once, wherever it waits."""

    async def client(app):
        asked = Asked(app)
        await until(lambda: "waits" in log)
        asked.goes()
        await asked.answered()
        await until(lambda: "closed" in log)
        return app.worker.held.count

    assert serve(answering(lambda environ: talk("a").text()), client) == 0


def test_stream_whose_worker_stops_tells_its_reader():
    """By a last event."""

    async def client(app):
        asked = Asked(app)
        await until(lambda: len(asked.sent) > 1)
        while not asked.task.done():  # as a worker does: a request may not wait just now
            app.worker.interrupts.stop()
            await asyncio.sleep(0.01)
        return asked.body, asked.sent[-1]["more_body"]

    body, more = serve(answering(lambda environ: talk("a").events()), client)
    assert body.endswith(b"event: error\ndata: stopped\n\n")
    assert more is False


@pytest.mark.parametrize("form", ["text", "events"])
def test_stream_that_fails_has_no_end_unless_there_are_words_for_it(form):
    """The server closes a connection whose response has none."""
    asked = get(answering(lambda environ: getattr(fail("a"), form)()))
    assert (asked.status, asked.sent[-1]["more_body"]) == (200, form == "text")


def test_stream_whose_client_does_not_read_ends_at_its_limit():
    """It is closed, and so is its generator."""

    async def client(app):
        asked = Asked(app, reads=False)
        await asked.answered()
        await until(lambda: "closed" in log)
        return app.worker.held.count

    assert serve(answering(lambda environ: flood().text()), client) == 0


@stream
async def tell_thread():
    for _ in range(2):
        yield f"{threading.get_ident()} "
        await asyncio.sleep(0)


@stream
def tell_thread_plainly():
    yield str(threading.get_ident())


@stream
async def pour(word, number):
    """Never wait for anything but the reader, and take some time to close."""
    try:
        for count in range(number):
            log.append(count)
            yield word
    finally:
        await asyncio.sleep(0.02)
        log.append("closed")


class Follower:
    """Gets the text of a stream."""

    def hand_over(self, text):
        log.append(text)

    def give_up(self, reason, *, wanted):
        log.append(reason)


def test_async_stream_runs_in_the_loop_of_the_server_and_a_plain_one_in_a_thread():
    """Only the latter keeps one of max_threads."""
    here = threading.get_ident()
    assert get(answering(lambda environ: tell_thread().text())).body.split() == [b"%d" % here] * 2
    assert int(get(answering(lambda environ: tell_thread_plainly().text())).body) != here


def test_async_streams_are_as_many_as_may_be_held():
    """They keep no thread: there is one for futures, and more streams run side by side."""

    async def client(app):
        streams = [Asked(app) for _ in range(20)]
        await until(lambda: log.count("waits") == 20)
        for asked in streams:
            asked.goes()
        await until(lambda: log.count("closed") == 20)
        return app.worker.held.count

    settings = Settings(max_threads=1, max_held_per_client=100)
    assert serve(answering(lambda environ: talk("a").text()), client, settings) == 0


@pytest.mark.parametrize("word", ["x" * 10_000, "x", ""])
def test_async_stream_that_never_waits_lets_others_run_and_waits_for_its_reader(word):
    """It is bounded by bytes and by items, also by those without a byte."""

    async def client(app):
        asked = Asked(app, reads=False, raw_path=b"/pour")
        await until(lambda: log.count("pass") == 1 and (len(asked.sent) > 1 or not word))
        await Asked(app, raw_path=b"/fast").answered()
        made = len([one for one in log if one != "pass"])
        asked.task.cancel()
        await until(lambda: "closed" in log)
        return made

    def view(environ):
        is_fast = environ["PATH_INFO"] == "/fast"
        return (tell() if is_fast else pour(word, 10**9)).text()

    made = serve(answering(view), client)
    assert made < 40 or not word


def test_async_stream_whose_client_goes_while_it_waits_for_room_is_closed_undisturbed():
    """It is cancelled once: what it awaits to close comes to its end."""

    async def client(app):
        asked = Asked(app, reads=False)
        await until(lambda: 15 in log)
        asked.task.cancel()
        await until(lambda: "closed" in log)
        return app.worker.held.count

    assert serve(answering(lambda environ: pour("x", 1000).text()), client) == 0


def test_async_stream_goes_on_for_who_gets_its_text_and_keeps_no_thread():
    """Its client has left, and it is a task."""

    def view(environ):
        answer = tell_slowly().text()
        answer.following = Following(Follower(), keep_going=True)
        return answer

    @stream(key="slowly")
    async def tell_slowly():
        yield "a"
        await asyncio.sleep(0.1)
        yield f"b{[one.name for one in threading.enumerate() if one.name == 'beside']}"

    async def client(app):
        asked = Asked(app)
        await until(lambda: len(asked.sent) > 1)
        asked.goes()
        await until(lambda: len(log) > 1)
        return app.worker.held.count

    assert serve(answering(view), client) == 0
    assert log == ["pass", "ab[]"]


def test_worker_that_stops_ends_a_stream_that_goes_on_without_its_client():
    """Who gets its text is told."""

    def view(environ):
        answer = talk("a").text()
        answer.following = Following(Follower(), keep_going=True)
        return answer

    async def client(app):
        asked = Asked(app)
        await until(lambda: "waits" in log)
        asked.goes()
        await asked.answered()
        while "closed" not in log or len(log) < 4:
            app.worker.interrupts.stop()
            await asyncio.sleep(0.01)
        return app.worker.held.count

    assert serve(answering(view), client) == 0
    assert "did not come to its end" in " ".join(map(str, log))


def test_who_asks_whether_the_worker_lives_gets_no_pass():
    """Also while all slots are taken."""
    asked = get(
        page(lambda environ: ""), raw_path=b"/alive", settings=Settings(liveness_path="/alive")
    )
    assert (asked.body, log) == (b"alive\n", [])


def test_request_over_the_limit_is_refused_at_once():
    """With 503."""

    async def client(app):
        held = Asked(app)
        await until(lambda: "sleeps" in log)
        refused = await Asked(app).answered()
        held.task.cancel()
        return refused.status

    assert serve(page(lambda environ: sleep()), client, Settings(max_held=1)) == 503


def test_start_and_end_of_the_server_need_nothing():
    """But they are answered, as ASGI wants it."""

    async def client(app):
        messages = iter(["lifespan.startup", "lifespan.shutdown"])
        sent = []

        async def receive():
            return {"type": next(messages)}

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        return sent

    expected = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert serve(page(str), client) == expected
