"""What only gunicorn with a gevent worker does."""

from collective.wsgifutures.serving import COLLECT_AFTER
from processes import LOOKS
from processes import wait_until

import pytest
import requests
import signal
import threading
import time


def wait_for_calls(service, text, number):
    """Wait until *number* requests are held, each with its call under way."""
    wait_until(lambda: service.calls(text) >= number)


def test_thousand_are_held_at_once_with_four_connections(gunicorn, service):
    """Promise 1: one worker, a thousand responses of 1 s, no error, a few connections."""
    gunicorn.state(reset="yes")
    result = gunicorn.load("@@hold?seconds=1&text=thousand-{n}", 1000, 1000)
    assert (result["statuses"], result["errors"]) == ({"200": 1000}, {})
    assert gunicorn.state()["connections"] <= 4 + LOOKS
    assert result["seconds"] < 60


@pytest.mark.gevent  # as many plain futures at a time as are asked for
def test_site_answers_while_responses_are_held(gunicorn, service, text):
    """Held responses keep no slot: others are served at once."""
    results = []

    def load():
        results.append(gunicorn.load(f"@@hold?seconds=10&text={text}", 300, 300))

    held = threading.Thread(target=load)
    held.start()
    wait_for_calls(service, text, 300)
    began = time.monotonic()
    assert gunicorn.get("@@fast").text == "fast"
    assert time.monotonic() - began < 1.5
    assert results == []  # all of them were still held
    held.join()
    assert results[0]["statuses"] == {"200": 300}


def test_nobody_stays_behind_a_busy_time(gunicorn, users, text):
    """Promise 7: fresh greenlets are nobody, whoever was there before."""
    calls = [
        lambda s, n=n, u=u: s.get("@@whoami", text=f"{text}-{n}", auth=(u, users[u]))
        for n, u in enumerate(["alice", "bob"] * 20)
    ]
    gunicorn.together(calls)
    assert gunicorn.get("@@whowashere").json() == ["None"]


def test_no_request_stays_behind(gunicorn, text):
    """Promise 1: after a hundred held requests the worker keeps none but the one asking."""
    calls = [lambda s, n=n: s.get("@@hold", text=f"{text}-{n}") for n in range(100)]
    gunicorn.together(calls)
    gunicorn.get("@@fast")
    assert gunicorn.state()["requests"] <= 5  # each slot may keep the one it had last


def test_collector_of_garbage_looks_less_often_and_not_at_what_zope_loaded(gunicorn):
    """What is held would be looked at again and again, and all of Zope stops the worker."""
    assert gunicorn.state()["collect_after"] == COLLECT_AFTER
    assert gunicorn.state()["never_collected"] > 100_000


@pytest.mark.gevent
def test_future_out_of_time_closes_its_socket(gunicorn, silent):
    """Its greenlet is killed, the upstream sees the caller leave."""
    assert gunicorn.get("@@timeout", url=silent.url).status_code == 504
    assert silent.called.is_set()
    assert silent.left.wait(2)


def test_passes_are_told_only_with_the_debug_setting(started):
    """X-Hold-Passes is off by default."""
    server = started(env={"WSGIFUTURES_DEBUG": "off"})
    assert "X-Hold-Passes" not in server.get("@@fast").headers


def test_own_configuration_with_its_own_hook(started, tmp_path, text):
    """`import *` in it, and a post_worker_init of theirs that calls ours."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        "from collective.wsgifutures import gunicorn as wsgifutures\n"
        "from collective.wsgifutures.gunicorn import *\n"
        "worker_connections = 4321\n"
        "def post_worker_init(worker):\n"
        "    wsgifutures.post_worker_init(worker)\n"
        "    worker.log.info('mine: %s', worker.cfg.worker_connections)\n"
    )
    server = started(config=str(config))
    assert server.get("@@hold", text=text).headers["X-Hold-Passes"] == "2"
    assert "mine: 4321" in server.process.output


def test_configuration_with_nothing_but_the_import(started, tmp_path, text):
    """`from collective.wsgifutures.gunicorn import *` is all that is needed."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("from collective.wsgifutures.gunicorn import *\n")
    server = started(config=str(config))
    assert server.get("@@hold", text=text).headers["X-Hold-Passes"] == "2"


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_flags_and_gunicorn_cmd_args_win(start_gunicorn, how):
    """The config module gives defaults."""
    wanted = ("--worker-connections", "77", "--print-config")
    if how == "flag":
        process, _ = start_gunicorn(*wanted)
    else:
        process, _ = start_gunicorn(env={"GUNICORN_CMD_ARGS": " ".join(wanted)})
    assert process.wait() == 0
    lines = [line.split("=", 1) for line in process.output.splitlines() if "=" in line]
    printed = {key.strip(): value.strip() for key, value in lines}
    assert printed["worker_connections"] == "77"
    assert printed["graceful_timeout"] == "62"


