"""Answers that all workers share, on a real Redis and a real Memcached.

Run by ``make test-storages``, which installs them.
"""

from .outside import raised_by
from .outside import until
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import cache as caches
from collective.wsgifutures.upstreams.cache import Cache
from contextlib import contextmanager
from dogpile.cache.api import NO_VALUE

import os
import pytest
import socket
import subprocess

pytestmark = [pytest.mark.concurrency, pytest.mark.storages]

SERVERS = {
    "redis": (["redis-server", "--save", "", "--port"], "redis://127.0.0.1:{}/0"),
    "memcached": (
        ["memcached", "-l", "127.0.0.1", "-u", "nobody", "-p"],
        "memcached://127.0.0.1:{}",
    ),
}


@contextmanager
def running(kind):
    """Run a server of that *kind*; give its address."""
    command, address = SERVERS[kind]
    process, port = _started(command)
    try:
        yield address.format(port)
    finally:
        process.kill()
        process.wait()


def _started(command):
    """Start a server on a free port; another program may take that first."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL)
        assert until(lambda: process.poll() is not None or _listens(port), 30)  # noqa: B023
        if process.poll() is None:
            return process, port
    raise AssertionError(f"{command[0]} does not start")


def _listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=SERVERS)
def shared(request, monkeypatch):
    with running(request.param) as url:
        monkeypatch.setenv(caches.VARIABLE, url)
        caches._caches.clear()
        yield url
    caches._caches.clear()


def test_answer_is_there_for_another_worker(outside, weather, shared):
    """The same, headers and bytes; it costs no further pass there either."""
    outside.says(headers={"X-Sky": "ä"}, body=bytes(range(256)) * 1000)
    upstream = weather(cache=60)
    first = HeldRequest(lambda: upstream.get("/"))
    answer = first.run()
    caches._caches.clear()  # another process has made no connection yet
    other = HeldRequest(lambda: weather(cache=60).get("/"))
    assert (other.run(), other.passes, len(outside.asked)) == (answer, 1, 1)


def test_key_is_the_same_for_all_workers_and_another_one_under_another_secret(shared, monkeypatch):
    """The secret is a variable; where it is not set, the address is."""
    request = caches.Request("GET", "https://a/", (), None)
    keys = []
    for secret in ("", "", "one", "one", "two"):
        monkeypatch.setenv(caches.SECRET, secret)
        caches._caches.clear()
        keys.append(caches.cache().key(request))
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


def test_what_somebody_else_wrote_there_is_nothing(outside, weather, shared):
    """It is not unpickled, and asked for again."""
    upstream = weather(cache=60)
    upstream.get("/")
    cache = caches.cache()
    backend = cache._region.backend
    request = outside.asked[0]
    headers = tuple((n, v) for n, v in request.headers.items() if n not in ("host",))
    key = cache.key(caches.Request("GET", f"{outside.url}/", headers, None))
    name = cache._region.key_mangler(key)
    assert backend.get_serialized(name) is not NO_VALUE
    backend.set_serialized(name, b"cos\nsystem\n(S'exit 1'\ntR.")
    assert upstream.get("/").text == "sunny"
    assert len(outside.asked) == 2


def test_cache_that_is_gone_is_done_without(outside, weather, monkeypatch, caplog):
    """At once, and one warning."""
    for kind in SERVERS:
        with running(kind) as url:
            monkeypatch.setenv(caches.VARIABLE, url)
            caches._caches.clear()
            upstream = weather(cache=60)
            upstream.get("/")
        caplog.clear()
        outside.asked.clear()
        assert [upstream.get("/").text for _ in range(3)] == ["sunny"] * 3
        assert len(outside.asked) == 3
        assert len(caplog.messages) == 1
    caches._caches.clear()


def test_redis_without_its_package_is_told(monkeypatch):
    """And what to install."""
    monkeypatch.setitem(os.sys.modules, "redis", None)
    error = raised_by(ImportError, Cache, "redis://127.0.0.1:1/0", b"")
    assert "redis" in str(error)
