"""Jobs in processes of their own: they may be busy, crash, and do not disturb their neighbours."""

from conftest import wait_until
from pathlib import Path
from wsgifutures_worker import Worker

import pytest
import sys

TASKS = """
@worker.does("ocr")
def ocr(job):
    what, *rest = job.args
    return globals()[what](job, *rest)

def crash(job):
    os.kill(os.getpid(), signal.SIGSEGV)

def leave(job):
    os._exit(3)

def eat(job):
    os.kill(os.getpid(), signal.SIGKILL)

def who(job):
    return os.getpid()

def wait(job, seconds):
    time.sleep(seconds)
    return "waited"

def hog(job, seconds):
    import ctypes
    ctypes.PyDLL(None).sleep(seconds)  # keeps Python's lock, as a C extension may
    return "hogged"

def progress(job):
    job.progress(0.5, "half")
    time.sleep(2)
    job.file("a.txt", b"a")
    return job.get("page").json()

def until_cancelled(job):
    while not job.cancelled:
        time.sleep(0.05)
    return "saw it"

def token(job):
    first = job.get("page").json()
    time.sleep(3)
    return [first, job.get("page").json()]

def grandchild(job):
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(abs, (-1,))

def environment(job):
    held = vars(job._claim).items()
    return sorted(name for name, value in held if value and "token" in name)
"""


@pytest.fixture
def program(start_program):
    """A worker with two processes."""
    return start_program(TASKS, executor="processes", concurrency=2)


def do(site, *args):
    job = site.submit("ocr", *args)
    wait_until(lambda: job.state in ("done", "dead"))
    return job


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("crash", "The process that did this job was ended by SIGSEGV."),
        ("leave", "The process that did this job ended with status 3."),
        (
            "eat",
            "The process that did this job was ended by SIGKILL. "
            "The machine may be short of memory.",
        ),
    ],
)
def test_a_process_that_dies_fails_its_job_with_a_sentence(site, program, what, why):
    """The neighbour goes on, and the next job gets a new process."""
    site.attempts = 1
    neighbour = site.submit("ocr", "wait", 2.5)
    dead = do(site, what)
    assert (dead.state, dead.error) == ("dead", why)
    wait_until(lambda: neighbour.state == "done")
    assert [do(site, "wait", 0).result for _ in range(3)] == ["waited"] * 3


def test_jobs_do_not_run_in_the_process_that_claims(site, program):
    """They have others, which are kept from job to job."""
    pids = {do(site, "who").result for _ in range(6)}
    assert program.process.pid not in pids
    assert len(pids) <= 2


def test_what_keeps_pythons_lock_does_not_stop_the_heartbeats(site, program):
    """They are the parent's."""
    site.lease = 2.0
    job = do(site, "hog", 5)
    assert (job.result, job.generation) == ("hogged", 1)
    assert "rescued" not in job.log


def test_progress_files_and_pages_work_from_there(site, program):
    """As in a thread. Progress is told by a heartbeat, and this lease wants one each second."""
    site.lease = 3.0
    site.pages["/doc/page"] = "page"
    job = do(site, "progress")
    assert job.result == "page"
    assert job.files == {"a.txt": ("a.txt", b"a", "application/octet-stream")}
    assert (0.5, "half") in job.progress


def test_a_cancelled_job_learns_of_it_there(site, program):
    """The parent tells it."""
    site.lease = 3.0
    job = site.submit("ocr", "until_cancelled")
    wait_until(lambda: job.state == "running")
    site.cancel(job)
    wait_until(lambda: job.state == "done")
    assert job.result == "saw it"


def test_the_renewed_token_arrives_there(site, program):
    """The session sends the newest."""
    site.lease = 3.0
    site.pages["/doc/page"] = "page"
    assert do(site, "token").result == ["page", "page"]
    tokens = {auth for _, path, auth in site.seen if path == "/doc/page"}
    assert len(tokens) == 2


def test_a_process_gets_the_access_token_and_no_claim_token(site, program):
    """It cannot give the claim back."""
    assert do(site, "environment").result == ["access_token"]


def test_a_job_may_use_processes_of_its_own(site, program):
    """As libraries that compute do."""
    assert do(site, "grandchild").result == 1


def test_processes_end_with_a_parent_that_is_killed(site, program):
    """No orphan keeps a video card."""
    pid = do(site, "who").result
    program.process.kill()
    program.wait()
    wait_until(lambda: not is_alive(pid))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_calls_run_without_a_guard_works(site, start_program):
    """It is imported anew in each process, and ``run`` returns there."""
    start_program(TASKS + "\nworker.run()\n", sys.executable, "program.py", executor="processes")
    job = do(site, "who")
    assert isinstance(job.result, int)


def test_a_function_that_cannot_be_imported_is_refused_at_the_start(site, key):
    """With what to do."""
    worker = Worker(site.url, queues=["ocr"], key=key, executor="processes")
    worker.does("ocr")(lambda job: None)
    with pytest.raises(ValueError, match="Define each at the top of a module"):
        worker.run()
