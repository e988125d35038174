"""What workers tell of themselves, on their board and to Prometheus; holds that are cancelled."""

from collective.wsgifutures.status.board import Board
from processes import START_SECONDS
from processes import wait_until
from prometheus_client.parser import text_string_to_metric_families

import os
import pytest
import requests
import signal
import stat
import threading
import time

ADMIN = ("admin", "admin")


def board_of(server):
    """Return the board of the instance that *server* serves."""
    return Board(server.process.log.parent / "var" / "wsgifutures")


class Asked(threading.Thread):
    """A request that is held, and its answer."""

    def __init__(self, server, view, **params):
        super().__init__(daemon=True)
        self._ask = lambda: server.get(view, **params)
        self.answer = None
        self.start()

    def run(self):
        self.answer = self._ask()

    def wait(self, seconds=30):
        """Return the answer."""
        self.join(seconds)
        assert self.answer is not None, "no answer in time"
        return self.answer


def held_by(board, path):
    """Return the worker that holds a response for *path*, and what it tells of that."""
    for snapshot in board.read():
        for hold in snapshot["holds"]:
            if hold["path"].endswith(path):
                return snapshot["worker"], hold
    return None


def found(board, path):
    """The same, as soon as it is told."""
    wait_until(lambda: held_by(board, path), seconds=5)
    return held_by(board, path)


def scraped(server, auth=ADMIN, at=""):
    """Return what a scraper gets: values by the name of the metric and the labels."""
    answer = requests.get(f"{server.root}{at}/@@futures-metrics", auth=auth, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = [s for one in text_string_to_metric_families(answer.text) for s in one.samples]
    return {(one.name, frozenset(one.labels.items())): one.value for one in samples}


def of_all(metrics, name, **labels):
    """Return the values of the metric *name* with these *labels*, one for each worker."""
    wanted = labels.items()
    return [v for (one, found), v in metrics.items() if one == name and wanted <= found]


def test_held_response_is_told_until_it_is_answered(server, users, text):
    """Who waits for what, since when; nothing of its query string."""
    board = board_of(server)
    auth = ("alice", users["alice"])
    asked = Asked(server, "@@hold", auth=auth, seconds=2.5, text=text, city="Secret")
    _, hold = found(board, "/@@hold")
    assert time.time() - 5 < hold["since"] <= time.time() + 0.1
    told = {name: hold[name] for name in ("path", "user", "passes", "waiting_on")}
    assert told == {
        **{"path": "/Plone/@@hold", "user": "alice", "passes": 1},
        **{"waiting_on": ["holdtests.views.ask"]},
    }
    (file,) = board.folder.glob("*.json")
    assert "Secret" not in file.read_text()
    assert asked.wait().status_code == 200
    wait_until(lambda: not held_by(board, "/@@hold"), seconds=5)


def test_cancelled_hold_is_answered_503_within_two_seconds(server, service, text):
    """Its call is ended; the view may catch what it gets, and here does not."""
    board = board_of(server)
    asked = Asked(server, "@@hold", text=text, seconds=30)
    worker, hold = found(board, "/@@hold")
    began = time.monotonic()
    assert board.cancel(worker, hold["id"])
    answer = asked.wait(5)
    assert time.monotonic() - began < 2
    assert (answer.status_code, answer.headers["X-Hold-Passes"]) == (503, "2")
    assert answer.headers["Retry-After"] == "5"
    wait_until(lambda: board.read()[0]["totals"]["cancelled"], seconds=3)
    (last, *_) = board.read()[0]["last"]
    assert (last["what"], last["why"]) == ("cancelled", "holdtests.views.ask")


def test_idle_worker_writes_once_in_ten_seconds_and_tells_its_time_each_second(gunicorn):
    """What has not changed is not written again."""
    board = board_of(gunicorn)
    (file,) = board.folder.glob("*.json")
    seen = set()
    times = set()
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        status = file.stat()
        seen.add(status.st_ino)
        times.add(status.st_mtime)
        time.sleep(0.1)
    assert len(times) >= 3
    assert len(seen) <= 3  # one of what went before, and one of each ten seconds
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (board.folder, file)]
    assert modes == [0o700, 0o600]


def test_metrics_are_for_who_may_see_the_status(server, users):
    """At the root and at a site; nobody else gets a number."""
    for at in ("", "/Plone"):
        assert of_all(scraped(server, at=at), "wsgifutures_slots") == [4.0]
        for auth in (None, ("alice", users["alice"])):
            url = f"{server.root}{at}/@@futures-metrics"
            answer = requests.get(url, auth=auth, timeout=30, allow_redirects=False)
            assert answer.status_code in (302, 401)
            assert "wsgifutures" not in answer.text.replace("collective.wsgifutures", "")


