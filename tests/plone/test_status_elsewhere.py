"""``@@futures-jobs``: what the tab for jobs shows of workers elsewhere, and of the relay."""

from collective.wsgifutures.amqp.duty import Duty
from collective.wsgifutures.amqp.duty import ROOT
from collective.wsgifutures.amqp.publishing import QUEUE
from collective.wsgifutures.browser.status import words
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import joint as jobs_joint
from collective.wsgifutures.jobs.neighbours import find_place
from collective.wsgifutures.jobs.store import make_store
from collective.wsgifutures.workers.joint import WorkersJoint
from collective.wsgifutures.workers.waiting import line_of
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from lxml.html import fromstring
from sitesettings import MEMBER
from snapshots import claims
from snapshots import elsewhere
from snapshots import jobs as of_jobs
from snapshots import lease
from statustabs import asker
from statustabs import make_workers
from statustabs import MANAGER
from statustabs import rows
from statustabs import told
from types import SimpleNamespace
from workersite import Outside

import json
import pytest
import re
import time
import transaction

PAGE = "@@futures-jobs"


@pytest.fixture
def workers(site, tmp_path):
    """A board in a site with the add-on, on which one worker has written."""
    workers = make_workers(site, tmp_path)
    workers.write(jobs=of_jobs())
    return workers


@pytest.fixture
def get(site, workers):
    """Ask for a view of the tab as a user."""
    return asker(site, workers, PAGE)


@pytest.fixture
def relay(site):
    """Write what a relay tells of itself."""

    def write(id="abc", pid=1, **more):
        duty = Duty()
        duty.relay, duty.place = id, (find_place()[0], pid)
        told = {"broker": "amqp://plone@mq.example.com//", "trouble": "", "hints": 40}
        duty.told = {**told, "messages": 2, "depths": {"scans": 7}, "at": time.time() - 65, **more}
        site.portal._p_jar.root()[ROOT] = duty
        transaction.commit()

    return write


def test_a_site_without_workers_elsewhere_shows_nothing_of_them(get):
    """Most sites have none."""
    page = get()
    assert page.status == 200
    assert "elsewhere" not in page.body
    assert not told(page, "#futures-part-relay")


def test_jobs_that_run_elsewhere_are_shown_with_their_workers(get, workers, site):
    """By name; since when, and how much of the lease is left."""
    worker = Outside(site).approved(["scans"])
    mine, other = lease("aa-1", worker=worker.id), lease("aa-2", since=time.time() - 5)
    workers.write(jobs=of_jobs(elsewhere=elsewhere(other, mine)))
    first, second = rows(get(), "elsewhere")
    assert first[:5] == ["Read a scan aa-1", "ocr on host7", "walter", "scans", "40 %"]
    assert re.fullmatch(r"1 min \d+ s", first[5])
    assert re.fullmatch(r"1 min [34]\d s", first[6])
    assert second[:2] == ["Read a scan aa-2", "wwwwwwwww"]


def test_jobs_of_several_runners_are_shown_once(get, workers):
    """All runners see the same."""
    for name in ("000000a1", "000000b2"):
        workers.write(name, jobs=of_jobs(elsewhere=elsewhere(lease("aa-1"))))
    page = get()
    assert len(rows(page, "elsewhere")) == 1
    assert [row[:5] for row in rows(page, "queues-elsewhere")] == [["scans", "0", "-", "1", "0"]]


def test_jobs_elsewhere_of_another_site_are_counted_and_not_shown(get, workers):
    """A manager of one site sees those of this site."""
    there = lease("bb-1", site="/other", label="Hidden task", user="otto")
    workers.write(jobs=of_jobs(elsewhere=elsewhere(lease("aa-1"), there)))
    page = get(user=MANAGER)
    assert len(rows(page, "elsewhere")) == 1
    assert "and 1 more that are not listed." in told(page, "#futures-part-elsewhere")[0]
    for text in ("Hidden task", "otto", "bb-1"):
        assert text not in page.body
    assert len(rows(get(), "elsewhere")) == 2


