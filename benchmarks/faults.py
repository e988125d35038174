"""A table of faults: what the fault's client saw, what others saw, what was left behind.

    .venv/bin/python benchmarks/faults.py [--only TEXT]

One worker with two slots, at a TCP port and at a Unix socket, serves visitors with fast and
held views all the time, while each fault is injected in turn. Before and after each fault the
load pauses, and the worker's objects are counted. Takes four minutes. Prints a table
in reStructuredText.
"""

from collections import Counter
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from serving import a_service
from serving import a_site
from serving import environment
from serving import GUNICORN
from serving import HOLD
from serving import ROOT
from serving import Running
from serving import say
from serving import Side
from serving import table
from typing import NamedTuple
from urllib.parse import quote
from urllib.parse import urlsplit

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(ROOT / "tests" / "server"))

from hostile import Hostile
from wire import post
from wire import request
from wire import Wire

SETTINGS = {
    "slots": 2,
    "deadline": 5,
    "grace": 1,
    "max_held": 40,
    "max_held_per_client": 20,
    "max_waiting": 30,
    "max_wait": 4,
    "max_bodies": 1_000_000,
    "body_timeout": 1,
    "blocked": 0.5,
    "slow_pass": 1,
}

#: Seconds until gunicorn kills a worker that stands still.
WORKER_TIMEOUT = 4

#: Seconds until gunicorn kills a worker that has to stop.
GRACEFUL_TIMEOUT = 3

#: The addresses of the faults' clients; each address is another client. Visitors use 127.0.0.1.
ADDRESSES = [f"127.0.0.{n}" for n in range(2, 10)]

#: Seconds until a client gives up waiting for its answer.
PATIENCE = 40

#: Objects that the worker may not keep after a request has ended.
KEPT = {
    "holds": "collective.wsgifutures.kernel.hold.Hold",
    "passes": "collective.wsgifutures.kernel.passes.Pass",
    "bodies": "collective.wsgifutures.wsgi.body.RequestBody",
    "Zope requests": "ZPublisher.HTTPRequest.HTTPRequest",
    "greenlets": "gevent._gevent_cgreenlet.Greenlet",
}

#: A response that is held to its deadline, without an upstream.
EXPIRES = "@@fault-outcome?how=expired"


class Site:
    """The server, seen from a client.

    Args:
        running: The server.
        unix: The path of its Unix socket.
        folder: The folder where the server keeps request bodies.
        hostile: An upstream that misbehaves.
    """

    def __init__(self, running, unix, folder, hostile):
        self.running = running
        self.unix = unix
        self.folder = folder
        self.hostile = hostile
        self.root = running.site.removesuffix("/Plone/").replace("localhost", "127.0.0.1")

    def worker(self):
        """Return the pid of the worker."""
        return json.loads(self.get("@@fault-process"))[0]

    def get(self, view):
        """Return the body of *view*, asked for on a new connection."""
        with Wire(self, PATIENCE) as wire:
            return wire.get(view).body

    def ask(self, view, address="127.0.0.1", patience=PATIENCE):
        """Ask for *view* on a new connection; return the status, or the name of the exception."""
        parts = urlsplit(self.root)
        source = (address, 0)
        client = http.client.HTTPConnection(parts.hostname, parts.port, patience, source)
        try:
            client.request("GET", f"/Plone/{view}")
            answer = client.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        else:
            return answer.status
        finally:
            client.close()

    def count_objects(self):
        """Return how many objects of ``KEPT`` there are, and open and temporary files."""
        report = json.loads(self.get("@@fault-objects"))
        found = {title: report["objects"].get(name, 0) for title, name in KEPT.items()}
        found["users"] = sum(user != "None" for user in report["users"])
        found["open files"] = report["files"]
        found["temporary files"] = len(list(self.folder.iterdir()))
        return found

    def wait_for(self, true, seconds=30):
        """Wait until *true* returns a true value; return the seconds that took."""
        began = time.monotonic()
        while not true():
            if time.monotonic() > began + seconds:
                raise TimeoutError(f"the condition is still false after {seconds} s")
            time.sleep(0.005)
        return time.monotonic() - began


class Several:
    """Requests that are under way at the same time.

    Args:
        site: The site that they ask.
        number: How many requests there are.
        view: The view that they ask for; ``{n}`` in it is replaced by the number of the request.
        addresses: The addresses that they come from, in turn.
    """

    def __init__(self, site, number, view, addresses=ADDRESSES[:1]):
        self._site = site
        self._statuses = Counter()
        self._threads = [
            threading.Thread(
                target=self._ask, args=(view.replace("{n}", str(n)), addresses[n % len(addresses)])
            )
            for n in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, view, address):
        self._statuses[self._site.ask(view, address)] += 1

    def wait(self):
        """Wait for all answers, and return how often each status came."""
        for thread in self._threads:
            thread.join()
        return summarize(self._statuses)


