"""The clock of one process: it opens the database when something is due, and only then."""

from .made import at
from .made import entry
from .made import HOUR
from .made import SITE
from collective.wsgifutures.clock import loop
from collective.wsgifutures.clock.loop import Clock
from collective.wsgifutures.clock.loop import LONGEST
from collective.wsgifutures.clock.loop import MOMENT

import pytest
import threading

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
