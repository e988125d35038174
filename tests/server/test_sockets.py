"""Websockets on a real server, with a real client: what comes and goes, and what ends them."""

from processes import LOOKS
from processes import wait_until
from test_status import board_of
from test_status import found
from test_streams import address_of
from test_streams import ADMIN
from test_streams import leave
from test_streams import log_of
from test_streams import reset
from urllib.parse import quote
from urllib.parse import urlencode
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from wire import request as make_request

import base64
import contextlib
import json
import pytest
import signal
import socket
import threading
import time


@pytest.fixture
def open_socket():
    """Open a websocket at a view, which is closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def open_(server, view="@@socket", *, auth=None, headers=None, subprotocols=None, **params):
            headers = dict(headers or {})
            if auth:
                token = base64.b64encode(":".join(auth).encode()).decode()
                headers["Authorization"] = f"Basic {token}"
            url = f"ws{server.site.removeprefix('http')}/{view}?{urlencode(params)}"
            options = {"additional_headers": headers, "subprotocols": subprotocols}
            # A proxy of the environment is nobody's here.
            return stack.enter_context(connect(url, proxy=None, open_timeout=60, **options))

        yield open_


@pytest.fixture
def status_of(open_socket):
    """Return the status with which a handshake is refused."""

    def status(server, view="@@socket", **options):
        with pytest.raises(InvalidStatus) as refused:
            open_socket(server, view, **options)
        return refused.value.response.status_code

    return status


def end_of(client, seconds=10):
    """Return the code and the reason with which *client* is closed."""
    try:
        while True:
            client.recv(seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code, closed.rcvd.reason


def shake(server, path):
    """Open a websocket on a socket that nothing reads by itself, and return that."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(address_of(server))
    key = base64.b64encode(b"x" * 16).decode()
    headers = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    client.sendall(make_request(path, *headers, f"Sec-WebSocket-Key: {key}"))
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


# the handshake


@pytest.mark.parametrize("wait", [0, 1])
def test_user_talks_with_a_function_that_keeps_nothing_of_zope(
    asyncio_server, open_socket, text, wait
):
    """No connection to the database is open; text and bytes come back as they are."""
    client = open_socket(asyncio_server, auth=ADMIN, text=text, wait=wait)
    assert json.loads(client.recv(10)) == ["admin", 0, None]
    for message in ("hello", "", b"\x00\xff", "ä" * 20_000, b"x" * 65_536):
        client.send(message)
        assert client.recv(10) == message


def test_page_of_another_site_is_refused_unless_it_is_allowed(
    asyncio_server, open_socket, status_of, text
):
    """It would have its visitor's cookies."""
    other = {"Origin": "https://evil.example.org"}
    open_socket(asyncio_server, headers={"Origin": asyncio_server.root}, text=text)
    assert status_of(asyncio_server, headers=other, text=text) == 403
    open_socket(asyncio_server, headers=other, text=text, origins=other["Origin"])


def test_subprotocol_is_agreed_upon(asyncio_server, open_socket, text):
    """The best that both speak."""
    offered = ["echo.v1", "echo.v2", "other"]
    client = open_socket(asyncio_server, text=text, subprotocols=offered)
    assert client.subprotocol == json.loads(client.recv(10))[2] == "echo.v2"


@pytest.mark.parametrize(
    ("end", "status"),
    [("redirect", 302), ("notfound", 404), ("error", 500), ("commit", 500), ("page", 200)],
)
def test_other_answer_refuses_with_its_status(asyncio_server, status_of, text, end, status):
    """Also an error in the commit; its function never begins."""
    assert status_of(asyncio_server, "@@socket-writing", text=text, end=end) == status
    assert log_of(asyncio_server, text) == []


def test_permission_and_path_are_checked(asyncio_server, open_socket, status_of, text):
    """As of any view: Plone leads to its login."""
    assert status_of(asyncio_server, "@@socket-of-managers", text=text) == 302
    assert status_of(asyncio_server, "nowhere/@@socket", text=text) == 404
    open_socket(asyncio_server, "@@socket-of-managers", auth=ADMIN, text=text)


