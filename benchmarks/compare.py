"""The same 1 s call four ways, side by side in one run; and full pages without a call.

    make start once, then:  .venv/bin/python benchmarks/compare.py [--clients 2000]

The sides: waitress with its default threads; waitress with 200 threads and a ZODB pool of
200; gunicorn's gevent worker with blocking views; and the same views held. Each runs on a
copy of one fresh site, with the load and the slow service on the same machine. Prints a
table in reStructuredText: the best of three rounds by requests per second.
"""

from dataclasses import dataclass
from pathlib import Path

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / "examples"))

from instance import make_instance  # noqa: E402

PASTE = ["--paste", "etc/zope.ini"]
HOLD = ["-c", "python:collective.wsgifutures.gunicorn"]
#: Clients of the first requests, which are not counted: each slot compiles the theme once.
WARM_UP = 8
MANY = ["--worker-connections", "10000"]


@dataclass
class Side:
    """One way to serve the same site."""

    title: str
    command: list
    view: str = "@@blocking"
    threads: int = 0

    def configure(self, folder, port):
        """Write what this side needs into the instance's files."""
        ini = folder / "etc" / "zope.ini"
        server = f"port = {port}"
        if self.threads:  # by itself waitress takes 100 connections, and so 100 threads at most
            server += f"\nthreads = {self.threads}"
            server += "\nconnection_limit = 5000\nasyncore_use_poll = true"
        ini.write_text(ini.read_text().replace("port = 8080", server))
        if self.threads:
            conf = folder / "etc" / "zope.conf"
            pool = f"<zodb_db main>\n   pool-size {self.threads}"
            conf.write_text(conf.read_text().replace("<zodb_db main>", pool))


WAITRESS = ["runwsgi", "etc/zope.ini"]
GUNICORN = ["gunicorn", "-k", "gevent", *PASTE]

CALLS = [
    Side("waitress, 4 threads", WAITRESS),
    Side("waitress, 200 threads, pool of 200", WAITRESS, threads=200),
    Side("gunicorn gevent, blocking views", [*GUNICORN, *MANY]),
    Side("gunicorn gevent, held responses", [*GUNICORN, *HOLD], view="@@hold"),
]

PAGES = [
    Side("gunicorn gevent", [*GUNICORN, *MANY], view=""),
    Side("gunicorn gevent with the hold", [*GUNICORN, *HOLD], view=""),
]


class Running:
    """A side's server on a fresh copy of the site."""

    def __init__(self, side, template, environment):
        self._folder = Path(tempfile.mkdtemp()) / "instance"
        shutil.copytree(template, self._folder)
        for name in ("zope.conf", "zope.ini"):
            file = self._folder / "etc" / name
            file.write_text(file.read_text().replace(str(template), str(self._folder)))
        self.port = _free_port()
        side.configure(self._folder, self.port)
        command = [str(BIN / side.command[0]), *side.command[1:]]
        if side.command[0] == "gunicorn":
            command += ["-b", f"127.0.0.1:{self.port}"]
        with open(self._folder / "server.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**environment, "HOLDTESTS_PEAK": str(self._folder / "connections")},
                stdout=log,
                stderr=log,
            )
        # Not 127.0.0.1, where plone.app.theming leaves pages without their theme.
        self.site = f"http://localhost:{self.port}/Plone/"
        self._wait()

    def get(self, view):
        with urllib.request.urlopen(self.site + view, timeout=60) as answer:
            return answer.read()

    def memory(self):
        """Return the resident memory of the server and its workers, in MB."""
        pids = [self._process.pid]
        children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text()
        total = 0
        for pid in [*pids, *map(int, children.split())]:
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.split("VmRSS:")[1].split()[0]) // 1024
        return total

    def connections(self):
        """Return the most ZODB connections that were open at a time."""
        return int((self._folder / "connections").read_text())

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder.parent)

    def _wait(self):
        for _ in range(600):
            try:
                self.get("@@fast")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit((self._folder / "server.log").read_text()[-3000:])


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(side, template, environment, clients, seconds, keep=True):
    """Run *side* once under load and return what was measured."""
    running = Running(side, template, environment)
    try:
        url = running.site + side.view + ("?seconds=1&text=b-{n}" if side.view else "")
        _start_load(url, WARM_UP, keep, "--requests", 40).wait()
        load = _start_load(url, clients, keep, "--seconds", seconds)
        memory = 0
        while load.poll() is None:
            memory = max(memory, running.memory())
            time.sleep(0.2)
        result = json.loads(load.stdout.read())
        result["memory"] = memory
        result["connections"] = running.connections()
        return result
    finally:
        running.stop()


def _start_load(url, clients, keep, *bounds):
    command = [BIN / "python", ROOT / "benchmarks" / "load.py", url, "--clients", clients, *bounds]
    command += [] if keep else ["--no-keep"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def best_of(rounds, sides, *args, **kwargs):
    """Measure all *sides*, *rounds* times in turn; keep each side's best."""
    best = {}
    for number in range(rounds):
        for side in sides:
            result = measure(side, *args, **kwargs)
            print(f"# round {number + 1}, {side.title}: {result}", file=sys.stderr, flush=True)
            if result["per_second"] > best.get(side.title, {"per_second": -1})["per_second"]:
                best[side.title] = result
    return best


def table(best):
    """Return the results as a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    rows = [["", "requests/s", "p50 s", "p99 s", "errors", "ZODB connections", "memory MB"]]
    for title, r in best.items():
        failed = sum(count for status, count in r["statuses"].items() if status != "200")
        errors = failed + sum(r["errors"].values())
        numbers = [f"{r['per_second']:.1f}", f"{r['p50']:.2f}", f"{r['p99']:.2f}", errors]
        rows.append([title, *numbers, r["connections"], r["memory"]])
    for row in rows:
        lines += [("   * - " if i == 0 else "     - ") + str(cell) for i, cell in enumerate(row)]
    return "\n".join(line.rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["calls", "pages"])
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    template = folder / "instance"
    make_instance(template)
    (template / "etc" / "package-includes").mkdir()
    include = template / "etc" / "package-includes" / "holdtests-configure.zcml"
    include.write_text('<include package="holdtests" />')
    service = subprocess.Popen(
        [BIN / "python", "-u", "-m", "wsgifutures_demo.service"], stdout=subprocess.PIPE, text=True
    )
    environment = {
        **os.environ,
        "HOLDTESTS_SERVICE": service.stdout.readline().strip(),
        "PYTHONPATH": str(ROOT / "tests" / "server"),
    }
    try:
        args = (template, environment)
        if options.only != "pages":
            best = best_of(options.rounds, CALLS, *args, options.clients, options.seconds)
            print(f"\nA call of 1 s, {options.clients} clients:\n\n{table(best)}\n")
        if options.only != "calls":
            best = best_of(options.rounds, PAGES, *args, 50, options.seconds, keep=False)
            print(f"\nFull pages, 50 clients, a new connection each:\n\n{table(best)}\n")
    finally:
        service.terminate()
        service.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