def test_a_job_elsewhere_leads_to_its_pages_for_who_handles_jobs_of_its_site(get, workers, site):
    """Its id and buttons, as those of jobs that run here."""
    site.portal.getPhysicalRoot().manage_permission(
        "collective.wsgifutures: View status", ["Authenticated"], acquire=0
    )
    transaction.commit()
    leases = lease("aa-1"), lease("bb-1", site="/other")
    workers.write(jobs=of_jobs(elsewhere=elsewhere(*leases)))
    page = fromstring(get(user=MANAGER).body)
    aims = [a.get("href") for a in page.cssselect("#futures-part-elsewhere a")]
    assert [aim.partition("=")[2] for aim in aims] == ["look%3Aaa-1", "cancel%3Aaa-1"]


def test_who_may_not_handle_jobs_gets_no_buttons_for_those_elsewhere(get, workers, site):
    """The status alone."""
    permission = "collective.wsgifutures: Manage jobs"
    site.portal.manage_permission(permission, ["Site Administrator"], acquire=0)
    transaction.commit()
    workers.write(jobs=of_jobs(elsewhere=elsewhere(lease("aa-1"))))
    page = get(user=MANAGER)
    assert len(rows(page, "elsewhere")) == 1
    assert not fromstring(page.body).cssselect("#futures-part-elsewhere a")


def test_queues_are_shown_with_jobs_and_claims_that_wait(get, workers):
    """Claims of all processes are added up, jobs are the same for all."""
    jobs = of_jobs(elsewhere=elsewhere(waiting={"scans": 3}, oldest={"scans": time.time() - 30.5}))
    workers.write("000000a1", jobs=jobs, claims=claims(("film", 2), ("scans", 1)))
    workers.write("000000b2", jobs=jobs, claims=claims(("film", 5)))
    page = get()
    film, scans = rows(page, "queues-elsewhere")
    assert film == ["film", "0", "-", "0", "7", "Pause film"]
    assert (scans[0], scans[1], scans[3:]) == ("scans", "3", ["0", "1", "Pause scans"])
    assert re.fullmatch(r"3\d s", scans[2])
    assert told(page, "#futures-tile-jobs-waiting .futures-number") == ["8"]  # 5 of them here


@pytest.mark.parametrize(
    ("seconds", "running", "waits", "is_told"),
    [(90, 0, 0, True), (20, 0, 0, False), (90, 1, 0, False), (90, 0, 1, False)],
)
def test_a_queue_that_no_worker_asks_for_is_said_in_words(
    get, workers, seconds, running, waits, is_told
):
    """If its jobs wait for a while; a worker that has one of its jobs may ask for more."""
    seen = elsewhere(
        *(lease(f"aa-{n}") for n in range(running)),
        waiting={"scans": 1},
        oldest={"scans": time.time() - seconds},
    )
    workers.write(jobs=of_jobs(elsewhere=seen), claims=claims(*[("scans", waits)] * waits))
    page = get()
    assert page.status == 200
    assert bool(told(page, "#futures-elsewhere-unserved")) is is_told
    assert ("no worker asks for its jobs" in page.body) is is_told


def test_a_queue_that_is_paused_is_not_missed_by_workers(get, workers, site):
    """Somebody wanted that; it can be resumed."""
    desk.pause_queue(make_store(site.portal._p_jar), "scans", time.time() - 65)
    transaction.commit()
    seen = elsewhere(waiting={"scans": 1}, oldest={"scans": time.time() - 90})
    workers.write(jobs=of_jobs(elsewhere=seen))
    page = get()
    (row,) = rows(page, "queues-elsewhere")
    assert re.fullmatch(r"scans paused for 1 min \d+ s", row[0])
    assert row[5] == "Resume scans"
    assert not told(page, "#futures-elsewhere-unserved")


def test_workers_of_the_site_are_shown_with_when_they_were_seen(get, workers, site):
    """Those that are approved."""
    Outside(site).approved(["scans", "film"])
    assert Outside(site).introduce(name="not yet").status == 202
    page = get()
    assert rows(page, "workers-elsewhere") == [["ocr on host7", "scans, film", "never", "0"]]
    assert "not yet" not in page.body
    assert told(page, "#futures-part-elsewhere .futures-nothing") == ["No job runs elsewhere."]


@pytest.mark.parametrize("user", [None, MEMBER])
def test_workers_are_shown_to_nobody_else(get, site, user):
    """As all of the tab."""
    Outside(site).approved()
    assert get(user=user).status in (302, 401)


