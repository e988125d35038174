"""The reporter: writes what is new, cancels what it is told to, and goes on after a failure."""

from .workers import Site
from .workers import wait_until
from collective.wsgifutures.status import reporter
from collective.wsgifutures.status.board import Board
from collective.wsgifutures.status.board import FORGOTTEN_AFTER
from collective.wsgifutures.status.reporter import Reporter
from collective.wsgifutures.status.reporter import Reports
from collective.wsgifutures.status.reporter import zope_has_started
from collective.wsgifutures.upstreams.upstream import upstreams
from collective.wsgifutures.wsgi import joints

import atexit
import itertools
import logging
import pytest
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture
def site():
    upstreams.clear()  # of other tests: the time until an open breaker's end is always new
    site = Site()
    yield site
    site.finish()


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "board")


class Counting:
    """A board that counts how often it is written anew."""

    def __init__(self, board):
        self.board, self.written = board, 0
        replace = board._replace
        board._replace = lambda *args: (setattr(self, "written", self.written + 1), replace(*args))


def test_report_shows_what_its_worker_does(site, board):
    """To whoever reads the board."""
    site.hold()
    one = Reporter(site.worker, board)
    one.report()
    (snapshot,) = board.read()
    assert snapshot["worker"] == one.sender.name
    assert [hold["path"] for hold in snapshot["holds"]] == ["/Plone/held"]


def test_report_adds_to_the_picture_what_is_held_waits_and_was_refused(site, board):
    """Refused ones whether or not each of them was logged."""
    site.hold()
    one = Reporter(site.worker, board, lambda: 1000.0)
    for _ in range(3):
        site.worker.refuse("max_held")
    one.report()
    assert board.read()[0]["history"] == [[1000.0, 1, 0, 3]]


def test_report_when_nothing_is_new_writes_nothing_for_ten_seconds(site, board):
    """While responses are held, too: ages are told by when they came, whose clock trembles."""
    now = [time.monotonic() // 10 * 10]
    tremble = itertools.cycle([0.0, 0.0002, -0.0003])
    site.worker.clock = lambda: now[0]
    site.hold()
    site.worker.clock = lambda: now[0] + next(tremble)
    one, counting = Reporter(site.worker, board, lambda: now[0]), Counting(board)
    for _ in range(10):
        one.report()
        now[0] += 1
    assert counting.written == 1
    one.report()
    assert counting.written == 2  # a point of the picture


def test_report_cancels_what_was_left_for_its_worker(site, board):
    """Of two that are held the one that was meant."""
    site.hold("/a/held")
    site.hold("/b/held")
    one = Reporter(site.worker, board)
    one.report()
    (snapshot,) = board.read()
    (meant,) = [hold["id"] for hold in snapshot["holds"] if hold["path"] == "/b/held"]
    board.cancel(one.sender.name, meant)
    one.report()
    wait_until(lambda: site.answers)
    assert site.answers == [503]
    one.report()
    (snapshot,) = board.read()
    assert [hold["path"] for hold in snapshot["holds"]] == ["/a/held"]
    assert snapshot["totals"]["cancelled"] == 1
    told = [snapshot["last"][0][name] for name in ("what", "why", "path")]
    assert told == ["cancelled", "pkg.wait", "/b/held"]
    assert sorted(site.finish()) == [200, 503]


def test_cancel_of_what_is_answered_meanwhile_changes_nothing(site, board):
    """Nobody has that number any more."""
    one = Reporter(site.worker, board)
    one.report()
    board.cancel(one.sender.name, "99")
    one.report()
    assert board.take_cancels(one.sender.name) == []


def test_each_start_of_a_process_has_a_name_of_its_own(site, board):
    """One that died and the one in its place are two."""
    names = {Reporter(site.worker, board).sender.name for _ in range(20)}
    assert len(names) == 20


def test_reporter_goes_on_after_a_failure_and_logs_it_once_each_time(
    site, board, caplog, monkeypatch
):
    """A full disk, say."""
    monkeypatch.setattr(reporter, "EVERY", 0.01)
    monkeypatch.setattr(atexit, "register", lambda *args: None)
    failures = []
    write = board.write

    def fail(snapshot):
        failures.append(1)
        raise OSError(28, "No space left on device")

    board.write = fail
    Reporter(site.worker, board).start()
    wait_until(lambda: len(failures) > 3)
    board.write = write
    wait_until(board.read)
    texts = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    said = "The live status cannot be written: [Errno 28] No space left on device"
    assert texts == [said]
    board.write = fail  # it was over, and is here again
    wait_until(lambda: caplog.text.count(said) == 2)


def test_a_worker_that_ends_takes_away_what_it_told_and_tells_no_more(site, board, monkeypatch):
    """Other things may end after it: nobody shall take it for one that is silent."""
    monkeypatch.setattr(reporter, "EVERY", 0.2)
    ends = []
    monkeypatch.setattr(atexit, "register", ends.append)
    Reporter(site.worker, board).start()
    wait_until(board.read)
    (end,) = ends
    end()
    time.sleep(0.5)
    assert list(board.folder.iterdir()) == []


def test_a_worker_that_starts_takes_away_what_a_dead_one_left(site, board, monkeypatch):
    """Where nobody looks at the status, files of killed workers would pile up."""
    monkeypatch.setattr(atexit, "register", lambda *args: None)
    long_ago = Board(board.folder, lambda: time.time() - FORGOTTEN_AFTER - 1)
    Reporter(site.worker, long_ago).report()
    (left,) = board.folder.iterdir()
    Reporter(site.worker, board).start()
    assert not left.exists()


def test_report_when_the_folder_is_refused_says_so_and_serves(tmp_path, caplog):
    """Nothing is written there."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    Reports().worker_starts(Site(status_folder=str(folder)).worker)
    assert "other users may read or write there" in caplog.text
    assert list(folder.iterdir()) == []


def test_a_worker_of_zope_reports_from_its_start_on(monkeypatch):
    """Once, however often Zope says that it has started."""
    monkeypatch.setattr(joints, "joints", [])
    zope_has_started(None)
    zope_has_started(None)
    assert [type(joint) for joint in joints.joints] == [reporter.Reports]
