"""Streams behind the middleware: when they begin, what their reader gets, how they end."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import never
from .applications import SECONDS
from collective.wsgifutures import current_stream
from collective.wsgifutures import stream
from collective.wsgifutures import StreamEvent
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures.wsgi.settings import Settings

import asyncio
import contextlib
import logging
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@stream
def tell(*words):
    log.append("begins")
    try:
        for word in words:
            yield word
            log.append(f"gave {word}")
    finally:
        log.append("closed")


@stream
async def tell_async(*words):
    try:
        for word in words:
            await asyncio.sleep(0)
            yield word
    finally:
        await asyncio.sleep(0)


@stream
async def fail_async(*words):
    for word in words:
        yield word
    raise KeyError("secret")


@stream
def fail(*words):
    yield from words
    raise KeyError("secret")


@stream(between=0.1)
def stop_talking(*words):
    yield from words
    never.wait(SECONDS)


@stream
def wait_long():
    yield "" if never.wait(SECONDS) else "late"


@stream(timeout=0.3)
def talk_for_ever():
    while not never.wait(0.01):
        yield "word "


@stream(timeout=0.3)
def flood():
    while True:
        yield "x" * 1000


@stream
def tell_id():
    yield f"{current_stream().name.rpartition('.')[2]} after {current_stream().last_event_id}"


@stream
async def tell_id_async():
    yield f"{current_stream().name.rpartition('.')[2]} after {current_stream().last_event_id}"


def answering(view, status="200 OK"):
    """Return an application that answers what *view* returns, as Zope does with a stream."""

    def app(environ, start_response):
        log.append("pass")
        answer = view(environ)
        start_response(status, [("Content-Type", answer.format.content_type)])
        return answer

    return app


def get(view, *, status="200 OK", environ=None, **settings):
    """Return what the client gets."""
    app = holding(answering(view, status), Settings(**settings))
    answer = Answer(app, environ or make_environ())
    assert app.worker.held.count == 0
    return answer


def wait_until(true):
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("words", [tell, tell_async])
def test_text_is_what_was_yielded(words):
    """With the headers that let it through."""
    answer = get(lambda environ: words("one ", "two ", "drei ", "ä").text())
    assert (answer.status, answer.body.decode()) == ("200 OK", "one two drei ä")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "no-transform" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("words", [tell, tell_async])
def test_lines_are_json(words):
    """One value on each line."""
    answer = get(lambda environ: words({"a": [1, None]}, "x\ny", 2).lines())
    assert answer.body == b'{"a":[1,null]}\n"x\\ny"\n2\n'
    assert answer.headers["Content-Type"] == "application/x-ndjson"


def test_events_have_an_end():
    """Else a browser takes the end for a lost connection, and asks again."""
    answer = get(lambda environ: tell("a", StreamEvent("b", id="7")).events(retry=2))
    want = b"retry: 2000\ndata: a\n\nid: 7\ndata: b\n\nevent: end\ndata: end\n\n"
    assert answer.body == want


def test_stream_begins_when_its_view_has_waited_for_futures():
    """It takes the passes that it needs, and the generator runs once."""
    answer = get(lambda environ: tell(echo("x")).text())
    assert answer.body == b"x"
    assert log == ["pass", "call x", "pass", "begins", "gave x", "closed"]


def test_stream_has_no_slot():
    """Its first item is made when the slot is free again."""
    app = holding(answering(lambda environ: slots().text()), Settings(slots=1))
    slots = stream(key="slots")(lambda: (yield str(app.worker.gate.taken)))
    assert Answer(app, make_environ()).body == b"0"


def test_first_item_is_there_before_the_head_is_sent():
    """So an error before it can still be told."""
    app = holding(answering(lambda environ: tell("x", "y").text()), Settings())
    started = []
    body = app(make_environ(), lambda *start: started.append((*log,)))
    assert "begins" in started[0]
    body.close()


def test_head_makes_nothing():
    """There is no body."""
    answer = get(lambda environ: tell("x").text(), environ=make_environ(REQUEST_METHOD="HEAD"))
    assert (answer.status, answer.body, log) == ("200 OK", b"", ["pass"])


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found", "500 Error", "204 No Content"])
def test_answer_that_is_no_success_makes_nothing(status):
    """A redirect, an error."""
    answer = get(lambda environ: tell("x").text(), status=status)
    assert (answer.status, answer.body, log) == (status, b"", ["pass"])


def test_stream_that_is_not_returned_never_begins():
    """The view has made up its mind."""

    def app(environ, start_response):
        tell("x").text()
        start_response("200 OK", [])
        return [b"else"]

    assert Answer(holding(app, Settings()), make_environ()).body == b"else"
    assert log == []


def test_view_whose_work_was_thrown_away_streams_nothing(caplog):
    """403, and the log says why."""

    def view(environ):
        answer = tell("x").text()
        answer.is_committed = lambda: False
        return answer

    answer = get(view)
    assert (answer.status, log) == ("403 Forbidden", ["pass"])
    assert "plone.protect" in caplog.text


@pytest.mark.parametrize("words", [fail, fail_async])
def test_error_before_the_first_item_is_an_error_page(words, caplog):
    """500 without a secret, and the log has the error."""
    environ = make_environ(HTTP_ACCEPT="text/html")
    answer = get(lambda environ: words().text(), environ=environ)
    assert answer.status == "500 Internal Server Error"
    assert b"<h1>This page has an error</h1>" in answer.body
    assert b"secret" not in answer.body
    assert "KeyError: 'secret'" in caplog.text


def test_upstream_that_fails_before_the_first_item_is_503():
    """As where a view asks for it."""

    @stream(key="down")
    def down():
        raise UpstreamFailed("llm", "llm.example.com", "refused")
        yield

    answer = get(lambda environ: down().text())
    assert (answer.status, answer.headers["Retry-After"]) == ("503 Service Unavailable", "5")


def test_first_item_that_is_late_is_504():
    """The generator is let go of."""
    answer = get(lambda environ: stop_talking().text())
    assert answer.status == "504 Gateway Timeout"


def test_first_item_that_is_not_there_at_the_deadline_is_504(caplog):
    """The log names that limit, not the stream's own, which it may still have."""
    answer = get(lambda environ: wait_long().text(), deadline=0.1, grace=0.1)
    assert answer.status == "504 Gateway Timeout"
    assert "its request is at its deadline" in caplog.text
    assert "between=" not in caplog.text


