"""The clock of one process: it opens the database when something is due, and only then."""

from .made import at
from .made import DAY
from .made import entry
from .made import HOUR
from .made import SITE
from collective.wsgifutures.clock import loop
from collective.wsgifutures.clock.figures import Figure
from collective.wsgifutures.clock.loop import Clock
from collective.wsgifutures.clock.loop import LONGEST
from collective.wsgifutures.clock.loop import MOMENT
from collective.wsgifutures.clock.records import find
from collective.wsgifutures.clock.records import make
from collective.wsgifutures.clock.stored import forget
from collective.wsgifutures.clock.stored import store
from collective.wsgifutures.clock.stored import stored
from collective.wsgifutures.jobs import desk

import pytest
import threading
import time

START = at("2026-05-01 09:30")
FIRST = at("2026-05-01 10:00")


class Ticker:
    """Notes at what time it was asked to look."""

    def __init__(self):
        self.looks = []
        self.fails = False

    def tick(self, site, entry, now):
        if self.fails:
            raise OSError("away")
        self.looks.append((site, entry.name, now))


@pytest.fixture
def ticker():
    return Ticker()


@pytest.fixture
def clock(database, ticker):
    entries = [entry(), entry(name="often", cron="*/15 * * * *")]
    return Clock(database, entries, ticker, lambda connection, entry: [SITE])


def test_the_first_look_is_at_everything(clock, ticker):
    """Something may have been missed."""
    clock.look(START)
    assert ticker.looks == [(SITE, "report", START), (SITE, "often", START)]


def test_nothing_is_opened_until_something_is_due(clock, ticker, database, monkeypatch):
    """However often it is looked."""
    clock.look(START)
    del ticker.looks[:]
    monkeypatch.setattr(database, "open", None)
    for second in range(0, 899, 29):
        clock.look(START + second)
    assert ticker.looks == []
    monkeypatch.undo()
    clock.look(START + 900)
    assert ticker.looks == [(SITE, "often", START + 900)]
    clock.look(FIRST)
    assert ticker.looks[1:] == [(SITE, "report", FIRST), (SITE, "often", FIRST)]


def test_it_sleeps_until_the_next_slot_and_a_moment(clock):
    """Not longer than so many seconds, since the time may jump."""
    assert clock.look(START) == LONGEST
    assert 10 <= clock.look(FIRST - 10) <= 10 + MOMENT
    assert clock.look(FIRST) == LONGEST


def test_a_moment_is_another_one_each_time(clock):
    """So that the processes of a cluster do not look at the same moment."""
    assert len({clock.look(FIRST - 10) for _ in range(5)}) == 5


def test_a_clock_that_is_put_back_does_not_sleep_for_too_long(clock, ticker):
    """The next slot is looked for anew."""
    clock.look(FIRST + 5 * HOUR)
    clock.look(START)
    del ticker.looks[:]
    clock.look(START + 900)
    assert ticker.looks == [(SITE, "often", START + 900)]


def test_a_host_that_slept_looks_at_what_was_due(clock, ticker):
    """Its monotonic clock stood still."""
    clock.look(START)
    del ticker.looks[:]
    clock.look(START + 7 * HOUR + 1)
    assert [name for _, name, _ in ticker.looks] == ["report", "often"]


def test_a_database_that_is_away_is_asked_again_soon(clock, ticker, caplog):
    """The slot is still due."""
    clock.look(START)
    ticker.fails = True
    assert clock.look(FIRST) <= loop.AGAIN
    assert "it looks again" in caplog.text
    ticker.fails = False
    del ticker.looks[:]
    clock.look(FIRST + 5)
    assert [name for _, name, _ in ticker.looks] == ["report", "often"]


# What people add


def added(**changes):
    return entry(name="added", site=SITE, by="jane", run_as="jane", **changes)


@pytest.fixture
def change(database):
    """Do something in the database, as another process does."""

    def do(function, *args):
        with desk.changing(database) as connection:
            function(connection, *args)

    return do


def test_work_that_is_added_or_changed_elsewhere_is_looked_at_within_half_a_minute(
    clock, ticker, change
):
    """Without a word from that process."""
    clock.look(START)
    change(store, added())
    del ticker.looks[:]
    assert clock.look(START + LONGEST) <= LONGEST
    assert LONGEST + MOMENT < 30
    assert ticker.looks == [(SITE, "added", START + LONGEST)]
    change(store, added(cron="*/10 * * * *"))
    clock.look(START + 60)
    assert ticker.looks[1:] == [(SITE, "added", START + 60)]
    clock.look(START + 600)
    assert ticker.looks[2:] == [(SITE, "added", START + 600)]


