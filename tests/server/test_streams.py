"""Streams on real servers: how they come, and how they end."""

from processes import LOOKS
from processes import wait_until
from wire import request
from wire import Wire

import itertools
import json
import pytest
import requests
import signal
import socket
import struct
import threading
import time

ADMIN = ("admin", "admin")


def stream(server, view="@@words", *, timeout=30, **params):
    """Ask for a stream, and return the answer once its head is there."""
    options = {"headers": params.pop("headers", {}), "auth": params.pop("auth", None)}
    return requests.get(
        f"{server.site}/{view}", params=params, stream=True, timeout=timeout, **options
    )


def arrivals(answer):
    """Yield each part as it comes, with the seconds since the first look."""
    began = time.monotonic()
    for part in answer.iter_content(chunk_size=None):
        yield time.monotonic() - began, part


def address_of(server):
    host, port = server.root.removeprefix("http://").split(":")
    return host, int(port)


def log_of(server, text):
    return server.get("@@words-log", text=text).json()


@pytest.mark.parametrize("how", ["count", "async"])
@pytest.mark.parametrize("wait", [0, 1])
def test_words_come_as_they_are_made(server, text, how, wait):
    """Each in time, also after futures."""
    answer = stream(server, text=text, how=how, pause=0.6, wait=wait)
    parts = list(arrivals(answer))
    assert [part for _, part in parts] == [b"0 ", b"1 ", b"2 "]
    times = [at for at, _ in parts]
    assert all(later - sooner > 0.3 for sooner, later in itertools.pairwise(times))
    assert answer.headers["X-Hold-Passes"] == str(1 + wait)
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_stream_begins_without_a_connection_to_the_database(started, text):
    """Nothing of Zope is kept, and the connection's next request is answered."""
    server = started()
    with Wire(server) as wire:
        answer = wire.get(f"@@words?how=whoami&text={text}")
        assert json.loads(answer.body) == ["", 0]
        assert wire.get("@@fast").body == b"fast"


def test_last_event_id_arrives_in_the_generator(server, text):
    """What a browser sends when it asks again."""
    answer = stream(server, how="whoami", text=text, headers={"Last-Event-ID": "41"})
    assert answer.json()[0] == "41"


def test_events_come_with_their_content_type(server, text):
    """And nothing of Plone has changed them, also for a user."""
    for auth in (None, ADMIN):
        answer = stream(server, text=text, kind="events", auth=auth)
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.content.startswith(b"data: 0 \n\ndata: 1 \n\n")
        assert answer.content.endswith(b"event: end\ndata: end\n\n")


def test_head_makes_nothing(server, text):
    """There is no body to make."""
    answer = server.request("HEAD", "@@words", params={"text": text})
    assert (answer.status_code, answer.content) == (200, b"")
    assert log_of(server, text) == []


def test_http_1_0_gets_all_of_it(server, text):
    """Without chunks: the connection's end is the end."""
    with socket.create_connection(address_of(server), 10) as client:
        client.sendall(f"GET /Plone/@@words?text={text} HTTP/1.0\r\n\r\n".encode())
        got = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == b"0 1 2 "
    assert b"chunked" not in head.lower()


@pytest.mark.parametrize(("end", "status"), [("redirect", 302), ("notfound", 404), ("error", 500)])
def test_answer_that_is_no_success_streams_nothing(server, text, end, status):
    """A redirect, an error."""
    answer = server.get("@@words-writing", text=text, end=end)
    assert answer.status_code == status
    assert "X-Accel-Buffering" not in answer.headers
    assert log_of(server, text) == []


def test_pass_that_plone_protect_aborts_streams_nothing(server, text):
    """A GET of a user that writes without a token: its work is not saved, and 403 says so."""
    before = server.get("@@words-written").text
    answer = server.get("@@words-writing", text=text, auth=ADMIN)
    assert (answer.status_code, log_of(server, text)) == (403, [])
    assert server.get("@@words-written").text == before
    answer = server.get("@@words-writing", text=text, auth=ADMIN, allowed="1")
    assert (answer.status_code, log_of(server, text)) == (200, ["begins", "closed"])
    assert server.get("@@words-written").text == str(int(before) + 1)


