"""Servers that tests start, each a process of its own."""

from pathlib import Path
from signal import SIGTERM

import atexit
import json
import os
import pytest
import re
import requests
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
sys.path.append(str(ROOT / "tools"))

from ports import free_port as free_port  # noqa: E402

# Whoever runs tests in the background ignores SIGINT, and each new process would, too. This is not
# done in the new process: a fork without an exec at once breaks what has threads, as gRPC does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: The compiled templates of all instances. Each is found by its text, whatever its instance.
TEMPLATES = Path(sys.prefix) / "templates"

#: The worker class of gunicorn: ``asgi`` in the environment runs these tests on asyncio.
WORKER = os.environ.get("HOLDTESTS_WORKER", "gevent")

START_SECONDS = 120

#: Connections to the database that a worker opens for a moment beside those of its passes: it looks
#: for jobs, and for timed work.
LOOKS = 2

#: How many addresses the clients of a load have: a limit for one visitor must not decide.
ADDRESSES = 8


def wait_until(true, seconds=60):
    """Wait until *true* gives something."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "that was not so in time"
        time.sleep(0.02)


class Process:
    """A server process; its output goes to a file, for the message of a failure."""

    def __init__(self, command, log, env=None, cwd=None, cores=None, **options):
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                **options,
            )
        if cores is not None:
            os.sched_setaffinity(self._process.pid, cores)
        self.pid = self._process.pid
        atexit.register(self.stop)  # one that did not start in time has nobody else who stops it

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, ready):
        """Wait until *ready* gives something, and return that."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            found = ready()
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"the server did not start:\n{self.output[-4000:]}")

    def wait(self, seconds=START_SECONDS):
        """Wait for its end and return its exit status."""
        return self._process.wait(seconds)

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self, number=SIGTERM):
        """Stop it; SIGINT is a server's quick stop, which lets nothing be finished."""
        if self._process.poll() is None:
            self.signal(number)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.wait()


class Service:
    """The slow service, seen from a test."""

    def __init__(self, process):
        self.process = process
        self.url = process.wait_for(lambda: process.output.strip() or None)

    def calls(self, text):
        """Return how often it was called for *text*."""
        return self._count("calls", text)

    def talking(self, text):
        """Return how many answers to *text* it is giving now."""
        return self._count("talking", text)

    def _count(self, what, text):
        return requests.get(self.url + "/calls", params={"text": text}).json()[what]


class Server:
    """A server with a site, seen from a test."""

    host = "127.0.0.1"
    page = "@@fast"  # one that is there when the site is

    def __init__(self, process, port, name="gunicorn", site="/Plone"):
        self.process = process
        self.name = name
        self.root = f"http://{self.host}:{port}"
        self.site = self.root + site
        process.wait_for(self.serves)

    def get(self, view, auth=None, headers=None, timeout=120, **params):
        options = {"auth": auth, "headers": headers, "timeout": timeout}
        return self.request("GET", view, params=params, **options)

    def post(self, view, **kwargs):
        return self.request("POST", view, **kwargs)

    def request(self, method, view, **kwargs):
        kwargs.setdefault("timeout", 120)
        kwargs.setdefault("allow_redirects", False)
        return requests.request(method, f"{self.site}/{view}", **kwargs)

    def state(self, **params):
        return self.get("@@state", **params).json()

    def load(self, view, clients, count, *headers):
        """Send *count* requests at once from *clients* clients; return what came of it."""
        command = [BIN / "python", ROOT / "benchmarks" / "load.py", f"{self.site}/{view}"]
        command += ["--clients", clients, "--requests", count, "--addresses", ADDRESSES]
        for header in headers:
            command += ["--header", header]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def together(self, calls):
        """Make all *calls* at once, functions of this server; return what they returned."""
        results = [None] * len(calls)

        def make(position, call):
            results[position] = call(self)

        threads = [threading.Thread(target=make, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def serves(self):
        """Tell whether it answers now."""
        try:
            return self.get(self.page, timeout=5).status_code == 200
        except requests.RequestException:
            return False


def copy_instance(source, folder):
    """Copy the instance in *source*, which no server runs on, to *folder*; return that."""
    shutil.copytree(source, folder)
    TEMPLATES.mkdir(exist_ok=True)
    for name in ("zope.conf", "zope.ini"):
        file = folder / "etc" / name
        text = file.read_text().replace(str(source), str(folder))
        file.write_text(re.sub("(CHAMELEON_CACHE) .*", rf"\1 {TEMPLATES}", text))
    return folder


def start_service(log, *flags):
    """Start the slow service; its output goes to the file *log*."""
    command = [BIN / "python", "-u", "-m", "wsgifutures_demo.service", *flags]
    return Process(command, log)


def run_gunicorn(
    folder,
    port,
    environment,
    *flags,
    config="python:collective.wsgifutures.gunicorn",
    worker=WORKER,
):
    """Start gunicorn as the docs say, with the instance in *folder*."""
    command = [BIN / "gunicorn", "-k", worker, "-c", config]
    command += ["--paste", folder / "etc" / "zope.ini", "-b", f"127.0.0.1:{port}", *flags]
    return Process(command, folder / "server.log", environment, cwd=folder)
