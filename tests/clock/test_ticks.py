"""Once for the whole cluster, and as the policy says: a clock by hand, and a real ZODB."""

from .made import at
from .made import DAY
from .made import entry
from .made import HOUR
from .made import in_thread
from .made import MINUTE
from .made import SITE
from collective.wsgifutures.clock import ticks
from collective.wsgifutures.clock.records import find
from collective.wsgifutures.clock.records import KNOWN
from collective.wsgifutures.clock.records import make
from collective.wsgifutures.jobs.errors import UserGone
from ZODB.POSException import ConflictError

import logging
import pytest
import threading

#: Before the first slot, and the first slots of an entry that is due each hour.
START = at("2026-05-01 09:30")
FIRST, SECOND, THIRD, FOURTH = (at(f"2026-05-01 {hour}:00") for hour in (10, 11, 12, 13))

QUEUED = {"overlap": "queue"}


@pytest.fixture
def host(host):
    """A host that has seen the entry."""
    host.look(START)
    return host


# Once


def test_an_entry_has_no_past_when_it_is_first_seen(new_host):
    """Nothing is made up for."""
    host = new_host()
    assert host.look(FIRST + 1) == 0
    assert host.look(SECOND) == 1


def test_a_slot_gets_one_job_however_often_it_is_looked_at(host):
    """At its time, and not before."""
    assert [host.look(FIRST - 1), host.look(FIRST), host.look(FIRST), host.look(FIRST + 60)] == [
        *(0, 1, 0, 0)
    ]
    assert host.kept().slot == FIRST


def test_nothing_is_written_where_nothing_is_due(host, database):
    """One write for each run."""
    before = database.lastTransaction()
    host.look(FIRST - 1)
    assert database.lastTransaction() == before
    host.look(FIRST)
    one = database.lastTransaction()
    host.look(FIRST + 1)
    assert before != one == database.lastTransaction()


def test_of_two_processes_that_look_at_once_one_submits(host, new_host):
    """The other one has a conflict, looks again, and sees that it is done."""
    other = new_host()
    other.before.append(lambda: host.look(FIRST))
    assert other.look(FIRST) == 0
    assert (host.jobs(), host.kept().ran) == (1, (FIRST,))


def test_of_two_processes_that_see_an_entry_first_one_notes_it(database, new_host):
    """Nothing is due for either of them."""
    host, other = new_host(), new_host()
    plain = make

    def slow(*args):
        ticks.make = plain
        in_thread(lambda: host.look(FIRST))
        return plain(*args)

    ticks.make = slow
    try:
        assert other.look(FIRST + 5) == 0
    finally:
        ticks.make = plain
    assert host.kept().last == FIRST
    assert host.look(SECOND) + other.look(SECOND) == 1


