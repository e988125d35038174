"""Over a limit the answer is 503, at once; no other visitor notices."""

from collections import Counter
from processes import LOOKS
from processes import Server
from processes import wait_until
from wire import request as ask_for
from wire import Wire

import pytest
import requests
import signal
import statistics
import threading
import time

pytestmark = pytest.mark.operation


@pytest.fixture
def limited(started, new_instance):
    """Start a gunicorn with settings for one test."""

    def start(*flags, conf="", **settings):
        env = {f"WSGIFUTURES_{name.upper()}": str(value) for name, value in settings.items()}
        folder = new_instance()
        zope_conf = folder / "etc" / "zope.conf"
        zope_conf.write_text(f"{zope_conf.read_text()}\n{conf}\n")
        return started(*flags, env=env, folder=folder)

    return start


class Asking:
    """Requests that are under way."""

    def __init__(self, server, number, view, **kwargs):
        self.answers = []
        self._threads = [
            threading.Thread(target=lambda: self.answers.append(server.get(view, **kwargs)))
            for _ in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def statuses(self):
        """Wait for all, and return how often each status came."""
        for thread in self._threads:
            thread.join()
        return Counter(answer.status_code for answer in self.answers)


def assert_refused_at_once(server, view, **kwargs):
    began = time.monotonic()
    answer = server.get(view, **kwargs)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.text == "The site is busy. Please try again in a moment.\n"
    assert time.monotonic() - began < 1.5


def test_so_many_responses_are_held_and_the_next_is_refused(limited, service, text):
    """What needs no hold is served; a call that is refused is not made; said once in the log."""
    server = limited(max_held=3, max_held_per_client=3)
    held = Asking(server, 3, "@@hold", text=text, seconds=3)
    wait_until(lambda: service.calls(text) == 3)
    for _ in range(20):
        assert_refused_at_once(server, "@@hold", text=f"{text}-refused")
    assert server.get("@@fast").text == "fast"
    assert held.statuses() == {200: 3}
    assert service.calls(f"{text}-refused") == 0
    assert server.process.output.count("Refused ") == 1
    assert "max_held is 3" in server.process.output
    assert server.get("@@hold", text=text).status_code == 200


def test_one_user_holds_so_many_and_others_go_on(limited, service, users, text):
    """By the user where there is one, else by the address that a trusted proxy gives."""
    server = limited(conf="trusted-proxy 127.0.0.1", max_held_per_client=2)
    (name, password), other = users.items()
    visitor = {"X-Forwarded-For": "203.0.113.7"}
    with_port = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7:5678, 127.0.0.1"}
    held = [
        Asking(server, 2, "@@hold", text=text, seconds=3, auth=(name, password)),
        Asking(server, 1, "@@hold", text=text, seconds=3, headers=visitor),
        Asking(server, 1, "@@hold", text=text, seconds=3, headers=with_port),
    ]
    wait_until(lambda: service.calls(text) == 4)
    assert_refused_at_once(server, "@@hold", text=text, auth=(name, password))
    assert_refused_at_once(server, "@@hold", text=text, headers=visitor)
    another = {"X-Forwarded-For": "203.0.113.8"}
    for kwargs in ({"auth": other}, {"headers": another}, {}):
        assert server.get("@@hold", text=text, seconds=0, **kwargs).status_code == 200
    assert [one.statuses() for one in held] == [{200: 2}, {200: 1}, {200: 1}]


def test_visitor_who_is_no_trusted_proxy_claims_other_addresses_in_vain(limited, service, text):
    """A new address for each request would be no limit at all."""
    server = limited(max_held_per_client=2)
    claims = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(3)]
    held = [Asking(server, 1, "@@hold", text=text, seconds=3, headers=one) for one in claims[:2]]
    wait_until(lambda: service.calls(text) == 2)
    assert_refused_at_once(server, "@@hold", text=text, headers=claims[2])
    assert [one.statuses() for one in held] == [{200: 1}, {200: 1}]