def test_work_of_the_view_is_saved_before_the_function_begins(
    asyncio_server, open_socket, status_of, text
):
    """A user that writes without a token is refused, and nothing is saved."""
    written = int(asyncio_server.get("@@words-written").text)
    assert status_of(asyncio_server, "@@socket-writing", auth=ADMIN, text=text) == 403
    assert log_of(asyncio_server, text) == []
    client = open_socket(asyncio_server, "@@socket-writing", auth=ADMIN, text=text, allowed=1)
    assert json.loads(client.recv(10))[1] == 0
    assert asyncio_server.get("@@words-written").text == str(written + 1)


def test_request_for_a_page_is_told_to_upgrade(server, text):
    """With words, on each server."""
    answer = server.get("@@socket", text=text)
    words = "This address is for a websocket. Open it with ws:// or wss://.\n"
    assert (answer.status_code, answer.text) == (426, words)
    assert answer.headers.get("Upgrade") == ("websocket" if server.name == "asyncio" else None)


@pytest.mark.gevent
@pytest.mark.parametrize("name", ["gunicorn", "waitress"])
def test_other_servers_say_what_to_do(request, status_of, text, name):
    """To the client 501, to the log which worker to take."""
    server = request.getfixturevalue(name)
    assert status_of(server, text=text) == 501
    assert "this server has no websockets. Run gunicorn with -k asgi" in server.process.output


# the end


def test_function_that_returns_closes(asyncio_server, open_socket, text):
    """1000."""
    client = open_socket(asyncio_server, text=text)
    client.send("return")
    assert end_of(client) == (1000, "")
    assert log_of(asyncio_server, text) == ["begins", "ends"]


def test_function_that_fails_closes_and_is_logged(asyncio_server, open_socket, text):
    """1011; the error is the log's alone."""
    client = open_socket(asyncio_server, text=text)
    client.send("fail")
    assert end_of(client) == (1011, "error")
    output = asyncio_server.process.output
    assert "GET /Plone/@@socket: the websocket holdtests.sockets.echo failed." in output
    assert "KeyError: 'secret'" in output
    assert text not in output


@pytest.mark.parametrize(
    ("how", "reason", "least"), [("limited", "time limit", 1.4), ("silent", "idle", 0.9)]
)
def test_limit_in_time_closes(asyncio_server, open_socket, text, how, reason, least):
    """1008, also a websocket that is in use."""
    began = time.monotonic()
    assert end_of(open_socket(asyncio_server, how=how, text=text)) == (1008, reason)
    assert least < time.monotonic() - began < 3


@pytest.mark.parametrize(("how", "size"), [("small", 101), ("echo", 65_537)])
def test_message_that_is_too_large_closes(asyncio_server, open_socket, text, how, size):
    """1009, by the limit of the function or that of the server."""
    client = open_socket(asyncio_server, how=how, text=text)
    client.send("x" * size)
    assert end_of(client)[0] == 1009


def test_client_that_says_goodbye_ends_the_function_within_a_second(
    asyncio_server, open_socket, text
):
    """Whatever it waits for."""
    client = open_socket(asyncio_server, text=text)
    client.recv(10)
    client.close()
    wait_until(lambda: log_of(asyncio_server, text) == ["begins", "ends"], 1)


@pytest.mark.parametrize("go", [leave, reset])
def test_client_that_goes_ends_the_function_within_a_second(asyncio_server, text, go):
    """Its connection is closed, and nothing said."""
    client = shake(asyncio_server, f"@@socket?text={quote(text)}")
    wait_until(lambda: log_of(asyncio_server, text) == ["begins"])
    go(client)
    wait_until(lambda: log_of(asyncio_server, text) == ["begins", "ends"], 1)


