"""Start the demo: a Plone site, a slow service, and gunicorn in the foreground.

    python examples/start.py --port 8080

The site is made once, in ``var/instance``. Both servers are children of this process and
in sessions of their own, so that a signal to the terminal's process group reaches only
this process, which then stops them in order. Run by ``make start``.
"""

from contextlib import suppress
from http.client import HTTPConnection
from http.client import HTTPException
from instance import BIN
from instance import make_instance
from instance import NotMade
from instance import SITE_ID
from pathlib import Path

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import zc.lockfile

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "var" / "instance"
PROFILES = ("collective.wsgifutures:default", "wsgifutures_demo:default")

REMEDY = f"Move {INSTANCE} away, or remove it with its content, and start again."

#: Seconds in which the site has to answer, and in which a process has to stop.
START_SECONDS = 180
STOP_SECONDS = 10


class NotStarted(Exception):
    """The demo cannot run, or not go on; ``str`` says why and what to do."""


class Interrupted(BaseException):
    """Ctrl-C, or a signal that ends this process."""


def interrupt(number, frame):
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # what stops is not to be interrupted
    raise Interrupted


class Child:
    """A server process."""

    def __init__(self, name, command, environment, stop_signal, **options):
        self.name = name
        self._stop_signal = stop_signal
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
            text=True,
            **options,
        )

    def check(self):
        status = self.process.poll()
        if status is not None:
            raise NotStarted(
                f"{self.name} has ended with status {status}, so everything is stopped. "
                "What it said is above."
            )

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self._stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what is left of it and its children
        self.process.wait()


def check_port(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NotStarted(
                f"Port {port} cannot be used ({error.strerror}). "
                "Take another one: PORT=9000 make start"
            ) from None


def check_instance():
    """Refuse an instance that is broken, moved or in use."""
    parts = ["etc/zope.conf", "etc/zope.ini", "var/Data.fs"]
    missing = [part for part in parts if not (INSTANCE / part).is_file()]
    if missing:
        raise NotStarted(f"The instance is not complete, it has no {missing[0]}. {REMEDY}")
    if str(INSTANCE) not in (INSTANCE / "etc" / "zope.conf").read_text():
        raise NotStarted(f"The instance was made in another folder. {REMEDY}")
    try:
        zc.lockfile.LockFile(str(INSTANCE / "var" / "Data.fs.lock")).close()
    except zc.lockfile.LockError:
        raise NotStarted(f"{INSTANCE} is in use: the demo runs already. Stop it first.") from None


def start_service(site):
    command = [BIN / "python", "-m", "wsgifutures_demo.service", "--site", site]
    return Child("The slow service", command, {}, signal.SIGTERM, stdout=subprocess.PIPE)


def start_gunicorn(port, service):
    command = [BIN / "gunicorn", "-k", "gevent", "-w", 1]
    command += ["-c", "python:collective.wsgifutures.gunicorn"]
    command += ["--paste", INSTANCE / "etc" / "zope.ini", "-b", f"127.0.0.1:{port}"]
    command += ["--log-config", ROOT / "examples" / "logging.ini", "--log-level", "warning"]
    command += ["--no-control-socket"]
    local = ",".join(
        filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"])
    )
    environment = {
        "WSGIFUTURES_DEBUG": "on",
        "WSGIFUTURES_DEMO_SERVICE": service,
        "PYTHONWARNINGS": "ignore",
        "no_proxy": local,
        "NO_PROXY": local,
    }
    # SIGINT is gunicorn's quick stop: what is held is not waited for.
    return Child("gunicorn", command, environment, signal.SIGINT)


def answers(port):
    """Tell whether the start page is there; look at it for a few seconds."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/{SITE_ID}/@@futures-demo")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(port, children):
    until = time.monotonic() + START_SECONDS
    while not answers(port):
        try:
            check(children)
        except NotStarted as error:
            raise NotStarted(f"{error}\nIf the instance is broken: {REMEDY}") from None
        if time.monotonic() > until:
            log = INSTANCE / "var" / "log" / "event.log"
            raise NotStarted(f"The site does not answer after {START_SECONDS} s. See {log}")
        time.sleep(0.2)


def start(port, children):
    site = f"http://localhost:{port}/{SITE_ID}"  # Plone has no theme at 127.0.0.1
    check_port(port)
    if not INSTANCE.exists():
        print("Making a Plone site in var/instance (once, about half a minute) ...")
        make_instance(INSTANCE, PROFILES)
    check_instance()
    print("Starting the slow service (a second) ...")
    children.append(start_service(site))
    service = children[0].process.stdout.readline().strip()
    print("Starting Plone (some ten seconds) ...")
    children.append(start_gunicorn(port, service))
    wait_until_ready(port, children)
    print(f"""
  The demo is ready:  {site}/@@futures-demo
  Log in:             {site}/login   admin / admin
  Who waits now:      {site}/@@futures-status
  Settings:           {site}/@@wsgifutures-controlpanel
  The slow service:   {service}
  Stop:               Ctrl-C
""")


def check(children):
    for child in children:
        child.check()


def watch(children):
    while True:
        check(children)
        time.sleep(0.3)


def run(port):
    children = []
    try:
        start(port, children)
        watch(children)
    except (NotMade, NotStarted, OSError) as error:
        return f"\n{error}"
    except Interrupted:
        print("\nStopping ...")
        return 0 if children else 130
    finally:
        for child in reversed(children):
            child.stop()


def port_number(text):
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"PORT is {text!r}; it takes a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Start the demo.")
    parser.add_argument("--port", type=port_number, default=8080)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    sys.exit(run(options.port))