# The relay


def test_a_relay_is_shown_with_its_broker(get, relay, workers):
    """What lies there, what is confirmed, and what is not."""
    waits = elsewhere(waiting={QUEUE: 3}, oldest={QUEUE: time.time() - 45.5})
    workers.write(jobs=of_jobs(elsewhere=waits))
    relay(server="RabbitMQ 3.10.8")
    page = get()
    text = told(page, "#futures-part-relay")[0]
    assert "Connected amqp://plone@mq.example.com// RabbitMQ 3.10.8" in text
    table = rows(page, "relay")
    assert table[0] == ["Hints at the broker for scans", "7"]
    assert re.fullmatch(r"3 the oldest for 4\d s", table[1][1])
    assert table[2][1] == "42"
    assert re.fullmatch(r"1 min \d+ s ago", table[3][1])
    assert QUEUE not in page.body  # messages are no jobs for workers
    assert not told(page, "#futures-part-queues-elsewhere tbody")


def test_a_broker_in_trouble_is_said_with_the_reason(get, relay):
    """In the words of the relay."""
    relay(trouble="It confirmed nothing for 10 s.")
    text = told(get(), "#futures-part-relay")[0]
    assert "The broker does not do its work" in text
    assert "It confirmed nothing for 10 s." in text


@pytest.mark.parametrize("how", [{"id": ""}, {"pid": 2**22 + 1}])
def test_a_relay_that_has_ended_is_said_to_have_ended(get, relay, how):
    """It said so, or its process is gone from this machine."""
    relay(**how)
    assert "No relay runs" in told(get(), "#futures-part-relay")[0]


def test_a_silent_relay_is_not_said_to_have_ended(get, relay):
    """Without work it writes nothing."""
    relay(at=time.time() - 86400)
    text = told(get(), "#futures-part-relay")[0]
    assert "Connected" in text
    assert "1 d 0 h ago" in text


# What is told, and how it comes there


def test_who_may_manage_workers_finds_their_control_panel(get, site):
    """Others do not."""
    Outside(site).approved()
    link = "#futures-part-workers-elsewhere a[href$=wsgifutures-workers]"
    assert fromstring(get(user=MANAGER).body).cssselect(link)
    permission = "collective.wsgifutures: Manage workers"
    site.portal.manage_permission(permission, ["Site Administrator"], acquire=0)
    transaction.commit()
    page = get(user=MANAGER)
    assert page.status == 200
    assert not fromstring(page.body).cssselect(link)


def test_the_refresh_has_these_parts(get, site):
    """As the page."""
    Outside(site).approved()
    html = json.loads(get("@@futures-jobs-data").body)["html"]
    assert "futures-part-workers-elsewhere" in html


def test_claims_that_wait_in_a_process_are_reported_by_site_and_queue(site):
    """A claim may stand in several lines; a site's path and a queue's name are told apart."""
    joint = WorkersJoint(site.portal._p_jar.db())
    assert joint.report()["claims"]["waiting"] == []
    joint.worker_starts(Worker(None, Settings()))
    lines = [line_of("uid", "/a/plone", queue) for queue in ("a queue", "film")]
    for wanted in (lines, lines[1:]):
        joint._waiters._line[_Claim(wanted)] = None
    try:
        assert joint.report()["claims"]["waiting"] == [
            {"site": "/a/plone", "queue": "a queue", "claims": 1},
            {"site": "/a/plone", "queue": "film", "claims": 2},
        ]
    finally:
        joint._waiters._line.clear()
    assert set(joint.report()["claims"]["totals"]) == {
        *("claimed", "done", "failed", "released", "lost"),
    }
    assert jobs_joint.runners == []


class _Claim:
    """A claim that stands in some lines."""

    def __init__(self, lines):
        self.asked = SimpleNamespace(lines=frozenset(lines))


@pytest.mark.parametrize(
    ("at", "is_busy", "text"),
    [
        (None, True, "now: it has a job"),
        (None, False, "never"),
        (100.0, False, "in the last hour"),
        (100.0 - words.RECENTLY, False, "${time} ago"),
    ],
)
def test_when_a_worker_was_seen_is_said_in_words(at, is_busy, text):
    """It is noted once an hour."""
    assert words.seen(at, is_busy, 100.0) == text