@pytest.mark.concurrency
def test_many_processes_that_look_at_once_submit_one_job_a_slot(host, new_host):
    """Without a leader."""
    every = entry(cron="* * * * *", **QUEUED)
    hosts = [new_host(off) for off in (-5.0, -2.0, 0.0, 2.0, 5.0)]
    for one in hosts:
        one.look(START, every)

    def work(one):
        one.look_each(MINUTE / 2, START, START + 10 * MINUTE + 10, every)

    threads = [threading.Thread(target=work, args=(one,)) for one in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ran = host.kept(every).ran
    assert ran == tuple(sorted(set(ran)))
    assert host.jobs() == len(ran) > 0


def test_two_entries_do_not_conflict(host, new_host):
    """Each has a value of its own."""
    second = entry(name="other")
    host.look(START, second)
    other = new_host()
    other.before.append(lambda: host.look(FIRST, second))
    assert other.look(FIRST) == 1
    assert (other.submits, host.jobs()) == (1, 2)


def test_a_conflict_without_end_is_told(host):
    """And leaves the slot for later."""
    host.fail = ConflictError()
    with pytest.raises(ConflictError):
        host.look(FIRST)
    host.fail = None
    assert host.look(FIRST + 10) == 1


# Clocks


def test_hosts_whose_clocks_differ_by_seconds_submit_once(host, new_host):
    """The first one to see a slot submits."""
    ahead, behind = new_host(5.0), new_host(-5.0)
    got = []
    for second in range(-10, 20):
        got += [
            (second, name)
            for name, one in (("ahead", ahead), ("behind", behind), ("right", host))
            if one.look(FIRST + second)
        ]
    assert got == [(-5, "ahead")]


def test_a_clock_that_jumps_back_repeats_nothing(host):
    """It is as if time stood still."""
    assert host.look(FIRST) == 1
    assert host.look(SECOND) == 0  # the first job is not over
    host.end_job()
    assert [host.look(FIRST + 60), host.look(SECOND - 1), host.look(SECOND)] == [0, 0, 0]
    assert host.look(THIRD) == 1


def test_a_clock_that_jumps_forth_misses_what_is_between(host):
    """As the policy says."""
    assert host.look(FOURTH) == 1
    assert host.kept().ran == (FOURTH,)


def test_a_clock_that_was_far_ahead_does_not_stop_an_entry(host, caplog):
    """It goes on from now, and what ran early does not run again."""
    every = entry(**QUEUED)
    far = FIRST + 30 * DAY
    assert host.look(far, every) == 1
    assert host.look(FIRST, every) == 0
    assert "the clock of a host is wrong" in caplog.text
    assert host.look(SECOND, every) == 1
    for hour in range(0, 31 * 24):
        host.look(SECOND + hour * HOUR, every)
    ran = host.kept(every).ran
    assert len(ran) == len(set(ran)) == KNOWN
    assert host.jobs() == 31 * 24  # each hour once, that of the wrong clock too


# Missed


def missed(host, policy, since=FIRST, until=THIRD + 1800, **changes):
    """Return the slots that got a job after nobody looked for a while."""
    one = entry(missed=policy, **{**QUEUED, **changes})
    host.look(since - 60, one)
    host.look(until, one)
    return host.kept(one).ran


def test_missed_slots_are_skipped(host, caplog):
    """Three were missed."""
    caplog.set_level(logging.INFO)
    assert missed(host, "skip") == ()
    assert "3 of its times were missed" in caplog.text
    assert host.look(FOURTH, entry(missed="skip")) == 1


def test_missed_slots_are_made_up_for_once(host):
    """For the last one."""
    assert missed(host, "once") == (THIRD,)
    assert host.jobs() == 1


def test_missed_slots_are_all_made_up_for(host):
    """In order."""
    assert missed(host, "all") == (FIRST, SECOND, THIRD)
    assert host.jobs() == 3


def test_no_more_than_so_many_missed_slots_are_made_up_for(host, caplog):
    """The newest."""
    caplog.set_level(logging.INFO)
    ran = missed(host, "all", until=FIRST + 200 * HOUR)
    assert (len(ran), ran[-1]) == (ticks.MOST, FIRST + 200 * HOUR)


@pytest.mark.parametrize(("late", "count"), [(ticks.LATE, 1), (ticks.LATE + 1, 0)])
def test_a_slot_that_is_seen_minutes_late_was_not_missed(host, late, count):
    """A server that restarts, or a cron that looks every five minutes."""
    assert host.look(FIRST + late) == count


def test_a_slot_on_time_after_missed_ones_gets_its_job(host):
    """They are skipped, and it is not."""
    assert host.look(FOURTH + 1) == 1
    assert host.kept().ran == (FOURTH,)


def test_another_rule_has_no_past(host):
    """What would have been due by it was never meant."""
    other = entry(cron="*/5 * * * *", missed="once")
    assert host.look(FIRST, other) == 0
    assert host.look(FIRST + 300, other) == 1
    zone = entry(cron="*/5 * * * *", missed="once", timezone="Europe/Helsinki")
    assert host.look(FIRST + 900, zone) == 0


# Overlap


def test_a_slot_is_skipped_while_the_last_job_waits(host, caplog):
    """Seen and logged; the slot does not come again."""
    host.look(FIRST)
    assert host.look(SECOND) == 0
    assert host.kept().skipped == SECOND
    assert "is not over, so there is none now" in caplog.text
    host.end_job()
    assert host.look(SECOND + 60) == 0
    assert host.look(THIRD) == 1


def test_a_slot_is_skipped_while_the_last_job_runs(host):
    """As while it waits."""
    host.look(FIRST)
    host.end_job("claim")
    assert host.look(SECOND) == 0


def test_a_dead_job_keeps_no_slot(host):
    """It is over, for a person to look at."""
    host.look(FIRST)
    host.end_job("bury")
    assert host.look(SECOND) == 1


def test_a_job_that_was_purged_is_over(host):
    """It can be found no more."""
    host.look(FIRST)
    host.change(job="gone-1")
    assert host.look(SECOND) == 1


def test_jobs_queue_if_that_is_wanted(host):
    """One for each slot."""
    assert [host.look(slot, entry(**QUEUED)) for slot in (FIRST, SECOND, THIRD)] == [1, 1, 1]


# Errors


def test_an_error_is_kept_and_logged_once(host, caplog):
    """The slot is over; the next one tries again."""
    host.fail = UserGone("bob", SITE)
    assert "There is no user 'bob'" in host.tick(FIRST).error
    host.tick(SECOND)
    assert caplog.text.count("got no job. There is no user 'bob'") == 1
    assert "There is no user 'bob'" in host.kept().error
    host.fail = None
    assert host.look(SECOND + 60) == 0
    assert host.look(THIRD) == 1
    assert host.kept().error == ""


# Switched off


def test_nothing_is_due_while_an_entry_is_paused(host, database):
    """And nothing is written."""
    host.change(paused=START)
    before = database.lastTransaction()
    assert host.look(FIRST) == 0
    assert database.lastTransaction() == before


def test_what_is_kept_is_found_by_site_and_name(host, database):
    """Two sites have values of their own."""
    connection = database.open()
    assert find(connection, SITE, "report") is not None
    assert find(connection, "/other", "report") is None
    connection.close()
