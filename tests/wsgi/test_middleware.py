"""The middleware around applications of ten lines: held, published again, answered."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import never
from .applications import open_files_in
from .applications import page
from .applications import SECONDS
from .applications import setting
from collective.wsgifutures import AskedAfterCommit
from collective.wsgifutures import ExecutorBusy
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.kernel.sites import SiteSettings
from collective.wsgifutures.wsgi.joints import Joint
from collective.wsgifutures.wsgi.joints import joints
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.visit import MARK
from collective.wsgifutures.wsgi.worker import NotConfigured
from wsgiref.validate import validator

import io
import itertools
import logging
import pytest
import subprocess
import sys
import tempfile
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture
def join():
    """Join the middleware with other publishers, for one test."""
    before = list(joints)

    def join(*others):
        joints[:] = others

    yield join
    joints[:] = before


@future(key="late", timeout=0.05)
def late():
    never.wait(SECONDS)


@future(key="later")
def later():
    never.wait(SECONDS)


class Body:
    """A response's body that says when it is closed."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def __iter__(self):
        return iter(self.chunks)

    def close(self):
        log.append("closed")


def get(app, *, environ=None, **settings):
    """Return what the client gets from *app* behind the middleware."""
    return Answer(holding(app, Settings(**settings)), environ or make_environ())


# the whole way


def test_a_request_that_asks_for_nothing_takes_one_pass():
    """The same application without us."""
    answer = get(page(lambda environ: "text"))
    assert (answer.status, answer.body, log) == ("200 OK", b"text", ["pass"])


def test_a_held_request_takes_two_passes_and_gets_the_last_response_only():
    """The call runs between them, once."""
    answer = get(page(lambda environ: echo("x") + echo("x")))
    assert (answer.status, answer.body, len(answer.starts)) == ("200 OK", b"xx", 1)
    assert log == ["pass", "call x", "pass"]


def test_the_middleware_keeps_to_wsgi_on_both_sides():
    """wsgiref's validator finds nothing, before and behind it."""
    app = validator(holding(validator(page(lambda environ: echo("x"))), Settings(debug=True)))
    answer = Answer(app, make_environ())
    assert (answer.body, answer.headers["X-Hold-Passes"]) == (b"x", "2")


@pytest.mark.parametrize(("debug", "passes"), [(True, "3"), (False, None)])
def test_the_number_of_passes_is_told_only_with_debug(debug, passes):
    """It is nobody's business in production."""
    answer = get(page(lambda environ: echo(echo("x") + "y")), debug=debug)
    assert answer.headers.get("X-Hold-Passes") == passes


