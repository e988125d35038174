"""``wsgifutures-worker`` as a process beside a server: a program, its key, and who approves it."""

from processes import BIN
from processes import Process

import itertools
import json
import requests
import subprocess

PROGRAM = """
from wsgifutures_worker import Hopeless, Retry, Worker
import os, signal, time

worker = Worker(os.environ["SITE"], queues=["words"], key="worker.pem", **{options})


@worker.does("words")
def words(job):
    name, what, *rest = job.args
    return globals()[what](job, name, *rest)


def count(job, name):
    page = job.get(headers={"Accept": "application/json"}).json()
    job.file("title.txt", page["title"].encode(), "text/plain")
    return {"name": name, "title": page["title"], "words": len(page["title"].split())}


def look_around(job, name):
    denied = []
    for path in ("@@state", "@users", "@login-renew", "../@jobs", "@@personal-information"):
        answer = job.session.get(path, headers={"Accept": "application/json"})
        denied.append([path, answer.status_code])
    return {"name": name, "denied": denied}


def wait(job, name, seconds):
    job.progress(0.5, "half of it")
    end = time.monotonic() + seconds
    while time.monotonic() < end and not job.cancelled:
        time.sleep(0.05)
    return {"name": name, "cancelled": job.cancelled}


def fail(job, name):
    raise ValueError("no such font")


def give_up(job, name):
    raise Hopeless("the page is empty")


def crash(job, name):
    os.kill(os.getpid(), signal.SIGSEGV)
"""

ADMIN = ("admin", "admin")
numbers = itertools.count()


class Worker:
    """One that was introduced and approved, in a folder of its own."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        told = self.command("init", "--url", server.site, "--queues", "words", "--name", "a test")
        assert told.returncode == 0, told.stdout
        self.fingerprint = told.stdout.split("Fingerprint: ")[1].splitlines()[0]
        self.id = self.fingerprint.replace(" ", "")

    def command(self, *arguments):
        command = [BIN / "wsgifutures-worker", *arguments]
        return subprocess.run(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def administrate(self, what, **body):
        url = f"{self.server.site}/@workers/{self.id}/{what}"
        headers = {"Accept": "application/json"}
        requests.post(url, json=body, auth=ADMIN, headers=headers, timeout=60).raise_for_status()

    def start(self, **options):
        (self.folder / "program.py").write_text(PROGRAM.replace("{options}", repr(options)))
        command = [BIN / "wsgifutures-worker", "run", "program:worker"]
        environ = {"SITE": self.server.site}
        log = self.folder / f"{next(numbers)}.log"
        return Process(command, log, environ, cwd=self.folder)


def submit(server, *args):
    """Submit a job; return its id and the name under which its result is kept."""
    name = f"job {next(numbers)}"
    form = {"about": "about", "args": json.dumps([name, *args])}
    answer = server.post("@@elsewhere-submit", data=form, auth=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json(), name


def look(server):
    return server.get("@@elsewhere-look").json()
