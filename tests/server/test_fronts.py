"""What stands in front of Plone, with the configurations that the docs show."""

from conftest import Server
from fronts import CachingNginx
from fronts import HAProxy
from fronts import Nginx
from fronts import SocketNginx
from fronts import Varnish
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from processes import wait_until
from requests.adapters import HTTPAdapter
from test_sockets import end_of
from test_sockets import open_socket as open_socket
from test_streams import log_of

import pytest
import re
import requests
import shutil
import statistics
import tempfile
import threading
import time

pytestmark = pytest.mark.fronts

FRONTS = [Nginx, HAProxy, Varnish]


def name_of(kind):
    return kind.__name__


@pytest.fixture(scope="module")
def plone(start_gunicorn, new_instance):
    """A site that knows of its proxy."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    conf.write_text(conf.read_text() + "\ntrusted-proxy 127.0.0.1\n")
    return Server(*start_gunicorn(folder=folder, env={"WSGIFUTURES_LIVENESS_PATH": "/alive"}))


@pytest.fixture(scope="module")
def put():
    """Put a proxy in front of some ports. Its folder can be read by who it runs as."""
    fronts = []

    def put_(kind, *backends, **options):
        folder = Path(tempfile.mkdtemp(prefix="front-"))
        folder.chmod(0o755)
        front = kind(folder, backends, **options)
        fronts.append(front)
        return front

    yield put_
    for front in fronts:
        front.stop()
        shutil.rmtree(front.folder, ignore_errors=True)


@pytest.fixture(scope="module", params=FRONTS, ids=name_of)
def front(request, put, plone):
    """Each of the proxies, in front of the site. It is asked as the site is."""
    running = put(request.param, int(plone.root.rpartition(":")[2])).start()
    return Server(running.process, running.port, site="")


class Backend(ThreadingHTTPServer):
    """Takes a request, counts it, and does what *act* does."""

    daemon_threads = True

    def __init__(self, act):
        self.seen = []
        self.ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if "VirtualHostRoot/asked" in self.path:  # and not one who looks for life
                    self.server.seen.append(self.command)
                    act(self)
                else:
                    answer(self, 200)

            do_POST = do_GET

            def log_message(self, *args):
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def answer(handler, status):
    handler.send_response(status)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def never_answer(handler):
    handler.server.ended.wait(30)


def close(handler):
    handler.connection.close()


@pytest.fixture
def backends():
    """Make some that act alike."""
    made = []

    def make(act, number):
        made.extend(Backend(act) for _ in range(number))
        return made

    yield make
    for one in made:
        one.ended.set()
        one.shutdown()
        one.server_close()


def number_of(kind):
    return 1 if kind is Varnish else 2


@pytest.mark.parametrize("kind", [*FRONTS, CachingNginx], ids=name_of)
def test_configuration_is_accepted_by_its_own_checker(kind, put):
    """As the page shows it."""
    status, said = put(kind, 8080).check()
    assert status == 0, said


def test_held_response_comes_through(front, service, text):
    """With one call."""
    answered = front.get("@@hold", text=text, seconds=1)
    assert (answered.status_code, answered.headers["X-Hold-Passes"]) == (200, "2")
    assert service.calls(text) == 1


def lateness(front, kind):
    """Return how late each part of a stream of times came, in seconds."""
    params = {"how": "time", "kind": kind, "number": 8, "pause": 0.3, "text": "x"}
    found = []
    with requests.get(f"{front.site}/@@words", params=params, stream=True, timeout=30) as answer:
        for line in answer.iter_lines(chunk_size=None):
            if told := re.search(rb"[0-9]+\.[0-9]+", line):
                found.append(time.time() - float(told[0]))
    return found


@pytest.mark.parametrize("kind", ["text", "events"])
def test_words_come_through_as_they_are_made(front, kind):
    """No buffer keeps them back, and nothing waits for more of them."""
    late = lateness(front, kind)
    assert len(late) == 8
    assert statistics.median(late) < 0.15, late  # HAProxy alone would keep each for 0.2 s


def test_two_hundred_responses_are_held_at_once(front):
    """No limit of connections is at the number of slots."""
    done = front.load("@@hold?seconds=3&text=two-hundred", 200, 200)
    assert (done["statuses"], done["errors"]) == ({"200": 200}, {}), done
    assert done["seconds"] < 30, done


def test_client_has_its_own_address(front):
    """It is known by that, not by its proxy's."""
    with requests.Session() as session:
        session.mount("http://", FromAnotherAddress())
        assert session.get(front.root + "/@@address", timeout=30).text == "127.0.0.2"


class FromAnotherAddress(HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=("127.0.0.2", 0), **kwargs)