def test_many_requests_at_once_each_get_their_own_answer():
    """With fewer slots than requests, none is lost or mixed up."""
    app = holding(page(lambda environ: echo(environ["QUERY_STRING"])), Settings(slots=2))
    answers = {}

    def client(name):
        answers[name] = Answer(app, make_environ(QUERY_STRING=name)).body.decode()

    threads = [threading.Thread(target=client, args=(f"n{n}",), daemon=True) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == {f"n{n}": f"n{n}" for n in range(50)}
    assert len([entry for entry in log if entry.startswith("call")]) == 50


def test_a_held_request_has_no_slot():
    """While one waits another is published in the only slot there is."""
    go_on = threading.Event()
    wait = future(key="wait")(lambda: go_on.wait(SECONDS))
    views = {"held": wait, "other": lambda: go_on.set() or "other"}
    app = holding(page(lambda environ: views[environ["QUERY_STRING"]]()), Settings(slots=1))
    answers = []
    held = threading.Thread(
        target=lambda: answers.append(Answer(app, make_environ(QUERY_STRING="held")).body),
        daemon=True,
    )
    held.start()
    while not log:
        time.sleep(0.001)
    assert Answer(app, make_environ(QUERY_STRING="other")).body == b"other"
    held.join(SECONDS)
    assert answers == [b"True"]


def test_a_held_request_is_published_again_before_new_ones():
    """It stands in the line of resumed passes."""
    settled, free = threading.Event(), threading.Event()
    wait = future(key="wait")(lambda: settled.wait(SECONDS))
    views = {"held": wait, "busy": lambda: free.wait(SECONDS), "new": lambda: "new"}
    app = holding(page(lambda environ: views[environ["QUERY_STRING"]]()), Settings(slots=1))
    order = []

    def client(name):
        Answer(app, make_environ(QUERY_STRING=name))
        order.append(name)

    threads = []
    lines = {"held": log, "busy": log, "new": app.worker.gate.new}
    for name, line in lines.items():
        before = len(line)
        threads.append(threading.Thread(target=client, args=(name,), daemon=True))
        threads[-1].start()
        while len(line) == before:
            time.sleep(0.001)
    settled.set()
    while len(app.worker.gate.new) + len(app.worker.gate._resumed) < 2:
        time.sleep(0.001)
    free.set()
    for thread in threads:
        thread.join(SECONDS)
    assert order.index("held") < order.index("new")
    assert len(log) == 4


# what a pass gets


def test_each_pass_gets_an_environ_of_its_own():
    """What one writes into it, the next does not find; nor does the server."""

    def view(environ):
        log.append((environ[MARK], environ.get("REMOTE_USER"), environ["PATH_INFO"]))
        environ["REMOTE_USER"] = "pass"
        environ["PATH_INFO"] = "changed"
        return echo("x")

    environ = make_environ(PATH_INFO="/page")
    get(page(view), environ=environ)
    seen = [entry for entry in log if isinstance(entry, tuple)]
    assert seen == [(True, None, "/page")] * 2
    assert (MARK in environ, environ["PATH_INFO"]) == (False, "/page")


@pytest.mark.parametrize("in_memory", [2, 1000])
@pytest.mark.parametrize("chunked", [True, False])
def test_each_pass_reads_and_seeks_the_body_from_its_start(
    in_memory, chunked, tmp_path, monkeypatch
):
    """A POST is as good in its second pass; afterwards its file is gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inputs = []

    def view(environ):
        stream = environ["wsgi.input"]
        inputs.append(stream)
        whole = stream.read(int(environ["CONTENT_LENGTH"]))
        stream.seek(0)
        assert (stream.read(), "HTTP_TRANSFER_ENCODING" in environ) == (whole, False)
        log.append((whole, open_files_in(tmp_path)))
        return echo("x")

    headers = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    environ = make_environ(
        **{"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"a=1&b=2")},
        **(headers if chunked else {"CONTENT_LENGTH": "7"}),
    )
    assert get(page(view), environ=environ, body_in_memory=in_memory).body == b"x"
    read = (b"a=1&b=2", 2 if in_memory == 2 else 0)  # the body's own, and this pass's
    assert [entry for entry in log if isinstance(entry, tuple)] == [read, read]
    assert open_files_in(tmp_path) == 0
    assert [stream.closed for stream in inputs] == [True, True]


def test_a_body_that_is_read_while_the_answer_is_sent_is_there(tmp_path, monkeypatch):
    """Only what is whole needs it no more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def application(environ, start_response):
        start_response("200 OK", [])
        return iter(lambda: environ["wsgi.input"].read(3), b"")

    body = {"CONTENT_LENGTH": "7", "wsgi.input": io.BytesIO(b"a=1&b=2")}
    assert get(application, environ=make_environ(**body), body_in_memory=2).body == b"a=1&b=2"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        ("9", b"The request is refused: its body ended after 4 of 9 bytes.\n"),
        ("x", b"The request is refused: its Content-Length is 'x', not a number.\n"),
    ],
)
def test_a_broken_body_is_a_bad_request_and_takes_no_slot(length, text):
    """The application never sees it."""
    environ = make_environ(CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(b"text")})
    answer = get(page(lambda environ: "never"), environ=environ)
    assert (answer.status, answer.body, log) == ("400 Bad Request", text, [])
    assert answer.headers["Content-Length"] == str(len(text))


