"""What is looked at before uvicorn serves, and what begins and ends with it."""

from .applications import log
from .applications import page
from collective.wsgifutures.asgi import _Life
from collective.wsgifutures.asgi import make_application
from collective.wsgifutures.wsgi import audit
from collective.wsgifutures.wsgi import joints
from collective.wsgifutures.wsgi.asgi import Asgi
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from types import SimpleNamespace

import asyncio
import pytest
import time

pytestmark = pytest.mark.usefixtures("asyncio_runtime")


def server(**config):
    """Return a server of uvicorn, as far as it is looked at."""
    known = {"lifespan": "auto", "limit_concurrency": None, "timeout_graceful_shutdown": None}
    known |= {"loop": "auto", "http_protocol_class": Asgi}
    return SimpleNamespace(should_exit=False, config=SimpleNamespace(**{**known, **config}))


class Busy(joints.Joint):
    """A joint with jobs that run until *ends* of the clock."""

    def __init__(self, ends):
        self.ends = ends

    def worker_starts(self, worker):
        log.append("starts")

    def worker_stops(self):
        log.append("stops")

    def is_busy(self):
        return time.monotonic() < self.ends

    def worker_ends(self):
        log.append("busy" if self.is_busy() else "done")


def test_what_is_not_uvicorn_is_refused(caplog, monkeypatch):
    """The process ends, and its log says what to start instead."""
    with pytest.raises(SystemExit) as ended:
        make_application()
    assert ended.value.code == 3
    assert "uvicorn --factory collective.wsgifutures.asgi:make_application" in caplog.text


def test_uvicorn_without_lifespan_is_refused():
    """Nothing would tell of the worker's end."""
    (found,) = audit.of_uvicorn(server(lifespan="off"))
    assert "Leave out --lifespan." in str(found)
    assert audit.of_uvicorn(server()) == []


@pytest.mark.parametrize(
    ("config", "warned"),
    [
        ({}, []),
        ({"limit_concurrency": 8250, "timeout_graceful_shutdown": 62}, []),
        ({"limit_concurrency": 100}, ["connections"]),
        ({"timeout_graceful_shutdown": 61}, ["stop"]),
    ],
)
def test_limits_of_uvicorn_are_looked_at(config, warned):
    """They may not be below those of the worker."""
    found = audit.settings_of_uvicorn(server(**config).config, Settings())
    assert [one.topic for one in audit.choose_warnings(found)] == warned


@pytest.mark.parametrize(
    ("there", "loop", "parser", "says"),
    [
        ((), "auto", "auto", "asyncio's, HTTP is parsed by gunicorn's parser in Python"),
        (("uvloop", "gunicorn_h1c"), "auto", "auto", "uvloop's, HTTP is parsed by gunicorn_h1c"),
        (("uvloop",), "asyncio", "auto", "asyncio's, HTTP is parsed by gunicorn's parser"),
        (("gunicorn_h1c",), "uvloop", "python", "uvloop's, HTTP is parsed by gunicorn's parser"),
    ],
)
def test_which_loop_and_parser_are_in_use_is_said(monkeypatch, there, loop, parser, says):
    """What is installed is used, if the configuration does not say otherwise."""
    monkeypatch.setattr(audit, "_is_there", there.__contains__)
    cfg = SimpleNamespace(asgi_loop=loop, http_parser=parser)
    assert says in audit.speed_of_gunicorn(cfg)


def test_which_parser_uvicorn_has_is_said(monkeypatch):
    """By the name of its module."""
    parser = type("HttpToolsProtocol", (), {"__module__": "uvicorn.protocols.http.httptools_impl"})
    config = server(loop="uvloop", http_protocol_class=parser).config
    assert audit.speed_of_uvicorn(config) == "The loop is uvloop's, HTTP is parsed by httptools."


@pytest.mark.parametrize(("seconds", "end"), [(0.6, "done"), (60, "busy")])
def test_jobs_may_end_before_the_worker_does_if_there_is_time(monkeypatch, seconds, end):
    """From the first word of a stop on nothing new begins."""
    monkeypatch.setattr(joints, "joints", [Busy(time.monotonic() + seconds)])
    for module in ("serving", "wsgi.worker"):
        monkeypatch.setattr(f"collective.wsgifutures.{module}.joints", joints.joints)

    async def live():
        uvicorn = server(timeout_graceful_shutdown=4)
        worker = Worker(page(str), Settings())
        app, said, sent = Asgi(worker, _Life(worker, uvicorn)), asyncio.Queue(), []
        said.put_nowait({"type": "lifespan.startup"})

        async def send(message):
            sent.append(message["type"])

        task = asyncio.ensure_future(app({"type": "lifespan"}, said.get, send))
        await asyncio.sleep(0.05)
        uvicorn.should_exit = True
        said.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(task, 10)
        return sent

    assert asyncio.run(live()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log[:1] == ["starts"]
    assert log[-1] == end
    assert "stops" in log
