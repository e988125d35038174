"""What is left of executors when the process ends that they serve: nothing.

Each test starts that process, patched by gevent and not. So it runs once, and is not marked as
one about concurrency.
"""

from .test_executors import SECONDS
from .test_gate import wait_until
from .test_processes import runs
from pathlib import Path

import pytest
import subprocess
import sys
import time

PROCESSES = """
import sys
sys.path[:0] = {path!r}
if {gevent}:
    from gevent import monkey
    monkey.patch_all()
from collective.wsgifutures.kernel.executors import Executors
from kernel import calls
from kernel.test_waiting import Request
import os
executors = Executors(max_processes=2)
request = Request(lambda: calls.declare("processes", calls.where)(), executors=executors)
idle, _ = request.run()
hold = calls.declare("processes", calls.hold_the_interpreter)
busy = Request(lambda: hold(), executors=executors)
busy.publish()
other = Request(lambda: calls.declare("processes", calls.where)(), executors=executors)
busy.waiter.start()
import time; time.sleep(0.3)
print(idle, other.run()[0], flush=True)
{then}
"""


@pytest.mark.parametrize("gevent", [False, True])
@pytest.mark.parametrize("then", ["sys.exit()", "os.kill(os.getpid(), 9)", "os._exit(1)"])
def test_processes_end_with_their_server_however_it_ends(gevent, then):
    """One that has nothing to do, and one in C code that never lets the interpreter go."""
    tests = str(Path(__file__).parent.parent)
    code = PROCESSES.format(path=[tests], gevent=gevent, then=then)
    command = [sys.executable, "-c", code]
    parent = subprocess.run(command, capture_output=True, text=True, timeout=4 * SECONDS)
    pids = [int(pid) for pid in parent.stdout.split()]
    assert len(set(pids)) == 2, parent.stderr
    until = time.monotonic() + SECONDS
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert [pid for pid in pids if runs(pid)] == []


ENDING = """
import sys
sys.path[:0] = {path!r}
if {gevent}:
    from gevent import monkey
    monkey.patch_all()
from collective.wsgifutures.kernel.executors import Executors
from kernel import calls
from kernel.test_waiting import Request
import time
executors = Executors()
call = calls.declare({kind!r}, calls.block)
request = Request(lambda: call(60), executors=executors)
request.publish()
request.waiter.start()
time.sleep(0.5)
print("end", flush=True)
"""


@pytest.mark.parametrize("gevent", [False, True])
@pytest.mark.parametrize("kind", ["threads", "processes", "asyncio"])
def test_a_server_ends_though_its_futures_do_not(kind, gevent):
    """In C code, which nothing interrupts."""
    tests = str(Path(__file__).parent.parent)
    code = ENDING.format(path=[tests], gevent=gevent, kind=kind)
    began = time.monotonic()
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=4 * SECONDS)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("end\n", "", 0)
    assert time.monotonic() - began < 2 * SECONDS


HELPER = """
import sys
sys.path[:0] = {path!r}
if {gevent}:
    from gevent import monkey
    monkey.patch_all()
from kernel import calls
from kernel import helped
from kernel.test_helper import Helped
import os, time
here = Helped()
here.run(calls.declare("asyncio", helped.where))
if {busy}:
    here.start(calls.declare("threads", helped.hold_for_ever))
    time.sleep(0.3)
print(here.helper.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("gevent", [False, True])
@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("then", ["sys.exit()", "os.kill(os.getpid(), 9)", "os._exit(1)"])
def test_a_helper_ends_with_its_worker_however_that_ends(gevent, busy, then):
    """Also in the midst of C code that never lets the interpreter go."""
    tests = str(Path(__file__).parent.parent)
    code = HELPER.format(path=[tests], gevent=gevent, busy=busy, then=then)
    command = [sys.executable, "-c", code]
    parent = subprocess.run(command, capture_output=True, text=True, timeout=4 * SECONDS)
    assert parent.stdout, parent.stderr
    wait_until(lambda: not runs(int(parent.stdout)))
