"""What holding needs of a storage, on each of them, with as many workers as its page says."""

from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from processes import Server
from sites import open_site
from sites import Site
from storages import Storage
from storages import STORAGES
from urllib.parse import quote

import pytest
import re
import signal
import socket
import threading
import time

OTHERS = [name for name in STORAGES if name != Storage.page]


@pytest.fixture(
    scope="module",
    params=[Storage.page, *(pytest.param(name, marks=pytest.mark.storages) for name in OTHERS)],
)
def site(request, new_instance, start_gunicorn):
    """A site in each storage."""
    with open_site(Site, request.param, new_instance(), start_gunicorn) as site:
        yield site


@pytest.fixture
def server(site):
    """The server that runs now."""
    return site.server


@pytest.fixture
def start_with_driver(site, start_gunicorn):
    """Start a second gunicorn on the same storage, with another driver."""
    conf = site.folder / "etc" / "zope.conf"
    right = conf.read_text()
    processes = []

    def start(driver):
        bare = re.sub(r"\n *driver .*", "", right)
        conf.write_text(re.sub("(<(?:sqlite3|postgresql)>)", rf"\1\ndriver {driver}", bare))
        process, port = start_gunicorn(folder=site.folder)
        processes.append(process)
        return process, port

    yield start
    conf.write_text(right)
    for process in processes:
        process.stop()


class Upstream(ThreadingHTTPServer):
    """Answers when it is told to."""

    daemon_threads = True

    def __init__(self):
        self.called = threading.Event()
        self.answer = threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.called.set()
        self.server.answer.wait(60)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"there")

    def log_message(self, *args):
        """Be quiet."""


@pytest.fixture
def upstream():
    """An upstream that answers when it is told to."""
    server = Upstream()
    yield server
    server.answer.set()
    server.shutdown()
    server.server_close()


def wait_for_calls(service, texts):
    until = time.monotonic() + 30
    while not all(service.calls(text) for text in texts):
        assert time.monotonic() < until
        time.sleep(0.02)


def counter_of(server):
    return int(server.get("@@counted").text)


def test_storage_and_driver_are_those_of_the_page(site, server):
    """RelStorage's driver is one that lets other greenlets run, and nothing is warned of."""
    found = server.get("@@storage").json()
    assert found == {"kind": site.storage.kind, "driver": site.storage.driver}
    assert "[WARNING]" not in server.process.output


def test_responses_are_held_by_each_worker(site, server, service, text):
    """Promise 2: twenty at a time, each with one call and two passes."""
    asked = []

    def ask():
        texts = [f"{text}-{len(asked) + n}" for n in range(20)]
        asked.extend(texts)
        calls = [lambda s, t=t: s.get("@@hold-and-tell", seconds=0.5, text=t) for t in texts]
        answers = server.together(calls)
        assert [a.headers["X-Hold-Passes"] for a in answers] == ["2"] * 20
        assert [a.json()["answer"] for a in answers] == texts
        return {a.json()["worker"] for a in answers}

    site.once_on_each_worker(ask)
    assert [service.calls(t) for t in asked] == [1] * len(asked)


def test_last_pass_sees_what_another_wrote_while_it_was_held(server, service, text):
    """Promise 1: nothing of the first pass is kept, so there is no conflict and no lost write."""
    before = counter_of(server)
    answers = []

    def count(seconds, text):
        answers.append(server.get("@@count", seconds=seconds, text=text).text)

    held = threading.Thread(target=count, args=(1.5, text))
    held.start()
    wait_for_calls(service, [text])
    count(0.1, f"{text}-meanwhile")
    held.join()
    assert answers == [str(before + 1), str(before + 2)]
    assert counter_of(server) == before + 2


def test_passes_that_write_the_same_at_once_are_tried_again(server, service, text):
    """Promise 2: Zope solves the conflict, and no call is made again for that."""
    before = counter_of(server)
    texts = [f"{text}-{n}" for n in range(3)]
    calls = [lambda s, t=t: s.get("@@clash", seconds=0.5, text=t) for t in texts]
    answers = server.together(calls)
    assert [a.status_code for a in answers] == [200] * 3
    assert sorted(a.json()["counter"] for a in answers) == [before + n for n in (1, 2, 3)]
    assert sum(a.json()["tries"] for a in answers) > 3  # there was a conflict
    assert [service.calls(t) for t in texts] == [1] * 3
    assert counter_of(server) == before + 3