def go_away(front, silent):
    """Ask for a page whose call is never answered, and go."""
    with pytest.raises(requests.ReadTimeout):
        front.get("@@silent", url=silent.url, timeout=2)
    assert silent.called.is_set()


@pytest.mark.parametrize("front", [Nginx, HAProxy], ids=name_of, indirect=True)
def test_client_that_goes_away_is_noticed(front, silent):
    """Its call ends."""
    go_away(front, silent)
    assert silent.left.wait(5)


@pytest.mark.parametrize("front", [Varnish], ids=name_of, indirect=True)
def test_varnish_fetches_to_the_end_for_a_client_that_has_gone(front, silent):
    """As the page says."""
    go_away(front, silent)
    assert not silent.left.wait(2)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", FRONTS, ids=name_of)
def test_request_that_is_out_of_time_is_asked_once(kind, put, backends, method):
    """Each of the configured limits, cut to a second here, gives an error and no second try."""
    asked = backends(never_answer, number_of(kind))
    ports = [one.server_port for one in asked]
    hurry = {"change": lambda text: text.replace("75s", "1s")}
    running = put(kind, *ports, **hurry).start()
    answered = requests.request(method, running.root + "/asked", timeout=30)
    assert answered.status_code in (503, 504)
    assert [one for each in asked for one in each.seen] == [method]


@pytest.mark.parametrize("kind", FRONTS, ids=name_of)
def test_answer_503_is_passed_on(kind, put, backends):
    """No other server is asked in its place."""
    asked = backends(lambda handler: answer(handler, 503), number_of(kind))
    running = put(kind, *(one.server_port for one in asked)).start()
    assert requests.get(running.root + "/asked", timeout=30).status_code == 503
    assert sum(len(one.seen) for one in asked) == 1


@pytest.mark.parametrize("kind", FRONTS, ids=name_of)
def test_post_that_was_sent_is_not_sent_again(kind, put, backends):
    """Its server closes the connection without an answer."""
    asked = backends(close, number_of(kind))
    running = put(kind, *(one.server_port for one in asked)).start()
    answered = requests.post(running.root + "/asked", data=b"x", timeout=30)
    assert answered.status_code in (502, 503)
    assert [one for each in asked for one in each.seen] == ["POST"]


@pytest.mark.parametrize("kind", [CachingNginx, Varnish], ids=name_of)
def test_page_for_everybody_is_one_call_for_all_who_ask_meanwhile(kind, put, plone, service, text):
    """Twenty visitors, and another one later."""
    running = put(kind, int(plone.root.rpartition(":")[2])).start()
    front = Server(running.process, running.port, site="")
    ask = [lambda one: one.get("@@shared", text=text, seconds=1).status_code] * 20
    assert front.together(ask) == [200] * 20
    assert front.get("@@shared", text=text, seconds=1).status_code == 200
    assert service.calls(text) == 1


def test_nobody_waits_for_anothers_page_where_varnish_passes_it(put, plone, text):
    """All of them are held side by side, though they ask for the same."""
    running = put(Varnish, int(plone.root.rpartition(":")[2])).start()
    front = Server(running.process, running.port, site="")
    began = time.monotonic()
    ask = [lambda one: one.get("@@hold", text=text, seconds=3).status_code] * 10
    assert front.together(ask) == [200] * 10
    assert time.monotonic() - began < 5.8


@pytest.mark.parametrize("kind", FRONTS, ids=name_of)
def test_liveness_path_is_not_shown_to_visitors(kind, put, plone):
    """The proxy asks for it; the worker answers by itself, without a slot."""
    running = put(kind, int(plone.root.rpartition(":")[2])).start()
    assert requests.get(running.root + "/alive", timeout=30).status_code == 404
    assert requests.get(plone.root + "/alive", timeout=30).text == "alive\n"


@pytest.fixture(scope="module")
def talking(start_gunicorn):
    """A site that has websockets."""
    return Server(*start_gunicorn(worker="asgi", env={"WSGIFUTURES_LIVENESS_PATH": "/alive"}))


@pytest.mark.parametrize("kind", [SocketNginx, HAProxy], ids=name_of)
def test_websocket_comes_through(kind, put, talking, open_socket, text):
    """With the origin that a browser has; its ends are told to the other side."""
    running = put(kind, int(talking.root.rpartition(":")[2])).start()
    front = Server(running.process, running.port, site="")
    client = open_socket(front, headers={"Origin": front.root}, text=text)
    assert client.recv(10) == "[null, 0, null]"
    client.send("hello")
    assert client.recv(10) == "hello"
    client.close()
    wait_until(lambda: log_of(talking, text) == ["begins", "ends"], 1)
    other = open_socket(front, text=text)
    other.send("return")
    assert end_of(other) == (1000, "")
