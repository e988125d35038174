"""Futures of all kinds in a real gunicorn, and what is left of them when it ends."""

from pathlib import Path
from processes import BIN
from processes import free_port
from processes import Process

import os
import pytest
import requests
import signal
import threading
import time


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid):
    """Return the ids of the processes that *pid* has started, those that they started too."""
    own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in own] + [c for child in own for c in children(int(child))]


def wait_until(met, seconds=60):
    until = time.monotonic() + seconds
    while not met() and time.monotonic() < until:
        time.sleep(0.05)
    assert met()


@pytest.fixture
def started(tmp_path):
    """A gunicorn with one worker; its URL and its process."""
    port = free_port()
    config = ["-c", "python:collective.wsgifutures.gunicorn", "--graceful-timeout", "3"]
    command = [BIN / "gunicorn", *config, "-b", f"127.0.0.1:{port}", "plain_app:application"]
    log = tmp_path / "gunicorn.log"
    process = Process(command, log, cwd=Path(__file__).parent)
    url = f"http://127.0.0.1:{port}/"

    def answers():
        try:
            return requests.get(url, timeout=10).ok
        except requests.ConnectionError:
            return False

    process.wait_for(answers)
    yield url, process
    process.stop()


def test_futures_of_all_kinds_run_in_a_worker(started):
    """A process of its own for one; one helper of the worker for the others."""
    url, _ = started
    computing, sleeping, blocking, worker = requests.get(url + "?0.1", timeout=10).json()
    assert sleeping == blocking
    assert len({sleeping, computing, worker}) == 3
    assert {sleeping, computing} <= set(children(worker))


def test_a_worker_serves_others_while_its_futures_compute_and_block(started):
    """Thirty at once take hardly longer than one; processes are limited and wait."""
    url, _ = started
    answers = []
    began = time.monotonic()
    threads = [
        threading.Thread(
            target=lambda: answers.append(requests.get(url + "?0.05", timeout=20).status_code)
        )
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, time.monotonic() - began < 10) == ([200] * 30, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
@pytest.mark.parametrize("busy", [False, True])
def test_no_process_is_left_when_its_worker_ends(started, number, busy):
    """One that computes is killed too, whatever ended the worker."""
    url, process = started
    pids = requests.get(url + "?0.1", timeout=10).json()
    computing, worker = pids[0], pids[-1]
    assert computing in children(worker)
    if busy:
        client = threading.Thread(target=ask, args=(url + "?40",), daemon=True)
        client.start()
        wait_until(lambda: cpu_seconds(computing) > 0.5)
    everybody = [worker, *children(worker)]
    if number == signal.SIGKILL:
        os.kill(worker, number)  # gunicorn starts another one
    else:
        process.signal(number)
    wait_until(lambda: not any(map(runs, everybody)))
    if number != signal.SIGTERM:
        wait_until(lambda: requests.get(url, timeout=10).ok)


def ask(url):
    try:
        requests.get(url, timeout=60)
    except requests.ConnectionError:
        return


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")
