"""Upstreams in a real gunicorn with a real site, and an outside world that remembers."""

from conftest import Silent
from functools import partial
from pathlib import Path
from processes import Server
from processes import wait_until
from wire import request as bytes_of
from wire import Wire

import pytest
import runpy
import time

Outside = runpy.run_path(str(Path(__file__).parent.parent / "upstreams" / "outside.py"))["Outside"]

SECRET = "s3cr3t-w0rd"


class World:
    """The service outside; what was asked of it, by the last part of the path."""

    def __init__(self):
        self.outside = Outside()
        self.answers = {}  #: what to do where not as usual, for a text
        self.outside.answer = self._answer

    def asked(self, text):
        """Return what was asked for with that text."""
        return [one for one in self.outside.asked if _text(one) == text]

    def _answer(self, asked):
        text = _text(asked)
        answer = self.answers.get(text)
        return answer(asked) if answer else (200, {}, f"{text} from outside".encode())


def _text(asked):
    return asked.target.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="module")
def world():
    """A service that answers."""
    world = World()
    yield world
    world.outside.stop()


@pytest.fixture(scope="module")
def nobody():
    """A service that takes a request and answers nothing."""
    service = Silent()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def site(start_gunicorn, new_instance, world, nobody):
    """A gunicorn whose operator says where the upstreams are; one variable is mistyped."""
    prefix = "WSGIFUTURES_UPSTREAM_HOLDTESTS"
    env = {f"{prefix}_{name}BASE_URL": world.outside.url for name in ("", "KEPT_", "SMALL_")}
    env[f"{prefix}_SILENT_BASE_URL"] = nobody.url
    env[f"{prefix}_KEPT_MAXCALLS"] = "7"
    folder = new_instance()
    server = Server(*start_gunicorn(folder=folder, env={**env, "no_proxy": "127.0.0.1"}))
    server.folder = folder
    yield server
    server.process.stop()


def passes(answer):
    return int(answer.headers["X-Hold-Passes"])


def test_get_is_held_takes_two_passes_and_one_call(site, world, text):
    """The second pass has the answer."""
    answer = site.get("@@upstream-get", name="plain", text=text)
    assert (answer.status_code, answer.text) == (200, f"{text} from outside")
    assert (passes(answer), len(world.asked(text))) == (2, 1)
    assert world.asked(text)[0].headers["authorization"] == SECRET


def test_kept_answer_takes_one_pass_and_no_call(site, world, text):
    """It is there when it is asked for."""
    answers = [site.get("@@upstream-get", name="kept", text=text) for _ in range(3)]
    assert [answer.text for answer in answers] == [f"{text} from outside"] * 3
    assert [passes(answer) for answer in answers] == [2, 1, 1]
    assert len(world.asked(text)) == 1


def test_many_clients_at_once_wait_for_one_call(site, world, text):
    """Each has two passes and the answer."""
    world.answers[text] = lambda asked: (time.sleep(1), (200, {}, b"for all"))[1]
    ask = partial(Server.get, view="@@upstream-get", name="kept", text=text)
    answers = site.together([ask] * 30)
    assert [answer.text for answer in answers] == ["for all"] * 30
    assert {passes(answer) for answer in answers} <= {1, 2}
    assert len(world.asked(text)) == 1


def test_upstream_that_is_busy_is_503_with_retry_after(site, world, text):
    """The page of the site's own errors; who was first gets its answer."""
    world.answers[text] = lambda asked: (time.sleep(1.5), (200, {}, b"first"))[1]
    html = {"Accept": "text/html"}

    def ask(server):
        return server.get("@@upstream-get", headers=html, name="small", text=text)

    def ask_late(server):
        wait_until(lambda: world.asked(text))
        return ask(server)

    first, busy = site.together([ask, ask_late])
    assert (first.status_code, first.text) == (200, "first")
    assert (busy.status_code, busy.headers["Retry-After"], passes(busy)) == (503, "1", 1)
    assert "portal-footer" in busy.text
    assert len(world.asked(text)) == 1


def test_upstream_that_is_down_is_503_and_soon_not_asked_at_all(site, text):
    """Then the answer says when, and comes in the first pass."""
    answers = [site.get("@@upstream-get", name="dead", text=text) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert [passes(answer) for answer in answers] == [2, 2, 1, 1]
    assert [answer.headers["Retry-After"] for answer in answers[:2]] == ["5", "5"]
    assert all(20 < int(answer.headers["Retry-After"]) <= 30 for answer in answers[2:])


def test_post_is_made_again_with_the_same_key(site, world, text):
    """In each retry and pass of a request; another request and another call have another."""
    fails = []

    def answer(asked):
        fails.append(asked)
        return (503 if len(fails) == 1 else 201), {}, b""

    world.answers[text] = answer
    for _ in range(2):
        posted = site.post("@@upstream-post", data={"text": text})
        assert (posted.text, passes(posted)) == ("201 201", 3)
    keys = [one.headers["idempotency-key"] for one in world.asked(text)]
    assert keys[0] == keys[1]
    assert (len(keys), len(set(keys))) == (5, 4)


def test_shared_call_ends_when_the_last_client_that_waits_has_gone(site, nobody):
    """And not with the one who was first."""
    path = "@@upstream-get?name=silent"
    with Wire(site) as last:
        with Wire(site) as first:
            first.send(bytes_of(path))
            assert nobody.called.wait(5)
            last.send(bytes_of(path))
            time.sleep(0.5)
        assert not nobody.left.wait(1)
    assert nobody.left.wait(5)
    assert site.get("@@fast").ok


@pytest.mark.parametrize("status", [404, 503])
def test_upstream_that_answers_with_an_error_is_503_with_retry_after(site, world, status):
    """Where the view takes that for an error; the site is well."""
    text = f"answers-{status}"
    world.answers[text] = lambda asked: (status, {}, SECRET.encode())
    answer = site.get("@@upstream-failing", text=text)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert SECRET not in answer.text


def test_secrets_are_in_no_log_of_the_server(site, world, text):
    """Sent in path, query, header and body; answered, refused, and in errors of all kinds."""
    world.answers[text] = lambda asked: (503, {"Location": SECRET}, SECRET.encode())
    for view, name in [("get", "plain"), ("get", "dead"), ("get", "kept"), ("failing", "")]:
        site.get(f"@@upstream-{view}", name=name, text=text)
    files = [site.process.log, *site.folder.glob("var/log/*")]
    told = "\n".join(file.read_text(errors="replace") for file in files)
    assert "The upstream holdtests" in told
    assert SECRET not in told


def test_variable_that_is_mistyped_is_told_once_at_the_start(site):
    """With the settings that there are, and without its value."""
    told = site.process.output
    name = "WSGIFUTURES_UPSTREAM_HOLDTESTS_KEPT_MAXCALLS"
    assert told.count(name) == 1
    assert (
        f"{name} changes nothing: holdtests-kept has no setting maxcalls; the settings are" in told
    )
    assert "Is it WSGIFUTURES_UPSTREAM_HOLDTESTS_KEPT_MAX_CALLS?" in told
