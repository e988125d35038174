"""Timed work on two hosts whose clocks differ, with two web workers each, killed at random.

Each time gets its job, once; after a while in which all were down, as many as the policy says.
"""

from datetime import datetime
from processes import copy_instance
from processes import Server
from processes import START_SECONDS
from processes import wait_until
from storages import STORAGES

import os
import pytest
import random
import signal
import time

pytestmark = pytest.mark.storages

HOUR = 3600

EVERY = 2  #: seconds between two times of the entry that runs while workers are killed

SKEW = 5  #: by how many seconds the clock of the second host is ahead

#: Three times of these entries are missed while all are down. Half an hour from now there is one.
MISSED = {"skip": 0, "once": 1, "all": 3}

ENTRY = """
  <wsgifutures:clock
      name="{name}"
      cron="{cron}"
      task="holdtests.timed.note_slot"
      arguments='{{"name": "{name}"}}'
      missed="{missed}"
      overlap="queue"
      site="/Plone"
      />
"""

ZCML = """
<configure xmlns:wsgifutures="http://namespaces.plone.org/wsgifutures"
           xmlns="http://namespaces.zope.org/zope">
  <include package="collective.wsgifutures" file="meta.zcml" />
  {entries}
</configure>
"""


class Host:
    """A server with two web workers, and a clock of its own."""

    def __init__(self, folder, start, skew):
        self._folder, self._start, self._skew = folder, start, skew

    def begin(self, entries, ahead):
        """Start, with these entries of timed work, and that many seconds ahead."""
        file = self._folder / "etc" / "package-includes" / "timed-configure.zcml"
        file.write_text(ZCML.format(entries="".join(entries)))
        env = {"HOLDTESTS_CLOCK_AHEAD": str(ahead + self._skew)}
        self.server = Server(*self._start("-w", "2", folder=self._folder, env=env))

    def children(self):
        pid = self.server.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(one) for one in file.read().split()]

    def kill_one(self):
        children = self.children()
        if children:
            os.kill(random.choice(children), signal.SIGKILL)

    def kill(self):
        """Kill all of it at once."""
        children = self.children()
        self.server.process.signal(signal.SIGKILL)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        self.server.process.wait()


@pytest.fixture(params=["zeo", "postgresql"])
def hosts(request, new_instance, tmp_path, start_gunicorn):
    """Two hosts on one storage."""
    storage, folder = STORAGES[request.param](), new_instance()
    found = []
    try:
        storage.put(folder)
        other = copy_instance(folder, tmp_path / "other")
        found = [Host(folder, start_gunicorn, 0), Host(other, start_gunicorn, SKEW)]
        yield found
    finally:
        for host in found:
            host.server.process.stop(signal.SIGTERM)
        storage.stop()


def begin(hosts, entries, ahead):
    for host in hosts:
        host.begin(entries, ahead)
    for host in hosts:
        wait_until(host.server.serves, 2 * START_SECONDS)


def told(hosts):
    return hosts[0].server.get("@@timed-told").json()


def has_seen(hosts, number):
    """Tell whether so many times of the entry that runs often have got their jobs."""
    serving = next((host for host in hosts if host.server.serves()), None)
    return serving is not None and len(told([serving])["submitted"].get("often", ())) >= number


def test_each_time_gets_its_job_once_whoever_is_killed_and_those_missed_as_the_policy_says(hosts):
    """Also from a host whose clock is five seconds ahead."""
    minute = (datetime.now().minute + 30) % 60
    missed = [ENTRY.format(name=n, cron=f"{minute} * * * *", missed=n) for n in MISSED]
    often = ENTRY.format(name="often", cron=f"*/{EVERY} * * * * *", missed="all")

    begin(hosts, [*missed, often], 0)
    hosts[0].server.post("@@jobs-prepare").raise_for_status()
    for number in (1, 3, 5):
        wait_until(lambda number=number: has_seen(hosts, number), 60)
        random.choice(hosts).kill_one()
        time.sleep(random.uniform(0, EVERY))
    for host in hosts:
        host.kill()

    begin(hosts, missed, 3 * HOUR)
    wait_until(lambda: len(told(hosts)["submitted"].get("all", ())) == 3, 60)
    wait_until(lambda: not told(hosts)["waiting"], 60)
    books = told(hosts)
    assert books["submitted"] == books["done"]
    slots = books["done"].pop("often")
    assert slots == list(range(int(slots[0]), int(slots[-1]) + 1, EVERY))
    assert {name: len(slots) for name, slots in books["done"].items()} == {"once": 1, "all": 3}
    assert books["done"]["once"] == books["done"]["all"][-1:]
    assert [int(slot) // 60 % 60 for slot in books["done"]["all"]] == [minute] * 3