def summarize(statuses):
    """Return how often each status came, as ``200 (20), 503 (5)``."""
    order = sorted(statuses.items(), key=lambda item: str(item[0]))
    return ", ".join(f"{status} ({number})" for status, number in order) or "nothing"


class Visitors:
    """A small load that never ends: two visitors ask for fast views, three for held views."""

    VIEWS = (*["@@fast"] * 2, *["@@hold?seconds=0.3&text=visitor"] * 3)

    def __init__(self, site):
        self.statuses = Counter()
        self._site = site
        self._go = threading.Event()
        self._ended = threading.Event()
        self._asking = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._visit, args=(v,)) for v in self.VIEWS]
        for thread in self._threads:
            thread.start()

    def go_on(self):
        """Begin to ask."""
        self.statuses.clear()
        self._go.set()

    def pause(self):
        """Let the visitors wait, and return when all have their answers."""
        self._go.clear()
        self._site.wait_for(lambda: not self._asking, PATIENCE)

    def end(self):
        """End the load."""
        self._ended.set()
        self._go.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, view):
        while self._go.wait() and not self._ended.is_set():
            with self._lock:
                self._asking += 1
            try:
                self.statuses[self._site.ask(view)] += 1
            finally:
                with self._lock:
                    self._asking -= 1
            time.sleep(0.08)


# The faults. Each function returns what the fault's own client saw.


class Fault(NamedTuple):
    """Something that goes wrong."""

    title: str
    inject: object
    kills: bool  #: whether the fault ends the worker


FAULTS = []


def fault(title, kills=False):
    """Declare a fault."""

    def declare(function):
        FAULTS.append(Fault(title, function, kills))
        return function

    return declare


def fetch(site, mode, **how):
    """Return the path of a held view that asks the hostile upstream."""
    query = "".join(f"&{name}={value}" for name, value in how.items())
    return f"@@fault-fetch?url={quote(site.hostile.url(mode))}{query}"


def silent(site):
    """Return the path of a view whose upstream never answers."""
    return f"@@silent?url={quote(site.hostile.url('silent'))}"


def reset(connection):
    """Close *connection* with a reset instead of an orderly end."""
    linger_for_nothing = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
    connection.close()


def leave_while_held(site, connection, leave):
    """Ask for a held view and go away; return how soon the call was ended."""
    connection.sendall(request(silent(site)))
    time.sleep(0.5)
    site.hostile.left.clear()
    leave(connection)
    took = site.wait_for(lambda: site.hostile.left["/silent"], 3)
    return f"no answer; the call was ended after {took * 1000:.0f} ms"


def new_connection(site):
    """Return a TCP connection to the site."""
    parts = urlsplit(site.root)
    return socket.create_connection((parts.hostname, parts.port), PATIENCE)


@fault("The client closes its connection while its response is held")
def closes(site):
    return leave_while_held(site, new_connection(site), socket.socket.close)


@fault("The client resets its connection while its response is held")
def resets(site):
    return leave_while_held(site, new_connection(site), reset)


@fault("The client goes while its response is held, behind a Unix socket")
def goes_behind_a_unix_socket(site):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(site.unix)
    return leave_while_held(site, connection, socket.socket.close)


@fault("20 clients go while they wait for a slot")
def go_in_the_queue(site):
    busy = Several(site, 2, "@@sleep?seconds=1.5")
    time.sleep(0.3)
    connections = [new_connection(site) for _ in range(20)]
    for connection in connections:
        connection.sendall(request("@@counted-passes?seconds=0&text=gone"))
    time.sleep(0.3)
    for connection in connections:
        connection.close()
    busy.wait()
    published = site.get("@@passes-of?text=gone").decode()
    return f"no answers; {published} requests were published"


@fault("An upload stalls in its middle")
def stalls(site):
    with Wire(site, PATIENCE) as wire:
        wire.send(post("@@fault-read", b"x" * 1000)[:-500])
        return (
            summarize(Counter(answer.status for answer in wire.answers())) + ", connection closed"
        )


@fault("An upload trickles, a byte every 50 ms")
def trickles(site):
    whole = post("@@fault-read", b"x" * 1000)
    with Wire(site, PATIENCE) as wire:
        wire.send(whole[:-1000])
        with contextlib.suppress(OSError):  # the server has closed the connection
            for _ in range(100):
                wire.send(b"x")
                time.sleep(0.05)
        return (
            summarize(Counter(answer.status for answer in wire.answers())) + ", connection closed"
        )