def test_metrics_in_the_form_of_openmetrics_where_that_is_asked_for(server):
    """As newer versions of Prometheus do."""
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = requests.get(f"{server.root}/@@futures-metrics", auth=ADMIN, headers=headers)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_metrics_count_what_was_asked(gunicorn, text):
    """From one scrape to the next."""

    def values():
        time.sleep(1.5)  # until it is told
        metrics = scraped(gunicorn)
        names = ("requests_total", "passes_total", "held_seconds_count", "held_seconds_sum")
        return [of_all(metrics, f"wsgifutures_{name}")[0] for name in names]

    before = values()
    for number in range(3):
        gunicorn.get("@@hold", text=f"{text}-{number}", seconds=0.2)
    requests_made, passes, held, seconds = (b - a for a, b in zip(before, values(), strict=True))
    assert held == 3
    assert 0.6 <= seconds < 20
    # The scrapes are requests too.
    assert requests_made >= 4
    assert passes >= requests_made + 3


@pytest.fixture
def two_workers(started, in_memory):
    """A server with two workers, each with a database of its own, and one user for both."""
    (in_memory / "access").write_text(":".join(ADMIN))
    server = started("-w", "2", folder=in_memory, site="", env={"INSTANCE_HOME": str(in_memory)})
    wait_until(lambda: len(board_of(server).read()) == 2, START_SECONDS)
    return server


@pytest.mark.operation
def test_all_workers_are_told_in_one_scrape_and_each_cancels_its_own(two_workers, text):
    """Two workers: held by both, all in one scrape, each cancelled where it is."""
    server, board = two_workers, board_of(two_workers)
    asked = [Asked(server, "@@hold", text=f"{text}-{n}", seconds=60) for n in range(8)]
    wait_until(lambda: sum(one["counts"]["held"] for one in board.read()) == 8)
    metrics = scraped(server)
    assert sum(of_all(metrics, "wsgifutures_held_responses")) == 8
    assert len(of_all(metrics, "wsgifutures_held_responses")) == 2
    pids = {one["pid"] for one in board.read()}
    assert len(pids) == 2
    for snapshot in board.read():
        for hold in snapshot["holds"]:
            assert board.cancel(snapshot["worker"], hold["id"])
    assert {one.wait(5).status_code for one in asked} == {503}


@pytest.mark.operation
def test_worker_that_ends_takes_its_snapshot_away_and_a_killed_one_is_stale(two_workers):
    """Nobody takes the one that is dead for one that serves."""
    server, board = two_workers, board_of(two_workers)
    killed, ended = board.read()
    os.kill(killed["pid"], signal.SIGKILL)
    os.kill(ended["pid"], signal.SIGTERM)
    workers = {killed["worker"], ended["worker"]}
    wait_until(lambda: len({one["worker"] for one in board.read()} - workers) == 2, START_SECONDS)
    wait_until(lambda: any(one["stale"] for one in board.read()))
    assert [one["worker"] for one in board.read() if one["stale"]] == [killed["worker"]]
    assert of_all(scraped(server), "wsgifutures_worker_stale", worker=killed["worker"]) == [1.0]
    assert ended["worker"] not in {one["worker"] for one in board.read()}


@pytest.mark.operation
def test_folder_that_others_can_write_to_is_not_used_and_the_site_is_served(started, new_instance):
    """The log says why; there are no metrics."""
    folder = new_instance()
    board = folder / "var" / "wsgifutures"
    board.mkdir()
    board.chmod(0o777)
    server = started(folder=folder)
    assert f"The folder {board} cannot be used for the live status" in server.process.output
    assert list(board.iterdir()) == []
    answer = requests.get(f"{server.root}/@@futures-metrics", auth=ADMIN)
    assert (answer.status_code, "status_folder" in answer.text) == (503, True)


@pytest.mark.operation
def test_status_that_is_switched_off_writes_nothing(started, new_instance):
    """There are no metrics then."""
    folder = new_instance()
    server = started(folder=folder, env={"WSGIFUTURES_STATUS_FOLDER": "off"})
    assert not (folder / "var" / "wsgifutures").exists()
    answer = requests.get(f"{server.root}/@@futures-metrics", auth=ADMIN)
    assert answer.status_code == 503