def test_work_that_is_removed_is_looked_at_no_more(clock, ticker, change):
    """The others go on."""
    change(store, added())
    clock.look(START)
    change(forget, added())
    del ticker.looks[:]
    clock.look(FIRST)
    assert [name for _, name, _ in ticker.looks] == ["report", "often"]


def test_the_database_is_read_only_if_somebody_has_committed(clock, change, monkeypatch):
    """And then once."""
    reads = []
    monkeypatch.setattr(loop, "stored", lambda connection: reads.append(1) or [])
    for now in (START, START + 20, START + 40):
        clock.look(now)
    assert reads == [1]
    change(lambda connection: connection.root().update(something=1))
    for now in (START + 60, START + 80):
        clock.look(now)
    assert reads == [1, 1]


def test_a_read_that_fails_is_tried_again(clock, change, monkeypatch, caplog):
    """What was known is done meanwhile."""
    monkeypatch.setattr(loop, "stored", lambda connection: 1 / 0)
    assert clock.look(START) <= loop.AGAIN
    assert "it tries again" in caplog.text
    monkeypatch.undo()
    change(store, added())
    clock.look(START + 5)
    assert ("True", "", "report") in clock._next
    assert ("False", SITE, "added") in clock._next


def test_what_is_kept_of_work_that_is_gone_for_long_is_forgotten(database, ticker, change, host):
    """Not of work that some other process may still know, or that is paused; once in a process."""
    now = time.time()
    for name in ("report", "gone", "moved", "asleep"):
        change(make, SITE, name, ("* * * * *", "UTC"), now - 91 * DAY)
    host.change("moved", last=now - 89 * DAY)
    host.change("asleep", paused=now - 89 * DAY)
    clock = Clock(database, [entry()], ticker, lambda connection, entry: [SITE])
    clock.look(now)
    kept = [name for name in ("report", "gone", "moved", "asleep") if host.kept(entry(name=name))]
    assert kept == ["report", "moved", "asleep"]


def test_work_of_a_site_that_is_gone_for_long_is_forgotten(database, change):
    """Deleted, say. One that was away for a while keeps it; each process looks at its start."""
    now = time.time()
    change(store, added())
    change(make, SITE, "added", added().rule, now - 400 * DAY)

    def start(days, *paths):
        Clock(database, [], Ticker(), lambda *_: paths).look(now + days * DAY)
        with desk.changing(database) as connection:
            return len(stored(connection)), find(connection, SITE, "added") is not None

    assert start(0) == start(80) == start(85, SITE) == start(100) == start(189) == (1, True)
    assert start(191) == (0, False)


# What metrics get


def test_it_tells_what_it_has_found_of_each_entry(clock, host):
    """The last slot with a job, and the first one that nobody has looked at."""
    host.look(START)
    host.look(FIRST)
    clock.look(FIRST + 60)
    assert clock.figures == [
        Figure(SITE, "report", FIRST, FIRST + HOUR, False),
        Figure(SITE, "often", None, None, False),
    ]
    host.fail = LookupError("no")
    host.end_job()
    host.look(FIRST + HOUR)
    clock.look(FIRST + HOUR + 60)
    assert clock.figures[0] == Figure(SITE, "report", FIRST, FIRST + 2 * HOUR, True)
    host.change(paused=FIRST)
    clock.look(FIRST + HOUR + 90)
    assert clock.figures[0].due is None


@pytest.mark.concurrency
def test_it_lives_beside_its_server_until_that_stops(database, monkeypatch):
    """In a greenlet or a thread of its own."""
    monkeypatch.setattr(loop, "MOMENT", 0.0)
    looked = threading.Event()

    class One(Ticker):
        def tick(self, site, entry, now):
            super().tick(site, entry, now)
            looked.set()

    one = One()
    clock = Clock(database, [entry(cron="* * * * * *")], one, lambda connection, entry: [SITE])
    clock.start()
    assert looked.wait(5)
    clock.stop()
    looked.clear()
    assert not looked.wait(1.5)


@pytest.mark.concurrency
def test_it_ends_with_its_database(database, caplog):
    """As waitress closes it."""
    clock = Clock(database, [entry()], Ticker(), lambda connection, entry: [SITE])
    database.close()
    clock._loop()
    assert caplog.text == ""
