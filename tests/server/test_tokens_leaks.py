"""After all that is done with tokens, none of them is anywhere: files, logs, traces, the cache.

A server on a FileStorage whose upstreams keep their answers in Redis, or in Memcached, and whose
log has everything. A view sends the token to an upstream whose answers are kept, as careless code
does.
"""

from contextlib import contextmanager
from introduced import ADMIN
from processes import free_port
from processes import Process
from processes import ROOT
from processes import Server
from processes import wait_until
from test_traces import Collector
from urllib.parse import unquote_to_bytes

import base64
import datetime
import pytest
import requests
import runpy
import socket

pytestmark = pytest.mark.storages

Outside = runpy.run_path(str(ROOT / "tests" / "upstreams" / "outside.py"))["Outside"]

JSON = {"Accept": "application/json"}
PASSWORD = "correct horse battery"
ANSWER = b"an answer from outside"
SCOPE = "read: write: read:@search read:@@bearer-kept read:@@bearer-submit read:@@bearer-failing"

#: The logs of others that have addresses as they are.
OF_ADDRESSES = ("access.log", "var/log/Z4.log")

#: A log in which everything is.
LOGGING = """

import logging


def post_fork(arbiter, worker):
    handler = logging.FileHandler({file!r})
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
"""


class Redis:
    """A Redis of its own."""

    command = ("redis-server", "--save", "", "--port")

    def __init__(self, port):
        self.url, self._port = f"redis://127.0.0.1:{port}/0", port

    def content(self):
        """Return all that is in it."""
        import redis

        server = redis.Redis(port=self._port)
        return b" ".join(part for key in server.scan_iter() for part in (key, server.get(key)))


class Memcached:
    """A Memcached of its own."""

    command = ("memcached", "-l", "127.0.0.1", "-u", "nobody", "-p")

    def __init__(self, port):
        self.url, self._port = f"memcached://127.0.0.1:{port}", port

    def content(self):
        """Return all that is in it."""
        lines = self._ask(b"lru_crawler metadump all\r\n").splitlines()
        found = [line.split()[0].removeprefix(b"key=") for line in lines if line[:4] == b"key="]
        keys = [unquote_to_bytes(key) for key in found]
        return b" ".join(part for key in keys for part in (key, self._ask(b"get %s\r\n" % key)))

    def _ask(self, command):
        with socket.create_connection(("127.0.0.1", self._port), 10) as server:
            server.sendall(command)
            answer = b""
            while not answer.endswith(b"END\r\n"):
                answer += server.recv(65536)
            return answer


class Watched:
    """A server, what it keeps its answers in, and what receives its traces."""

    def __init__(self, server, cache, collector):
        self.server, self.cache, self.collector = server, cache, collector

    def ask(self, token, path, method="GET", **more):
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        return self.server.request(method, path, headers=headers, **more)

    def everywhere(self):
        """Return all that is kept somewhere, by where that is."""
        folder = self.server.folder
        kept = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
        errors = self.server.get("@@bearer-errors", auth=ADMIN).content
        status = self.server.get("@@futures-status-data", auth=ADMIN).content
        return {
            **{name: path.read_bytes() for name, path in kept.items()},
            **{"cache": self.cache.content(), "errors": errors, "status": status},
            "traces": b"".join(each.SerializeToString() for each in self.collector.received),
        }


@contextmanager
def running(kind, folder):
    """Run what the answers are kept in."""
    port = free_port()
    process = Process([*kind.command, port], folder / "cache.log")
    try:
        process.wait_for(lambda: _listens(port))
        yield kind(port)
    finally:
        process.stop()


def _listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=[Redis, Memcached], ids=["redis", "memcached"])
def watched(request, start_gunicorn, new_instance, tmp_path_factory):
    """A server of which everything is looked at."""
    folder, outside, collector = new_instance(), Outside(), Collector()
    outside.says(body=ANSWER)
    config = folder / "gunicorn.conf.py"
    traces = (ROOT / "examples" / "gunicorn_traces.py").read_text()
    config.write_text(traces + LOGGING.format(file=str(folder / "all.log")))
    with running(request.param, tmp_path_factory.mktemp("cache")) as cache:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "WSGIFUTURES_CACHE": cache.url,
            "WSGIFUTURES_UPSTREAM_HOLDTESTS_KEPT_BASE_URL": outside.url,
            "no_proxy": "127.0.0.1",
        }
        flags = ("--access-logfile", folder / "access.log")
        server = Server(*start_gunicorn(*flags, folder=folder, config=config, env=env))
        server.folder = folder
        yield Watched(server, cache, collector)
        server.process.stop()
    collector.stop()
    outside.stop()