@pytest.mark.parametrize("kind", ["gunicorn", "waitress"])
def test_headers_of_several_proxies_are_one_chain(kind, request, new_instance, service, text):
    """A proxy that adds a header of its own comes after that of its client, on each server."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    conf.write_text(f"{conf.read_text()}\ntrusted-proxy 127.0.0.1\n")
    start = request.getfixturevalue(f"start_{kind}")
    env = {"WSGIFUTURES_MAX_HELD_PER_CLIENT": "1"}
    server = Server(*start(folder=folder, env=env), name=kind)
    with Wire(server) as first, Wire(server) as second:
        first.send(forwarded(text, "198.51.100.1", "203.0.113.7"))
        wait_until(lambda: service.calls(text) == 1)
        second.send(forwarded(text, "198.51.100.2", "203.0.113.7"))
        assert second.answer().status == 503
        assert first.answer().status == 200
    server.process.stop()


def test_visitors_of_a_unix_socket_have_the_addresses_that_its_proxy_tells(
    limited, service, tmp_path, text
):
    """The connection has none: it is one from this machine."""
    path = tmp_path / "site"
    flags = ("-b", f"unix:{path}")
    server = limited(*flags, conf="trusted-proxy 127.0.0.1", max_held_per_client=1)
    with Wire(server, path=path) as first, Wire(server, path=path) as second:
        first.send(forwarded(text, "203.0.113.7"))
        wait_until(lambda: service.calls(text) == 1)
        second.send(forwarded(text, "203.0.113.7"))
        assert second.answer().status == 503
        second.send(forwarded(text, "203.0.113.8"))
        assert (first.answer().status, second.answer().status) == (200, 200)


def forwarded(text, *addresses):
    """Return a request that a proxy passes on, with a header for each of *addresses*."""
    headers = [f"X-Forwarded-For: {address}" for address in addresses]
    return ask_for(f"@@hold?text={text}&seconds=3", *headers)


def test_views_that_block_all_slots_answer_503_and_hang_nobody(limited, text):
    """Those in line are served, the others refused; each slow pass is logged with its view."""
    server = limited(slots=2, max_waiting=2, slow_pass=1, liveness_path="/alive")
    server.state(reset="yes")
    busy = Asking(server, 2, "@@sleep", seconds=3)
    time.sleep(0.5)
    waiting = Asking(server, 2, "@@fast")
    time.sleep(0.3)
    for _ in range(5):
        assert_refused_at_once(server, "@@fast")
    alive = requests.get(f"{server.root}/alive", timeout=1)
    assert (alive.status_code, alive.text) == (200, "alive\n")
    assert (busy.statuses(), waiting.statuses()) == ({200: 2}, {200: 2})
    assert server.get("@@fast").text == "fast"
    assert server.state()["connections"] <= 2 + LOOKS
    log = server.process.output
    assert log.count("holdtests.limits.Sleep (/Plone/@@sleep) has been in its slot for") == 2
    assert "time.sleep(self.seconds)" in log


def test_line_that_does_not_move_refuses_who_comes_and_who_has_waited_enough(limited):
    """Who comes is told at once as soon as the first have waited for all of their time."""
    server = limited(slots=1, max_wait=4)
    busy = Asking(server, 1, "@@sleep", seconds=12)
    time.sleep(0.3)
    first = Asking(server, 2, "@@fast")
    time.sleep(3)
    second = Asking(server, 6, "@@fast")  # too many for the rate at which the server has started
    assert first.statuses() == {503: 2}
    assert_refused_at_once(server, "@@fast")
    assert second.statuses() == {503: 6}
    assert busy.statuses() == {200: 1}
    assert server.get("@@fast").text == "fast"


def test_view_that_calls_its_own_site_in_the_only_slot_ends(limited):
    """With 503 after the time in the queue; then all is well."""
    server = limited(slots=1, max_wait=1)
    assert Asking(server, 5, "@@own-site").statuses() == {503: 5}
    assert server.get("@@fast").text == "fast"


def test_refused_uploads_are_not_read_and_the_connection_goes_on(limited):
    """413 for one that never fits, before it is read; the next request is served."""
    server = limited(max_bodies=1_000_000)
    with Wire(server) as wire:
        wire.send(
            b"POST /Plone/@@body HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Length: 1000001\r\n\r\n"
        )
        answer = wire.answer()
        assert answer.status == 413
        assert answer.body == b"The request is refused: its body is larger than 1000000 bytes.\n"
        wire.send(b"x" * 1_000_001)
        assert wire.get("@@fast").body == b"fast"
    answer = server.post("@@body", data=b"x" * 900_000)
    assert answer.json()["size"] == 900_000


def test_upload_of_which_nothing_comes_gives_its_room_back(limited):
    """408; and who came meanwhile was told to come again."""
    server = limited(max_bodies=1_000_000, body_timeout=2)
    with Wire(server) as wire:
        wire.send(
            b"POST /Plone/@@body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900001\r\n\r\n"
            + b"x" * 900_000
        )
        time.sleep(0.5)
        assert server.post("@@body", data=b"x" * 200_000).status_code == 503
        answer = wire.answer()
        assert answer.status == 408
        assert (
            answer.body
            == b"The request is refused: less than 48033 bytes of its body came in 2 s.\n"
        )
        assert wire.answers() == []
    assert server.post("@@body", data=b"x" * 200_000).status_code == 200


def test_large_upload_that_is_refused_keeps_nobody_waiting(limited):
    """What is dropped of it is dropped in between."""
    server = limited(max_bodies=1_000_000)
    times = []
    sending = threading.Thread(target=lambda: server.post("@@body", data=iter([b"x" * 2**20] * 50)))
    sending.start()
    while sending.is_alive():
        began = time.monotonic()
        assert server.get("@@fast").text == "fast"
        times.append(time.monotonic() - began)
    assert max(times) < 1.5


def test_storm_of_conflicts_keeps_nobody_out(limited):
    """They wait without a slot: with one slot others are served meanwhile."""
    server = limited(slots=1)
    storm = [Asking(server, 1, "@@storm", text=f"storm-{n}") for n in range(20)]
    times = []
    while any(not one.answers for one in storm):
        began = time.monotonic()
        assert server.get("@@fast").text == "fast"
        times.append(time.monotonic() - began)
    assert [one.statuses() for one in storm] == [{200: 1}] * 20
    assert len(times) > 5
    assert statistics.median(times) < 0.5


@pytest.mark.gevent
def test_future_that_never_yields_is_named_and_its_worker_replaced(limited):
    """The monitor tells which, gunicorn's timeout kills the worker, the next one serves."""
    server = limited("--timeout", "3", blocked=1)
    pid = server.state()["pid"]
    with pytest.raises(requests.ConnectionError):
        server.get("@@compute", future="in C")
    wait_until(server.serves)
    assert server.state()["pid"] != pid
    log = server.process.output
    assert log.count("holdtests.limits.compute_in_c has let nothing else run in this worker") == 1
    assert "in compute_in_c\n" in log


