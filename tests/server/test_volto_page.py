"""The how-to for streams in Volto: its service on a real server, read by its script in Node."""

from concurrent.futures import ThreadPoolExecutor
from introduced import ADMIN
from processes import ROOT
from processes import Server
from processes import wait_until

import contextlib
import json
import os
import pytest
import requests
import subprocess
import sys

sys.path[:0] = [str(ROOT / "tests" / "docs")]

from blocks import files_of  # noqa: E402

FILES = files_of(ROOT / "docs" / "howto" / "streams-volto.rst")
JSON = {"Accept": "application/json"}

#: Reads as the component does, and tells when each word came; it stops after ``stop`` words.
MAIN = """
import { readEvents } from "./src/helpers/readEvents.mjs";
const [url, token, question, stop] = process.argv.slice(2);
const controller = new AbortController();
const headers = { Accept: "application/json", "Content-Type": "application/json" };
if (token) headers.Authorization = `Bearer ${token}`;
if (process.env.COOKIE) headers.Cookie = process.env.COOKIE; // as a browser does by itself
const body = JSON.stringify({ question });
const told = { words: [], times: [] };
try {
  const options = { method: "POST", headers, body, signal: controller.signal };
  for await (const { data } of readEvents(url, options)) {
    told.words.push(data);
    told.times.push(performance.now());
    if (told.words.length === Number(stop)) controller.abort();
  }
  told.end = "complete";
} catch (error) {
  told.end = error.name === "AbortError" ? "stopped" : error.message;
  told.status = error.status;
  told.after = error.after;
}
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the how-to, and a program beside them."""
    folder = tmp_path_factory.mktemp("acme")
    for name, (block,) in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    (folder / "acme" / "__init__.py").touch()
    (folder / "main.mjs").write_text(MAIN)
    return folder


@pytest.fixture(scope="module")
def server(start_gunicorn, new_instance, environment, folder):
    """A server with the service, a private page, and two streams at most for each visitor."""
    instance = new_instance()
    include = instance / "etc" / "package-includes" / "acme-configure.zcml"
    include.write_text('<include package="acme" />')
    path = os.pathsep.join((str(folder), environment["PYTHONPATH"]))
    env = {"PYTHONPATH": path, "WSGIFUTURES_MAX_HELD_PER_CLIENT": "2"}
    server = Server(*start_gunicorn(folder=instance, env=env))
    more = {"headers": JSON, "auth": ADMIN}
    server.post("@addons/plone.restapi/install", **more).raise_for_status()
    page = {"@type": "Document", "id": "news", "title": "News"}
    server.post("", json=page, **more).raise_for_status()
    return server


@pytest.fixture(scope="module")
def token(server):
    """What Volto has after a login."""
    wish = dict(zip(("login", "password"), ADMIN, strict=True))
    answer = server.post("@login", json=wish, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


@pytest.fixture
def read(server, folder):
    """Read the stream at a path of the site; return what the program tells."""

    def read(path, token="", question="Why?", stop=0, cookie=""):
        command = ["node", "main.mjs", f"{server.site}/{path}", token, question, str(stop)]
        how = {"cwd": folder, "env": {**os.environ, "COOKIE": cookie}, "timeout": 120}
        done = subprocess.run(command, capture_output=True, text=True, **how)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def streams_of(server):
    holds = server.get("@futures", auth=ADMIN, headers=JSON).json()["holds"]
    return [one for one in holds if "@tell" in json.dumps(one)]


def test_words_come_as_they_are_made_by_the_address_that_volto_uses(read, token):
    """With the token of a login, which the page needs."""
    told = read("++api++/news/@tell", token)
    assert told["end"] == "complete"
    assert "".join(told["words"]) == "You ask: Why? I would have to look that up. "
    assert told["times"][-1] - told["times"][0] > 200


def test_user_of_the_classic_ui_is_known_by_the_cookie(server, read):
    """As the docs say of a browser at the same origin."""
    fields = {"__ac_name": ADMIN[0], "__ac_password": ADMIN[1], "buttons.login": "Log in"}
    cookie = server.post("login", data=fields).cookies["__ac"]
    told = read("++api++/news/@tell", cookie=f'__ac="{cookie.strip(chr(34))}"')
    assert told["end"] == "complete"


def test_visitor_who_may_not_is_refused_with_a_status(read):
    """Without a token."""
    told = read("++api++/news/@tell")
    assert (told["end"], told["status"], told["words"]) == ("refused", 401, [])


def test_abort_ends_the_stream_on_the_server(server, read, token):
    """As the component does when it goes."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, "++api++/news/@tell", token, "Why? " * 500, stop=50)
        wait_until(lambda: streams_of(server))
    told = reading.result()
    assert (told["end"], len(told["words"])) == ("stopped", 50)
    wait_until(lambda: not streams_of(server), 3)


def test_stream_that_fails_throws_its_reason(read):
    """After the words that have come."""
    told = read("@@words?kind=events&how=fail&number=2&text=volto")
    assert (told["end"], told["words"]) == ("failed", ["0 ", "1 "])


def test_stream_that_breaks_off_is_not_taken_for_a_whole_one(read):
    """Here a text, which has no word for its end."""
    assert read("@@words?kind=text&text=volto")["end"] == "broken"


def test_busy_server_says_after_how_many_seconds(server, read):
    """503, with Retry-After."""
    question = {"question": "Why? " * 500}
    more = {"json": question, "headers": JSON, "stream": True}
    with contextlib.ExitStack() as others:
        for _ in range(2):
            others.enter_context(requests.post(f"{server.site}/@tell", **more, timeout=60))
        wait_until(lambda: len(streams_of(server)) == 2)
        told = read("@tell")
    assert (told["end"], told["status"]) == ("refused", 503)
    assert told["after"] > 0
