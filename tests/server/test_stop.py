"""Clients that go away, and workers that stop."""

from processes import START_SECONDS
from processes import wait_until
from requests.structures import CaseInsensitiveDict

import pytest
import requests
import signal
import socket
import threading
import time

pytestmark = pytest.mark.operation

SILENT = "GET /Plone/@@silent?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n"


def held_request(text, seconds):
    """Return a request that is held for so long, and whose passes are counted."""
    path = f"/Plone/@@counted-passes?seconds={seconds}&text={text}"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """A client with a held request."""

    def __init__(self, address, request):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(address)
        self.socket.sendall(request.encode())

    def answer(self):
        """Return the status and the headers, None where the connection was closed."""
        received = b""
        while b"\r\n\r\n" not in received:
            part = self.socket.recv(65536)
            if not part:
                return None
            received += part
        head, *lines = received.split(b"\r\n\r\n")[0].decode().split("\r\n")
        headers = CaseInsensitiveDict(line.split(": ", 1) for line in lines)
        return int(head.split()[1]), headers


def address_of(server):
    host, port = server.root.removeprefix("http://").split(":")
    return host, int(port)


def leave(client):
    client.socket.close()


def reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.socket.close()


def pipeline(client):
    client.socket.sendall(b"GET /Plone/@@fast HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.socket.close()


@pytest.mark.gevent  # a thread goes on; test_asyncio.py has the same of an async future
@pytest.mark.parametrize("go", [leave, reset, pipeline])
def test_client_that_goes_while_held_frees_its_call_within_a_second(gunicorn, silent, go):
    """Also one that has sent another request already."""
    client = Client(address_of(gunicorn), SILENT.format(url=silent.url))
    assert silent.called.wait(10)
    began = time.monotonic()
    go(client)
    assert silent.left.wait(2)
    assert time.monotonic() - began < 1


@pytest.fixture
def behind_unix_socket(started, tmp_path):
    """A gunicorn that listens at a Unix socket, as behind nginx."""
    started("-b", f"unix:{tmp_path}/site")  # at its port, too
    return f"{tmp_path}/site"


@pytest.mark.gevent
def test_client_behind_a_unix_socket_that_goes_frees_its_call_within_a_second(
    behind_unix_socket, silent
):
    """The proxy closes its connection when its client goes."""
    client = Client(behind_unix_socket, SILENT.format(url=silent.url))
    assert silent.called.wait(10)
    began = time.monotonic()
    client.socket.close()
    assert silent.left.wait(2)
    assert time.monotonic() - began < 1


def test_nothing_is_published_for_a_client_that_has_gone(gunicorn, service, text):
    """Not when its call has settled, either."""
    client = Client(address_of(gunicorn), held_request(text, seconds=1))
    wait_until(lambda: service.calls(text))
    client.socket.close()
    time.sleep(1.5)
    assert gunicorn.get("@@passes-of", text=text).text == "1"


def test_client_that_goes_while_it_waits_for_a_slot_is_not_published(started, text):
    """And the slot is not lost."""
    server = started(env={"WSGIFUTURES_SLOTS": "1"})
    busy = threading.Thread(target=server.get, args=("@@sleep",), kwargs={"seconds": 2})
    busy.start()
    time.sleep(0.5)
    clients = [Client(address_of(server), held_request(text, seconds=0)) for _ in range(5)]
    time.sleep(0.5)
    for client in clients:
        client.socket.close()
    busy.join()
    assert server.get("@@passes-of", text=text).text == "0"
    assert server.get("@@hold", text=text).status_code == 200


def test_what_cannot_be_finished_at_a_stop_is_answered_503(started, service, text):
    """In time, and not reset; what can be finished is; new connections are refused."""
    server = started("--graceful-timeout", "5")
    clients = [Client(address_of(server), held_request(text, seconds=40)) for _ in range(10)]
    finished = Client(address_of(server), held_request(f"{text}-short", seconds=2))
    wait_until(lambda: service.calls(text) == 10 and service.calls(f"{text}-short") == 1)
    server.process.signal(signal.SIGTERM)
    time.sleep(1.5)
    with pytest.raises(ConnectionRefusedError):
        Client(address_of(server), held_request(text, seconds=0))
    assert finished.answer()[0] == 200
    answers = [client.answer() for client in clients]
    assert [status for status, _ in answers] == [503] * 10
    assert {headers["Retry-After"] for _, headers in answers} == {"5"}
    assert server.process.wait() == 0


def test_reload_finishes_what_is_held_while_the_next_worker_serves(
    started, in_memory, service, text
):
    """SIGHUP."""
    server = started(folder=in_memory, site="")
    pid = server.state()["pid"]
    held = Client(address_of(server), held_request(text, seconds=15).replace("/Plone", ""))
    wait_until(lambda: service.calls(text))
    server.process.signal(signal.SIGHUP)
    wait_until(lambda: server.state()["pid"] != pid)
    assert held.answer()[0] == 200


def test_reload_on_a_filestorage_lets_the_next_worker_wait_for_the_file(started, service, text):
    """What is held is finished; then the next worker serves, and a stop is a stop."""
    server = started()
    pid = server.state()["pid"]
    held = Client(address_of(server), held_request(text, seconds=6))
    wait_until(lambda: service.calls(text))
    server.process.signal(signal.SIGHUP)
    assert held.answer()[0] == 200
    wait_until(server.serves, START_SECONDS)
    assert server.state()["pid"] != pid
    server.process.signal(signal.SIGTERM)
    assert server.process.wait() == 0


def test_only_worker_at_max_requests_finishes_what_it_holds(started, service, text):
    """It warns at the start; new visitors wait for its replacement."""
    server = started("--max-requests", "5")
    held = Client(address_of(server), held_request(text, seconds=3))
    wait_until(lambda: service.calls(text))
    pid = server.state()["pid"]
    for _ in range(8):
        wait_until(server.serves, START_SECONDS)
    assert held.answer()[0] == 200
    wait_until(server.serves, START_SECONDS)
    assert server.state()["pid"] != pid
    assert "max-requests" in server.process.output


def test_worker_at_max_requests_leaves_others_that_serve(started, in_memory, service, text):
    """With two workers, new visitors do not wait for what the first one holds."""
    server = started("-w", "2", "--max-requests", "20", folder=in_memory, site="")
    busy = Client(address_of(server), held_request(text, seconds=8).replace("/Plone", ""))
    wait_until(lambda: service.calls(text))
    with requests.Session() as session:  # keep-alive: all of it goes to one worker
        while "Autorestarting worker" not in server.process.output:
            assert session.get(f"{server.site}/@@fast").text == "fast"
    for _ in range(5):
        began = time.monotonic()
        assert server.get("@@fast").text == "fast"
        assert time.monotonic() - began < 3
    assert busy.answer()[0] == 200


def test_stop_reaches_an_upload_that_is_under_way(started):
    """503, in time, before anything of it is published."""
    server = started("--graceful-timeout", "4")
    head = "POST /Plone/@@body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    client = Client(address_of(server), head)
    time.sleep(0.3)
    server.process.signal(signal.SIGTERM)
    status, headers = client.answer()
    assert (status, headers["Retry-After"]) == (503, "5")
    assert server.process.wait() == 0


def test_worker_that_only_waits_outlives_gunicorns_timeout(started, service, text):
    """Waiting is no standing still."""
    server = started("--timeout", "2")
    pid = server.state()["pid"]
    held = Client(address_of(server), held_request(text, seconds=6))
    assert held.answer()[0] == 200
    assert server.state()["pid"] == pid