@pytest.fixture(scope="module")
def secrets(watched):
    """One of each kind."""
    server, more = watched.server, {"headers": JSON, "auth": ADMIN}
    server.post("@addons/plone.restapi/install", **more).raise_for_status()
    server.post("@@elsewhere-prepare", auth=ADMIN).raise_for_status()
    user = {"username": "jane", "password": PASSWORD, "email": "jane@example.com"}
    server.post("@users", json={**user, "roles": ["Manager"]}, **more).raise_for_status()
    ends = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
    wish = {"name": "Export", "scope": SCOPE, "ends": ends}
    app = server.post("@tokens", json=wish, headers=JSON, auth=("jane", PASSWORD)).json()["token"]
    login = {"login": "jane", "password": PASSWORD, "refresh": True, "scope": SCOPE}
    told = server.post("@login", json=login, headers=JSON).json()
    return {"app": app, "access": told["access_token"], "refresh": told["refresh_token"]}


def spellings(secret):
    """Return what somebody would look for who wants the secret back."""
    text = secret.encode()
    tail = secret.rpartition("_")[2].encode() if "_" in secret else text[-40:]
    packed = base64.b64encode(text)[:-4]
    return {text, tail, tail[:30], packed, text[::-1], text.hex().encode(), PASSWORD.encode()}


def use(watched, secret, text):
    """Do with a token all that leaves something somewhere."""
    assert watched.ask(secret, "about").status_code == 200
    change = {"json": {"title": f"Words {text}"}}
    assert watched.ask(secret, "about", "PATCH", **change).status_code == 204
    kept = watched.ask(secret, f"@@bearer-kept?text={text}")
    assert kept.content == ANSWER + b" " + ANSWER
    submitted = watched.ask(secret, f"@@bearer-submit?text={text}")
    assert submitted.status_code == 200, submitted.text
    assert watched.ask(secret, f"@@bearer-failing?text={text}").status_code >= 400
    assert watched.ask(secret, "@users").status_code == 401
    watched.ask(secret[:-1], "about")
    return submitted.json()


def test_no_token_is_anywhere_though_it_was_used_for_all_that_is_kept(watched, secrets):
    """In no file of the instance, no log, no answer that is kept, no job, no error, no trace."""
    job = use(watched, secrets["app"], "by-app")
    use(watched, secrets["access"], "by-login")
    form = {"grant_type": "refresh_token", "refresh_token": secrets["refresh"]}
    renewed = watched.server.post("@token", data=form).json()
    watched.server.post("@token", data={**form, "refresh_token": secrets["refresh"] + "x"})
    watched.server.post("@token-revoke", data={"token": renewed["access_token"]})
    everything = {**secrets, "next": renewed["refresh_token"], "later": renewed["access_token"]}
    wait_until(lambda: b"bearer-kept" in watched.everywhere()["traces"])
    jobs = lambda: watched.server.get(f"@jobs/{job}", headers=JSON, auth=ADMIN)  # noqa: E731
    wait_until(lambda: jobs().json().get("state") == "done")
    found = {**watched.everywhere(), "job": jobs().content}
    check_that_it_is_all_there(found, job)
    leaks = [
        (what, where)
        for what, secret in everything.items()
        for spelling in spellings(secret)
        for where, content in found.items()
        if spelling in content
    ]
    assert leaks == []


def check_that_it_is_all_there(found, job):
    """Check that what is looked at has what was done: a look at nothing would find nothing."""
    names = " ".join(found)
    assert {"all.log", "access.log", "server.log"} <= set(found)
    for part in ("Data.fs", "blobs/", "wsgifutures/"):  # the last are those of the live status
        assert part in names, part
    (data,) = (content for name, content in found.items() if name.endswith("/Data.fs"))
    assert job.encode() in data
    assert b"by-app" in data
    assert ANSWER in found["cache"]
    assert found["errors"].count(b"by-app") > 0
    assert b"is not good for" in found["all.log"]
    assert b"bearer-kept" in found["access.log"]
    assert b"bearer-kept" in found["traces"]


def test_a_token_in_the_wrong_place_is_not_kept_either(watched, secrets):
    """Somebody puts it into an address: of all that is ours, nothing has the query string."""
    before = watched.server.process.output.count("by-mistake")
    answer = requests.get(
        f"{watched.server.site}/about?access_token={secrets['app']}&text=by-mistake",
        headers=JSON,
        timeout=60,
    )
    assert answer.status_code == 401
    found = watched.everywhere()
    for log in OF_ADDRESSES:  # gunicorn's and Zope's, if they are on: the page says so
        assert b"by-mistake" in found.pop(log)
    assert watched.server.process.output.count("by-mistake") == before
    tail = secrets["app"].rpartition("_")[2].encode()
    assert [where for where, content in found.items() if tail in content] == []
