"""Over a limit a request is refused at once; whoever asks whether we live is answered."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import open_files_in
from .applications import page
from .applications import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.wsgi.settings import Settings

import functools
import io
import pytest
import tempfile
import threading
import time

pytestmark = pytest.mark.concurrency

BUSY = b"The site is busy. Please try again in a moment.\n"


class Site:
    """An application of two views: ``held`` waits without a slot, ``busy`` waits in its slot."""

    def __init__(self, **settings):
        self.settle, self.free = threading.Event(), threading.Event()
        wait = future(key="wait")(lambda name: self.settle.wait(SECONDS))
        self.views = {"busy": lambda: self.free.wait(SECONDS), "echo": lambda: echo("x")}
        self.views["held"] = lambda: wait("x")
        self.app = holding(page(self._view), Settings(**settings))
        self.threads = []
        self.answers = []

    def _view(self, environ):
        return self.views.get(environ["QUERY_STRING"], lambda: "text")()

    def ask(self, name, **environ):
        """Ask, and wait for the answer."""
        return Answer(self.app, make_environ(QUERY_STRING=name, **environ))

    def begin(self, name, line=log, **environ):
        """Ask in a thread, and wait until the request stands in *line*."""
        before = len(line)
        thread = threading.Thread(
            target=lambda: self.answers.append(self.ask(name, **environ)), daemon=True
        )
        self.threads.append(thread)
        thread.start()
        until = time.monotonic() + SECONDS
        while len(line) == before and time.monotonic() < until:
            time.sleep(0.001)
        assert len(line) > before

    def finish(self):
        """Let all go on, and return the statuses of those that were begun."""
        self.settle.set()
        self.free.set()
        for thread in self.threads:
            thread.join(SECONDS)
        return [answer.status for answer in self.answers]


@pytest.fixture
def site():
    sites = []

    def make(**settings):
        sites.append(Site(**settings))
        return sites[-1]

    yield make
    for one in sites:
        one.finish()


def assert_refused(answer, method="GET"):
    """503, at once, and when to come again."""
    assert answer.status == "503 Service Unavailable"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Length"] == str(len(BUSY))
    assert answer.body == (BUSY if method == "GET" else b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_new_request_is_refused_when_too_many_wait_for_a_slot(site, method):
    """Nothing is published for it; its body is dropped."""
    served = site(slots=1, max_waiting=1)
    served.begin("busy")
    served.begin("text", line=served.app.worker.gate.new)
    body = io.BytesIO(b"body")
    environ = {"REQUEST_METHOD": method, "CONTENT_LENGTH": "4", "wsgi.input": body}
    assert_refused(served.ask("text", **environ), method)
    assert (log, body.tell()) == (["pass"], 4)
    assert served.app.worker.refusals.counts == {"max_waiting": 1}
    assert served.finish() == ["200 OK"] * 2


def test_new_request_is_refused_when_it_has_waited_for_too_long(site):
    """And leaves its line."""
    served = site(slots=1, max_wait=0.05)
    served.begin("busy")
    assert_refused(served.ask("text"))
    assert served.app.worker.refusals.counts == {"max_wait": 1}
    assert (served.finish(), log) == (["200 OK"], ["pass"])


def test_request_that_would_be_held_is_refused_when_too_many_are(site):
    """Its call is not made; what needs no hold is served."""
    served = site(max_held=1)
    served.begin("held")
    assert_refused(served.ask("echo"))
    assert served.ask("text").body == b"text"
    assert log == ["pass"] * 3
    assert served.app.worker.refusals.counts == {"max_held": 1}
    assert served.finish() == ["200 OK"]
    assert served.ask("echo").body == b"x"
    assert served.app.worker.held.count == 0


def test_client_that_has_too_many_held_is_refused_and_others_are_not(site):
    """Known by its address, where the publisher tells nothing better."""
    served = site(max_held_per_client=1)
    served.begin("held", REMOTE_ADDR="10.0.0.1")
    assert_refused(served.ask("echo", REMOTE_ADDR="10.0.0.1"))
    assert served.ask("echo", REMOTE_ADDR="10.0.0.2").body == b"x"
    assert served.app.worker.refusals.counts == {"max_held_per_client": 1}


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("10.0.0.1:1111", "10.0.0.1:2222"),
        ("10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8::1", "[2001:db8::2]:443"),
        ("unknown", "_hidden"),
    ],
)
def test_client_is_one_client_however_its_address_is_written(site, one, same):
    """And whatever it claims: without Zope no proxy is trusted."""
    served = site(max_held_per_client=1)
    served.begin("held", REMOTE_ADDR=one, HTTP_X_FORWARDED_FOR="10.9.9.1")
    assert_refused(served.ask("echo", REMOTE_ADDR=same, HTTP_X_FORWARDED_FOR="10.9.9.2"))
    assert served.finish() == ["200 OK"]


def test_client_is_the_one_that_the_publisher_tells(site):
    """A user has one limit from wherever, and users behind one proxy have each their own."""

    def held_by(user):
        current_pass().hold.client = ("user", user)
        return served.views["held"]()

    served = site(max_held_per_client=1)
    served.views.update({name: functools.partial(held_by, name) for name in ("alice", "bob")})
    served.begin("alice", REMOTE_ADDR="10.0.0.1")
    served.begin("bob", REMOTE_ADDR="10.0.0.1")
    assert_refused(served.ask("alice", REMOTE_ADDR="10.0.0.2"))
    assert served.finish() == ["200 OK"] * 2


def test_new_request_is_refused_before_its_body_is_looked_at(site):
    """Nothing is done for it."""
    served = site(slots=1, max_waiting=1, max_bodies=10)
    served.begin("busy")
    served.begin("text", line=served.app.worker.gate.new)
    body = {"CONTENT_LENGTH": "11", "wsgi.input": io.BytesIO(b"x" * 11)}
    assert_refused(served.ask("text", **body))
    assert served.app.worker.refusals.counts == {"max_waiting": 1}


@pytest.mark.parametrize(
    ("size", "status"), [(600, "503 Service Unavailable"), (1001, "413 Content Too Large")]
)
def test_body_that_does_not_fit_is_refused(site, size, status):
    """For now where others take the room, for ever where it is larger than that."""
    served = site(max_bodies=1000)
    served.begin("held", CONTENT_LENGTH="401", **{"wsgi.input": io.BytesIO(b"x" * 401)})
    body = {"CONTENT_LENGTH": str(size), "wsgi.input": io.BytesIO(b"x" * size)}
    answer = served.ask("text", **body)
    assert answer.status == status
    assert answer.headers.get("Retry-After") == ("5" if size == 600 else None)
    assert log == ["pass"]
    assert served.finish() == ["200 OK"]
    body = {"CONTENT_LENGTH": "1000", "wsgi.input": io.BytesIO(b"x" * 1000)}
    assert served.ask("text", **body).status == "200 OK"


def test_liveness_path_is_answered_when_all_slots_are_taken(site):
    """An orchestrator does not kill a worker that rightly answers 503."""
    served = site(slots=1, max_waiting=1, liveness_path="/alive")
    served.begin("busy")
    served.begin("text", line=served.app.worker.gate.new)
    answer = served.ask("", PATH_INFO="/alive")
    assert (answer.status, answer.body) == ("200 OK", b"alive\n")
    assert_refused(served.ask("", PATH_INFO="/alive/not"))


def test_liveness_path_is_off_where_it_is_not_set(site):
    """An empty path is the application's."""
    served = site()
    assert served.ask("", PATH_INFO="").body == b"text"
    environ = make_environ()
    del environ["PATH_INFO"]  # a server may leave out what is empty
    assert Answer(served.app, environ).body == b"text"
    assert log == ["pass", "pass"]


def test_request_that_waits_for_a_slot_has_one_file_open(site, tmp_path, monkeypatch):
    """Its body's; the pass opens its own when it begins. There may be many who wait."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = site(slots=1, body_in_memory=10)
    served.begin("busy")
    body = {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b"x" * 100)}
    served.begin("text", line=served.app.worker.gate.new, **body)
    assert open_files_in(tmp_path) == 1  # the body's own
    assert served.finish() == ["200 OK"] * 2
