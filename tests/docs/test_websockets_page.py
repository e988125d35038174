"""The page of websockets: its example runs, and its table has each end that the code knows."""

from blocks import blocks_of
from blocks import DOCS
from collective.wsgifutures.kernel import runtime
from collective.wsgifutures.kernel.runtime.asynced import ASYNCIO
from collective.wsgifutures.kernel.sockets import declared
from collective.wsgifutures.wsgi import talking
from collective.wsgifutures.wsgi.asgi import Asgi
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from types import SimpleNamespace

import asyncio
import json
import pytest
import re
import sys
import threading

PAGE = DOCS / "websockets.rst"


@pytest.fixture
def llm():
    """The address of a language model that repeats what it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = json.dumps({"text": f"{asked['question']} {asked['about']}"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args):
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def talk(monkeypatch):
    """Open a websocket of an application, and say something; return the answers."""
    monkeypatch.setattr(runtime, "_unpatched", ASYNCIO)
    # The application here is not Zope, which other tests have loaded: nothing joins it to the hold.
    monkeypatch.delitem(sys.modules, "ZPublisher.WSGIPublisher", raising=False)

    async def talk(application, *messages):
        ASYNCIO.serve_in(asyncio.get_running_loop())
        given, sent = asyncio.Queue(), asyncio.Queue()
        scope = {"type": "websocket", "http_version": "1.1", "scheme": "ws", "path": "/"}
        scope |= {"query_string": b"", "headers": []}
        app = Asgi(Worker(application, Settings()))
        task = asyncio.ensure_future(app(scope, given.get, sent.put))
        answers = [await sent.get(), await sent.get()]
        for message in messages:
            given.put_nowait({"type": "websocket.receive", "text": message})
            answers.append(await sent.get())
        given.put_nowait({"type": "websocket.disconnect"})
        await task
        return answers

    yield lambda *args: asyncio.run(asyncio.wait_for(talk(*args), 20))
    monkeypatch.setattr(ASYNCIO, "_loop", None)


def test_example_talks_with_a_language_model(talk, llm):
    """The view that the page begins with."""
    names = {"__name__": "docs"}
    block = blocks_of(PAGE, "python")[0]
    exec(compile(block.text, block.place, "exec"), names)
    names["LLM"] = llm
    page = SimpleNamespace(Title=lambda: "Plone")

    def application(environ, start_response):
        answer = names["Talk"](page, None)()
        start_response("200 OK", [("Content-Type", answer.format.content_type)])
        return answer

    accepted, *answers = talk(application, "What is", "Where is")
    assert accepted["type"] == "websocket.accept"
    said = [answer["text"] for answer in answers]
    assert said == ["You ask about Plone.", "What is Plone", "Where is Plone"]


def test_table_has_each_end():
    """With its code and its reason."""
    table = PAGE.read_text(encoding="utf-8").partition("Everything ends\n")[2]
    rows = re.findall(r"^    \* - (\d+)\n      -(.*)\n", table, re.M)
    told = [end for end in vars(talking).values() if isinstance(end, talking.End) and end.code]
    assert sorted((int(code), reason.strip()) for code, reason in rows) == sorted(map(tuple, told))


def test_limits_on_the_page_are_those_of_the_code():
    """If none is declared."""
    text = PAGE.read_text(encoding="utf-8")
    assert declared.DEFAULT_TIME_LIMIT == 3600
    assert "an hour, if it is not declared" in text
    assert declared.DEFAULT_IDLE == 300
    assert "five minutes, if it is not declared" in text
    assert "idle is 300 s" in text
    assert declared.DEFAULT_MAX_SIZE == 64 * 1024
    assert "64 KB, if it is not declared" in text