def test_context_variables_go_in_and_not_out():
    """Set outside: seen in a pass and in a future. Set in a pass: gone in its slot's next."""
    seen = future(key="seen")(lambda: (setting.get(), current_pass()))

    def view(environ):
        log.append(setting.get())
        setting.set("by a pass")
        return seen()

    setting.set("by the server")
    app = holding(page(view), Settings(slots=1))
    assert Answer(app, make_environ()).body == b"('by the server', None)"
    assert Answer(app, make_environ()).body == b"('by the server', None)"
    assert log == ["pass", "by the server"] * 4
    assert (setting.get(), current_pass()) == ("by the server", None)


def test_a_discarded_body_is_closed_in_the_context_of_its_pass(join):
    """What its close sets is unset in the slot's next pass; its error keeps no clean-up away."""
    cleaned = []
    joint = Joint()
    joint.clean_up = lambda: cleaned.append("clean")
    join(joint)

    class Closing(Body):
        def close(self):
            setting.set("by a body")
            raise OSError("on close")

    def app(environ, start_response):
        log.append(setting.get())
        echo.submit("x")
        start_response("200 OK", [])
        return Closing(b"x")

    behind = holding(app, Settings(slots=1))
    for _ in range(2):
        with pytest.raises(OSError, match="on close"):
            Answer(behind, make_environ())
    assert (log, cleaned) == (["unset"] * 2, ["clean"] * 2)


def test_two_middlewares_are_one():
    """Hook and filter together: the inner one passes through."""
    inner = holding(page(lambda environ: echo("x")), Settings(debug=True, max_passes=1))
    answer = get(inner, debug=True)
    assert (answer.body, answer.headers["X-Hold-Passes"]) == (b"x", "2")
    assert [name for name, _ in answer.starts[0][1]].count("X-Hold-Passes") == 1


# what ends a pass


class Gone(Exception):
    """An application's own error."""


#: What comes of a view that raises what is no ``Exception``.
ENDS = RuntimeError if under_gevent() else SystemExit


def raises(error):
    """Raise *error*, as an expression."""
    raise error


@pytest.mark.parametrize(
    ("status", "view", "expected"),
    [
        # a: something suspended, whatever became of it
        ("200 OK", lambda: swallowed(lambda: "lost"), ["pass", "call x", "pass"]),
        ("302 Found", lambda: swallowed(lambda: "lost"), ["pass", "call x", "pass"]),
        ("200 OK", lambda: swallowed(lambda: raises(Gone())), ["pass", "call x", "pass"]),
        # b: a status outside of 2xx
        ("302 Found", lambda: echo.submit("x"), ["pass"]),
        ("404 Not Found", lambda: echo.submit("x"), ["pass"]),
        ("500 Internal Server Error", lambda: echo.submit("x"), ["pass"]),
        # d: an exception
        ("200 OK", lambda: (echo.submit("x"), raises(Gone())), ["pass", Gone]),
        ("200 OK", lambda: (echo.submit("x"), raises(SystemExit())), ["pass", ENDS]),
        # e: 2xx with pending futures
        ("200 OK", lambda: echo.submit("x"), ["pass", "call x", "pass"]),
        ("201 Created", lambda: echo.submit("x"), ["pass", "call x", "pass"]),
        # f: 2xx
        ("204 No Content", lambda: "", ["pass"]),
    ],
)
def test_what_ends_a_pass(status, view, expected):
    """The rows of the table that need no Zope."""
    try:
        answer = get(page(lambda environ: view(), status))
    except BaseException as error:
        log.append(type(error))
    else:
        assert answer.status == status
    assert log == expected


