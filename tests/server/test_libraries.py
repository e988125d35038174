"""What a library may do in a future: by executor, and by server, on real ones.

The table in docs/howto/executors.rst says the same. Each server stops and reloads afterwards as
fast as one that did nothing.
"""

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from libraries import NOT_IN_GREENLETS
from libraries import WHAT
from pathlib import Path
from processes import BIN
from processes import free_port
from processes import Process
from test_executors import runs

import grpc
import os
import pytest
import requests
import signal
import threading
import time

pytestmark = pytest.mark.operation

#: Gunicorn's options, by what serves.
SERVERS = {
    "gevent": ["-k", "gevent", "-c", "python:collective.wsgifutures.gunicorn"],
    "threads": ["-k", "gthread", "--threads", "12"],
}

CELLS = [
    (server, executor)
    for server in SERVERS
    for executor in ("greenlets", "threads", "processes", "asyncio")
    if (server, executor) != ("threads", "greenlets")
]

#: Seconds in which a server without a held response stops or reloads.
SOON = 15


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path[1:].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Anything(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"y")


@pytest.fixture(scope="module")
def services():
    """Return the environment that tells where HTTP and gRPC are served."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    rpc = grpc.server(ThreadPoolExecutor(4))
    rpc.add_generic_rpc_handlers((Anything(),))
    port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    address = f"http://127.0.0.1:{http.server_port}"
    yield {"LIBRARIES_HTTP": address, "LIBRARIES_GRPC": f"127.0.0.1:{port}"}
    rpc.stop(0)
    http.shutdown()
    http.server_close()


@pytest.fixture(params=CELLS, ids="-".join)
def started(request, services, tmp_path):
    """A server and an executor of it; the URL of that and the process."""
    server, executor = request.param
    root = f"http://127.0.0.1:{(port := free_port())}/"
    command = [BIN / "gunicorn", *SERVERS[server], "-b", f"127.0.0.1:{port}"]
    environment = {**services, "LIBRARIES_SERVER": server}
    log, here = tmp_path / "gunicorn.log", Path(__file__).parent
    process = Process([*command, "libraries_app:application"], log, environment, cwd=here)
    process.wait_for(lambda: worker(root))
    yield root, executor, process
    process.stop()


def worker(root):
    """Return the id of the process that serves; None while there is none."""
    try:
        return requests.get(root, timeout=5).json()
    except requests.RequestException:
        return None


def can(executor, what):
    return executor != "greenlets" or what not in NOT_IN_GREENLETS


def test_what_libraries_do_works_and_its_server_stops_and_reloads_as_soon(started):
    """Three at once, and again; a greenlet does what the docs say that it can."""
    root, executor, process = started
    tried = [what for what in WHAT if can(executor, what)]
    found = {what: [ask(root, executor, what) for _ in range(2)] for what in tried}
    assert found == {what: [[0, 1, 2]] * 2 for what in tried}
    before = worker(root)
    assert seconds(lambda: reload(root, process, before)) < SOON
    assert [ask(root, executor, what) for what in tried] == [[0, 1, 2]] * len(tried)
    process.signal(signal.SIGTERM)
    assert seconds(lambda: process.wait(4 * SOON)) < SOON


def ask(root, executor, what):
    return requests.get(f"{root}{executor}/{what}", timeout=30).json()


def reload(root, process, before):
    """Reload, and wait until another worker serves and the one before has ended."""
    process.signal(signal.SIGHUP)
    until = time.monotonic() + 4 * SOON
    while runs(before) or worker(root) in (None, before):
        assert time.monotonic() < until
        time.sleep(0.1)


def seconds(function):
    """Return how long *function* takes."""
    began = time.monotonic()
    function()
    return time.monotonic() - began


def test_a_helper_that_ends_fails_the_calls_that_it_ran_and_another_serves(started):
    """Where there is one: a server with gevent, threads and asyncio."""
    root, executor, _ = started
    ask(root, executor, "thread")
    for pid in helpers(worker(root)):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert ask(root, executor, "thread") == [0, 1, 2]


def helpers(pid):
    """Return the processes that *pid* has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