@fault("An upload breaks off with a reset, most of it in a file by then")
def breaks_off(site):
    connection = new_connection(site)
    connection.sendall(post("@@fault-hidden?text=broken", b"x" * 900_000)[:-1000])
    time.sleep(0.2)
    reset(connection)
    published = site.get("@@fault-how-often-hidden?text=broken").decode()
    return f"no answer; {published} requests were published"


@fault("An upload of 50 MB; 1 MB is allowed")
def too_large(site):
    with Wire(site, PATIENCE) as wire:
        wire.send(post("@@fault-read", b"x" * 50_000_000))
        refused = wire.answer().status
        return f"{refused}; the next request on the connection: {wire.get('@@fast').status}"


def ask_upstream(site, mode, **how):
    """Ask the hostile upstream and return what the view answered."""
    with Wire(site, PATIENCE) as wire:
        answer = wire.get(fetch(site, mode, **how))
    said = json.loads(answer.body)
    return f"{answer.status}: the view caught {said['error']}"


for mode, what in {
    "resets": "resets the connection",
    "stalls": "stalls after its headers",
    "trickles": "trickles its body",
    "garbage": "answers garbage",
    "garbage-chunks": "sends invalid chunks",
    "endless-headers": "sends headers without an end",
}.items():
    fault(f"The upstream {what}")(lambda site, mode=mode: ask_upstream(site, mode))


@fault("The upstream sends a body without an end, as fast as it can")
def sends_without_end(site):
    return ask_upstream(site, "endless-at-once", how="discards")


@fault("The upstream stalls, and the view catches nothing")
def not_caught(site):
    return summarize(Counter([site.ask(fetch(site, "stalls", **{"raise": 1}))]))


@fault("Futures raise SystemExit, KeyboardInterrupt, GreenletExit")
def futures_raise(site):
    names = ("SystemExit", "KeyboardInterrupt", "GreenletExit")
    return summarize(Counter(site.ask(f"@@fault-end?what={n}&raise=1") for n in names))


@fault("Views raise SystemExit, KeyboardInterrupt, GreenletExit")
def views_raise(site):
    names = ("SystemExit", "KeyboardInterrupt", "GreenletExit")
    return summarize(Counter(site.ask(f"@@fault-leave?what={n}&text=leave") for n in names))


@fault("A response breaks off while it is streamed")
def stream_breaks(site):
    return summarize(Counter([site.ask("@@fault-broken-stream?text=broken")]))


@fault("Views that block take all slots for 2 s")
def block_all_slots(site):
    return Several(site, 2, "@@sleep?seconds=2").wait()


@fault("6 views call their own site in the pass, and take all slots")
def call_their_own_site(site):
    return Several(site, 6, "@@own-site").wait()


@fault("20 futures call their own site")
def futures_call_their_own_site(site):
    return Several(site, 20, "@@fault-ask-site?view=fast", ADDRESSES[:2]).wait()


@fault("20 requests that each conflict twice")
def storm(site):
    return Several(site, 20, f"@@storm?text={time.time()}-{{n}}", ADDRESSES[:2]).wait()


@fault("25 requests of one client that are held up to the deadline; 20 are allowed")
def too_many_held_of_one_client(site):
    return Several(site, 25, EXPIRES).wait()


@fault("60 requests of eight clients that are held up to the deadline; 40 are allowed")
def too_many_held(site):
    return Several(site, 60, EXPIRES, ADDRESSES).wait()


@fault("60 requests at once while views block; 30 may wait for a slot")
def too_many_waiting(site):
    busy = Several(site, 2, "@@sleep?seconds=1")
    time.sleep(0.3)
    seen = Several(site, 60, "@@fast").wait()
    busy.wait()
    return seen


@fault("A view computes for 2 s and lets nothing else run")
def computes(site):
    return summarize(Counter([site.ask("@@compute?seconds=2")]))


@fault("A future never lets anything else run (gunicorn's timeout ends the worker)", kills=True)
def computes_for_ever(site):
    return summarize(Counter([site.ask("@@compute?future=in%20C")]))


@fault("SIGKILL of the worker while responses are held and an upload comes", kills=True)
def killed(site):
    upload = new_connection(site)
    upload.sendall(post("@@fault-read", b"x" * 900_000)[:-1000])
    held = Several(site, 3, EXPIRES)
    time.sleep(0.5)
    os.kill(site.worker(), signal.SIGKILL)
    seen = held.wait()
    upload.close()
    return seen


@fault("SIGHUP (reload) while responses are held: 3 end in time, 3 do not", kills=True)
def reloaded(site):
    long, short = Several(site, 3, EXPIRES), Several(site, 3, "@@hold?seconds=1&text=short")
    time.sleep(0.5)
    os.kill(site.running.master, signal.SIGHUP)
    return f"{short.wait()}; {long.wait()}"


