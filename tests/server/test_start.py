"""One line at the start says how responses are held, or that they are not and what to do."""

from conftest import Server
from processes import BIN
from processes import free_port
from processes import Process
from processes import wait_until
from processes import WORKER

import pytest

pytestmark = pytest.mark.operation

HELD = "Responses are held ("
NOT_HELD = "Responses are not held: "
IN_PLACE = "runs in place: GET /Plone/@@hold waits for it"
MISTYPED = "The variable WSGIFUTURES_DEADLIN changes nothing"
REMEDY = "Start gunicorn with -k gevent -c python:collective.wsgifutures.gunicorn, or put "


@pytest.fixture
def plain(running, new_instance, environment):
    """Start a server that nobody has told of us, but for the add-on in its site."""

    def start(kind):
        folder, port = new_instance(), free_port()
        ini = folder / "etc" / "zope.ini"
        ini.write_text(ini.read_text().replace("port = 8080", f"port = {port}"))
        command = {
            "waitress": [BIN / "runwsgi", ini],
            "gevent": [BIN / "gunicorn", "-k", "gevent", "-b", f"127.0.0.1:{port}"],
            "sync": [BIN / "gunicorn", "-k", "sync", "-b", f"127.0.0.1:{port}"],
        }[kind]
        if kind != "waitress":
            command += ["--paste", ini]
        process = Process(command, folder / "server.log", environment, cwd=folder)
        running.append(process)
        return Server(process, port, name=kind)

    return start


def lines(server, words):
    """Return the lines of the server's log that have *words*."""
    return [line for line in server.process.output.splitlines() if words in line]


@pytest.mark.parametrize("kind", ["waitress", "gevent", "sync"])
def test_server_without_the_hold_says_so_once_and_names_the_first_call(plain, kind, text):
    """All is answered, and blocks: without a line nobody would know."""
    server = plain(kind)
    for _ in range(2):
        assert server.get("@@hold", text=text, seconds=0).status_code == 200
    (not_held,) = lines(server, NOT_HELD)
    (in_place,) = lines(server, IN_PLACE)
    assert REMEDY in not_held
    assert REMEDY in in_place
    assert "WARN" in not_held
    assert lines(server, HELD) == []
    server.process.stop()


@pytest.mark.parametrize("kind", ["waitress", "gevent"])
def test_server_without_the_hold_streams_in_place(plain, kind, text):
    """The same view, with a thread of the server and its headers."""
    server = plain(kind)
    answer = server.get("@@words", text=text, kind="events", headers={"Last-Event-ID": "7"})
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.text == "data: 0 \n\ndata: 1 \n\ndata: 2 \n\nevent: end\ndata: end\n\n"
    assert server.get("@@words", text=text, how="async").text == "0 1 2 "
    assert server.request("HEAD", "@@words", params={"text": f"{text}-head"}).text == ""
    server.process.stop()


def test_gunicorn_that_holds_says_so_once_and_nothing_else(started, text):
    """With its slots and limits."""
    env = {"WSGIFUTURES_DEADLINE": "25", "WSGIFUTURES_MAX_HELD_PER_CLIENT": "7"}
    server = started(env=env)
    assert server.get("@@hold", text=text, seconds=0).status_code == 200
    (held,) = lines(server, HELD)
    runtime = {"asgi": "asyncio"}.get(WORKER, WORKER)
    line = ": 4 slots, at most 5000 held, 7 of them for one client, deadline 25 s."
    assert f"({runtime}){line}" in held
    assert "INFO" in held
    assert lines(server, NOT_HELD) == lines(server, IN_PLACE) == []


def test_filter_that_holds_says_so_once_and_names_a_mistyped_variable(
    start_waitress, new_instance, text
):
    """In the log that zope.ini sets up; zope.conf sets the variable."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    given = "\n<environment>\n  WSGIFUTURES_DEADLIN 3\n"
    conf.write_text(conf.read_text().replace("\n<environment>\n", given))
    server = Server(*start_waitress(folder=folder), name="waitress")
    assert server.get("@@hold", text=text, seconds=0).status_code == 200
    (held,) = lines(server, HELD)
    assert "(threads): 4 slots, at most 5000 held" in held
    (mistyped,) = lines(server, MISTYPED)
    assert "WARN" in mistyped
    assert lines(server, NOT_HELD) == lines(server, IN_PLACE) == []
    server.process.stop()


def test_each_worker_says_how_it_holds_and_one_names_a_mistyped_variable(started, in_memory):
    """With the right name; gunicorn's own configuration may set the variable."""
    flags = ("-w", "2", "--env", "WSGIFUTURES_DEADLIN=3")
    server = started(*flags, folder=in_memory, site="")
    wait_until(lambda: len(lines(server, HELD)) == 2)
    (mistyped,) = lines(server, MISTYPED)
    assert "Is it WSGIFUTURES_DEADLINE?" in mistyped