def swallowed(then):
    """Ask for a future, swallow what that raises, and go on."""
    try:
        return echo("x")
    except BaseException:
        return then()


def test_what_still_runs_is_stopped_when_the_answer_is_final():
    """A redirect in the second pass waits for nobody."""
    go_on = threading.Event()
    slow = future(key="slow")(lambda: go_on.wait(SECONDS))

    def app(environ, start_response):
        slow.submit()
        value = echo("x")
        start_response("302 Found", [])
        return [value.encode()]

    started = time.monotonic()
    assert get(app).status == "302 Found"
    assert time.monotonic() - started < SECONDS
    go_on.set()


def test_at_the_deadline_there_is_one_last_pass():
    """What it gives is sent, whatever it asked for."""

    def view(environ):
        if current_pass().hold.passes == 1:
            return later()
        echo.submit("new")
        return later.submit().result(default="without")

    answer = get(page(view), deadline=0.3, debug=True)
    assert (answer.body, answer.headers["X-Hold-Passes"]) == (b"without", "2")
    assert log == ["pass", "pass"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("call", "deadline", "error"),
    [(late, 9.0, FutureTimeout("late", 0.05)), (later, 0.05, HoldExpired("later", 0.05))],
)
def test_what_runs_out_of_time_answers_504_where_nobody_catches_it(
    call, deadline, error, method, caplog
):
    """A sentence for the visitor, the fact for the log."""
    caplog.set_level(logging.WARNING)
    environ = make_environ(PATH_INFO="/page", REQUEST_METHOD=method)
    answer = get(page(lambda environ: call()), environ=environ, deadline=deadline)
    assert answer.status == "504 Gateway Timeout"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    text = (
        b"A service that this page depends on did not answer in time. "
        b"Please try again in a moment.\n"
    )
    assert (answer.body, answer.headers["Content-Length"]) == (
        text if method == "GET" else b"",
        str(len(text)),
    )
    (record,) = caplog.records
    assert record.getMessage() == f"{method} /page: {error}"


def test_what_cannot_be_had_answers_503_where_nobody_catches_it(caplog):
    """With the error's own Retry-After."""
    caplog.set_level(logging.WARNING)
    error = ExecutorBusy("shop.price", "threads", 64, 1000)
    answer = get(page(lambda environ: raises(error)))
    assert answer.status == "503 Service Unavailable"
    assert answer.headers["Retry-After"] == "5"
    text = b"A service that this page depends on is unavailable. Please try again in a moment.\n"
    assert answer.body == text
    assert [record.getMessage() for record in caplog.records] == [f"GET /: {error}"]


def test_past_the_grace_a_last_pass_that_finds_no_slot_answers_504(caplog):
    """Everything ends, waiting for a slot included; its line in the log says that it was late."""
    go_on = threading.Event()
    taken = threading.Event()
    views = {"held": later, "busy": lambda: (taken.set(), go_on.wait(SECONDS))}
    app = holding(
        page(lambda environ: views[environ["QUERY_STRING"]]()),
        Settings(slots=1, deadline=0.3, grace=0.05, slow_request=0.0),
    )
    answers = []
    held = threading.Thread(
        target=lambda: answers.append(Answer(app, make_environ(QUERY_STRING="held")).status),
        daemon=True,
    )
    held.start()
    while not log:
        time.sleep(0.001)
    busy = threading.Thread(
        target=Answer, args=(app, make_environ(QUERY_STRING="busy")), daemon=True
    )
    busy.start()
    assert taken.wait(SECONDS)
    held.join(SECONDS)
    assert (answers, log) == (["504 Gateway Timeout"], ["pass", "pass"])
    assert [(one.ended, one.status) for one in caplog.records] == [("expired", 504)]
    go_on.set()
    busy.join(SECONDS)
    answers.append(Answer(app, make_environ(QUERY_STRING="busy")).status)
    assert answers[1] == "200 OK"  # no slot is lost