@pytest.mark.parametrize(("first", "limit"), [(True, "4"), (False, "25")])
def test_filter_and_hook_together_are_one_hold(started, new_instance, text, first, limit):
    """The filter's, with its options, where it is first; else it passes through."""
    folder = new_instance()
    ini = folder / "etc" / "zope.ini"
    hold = "[filter:hold]\nuse = egg:collective.wsgifutures#hold\nmax_passes = 4\n\n"
    pipeline = (
        "    hold\n    egg:Zope#httpexceptions"
        if first
        else ("    egg:Zope#httpexceptions\n    hold")
    )
    conf = ini.read_text().replace("    egg:Zope#httpexceptions", pipeline)
    ini.write_text(conf.replace("[pipeline:main]", hold + "[pipeline:main]"))
    server = started(folder=folder)
    answer = server.get("@@hold", text=text)
    assert (answer.text, answer.headers["X-Hold-Passes"]) == (f"{text} in nowhere", "2")
    assert server.get("@@forever", text=text).headers["X-Hold-Passes"] == limit


def test_filters_inside_of_the_hold_see_each_pass(started, new_instance, service, text):
    """translogger logs no line for a suspended pass, a filter sees `Suspended`; then the answer."""
    folder = new_instance()
    ini = folder / "etc" / "zope.ini"
    recorder = (
        "[filter:recorder]\npaste.filter_app_factory = holdtests.recorder:filter_app\n"
        f"file = {folder}/recorded\n\n[pipeline:main]\npipeline =\n    recorder\n"
    )
    ini.write_text(ini.read_text().replace("[pipeline:main]\npipeline =\n", recorder))
    server = started(folder=folder)
    recorded = folder / "recorded"
    recorded.write_text("")
    server.get("@@hold", text=text)
    assert recorded.read_text().split() == ["Suspended", "200"]
    access = (folder / "var" / "log" / "Z4.log").read_text()
    assert access.count(f"text={text}") == 1


def test_bad_setting_stops_the_start_and_names_it(start_gunicorn):
    """What it is called, what it got, what it takes."""
    process, _ = start_gunicorn(env={"WSGIFUTURES_SLOTS": "many"})
    assert process.wait() != 0
    expected = "The setting WSGIFUTURES_SLOTS is 'many'; it takes a whole number, 1 or more."
    assert expected in process.output


def test_more_slots_than_the_pool_has_are_cut(started, service, text):
    """Never more passes at a time than ZODB connections; said once."""
    server = started(env={"WSGIFUTURES_SLOTS": "50"})
    assert server.get("@@hold", text=text).status_code == 200
    assert "7 slots, not 50" in server.process.output


def test_held_response_is_finished_at_a_graceful_stop(started, service, text):
    """SIGTERM while held: the client gets its answer."""
    server = started()
    answers = []

    def ask():
        answers.append(server.get("@@hold", seconds=2, text=text))

    call = threading.Thread(target=ask)
    call.start()
    wait_for_calls(service, text, 1)
    server.process.signal(signal.SIGTERM)
    call.join()
    assert [a.status_code for a in answers] == [200]
    assert server.process.wait() == 0


def test_deadline_of_the_hold_gives_the_view_one_last_pass(started, silent, text):
    """Past it the view gets HoldExpired; uncaught, that is 504."""
    server = started(env={"WSGIFUTURES_DEADLINE": "1"})
    answer = server.get("@@hold", seconds=30, text=text, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (504, "HoldExpired")
    assert answer.headers["X-Hold-Passes"] == "2"


def test_pipelined_requests_are_answered_in_order(gunicorn, text):
    """A second request on a held connection waits its turn."""
    import socket

    host, port = gunicorn.root.removeprefix("http://").split(":")
    paths = (f"/Plone/@@hold?seconds=0.5&text={text}", "/Plone/@@fast")
    with socket.create_connection((host, int(port)), 10) as connection:
        for path in paths:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while b"fast" not in received:
            received += connection.recv(65536)
    assert received.index(text.encode()) < received.index(b"fast")


def test_write_on_get_of_a_logged_in_user_is_treated_as_without_a_hold(gunicorn, text):
    """plone.protect redirects to its confirmation, and nothing is written."""
    before = gunicorn.get("@@counted").text
    answer = gunicorn.get("@@count-html", text=text, auth=("admin", "admin"))
    assert answer.status_code == 302
    assert "@@confirm-action" in answer.headers["Location"]
    assert gunicorn.get("@@counted").text == before


def test_head_and_options_of_a_held_view(gunicorn, text):
    """All methods are held."""
    url = f"{gunicorn.site}/@@hold?text={text}"
    answer = requests.head(url, timeout=30)
    assert (answer.status_code, answer.headers["X-Hold-Passes"], answer.content) == (200, "2", b"")
