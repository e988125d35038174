"""Who lives, and whose turn is what, by the clock of whoever looks."""

from .made import NOW
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import neighbours
from collective.wsgifutures.jobs.neighbours import find_place
from collective.wsgifutures.jobs.neighbours import FORGOTTEN
from collective.wsgifutures.jobs.neighbours import Neighbours
from collective.wsgifutures.jobs.neighbours import SILENCE

import os
import pytest
import subprocess
import sys

HERE = ("here", 1)
THERE = ("there", 1)


class Clock:
    """The clock of whoever looks; that of another host may say what it likes."""

    def __init__(self):
        self.now = 5000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(neighbours, "time", made)
    return made


def give_job(client, id, place=THERE):
    """Let a runner have a job; return it."""
    job = client.add()
    desk.claim(client.store, job, id, [], NOW)
    desk.beat(client.store, id, place, (job,))
    return job


def look(client, own, place=HERE):
    return own.look(client.store, place)


def pass_time(client, own, clock, seconds):
    """Let time pass, with a look each second; return what the last one finds."""
    for _ in range(int(seconds)):
        clock.now += 1
        found = look(client, own)
    return found


def test_a_runner_with_jobs_that_is_silent_is_dead(client, clock):
    """Nothing of it has changed for a while."""
    give_job(client, "r1")
    own = Neighbours("own")
    assert (look(client, own), len(own)) == ([], 1)
    assert pass_time(client, own, clock, SILENCE) == []
    assert pass_time(client, own, clock, 1) == ["r1"]


def test_who_was_paused_takes_nobody_for_dead(client, clock):
    """Its own view of the database may be as old as its last look."""
    give_job(client, "r1")
    own = Neighbours("own")
    look(client, own)
    clock.now += 1000
    assert look(client, own) == []
    assert pass_time(client, own, clock, SILENCE) == []
    assert pass_time(client, own, clock, 1) == ["r1"]


def test_a_sign_of_life_after_the_look_is_seen(client, clock):
    """Before anybody rescues its jobs."""
    job = give_job(client, "r1")
    own = Neighbours("own")
    look(client, own)
    runner = client.store.runners["r1"]
    assert not own.has_moved(runner)
    desk.beat(client.store, "r1", THERE, (job,))
    assert own.has_moved(runner)


def test_a_heartbeat_is_a_sign_of_life(client, clock):
    """Each one, whatever the clocks of the hosts say."""
    job = give_job(client, "r1")
    own = Neighbours("own")
    look(client, own)
    for _ in range(5):
        assert pass_time(client, own, clock, SILENCE - 1) == []
        desk.beat(client.store, "r1", THERE, (job,))
    assert pass_time(client, own, clock, SILENCE + 2) == ["r1"]


def test_who_begins_to_look_waits_as_long(client, clock):
    """It knows nothing of what was before."""
    give_job(client, "r1")
    clock.now += 1000
    assert look(client, Neighbours("own")) == []


@pytest.mark.parametrize("end", ["finish", "let go"])
def test_a_runner_without_jobs_is_silent_and_lives(client, clock, end):
    """It writes nothing while it has nothing to do. It is forgotten after a day."""
    job = give_job(client, "r1")
    job.cancel(NOW) if end == "finish" else desk.let_go(client.store, job, NOW)
    own = Neighbours("own")
    look(client, own)
    assert (pass_time(client, own, clock, SILENCE + 1), own.share) == ([], (0, 1))
    assert pass_time(client, own, clock, FORGOTTEN) == ["r1"]


def test_a_process_of_this_machine_that_has_ended_is_dead_at_once(client, clock):
    """Nobody has to wait for its silence."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    give_job(client, "r1", ("here", ended.pid))
    assert look(client, Neighbours("own")) == ["r1"]


def test_a_process_of_this_machine_that_runs_lives(client, clock):
    """As long as it gives signs of life: its number may be another process's by now."""
    give_job(client, "r1", ("here", os.getppid()))
    own = Neighbours("own")
    assert look(client, own) == []
    assert pass_time(client, own, clock, SILENCE + 1) == ["r1"]


def test_a_process_of_another_machine_is_not_looked_for_here(client, clock):
    """Its number means nothing."""
    give_job(client, "r1", ("there", 2**22 + 1))
    assert look(client, Neighbours("own")) == []


def test_whoever_had_the_number_of_this_process_is_dead(client, clock):
    """A container begins with the same numbers after each start."""
    give_job(client, "r1", HERE)
    assert look(client, Neighbours("own")) == ["r1"]


def test_shares_go_by_the_names_of_those_that_have_jobs(client, clock):
    """All of them come to the same shares."""
    for id in ("a", "b", "c"):
        give_job(client, id)
    shares = {}
    for id in ("a", "b", "c"):
        own = Neighbours(id)
        look(client, own)
        shares[id] = own.share
    assert shares == {"a": (0, 3), "b": (1, 3), "c": (2, 3)}


def test_who_is_alone_has_all(client, clock):
    """Its own record is not a neighbour's."""
    own = Neighbours("own")
    give_job(client, "own")
    assert (look(client, own), own.share, len(own)) == ([], (0, 1), 0)


def test_the_share_of_a_dead_runner_is_no_longer_kept(client, clock):
    """Nor is what was known of it, once it is forgotten."""
    give_job(client, "a")
    own = Neighbours("b")
    look(client, own)
    assert own.share == (1, 2)
    assert (pass_time(client, own, clock, SILENCE + 1), own.share) == (["a"], (0, 1))
    desk.rescue(client.store, client.store.runners["a"], NOW)
    look(client, own)
    assert len(own) == 0


def test_the_place_of_a_process_has_its_number():
    """And the same machine each time."""
    machine, pid = find_place()
    assert (pid, find_place()) == (os.getpid(), (machine, pid))