def test_deadline_that_a_later_pass_lowers_is_that_of_the_grace_too():
    """A site may be known in the second pass only."""
    go_on, taken = threading.Event(), threading.Event()

    def held():
        if echo("x") and current_pass().hold.passes == 2:
            current_pass().hold.limit(SiteSettings(deadline=0.3))
        later()

    views = {"held": held, "busy": lambda: (taken.set(), go_on.wait(SECONDS))}
    app = holding(
        page(lambda environ: views[environ["QUERY_STRING"]]()),
        Settings(slots=1, deadline=10.0 * SECONDS, grace=0.05),
    )
    answers = []
    asks = [
        threading.Thread(
            target=lambda name=name: answers.append(
                Answer(app, make_environ(QUERY_STRING=name)).status
            ),
            daemon=True,
        )
        for name in views
    ]
    asks[0].start()
    until = time.monotonic() + SECONDS
    while log.count("pass") < 2 and time.monotonic() < until:
        time.sleep(0.001)
    asks[1].start()
    assert taken.wait(SECONDS)
    asks[0].join(SECONDS / 2)
    assert answers == ["504 Gateway Timeout"]
    go_on.set()
    asks[1].join(SECONDS)


def test_last_pass_that_ends_by_a_conflict_has_expired_once():
    """It is published again, and still the last pass."""

    def view(environ):
        this = current_pass()
        if this.hold.expired and not this.hold.conflicts:
            this.conflict(again_in=0.01)
        return later.submit().result(default="without")

    app = holding(page(view), Settings(deadline=0.1))
    assert Answer(app, make_environ()).body == b"without"
    record = app.worker.record
    assert (record.held, record.expired) == (1, 1)
    assert [event.what for event in record.last] == ["expired"]


def test_an_application_that_asks_for_ever_new_futures_is_stopped():
    """It gets an error that names them."""
    counter = itertools.count()
    with pytest.raises(TooManyPasses) as raised:
        get(page(lambda environ: echo(next(counter))), max_passes=3)
    assert (raised.value.passes, raised.value.names) == (3, ("echo (value)",))
    assert log.count("pass") == 3


# what is sent


def test_the_last_response_is_passed_on_as_the_very_object():
    """A server's sendfile works only on its own wrapper."""
    bodies = []

    def app(environ, start_response):
        echo.submit("x")
        bodies.append(Body(b"a", b"b"))
        start_response("200 OK", [("X-Pass", str(len(bodies)))])
        return bodies[-1]

    answer = get(app)
    assert answer.returned is bodies[1]
    assert (answer.body, answer.headers) == (b"ab", {"X-Pass": "2"})
    assert log == ["closed", "call x", "closed"]  # the discarded one before its call starts