def test_error_before_the_first_word_is_an_error_page(server, text):
    """500, without a secret."""
    answer = server.get("@@words", text=text, how="fail", number=0, headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "<h1>This page has an error</h1>" in answer.text
    assert "secret" not in answer.text


def test_error_after_the_first_word_is_told_to_its_reader(server, text):
    """An event, or a body that breaks off."""
    answer = stream(server, text=text, how="fail", kind="events")
    assert answer.content.endswith(b"data: 2 \n\nevent: error\ndata: failed\n\n")
    for kind in ("text", "lines"):
        answer = stream(server, text=text, how="fail", kind=kind)
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content
    assert "KeyError: 'secret'" in server.process.output


def test_silence_is_filled_with_comments(server, text):
    """So that no proxy takes it for dead."""
    answer = stream(server, text=text, kind="events", number=2, pause=1, heartbeat=0.3)
    assert answer.content.count(b":\n\n") == 3
    assert answer.content.endswith(b"event: end\ndata: end\n\n")


# what only gunicorn with gevent can do


def leave(client):
    client.close()


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def begin(server, path):
    """Ask for a stream on a socket, and return that once the first part is there."""
    client = socket.create_connection(address_of(server), 30)
    client.sendall(request(path))
    got = b""
    while b"\r\n\r\n" not in got or not got.partition(b"\r\n\r\n")[2]:
        got += client.recv(65536)
    return client


@pytest.mark.gevent
@pytest.mark.parametrize("by", ["requests", "upstream"])
@pytest.mark.parametrize("go", [leave, reset])
def test_client_that_goes_closes_generator_and_socket_within_a_second(
    gunicorn, silent, text, go, by
):
    """The upstream sees the caller leave."""
    client = begin(gunicorn, f"@@words-silent?text={text}&url={silent.url}&by={by}")
    assert silent.called.wait(10)
    began = time.monotonic()
    go(client)
    assert silent.left.wait(2)
    assert time.monotonic() - began < 1


@pytest.mark.gevent
def test_client_that_goes_between_two_words_closes_the_generator(gunicorn, text):
    """It has nothing to send when that happens."""
    client = begin(gunicorn, f"@@words?text={text}&number=2&pause=30")
    client.close()
    wait_until(lambda: log_of(gunicorn, text) == ["begins", "closed"], 2)


@pytest.mark.gevent
def test_client_that_goes_before_the_first_word_closes_the_generator(gunicorn, text):
    """As any held response."""
    client = socket.create_connection(address_of(gunicorn), 30)
    client.sendall(request(f"@@words?text={text}&how=mute"))
    wait_until(lambda: log_of(gunicorn, text) == ["begins"])
    client.close()
    wait_until(lambda: log_of(gunicorn, text) == ["begins", "closed"], 2)


def test_words_of_an_upstream_come_as_it_sends_them(server, text):
    """Through the limits and the parser of an upstream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=speak, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = stream(server, "@@words-of-upstream", text=text, url=url)
        parts = list(arrivals(answer))
    assert [part for _, part in parts] == [b"Hello ", b"world"]
    assert parts[1][0] - parts[0][0] > 0.3


def speak(listener):
    """Send two words as a language model does."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for word in (b'{"word":"Hello "}', b'{"word":"world"}', b"[DONE]"):
            connection.sendall(b"data: %s\n\n" % word)
            time.sleep(0.6)


def test_client_that_does_not_read_is_ended_at_the_limit(gunicorn, text):
    """Its buffer is full; the generator waits, and is closed at the end of its time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(address_of(gunicorn))
    began = time.monotonic()
    client.sendall(request(f"@@words?text={text}&how=flood"))
    wait_until(lambda: log_of(gunicorn, text) == ["closed"], 10)
    assert 2.5 < time.monotonic() - began < 6
    client.close()


@pytest.mark.operation
def test_stop_lets_a_stream_end(started, text):
    """Inside of graceful_timeout."""
    server = started("--graceful-timeout", "8")
    answer = stream(server, text=text, kind="events", number=4, pause=0.5)
    server.process.signal(signal.SIGTERM)
    assert answer.content.endswith(b"event: end\ndata: end\n\n")
    assert server.process.wait() == 0


@pytest.mark.operation
@pytest.mark.parametrize("kind", ["events", "text"])
def test_stop_ends_a_stream_that_goes_on(started, text, kind):
    """In time, and its reader is told."""
    server = started("--graceful-timeout", "4")
    answer = stream(server, text=text, kind=kind, number=2, pause=40)
    began = time.monotonic()
    server.process.signal(signal.SIGTERM)
    if kind == "events":
        assert answer.content.endswith(b"event: error\ndata: stopped\n\n")
    else:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content
    assert time.monotonic() - began < 4
    assert server.process.wait() == 0


def test_hundred_streams_leave_the_site_to_others(gunicorn, text):
    """They have no slot and no connection."""
    answers = [
        stream(gunicorn, text=f"{text}-{n}", kind="events", number=2, pause=3) for n in range(100)
    ]
    gunicorn.state(reset="yes")
    began = time.monotonic()
    assert gunicorn.get("@@fast").text == "fast"
    assert time.monotonic() - began < 1
    assert gunicorn.state()["connections"] <= 2 + LOOKS
    assert all(answer.content.endswith(b"data: end\n\n") for answer in answers)


@pytest.mark.operation
def test_streams_over_the_limit_are_refused_before_anything_is_saved(started, text):
    """503 with Retry-After; a place is free again when a stream has ended."""
    server = started(env={"WSGIFUTURES_MAX_HELD": "1", "WSGIFUTURES_MAX_HELD_PER_CLIENT": "1"})
    first = stream(server, text=text, number=2, pause=2)
    before = server.get("@@words-written").text
    answer = server.get("@@words-writing", text=text)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert server.get("@@words-written").text == before
    assert first.content == b"0 1 "
    wait_until(lambda: server.get("@@words-writing", text=text).status_code == 200, 5)


# what comes after


@pytest.mark.operation
@pytest.mark.parametrize(
    ("stays", "keep_going", "words", "state"),
    [
        (True, "", [["0 1 ", "admin"]], "done"),
        (False, "", [], "cancelled"),
        (False, "1", [["0 1 ", "admin"]], "done"),
    ],
)
def test_text_of_a_stream_is_stored_once_by_a_job_of_its_user(
    started, text, stays, keep_going, words, state
):
    """If the visitor stays, or if it is to be stored all the same."""
    server = started()
    ask = {"text": text, "number": 2, "pause": 1, "keep_going": keep_going}
    answer = stream(server, "@@words-then", auth=ADMIN, **ask)
    if stays:
        assert answer.content.endswith(b"data: end\n\n")
    else:
        answer.close()
    wait_until(lambda: server.get("@@words-kept").json() == [words, [state]], 15)
