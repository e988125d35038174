"""Views that were written for ``collective.futures``, on real servers. C01 and so on: its cases."""

from processes import Server
from wire import request as bytes_of
from wire import Wire

import os
import pytest
import requests
import time


@pytest.mark.parametrize("view", ["@@old", "@@old-uncaught"])
def test_old_view_is_published_twice_and_makes_one_call(server, service, text, view):
    """C07, C03: the client sees the last pass only."""
    answer = server.get(view, text=text)
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["X-Hold-Passes"] == "2"
    assert service.calls(text) == 1


def test_eight_calls_of_one_request_run_side_by_side(server, text):
    """C19: pass 2 starts after the slowest, and there is no limit of five."""
    began = time.monotonic()
    answer = server.get("@@old-many", text=text, seconds=0.7)
    took = time.monotonic() - began
    assert answer.text.split() == [f"{text}-{n}" for n in range(8)]
    assert answer.headers["X-Hold-Passes"] == "2"
    assert 0.7 <= took < 1.4


def test_chain_of_twenty_takes_twenty_one_passes(server, service, text):
    """C20."""
    answer = server.get("@@old-chain", text=text)
    assert (answer.text, answer.headers["X-Hold-Passes"]) == (f"{text}-19", "21")
    assert [service.calls(f"{text}-{n}") for n in range(20)] == [1] * 20


def test_view_that_opts_out_sends_its_placeholder_and_calls_nothing(server, service, text):
    """C26."""
    answer = server.get("@@old-opted-out", text=text)
    assert (answer.text, answer.headers["X-Hold-Passes"]) == ("placeholder", "1")
    time.sleep(0.3)
    assert service.calls(text) == 0


def test_nothing_is_sent_before_the_last_pass(server, text):
    """C30: one response on the connection, whatever pass 1 wrote."""
    with Wire(server) as wire:
        wire.send(bytes_of(f"@@old-writing?text={text}", "Connection: close"))
        answers = wire.answers()
    assert [(answer.status, answer.body.decode()) for answer in answers] == [(200, text)]


def test_second_request_on_the_connection_waits_its_turn(server, text):
    """C32: pipelined behind a held one."""
    with Wire(server) as wire:
        wire.send(bytes_of(f"@@old?text={text}&seconds=0.5"))
        wire.send(bytes_of(f"@@old?text={text}-2&seconds=0", "Connection: close"))
        assert [answer.body.decode() for answer in wire.answers()] == [text, f"{text}-2"]


@pytest.mark.gevent
def test_client_that_goes_has_its_futures_cancelled_and_no_second_pass(gunicorn, silent, text):
    """C31: a call that never ended went on."""
    with Wire(gunicorn) as wire:
        wire.send(bytes_of(f"@@old-left?text={text}&url={silent.url}"))
        assert silent.called.wait(5)
    assert silent.left.wait(5)
    time.sleep(0.3)
    assert gunicorn.get("@@old-passes", text=text).json() == 1


def test_call_in_another_process_is_mixed_with_one_in_this(server, text):
    """C21: another pid, and the result is back."""
    answer = server.get("@@old-multiprocess", text=text, what="pid")
    process, other, own = answer.json()
    assert isinstance(process, int)
    assert (process != own, other) == (True, own)
    assert answer.headers["X-Hold-Passes"] == "2"


@pytest.mark.parametrize(
    ("what", "error"), [("fails", "LookupError"), ("unpicklable", "ResultRefused")]
)
def test_failure_in_another_process_is_an_exception_in_the_view(server, text, what, error):
    """C21, C23: also where the result does not pickle, which hung for ever."""
    assert server.get("@@old-multiprocess", text=text, what=what).json()[0] == error


@pytest.fixture
def ported(start_gunicorn, new_instance):
    """A gunicorn whose zope.conf still has the section of the old package."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    old = "<product-config collective.futures>\n  max_workers 5\n</product-config>\n"
    conf.write_text(f"{conf.read_text()}\n{old}")
    server = Server(*start_gunicorn(folder=folder))
    yield server
    server.process.stop()


def test_old_section_in_zope_conf_is_read_past_and_a_stop_leaves_no_process(ported, text):
    """C36: ``max_workers`` is no error. C23: orphans kept the port."""
    assert ported.get("@@old", text=text).text == text
    process, _, own = ported.get("@@old-multiprocess", text=text, what="pid").json()
    ported.process.stop()
    until = time.monotonic() + 5
    while _is_there(process) and time.monotonic() < until:
        time.sleep(0.05)
    assert (_is_there(process), _is_there(own)) == (False, False)
    with pytest.raises(requests.ConnectionError):
        ported.get("@@old", text=text)


def _is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