def test_held_request_commits_once(server, smtp, text):
    """Promise 4: one commit, one mail."""
    before = counter_of(server)
    assert server.get("@@count", text=f"{text}-count").text == str(before + 1)
    assert server.get("@@mail", text=text, port=smtp.port).text == text
    assert counter_of(server) == before + 1
    assert smtp.subjects.count(text) == 1


def test_blob_of_one_worker_is_streamed_by_each(site, server, text):
    """From a held view."""
    data = text.encode() * 50_000
    headers = {"Content-Type": "application/octet-stream"}
    assert server.post("@@keep-blob", data=data, headers=headers).text == "kept"

    def ask():
        calls = [lambda s, n=n: s.get("@@blob-and-tell", text=f"{text}-{n}") for n in range(10)]
        answers = server.together(calls)
        assert all(a.content == data for a in answers)
        return {a.headers["X-Worker"] for a in answers}

    site.once_on_each_worker(ask)


def test_client_that_goes_away_is_published_no_more(site, server, silent, text):
    """Its call's socket is closed within a second."""
    host, port = server.root.removeprefix("http://").split(":")
    path = f"/Plone/@@published?text={quote(text)}&url={quote(silent.url)}"
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert silent.called.wait(10)
    assert silent.left.wait(1)
    assert server.get("@@fast").text == "fast"
    time.sleep(1)
    assert site.published.read_text().split().count(text) == 1


@pytest.mark.parametrize(
    "site", [pytest.param(name, marks=pytest.mark.storages) for name in OTHERS], indirect=True
)
def test_reload_while_held_finishes_and_serves_others_meanwhile(site, server, upstream, text):
    """SIGHUP: old workers send what they hold, new ones are there already."""
    answers = []
    held = threading.Thread(
        target=lambda: answers.append(server.get("@@published", url=upstream.url, text=text).text)
    )
    held.start()
    assert upstream.called.wait(10)
    server.process.signal(signal.SIGHUP)
    new = site.once_on_each_worker(lambda: {server.state()["pid"]} - site.pids)
    assert answers == []  # it is still held
    upstream.answer.set()
    held.join()
    assert answers == ["there"]
    site.pids = new


def test_stop_while_held_finishes_and_the_next_start_has_what_was_written(
    site, server, service, text
):
    """SIGTERM: the clients get their answers, then gunicorn ends with 0."""
    before = counter_of(server)
    texts = [f"{text}-{n}" for n in range(10)]
    calls = [lambda s, t=t: s.get("@@hold", seconds=2, text=t) for t in texts]
    calls.append(lambda s: s.get("@@count", seconds=2, text=text))
    answers = []
    held = threading.Thread(target=lambda: answers.extend(server.together(calls)))
    held.start()
    wait_for_calls(service, [*texts, text])
    server.process.signal(signal.SIGTERM)
    held.join()
    assert [a.status_code for a in answers] == [200] * 11
    assert server.process.wait() == 0
    site.start()
    assert counter_of(site.server) == before + 1


@pytest.mark.storages
@pytest.mark.parametrize("site", ["postgresql"], indirect=True)
def test_start_with_psycopg2_alone_ends_and_says_why(start_with_driver):
    """Its queries would stop all of the worker; RelStorage refuses it under gevent."""
    process, _ = start_with_driver("psycopg2")
    assert process.wait() == 3
    assert "cannot have a wait callback" in process.output


@pytest.mark.storages
@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_start_with_sqlite3_alone_warns_and_names_the_driver(start_with_driver, text):
    """It works, and blocks."""
    server = Server(*start_with_driver("sqlite3"))
    assert server.get("@@hold", text=text).status_code == 200
    assert "Write 'driver gevent sqlite3'" in server.process.output