@fault("SIGTERM of gunicorn while responses are held: 3 end in time, 3 do not", kills=True)
def stopped(site):
    long, short = Several(site, 3, EXPIRES), Several(site, 3, "@@hold?seconds=1&text=short")
    time.sleep(0.5)
    os.kill(site.running.master, signal.SIGTERM)
    seen = f"{short.wait()}; {long.wait()}"
    site.running.restart()
    return seen


# The table


@dataclass
class Row:
    """A row of the table: a fault and its effects."""

    title: str
    seen: str
    worker: str
    served: str
    others: str
    left: str


HEAD = ["Fault", "The client saw", "Worker", "Next request", "Others saw", "Left behind"]


def examine(site, visitors, case):
    """Inject the fault *case* and return its row."""
    visitors.pause()
    before, pid = settle(site), site.worker()
    visitors.go_on()
    time.sleep(0.5)
    seen = case.inject(site)
    served = next_request(site)
    time.sleep(0.5)
    visitors.pause()
    others = dict(visitors.statuses)
    after = settle(site, None if case.kills else before)
    worker = "the same" if site.worker() == pid else "a new one"
    behind = left(before, after, case.kills)
    return Row(case.title, seen, worker, served, summarize(others), behind)


def next_request(site):
    """Return when a new request was served, counted from the end of the fault."""
    began = time.monotonic()
    while site.ask("@@fast") != 200:
        if time.monotonic() > began + 60:
            return "never"
        time.sleep(0.02)
    return f"{(time.monotonic() - began) * 1000:.0f} ms"


def settle(site, like=None):
    """Return the worker's objects; wait up to 10 s until they are no more than *like*."""
    kept = site.count_objects()
    until = time.monotonic() + 10
    while like and more(like, kept) and time.monotonic() < until:
        time.sleep(0.2)
        kept = site.count_objects()
    return kept


def more(before, after):
    """Return the objects that *after* has more of than *before*."""
    return {name: n - before[name] for name, n in after.items() if n > before[name]}


def left(before, after, new_process):
    """Return the objects that a fault has left behind, for the table."""
    names = ("temporary files",) if new_process else before
    found = {n: number for n, number in more(before, after).items() if n in names}
    return ", ".join(f"{number} {name}" for name, number in found.items()) or "nothing"


class Restartable(Running):
    """A server that a fault stops, and that is started again."""

    def __init__(self, side, template, env):
        self._env = env | {f"WSGIFUTURES_{k.upper()}": str(v) for k, v in side.settings.items()}
        super().__init__(side, template, env)

    @property
    def master(self):
        """The pid of gunicorn's arbiter."""
        return self._process.pid

    def restart(self):
        """Wait for the server's end, and start it again on the same site and addresses."""
        self._process.wait(GRACEFUL_TIMEOUT + 5)
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._process.args, cwd=self._folder, env=self._env, stdout=log, stderr=log
            )
        self._wait()


@contextmanager
def a_server():
    """Start the server, its service and the hostile upstream; give the site."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        template = stack.enter_context(a_site())
        service = stack.enter_context(a_service(ROOT / "benchmarks" / "upstream.py"))
        unix = f"{folder}/site"
        flags = ["--timeout", WORKER_TIMEOUT, "--graceful-timeout", GRACEFUL_TIMEOUT]
        command = [*GUNICORN, *HOLD, *map(str, flags), "-b", f"unix:{unix}"]
        env = {**environment(service), "TMPDIR": str(folder)}
        running = Restartable(Side("held", command, settings=SETTINGS), template, env)
        stack.callback(running.stop)
        hostile = Hostile()
        stack.callback(hostile.stop)
        yield Site(running, unix, folder, hostile)


def warm_up(site, visitors):
    """Fill the caches and connection pools that the worker keeps anyway."""
    for view in ("@@own-site", fetch(site, "well"), "@@fault-ask-site?view=fast"):
        site.ask(view)
    visitors.go_on()
    Several(site, 20, "@@fault-outcome?how=value&text=warm").wait()
    time.sleep(3)
    visitors.pause()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="only faults with this text in their title")
    options = parser.parse_args()
    rows = []
    with a_server() as site:
        visitors = Visitors(site)
        try:
            warm_up(site, visitors)
            for case in FAULTS:
                if options.only.lower() in case.title.lower():
                    row = examine(site, visitors, case)
                    say(" | ".join(vars(row).values()))
                    rows.append(list(vars(row).values()))
        finally:
            visitors.end()
    print(f"\n{table([HEAD, *rows])}")


if __name__ == "__main__":
    main()