@pytest.mark.parametrize("words", [fail, fail_async])
def test_error_after_the_first_item_is_an_event(words, caplog):
    """Its reader can tell, and sees no secret."""
    answer = get(lambda environ: words("a").events())
    assert answer.body == b"data: a\n\nevent: error\ndata: failed\n\n"
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.parametrize("form", ["text", "lines"])
def test_error_after_the_first_item_breaks_the_connection(form, caplog):
    """Text and lines have no word for it; the server ends no body that breaks off."""
    app = holding(answering(lambda environ: getattr(fail("a"), form)()), Settings())
    body = app(make_environ(), lambda *start: None)
    got = [next(body)]
    with pytest.raises(ConnectionResetError):
        got += list(body)
    body.close()
    assert got in ([b"a"], [b'"a"\n'])
    assert "KeyError: 'secret'" in caplog.text
    assert app.worker.held.count == 0


def test_silence_between_two_items_ends_the_stream(caplog):
    """The log says which limit."""
    answer = get(lambda environ: stop_talking("a").events())
    assert answer.body == b"data: a\n\nevent: error\ndata: timeout\n\n"
    assert "gave no item for 0.1 s. Raise between= where it is declared." in caplog.text


@pytest.mark.parametrize("words", [talk_for_ever, flood])
def test_stream_ends_at_its_limit(words, caplog):
    """However much it has to say, and whether it ever waits."""
    began = time.monotonic()
    answer = get(lambda environ: words().events())
    assert answer.body.endswith(b"event: error\ndata: timeout\n\n")
    assert 0.2 < time.monotonic() - began < 2
    assert "did not end within 0.3 s" in caplog.text


def test_stream_with_a_slow_reader_ends_at_its_limit():
    """There is always something to send; where that is possible, it is cut off while it sends."""
    app = holding(answering(lambda environ: flood().events()), Settings())
    body = app(make_environ(), lambda *start: None)
    until = time.monotonic() + SECONDS / 2
    last = [b""]
    with contextlib.suppress(ConnectionResetError):
        for last[0] in body:
            time.sleep(0.02)
            assert time.monotonic() < until
        assert last == [b"event: error\ndata: timeout\n\n"]
    body.close()
    assert app.worker.held.count == 0