def test_what_is_written_comes_before_the_body():
    """The old way to answer."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"1")
        write(echo("2").encode())
        return Body(b"3")

    assert get(app).body == b"123"
    assert log == ["call 2", "closed"]


def test_an_application_that_starts_late_is_published_as_any_other():
    """A generator starts with its first chunk."""

    def app(environ, start_response):
        try:
            value = echo("x")
            start_response("200 OK", [("X-Value", value)])
            yield value.encode()
            yield b"y"
        finally:
            log.append("closed")

    answer = get(app)
    assert (answer.body, answer.headers) == (b"xy", {"X-Value": "x"})
    assert log == ["closed", "call x", "closed"]


def test_an_application_that_starts_again_sends_what_it_started_last():
    """An error handler replaces what was not sent yet."""

    def app(environ, start_response):
        start_response("200 OK", [("X-First", "1")])
        try:
            raise Gone
        except Gone:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return [b"error"]

    answer = get(app)
    assert (answer.starts, answer.body) == ([("500 Internal Server Error", [])], b"error")


def test_an_application_that_never_starts_is_an_error():
    """It must not look like an answer."""
    with pytest.raises(RuntimeError, match="The application did not call start_response"):
        get(lambda environ, start_response: Body(b"text"))
    assert log == ["closed"]


def test_the_body_of_an_answer_that_the_server_refuses_is_closed():
    """It reaches nobody else who could."""
    app = holding(lambda environ, start: (start("200 OK", []), Body(b""))[1], Settings())
    with pytest.raises(Gone):
        app(make_environ(), lambda *start: raises(Gone()))
    assert log == ["closed"]


def test_a_future_asked_for_while_the_body_is_streamed_runs_in_place():
    """The pass is over; there is nothing to suspend."""

    def app(environ, start_response):
        start_response("200 OK", [])
        yield echo("first").encode()
        yield echo("streamed").encode()

    answer = get(app)
    assert answer.body == b"firststreamed"
    assert log == ["call first", "call streamed"]


def test_an_exception_after_a_response_was_started_closes_and_frees_everything():
    """The next request finds its slot."""

    def app(environ, start_response):
        start_response("200 OK", [])
        yield raises(Gone())

    def late_start(environ, start_response):
        yield raises(Gone())

    for broken in (app, late_start):
        for _ in range(2):
            with pytest.raises(Gone):
                get(broken, slots=1)


# joints


class Recorder(Joint):
    """Publishes two at a time, and says when it cleaned up."""

    def max_slots(self):
        return 2

    def clean_up(self):
        log.append("cleaned")


def test_a_joint_cleans_up_after_every_pass(join):
    """The last one and a failed one too, before the call starts."""
    join(Recorder(), Joint())
    get(page(lambda environ: echo("x")))
    assert log == ["pass", "cleaned", "call x", "pass", "cleaned"]
    with pytest.raises(Gone):
        get(page(lambda environ: raises(Gone())))
    assert log[5:] == ["pass", "cleaned"]


@pytest.mark.parametrize(("wanted", "logged"), [(2, []), (9, ["9"])])
def test_there_are_no_more_slots_than_a_joint_can_publish(wanted, logged, join, caplog):
    """A slot without a connection would wait for one; the setting is not ignored aloud."""
    caplog.set_level(logging.WARNING)
    join(Joint(), Recorder())
    app = holding(page(lambda environ: "text"), Settings(slots=wanted))
    assert len(app.worker.gate._free) == 2
    assert [r.getMessage() for r in caplog.records] == [
        f"2 slots, not {number}: the ZODB pool has no more." for number in logged
    ]


def test_zope_without_its_joint_is_refused(monkeypatch, join):
    """Each pass would be committed; the message says what to add."""
    code = (
        "import sys; sys.modules['ZPublisher.WSGIPublisher'] = sys;"
        "from collective.wsgifutures.wsgi.worker import Worker;"
        "Worker(None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip().splitlines()[-1] == (
        f"{NotConfigured.__module__}.NotConfigured: Zope runs without the ZCML of "
        "collective.wsgifutures, so a held request would be committed in each of its passes. "
        "Add the package to the instance's zcml, or write "
        '<include package="collective.wsgifutures" />.'
    )
    monkeypatch.setitem(sys.modules, "ZPublisher.WSGIPublisher", sys)
    join(Recorder())
    assert get(page(lambda environ: "joined")).body == b"joined"


def test_passes_run_in_slots():
    """Under gevent in its greenlets, elsewhere in the server's own threads."""
    threads = []
    app = holding(page(lambda environ: threads.append(threading.get_ident())), Settings(slots=1))
    for _ in range(2):
        Answer(app, make_environ())
    assert threads[0] == threads[1]
    assert (threads[0] == threading.get_ident()) is not under_gevent()


def test_after_a_commit_that_nobody_looked_at_asking_is_an_error():
    """The kernel's own rule reaches through the middleware."""

    def view(environ):
        current_pass().mark_committed()
        return echo("x")

    with pytest.raises(AskedAfterCommit):
        get(page(view))
    assert log == ["pass"]
