"""The site on uvicorn: what the server's own hooks do elsewhere is done by ASGI's lifespan."""

from processes import BIN
from processes import free_port
from processes import Process
from processes import Server
from processes import wait_until
from test_sockets import end_of
from test_sockets import open_socket as open_socket
from test_sockets import shake
from test_stop import address_of
from test_stop import Client
from test_stop import held_request
from test_stop import leave
from test_streams import arrivals
from test_streams import begin
from test_streams import log_of
from test_streams import stream
from urllib.parse import quote
from websockets.exceptions import InvalidStatus

import itertools
import pytest
import signal
import time

SILENT = "GET /Plone/@@silent-async?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="session")
def run_uvicorn(running, new_instance, environment):
    """Start uvicorn as the docs say, on a free port."""

    def run(*flags, env=None):
        folder, port = new_instance(), free_port()
        command = [BIN / "uvicorn", "--factory", "collective.wsgifutures.asgi:make_application"]
        command += ["--port", port, *flags]
        environ = {**environment, **(env or {})}
        process = Process(command, folder / "server.log", environ, cwd=folder)
        running.append(process)
        return process, port

    return run


@pytest.fixture(scope="session")
def uvicorn(run_uvicorn):
    """A uvicorn with one worker."""
    return Server(*run_uvicorn(), name="uvicorn")


def test_it_serves_and_holds(uvicorn, service, text):
    """As the other servers do: one call, two passes, and no slot meanwhile."""
    assert "Responses are held (asyncio): " in uvicorn.process.output
    assert uvicorn.get("@@fast").text == "fast"
    answer = uvicorn.get("@@hold", text=text)
    assert (answer.status_code, answer.headers["X-Hold-Passes"]) == (200, "2")
    assert service.calls(text) == 1


def test_head_and_an_answer_without_a_body_are_sent(uvicorn, text):
    """uvicorn refuses a body that is longer than its length."""
    assert uvicorn.request("HEAD", "@@fast").status_code == 200
    assert uvicorn.get("@@words-writing", text=text, end="redirect").status_code == 302
    assert "RuntimeError" not in uvicorn.process.output


def test_words_come_as_they_are_made(uvicorn, text):
    """Each in time."""
    parts = list(arrivals(stream(uvicorn, text=text, how="async", pause=0.6)))
    assert [part for _, part in parts] == [b"0 ", b"1 ", b"2 "]
    times = [at for at, _ in parts]
    assert all(later - sooner > 0.3 for sooner, later in itertools.pairwise(times))


def test_client_that_goes_frees_a_call_and_a_stream_at_once(uvicorn, silent, text):
    """Their tasks are cancelled."""
    client = Client(address_of(uvicorn), SILENT.format(url=silent.url))
    assert silent.called.wait(10)
    leave(client)
    assert silent.left.wait(2)
    begin(uvicorn, f"@@words?how=async&text={text}&number=2&pause=30").close()
    wait_until(lambda: log_of(uvicorn, text) == ["begins", "closed"], 2)


def test_websocket_talks_and_ends(uvicorn, open_socket, text):
    """With the codes that it has on gunicorn."""
    client = open_socket(uvicorn, text=text)
    for message in ("hello", b"\x00\xff"):
        client.send(message)
    assert [client.recv(10) for _ in range(3)] == ["[null, 0, null]", "hello", b"\x00\xff"]
    client.send("fail")
    assert end_of(client) == (1011, "error")
    assert end_of(open_socket(uvicorn, how="silent", text=text)) == (1008, "idle")


def test_websocket_of_a_client_that_goes_is_cancelled_within_a_second(uvicorn, text):
    """Its connection is closed, and nothing said."""
    client = shake(uvicorn, f"@@socket?text={quote(text)}")
    wait_until(lambda: log_of(uvicorn, text) == ["begins"])
    client.close()
    wait_until(lambda: log_of(uvicorn, text) == ["begins", "ends"], 1)


def test_websocket_is_refused_with_the_answer_of_the_view(uvicorn, open_socket, text):
    """Its headers and its words too, which gunicorn does not send."""
    with pytest.raises(InvalidStatus) as refused:
        open_socket(uvicorn, text=text, headers={"Origin": "https://evil.example.org"})
    assert refused.value.response.status_code == 403
    words = b"The websocket is refused to a page of another site.\n"
    assert bytes(refused.value.response.body) == words


@pytest.mark.operation
def test_stop_closes_websockets_at_once(run_uvicorn, open_socket, text):
    """1001 or uvicorn's own 1012, which says the same."""
    server = Server(*run_uvicorn("--timeout-graceful-shutdown", "30"))
    client = open_socket(server, text=text)
    client.recv(10)
    began = time.monotonic()
    server.process.signal(signal.SIGTERM)
    assert end_of(client)[0] in (1001, 1012)
    assert time.monotonic() - began < 3
    assert server.process.wait(30) == -signal.SIGTERM
    assert "Traceback" not in server.process.output


@pytest.mark.operation
def test_stop_answers_what_cannot_be_finished_and_lets_jobs_end(run_uvicorn, service, text):
    """In the time that uvicorn leaves."""
    server = Server(*run_uvicorn("--timeout-graceful-shutdown", "6"))
    late = Client(address_of(server), held_request(text, seconds=40))
    in_time = Client(address_of(server), held_request(f"{text}-short", seconds=2))
    words = stream(server, text=text, kind="events", how="async", number=2, pause=40)
    wait_until(lambda: service.calls(text) and service.calls(f"{text}-short"))
    began = time.monotonic()
    server.process.signal(signal.SIGTERM)
    assert in_time.answer()[0] == 200
    assert late.answer()[0] == 503
    assert words.content.endswith(b"event: error\ndata: stopped\n\n")
    assert server.process.wait(20) == -signal.SIGTERM  # as uvicorn does it
    assert 3 < time.monotonic() - began < 7
    assert "Traceback" not in server.process.output


@pytest.mark.operation
def test_start_that_is_not_safe_is_refused(run_uvicorn):
    """Two workers cannot have one FileStorage; uvicorn does not try again."""
    process, _ = run_uvicorn("--workers", "2")
    assert process.wait() is not None
    assert "uvicorn does not start. " in process.output
    assert "FileStorage" in process.output