def test_silence_is_filled_with_comments():
    """A proxy keeps the connection, and a client that has gone is noticed."""

    @stream(key="slowly")
    def slowly():
        yield "a"
        never.wait(0.35)
        yield "b"

    body = get(lambda environ: slowly().events(heartbeat=0.1)).body
    assert body.startswith(b"data: a\n\n:\n\n:\n\n")
    assert body.endswith(b"data: b\n\nevent: end\ndata: end\n\n")


@pytest.mark.parametrize("words", [tell_id, tell_id_async])
def test_last_event_id_arrives_in_the_generator(words):
    """What the client got before it lost the stream."""
    environ = make_environ(HTTP_LAST_EVENT_ID="caf\xc3\xa9")  # as WSGI has UTF-8
    answer = get(lambda environ: words().text(), environ=environ)
    assert answer.body.decode() == f"{words.__name__} after café"


def test_slow_reader_slows_the_generator_down():
    """It waits when the buffer is full."""
    app = holding(answering(lambda environ: tell(*["x" * 40_000] * 9).text()), Settings())
    body = app(make_environ(), lambda *start: None)
    first = next(body)
    time.sleep(0.2)
    assert log.count("gave " + "x" * 40_000) <= 4
    assert len(first + b"".join(body)) == 9 * 40_000
    body.close()


def test_reader_that_goes_closes_the_generator():
    """The server closes the body, and the buffer is empty."""
    app = holding(answering(lambda environ: tell(*["x" * 40_000] * 9).text()), Settings())
    body = app(make_environ(), lambda *start: None)
    next(body)
    assert app.worker.held.count == 1
    body.close()
    wait_until(lambda: "closed" in log)
    assert app.worker.held.count == 0


def test_stream_counts_among_the_held_until_its_end():
    """Over the limit a view gets an error before anything is committed."""
    app = holding(answering(lambda environ: tell("x", "y").text()), Settings(max_held=1))
    first = app(make_environ(), lambda *start: None)
    assert (app.worker.held.count, app.worker.held.streams) == (1, 1)
    second = Answer(app, make_environ())
    assert (second.status, second.headers["Retry-After"]) == ("503 Service Unavailable", "5")
    assert b"".join(first) == b"xy"
    first.close()
    assert Answer(app, make_environ()).body == b"xy"
    assert app.worker.held.streams == 0
    assert app.worker.refusals.counts == {"max_held": 1}


def test_operator_can_cancel_a_stream():
    """Its reader is told."""

    @stream(key="waits")
    def waits():
        yield "a"
        never.wait(SECONDS)

    app = holding(answering(lambda environ: waits().events()), Settings())
    body = app(make_environ(), lambda *start: None)
    assert next(body) == b"data: a\n\n"
    (one,) = app.worker.held.oldest(9)
    threading.Timer(0.1, lambda: app.worker.held.cancel(one.number)).start()
    assert list(body) == [b"event: error\ndata: cancelled\n\n"]
    body.close()


def test_operator_can_cancel_a_stream_before_its_first_item():
    """503, as for a held response."""
    app = holding(answering(lambda environ: wait_long().text()), Settings())

    def cancel():
        wait_until(lambda: app.worker.held.streams)
        (one,) = app.worker.held.oldest(9)
        app.worker.held.cancel(one.number)

    threading.Thread(target=cancel, daemon=True).start()
    assert Answer(app, make_environ()).status == "503 Service Unavailable"


def test_what_is_not_whole_in_a_format_is_the_generators_error(caplog):
    """With words for whoever wrote it."""
    answer = get(lambda environ: tell(b"bytes").text())
    assert answer.status.startswith("500")
    assert "text() takes str, not bytes" in caplog.text


def test_filter_that_reads_a_stream_is_told_what_to_do():
    """Behind the hold it would read it in a slot."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"".join(tell("x").text())]

    with pytest.raises(Exception, match="put the filter before the hold"):
        Answer(holding(app, Settings()), make_environ())


def test_stream_without_a_byte_is_empty():
    """That is no error."""
    assert get(lambda environ: tell().text()).body == b""
    assert get(lambda environ: tell("", "").text()).body == b""


def test_nothing_is_logged_of_a_stream_that_ends_well(caplog):
    """It is no slow request either."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    get(lambda environ: tell("x").text(), slow_request=0.0)
    assert caplog.records == []
