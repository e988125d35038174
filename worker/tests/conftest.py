"""A site that stands in, and workers that run beside a test."""

from contextlib import contextmanager
from pathlib import Path
from standin import serving
from standin import StandIn
from wsgifutures_worker import pauses
from wsgifutures_worker import Worker
from wsgifutures_worker.keys import load_key
from wsgifutures_worker.keys import make_key

import os
import pytest
import signal
import subprocess
import sys
import threading
import time

HERE = Path(__file__).parent


def wait_until(is_so, seconds=60.0):
    """Return what *is_so* returns, as soon as that is true."""
    until = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < until, "it did not become true in time"
        time.sleep(0.02)
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of this process are short, and no proxy is asked."""
    monkeypatch.setattr(pauses, "FIRST", 0.05)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def site():
    """A site."""
    with serving(StandIn()) as served:
        yield served


@pytest.fixture
def key(tmp_path):
    """The file of a key."""
    make_key(tmp_path / "worker.pem")
    return tmp_path / "worker.pem"


@pytest.fixture
def make_worker(site, key):
    """Make a worker that the site has approved."""

    def make(**options):
        site.approve(load_key(key), "ocr", "video")
        return Worker(site.url, **{"queues": ["ocr"], "key": key, "grace": 5.0, **options})

    return make


@contextmanager
def running(worker):
    """Let *worker* run while the context lasts; it must end."""
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        worker.stop()
        thread.join(15)
        assert not thread.is_alive(), "the worker did not stop"


class Program:
    """A worker in a process of its own: ``wsgifutures-worker run``."""

    def __init__(self, folder, source, *command, environ):
        self._log = folder / "worker.log"
        (folder / "program.py").write_text(source)
        command = command or (sys.executable, "-m", "wsgifutures_worker", "run", "program:worker")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **environ}
            )

    @property
    def log(self):
        return self._log.read_text()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=15):
        return self.process.wait(seconds)


HEAD = """
from wsgifutures_worker import Worker, Retry, Hopeless
import os, signal, sys, threading, time
worker = Worker(os.environ["SITE"], queues=["ocr"], key=os.environ["KEY"], **{options})
"""


@pytest.fixture
def start_program(site, key, tmp_path):
    """Start a program with a worker; it is killed at the end of the test."""
    programs = []

    def start(source, *command, **options):
        site.approve(load_key(key), "ocr")
        environ = {"SITE": site.url, "KEY": str(key), "MARKS": str(tmp_path)}
        whole = HEAD.replace("{options}", repr(options)) + source
        programs.append(Program(tmp_path, whole, *command, environ=environ))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.wait()