def test_client_that_does_not_read_slows_the_function_down(asyncio_server, text):
    """The function waits: the server keeps no more than its buffer."""
    client = shake(asyncio_server, f"@@socket?how=flood&text={text}")
    time.sleep(1)
    [sent] = log_of(asyncio_server, text)
    time.sleep(1)
    assert log_of(asyncio_server, text) == [sent]
    assert sent * 10_000 < 10_000_000
    client.close()
    wait_until(lambda: log_of(asyncio_server, text) == [sent, "ends"], 1)


def test_function_that_does_not_take_slows_the_client_down(
    asyncio_server, open_socket, text, tmp_path
):
    """Nothing is lost, and few messages are kept."""
    client = open_socket(asyncio_server, how="deaf", text=tmp_path / "go")
    sent = []

    def send():
        for _ in range(400):
            client.send(b"x" * 60_000)
            sent.append(60_000)
        client.send(b"end")

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    time.sleep(2)
    waited = len(sent)
    assert waited < 390
    time.sleep(0.5)
    assert len(sent) == waited
    (tmp_path / "go").touch()
    assert json.loads(client.recv(60)) == 400 * 60_000
    thread.join(10)


def test_ping_of_a_client_is_answered(asyncio_server, open_socket, text):
    """By the server, which sends none itself."""
    assert open_socket(asyncio_server, text=text).ping("there?").wait(5)


def test_operator_sees_it_and_can_cancel_it(asyncio_server, open_socket, text):
    """As any held response."""
    client = open_socket(asyncio_server, "@@socket-of-managers", auth=ADMIN, text=text)
    board = board_of(asyncio_server)
    worker, hold = found(board, "/@@socket-of-managers")
    assert (hold["user"], hold["waiting_on"]) == ("admin", ["holdtests.sockets.echo"])
    assert board.read()[0]["counts"]["streaming"] >= 1
    assert board.cancel(worker, hold["id"])
    assert end_of(client) == (1008, "cancelled")


def test_two_hundred_leave_the_site_to_others(asyncio_server, open_socket, text):
    """They have no slot, no thread and no connection to the database."""
    clients = [open_socket(asyncio_server, text=f"{text}-{n}") for n in range(200)]
    asyncio_server.state(reset="yes")
    began = time.monotonic()
    assert asyncio_server.get("@@fast").text == "fast"
    assert time.monotonic() - began < 1
    assert asyncio_server.state()["connections"] <= 2 + LOOKS
    for client in clients:
        client.send("return")
    assert {end_of(client) for client in clients} == {(1000, "")}


@pytest.mark.operation
def test_websockets_over_the_limit_are_refused(start_asyncio, open_socket, status_of, text):
    """503; a place is free again when one is closed."""
    limits = {"WSGIFUTURES_MAX_HELD": "1", "WSGIFUTURES_MAX_HELD_PER_CLIENT": "1"}
    server = start_asyncio(env=limits)
    first = open_socket(server, text=text)
    assert status_of(server, text=text) == 503
    first.close()
    wait_until(lambda: log_of(server, text) == ["begins", "ends"])
    open_socket(server, text=text)


@pytest.mark.operation
def test_stop_closes_websockets_at_once_and_ends_the_worker(start_asyncio, open_socket, text):
    """1001, long before graceful_timeout: a client may ask the next worker."""
    server = start_asyncio("--graceful-timeout", "30")
    clients = [open_socket(server, text=text) for _ in range(3)]
    began = time.monotonic()
    server.process.signal(signal.SIGTERM)
    assert [end_of(client) for client in clients] == [(1001, "the server stops")] * 3
    assert time.monotonic() - began < 3
    assert server.process.wait(30) == 0


@pytest.mark.operation
def test_quick_stop_waits_for_nothing(start_asyncio, open_socket, text):
    """And logs no error."""
    server = start_asyncio()
    client = open_socket(server, text=text)
    client.recv(10)
    server.process.signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert "failed" not in server.process.output
    assert "Traceback" not in server.process.output