@pytest.mark.gevent
def test_future_that_computes_for_too_long_is_named_and_its_worker_replaced(limited):
    """Python code can be ended: its client gets an error, and the next worker serves."""
    server = limited("--timeout", "3", blocked=1)
    pid = server.state()["pid"]
    assert server.get("@@compute", future="yes", seconds=20).status_code == 500
    wait_until(server.serves)
    assert server.state()["pid"] != pid
    log = server.process.output
    assert log.count("holdtests.limits.compute has let nothing else run in this worker") == 1
    assert "in compute\n" in log


@pytest.mark.gevent
def test_view_that_computes_is_logged_once_with_its_stack(limited):
    """And goes on; others wait for it."""
    server = limited(blocked=0.5)
    for _ in range(3):
        assert server.get("@@compute", seconds=1).text == "computed"
    log = server.process.output
    assert log.count("holdtests.limits.Compute has let nothing else run in this worker") == 1
    assert "while time.monotonic() < until" in log


def test_settings_come_from_the_configuration_before_the_environment(
    started, in_memory, tmp_path, text
):
    """``raw_env`` of gunicorn; SIGHUP renews them, in a worker of its own."""
    config = tmp_path / "gunicorn.conf.py"
    head = "from collective.wsgifutures.gunicorn import *\n"
    config.write_text(head + 'raw_env = ["WSGIFUTURES_MAX_PASSES=3"]\n')
    env = {"WSGIFUTURES_MAX_PASSES": "9"}
    server = started(config=str(config), env=env, folder=in_memory, site="")
    assert server.get("@@forever", text=text).headers["X-Hold-Passes"] == "3"
    pid = server.state()["pid"]
    config.write_text(head + 'raw_env = ["WSGIFUTURES_MAX_PASSES=5"]\n')
    server.process.signal(signal.SIGHUP)
    wait_until(lambda: server.state()["pid"] != pid)
    assert server.get("@@forever", text=text).headers["X-Hold-Passes"] == "5"
