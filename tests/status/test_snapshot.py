"""A snapshot tells what a worker does, as JSON, and nothing that is secret."""

from .workers import Site
from .workers import wait_until
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import Upstream
from collective.wsgifutures.status.snapshot import HOLDS
from collective.wsgifutures.status.snapshot import of_worker
from collective.wsgifutures.status.snapshot import Sender

import json
import os
import pytest
import sys
import threading
import time

pytestmark = pytest.mark.concurrency

WORKER = Sender("0000000a", 1.0)


@pytest.fixture
def site():
    site = Site(max_held=300, max_held_per_client=300, slots=3)
    yield site
    site.finish()


def told(site, at=None):
    """Return the snapshot, as it is read."""
    snapshot = of_worker(WORKER, site.worker, time.time() if at is None else at, [[1.0, 2, 3, 4]])
    assert json.loads(json.dumps(snapshot)) == snapshot
    return snapshot


def test_snapshot_when_nothing_was_asked_has_its_whole_form(site):
    """What reads it can rely on each name."""
    snapshot = told(site, 5.0)
    buckets = snapshot["totals"].pop("held_buckets")
    assert (set(buckets.values()), list(buckets)[-1]) == ({0}, "+Inf")
    assert {name: snapshot[name] for name in snapshot if name != "upstreams"} == {
        "format": 1,
        "pid": os.getpid(),
        "worker": "0000000a",
        "started": 1.0,
        "at": 5.0,
        "counts": {
            **{"held": 0, "streaming": 0, "waiting": 0, "slots_used": 0, "slots": 3},
            **{"max_held": 300, "max_waiting": 2500},
        },
        "totals": {
            **{"requests": 0, "held": 0, "passes": 0, "refused": {}, "expired": 0},
            "streams": 0,
            **{"cancelled": 0, "timeouts": 0, "gone": 0, "held_seconds": 0.0},
            **{"slow_passes": 0, "blocked": 0},
        },
        "holds": [],
        "last": [],
        "history": [[1.0, 2, 3, 4]],
    }


def test_held_response_is_told_with_what_it_waits_on(site):
    """The path without its query string, the user, since when, passes, names of calls."""
    before = time.time()
    site.hold(
        QUERY_STRING="token=secret",
        HTTP_AUTHORIZATION="secret",
        HTTP_TRACEPARENT=f"00-{'ab' * 16}-{'cd' * 8}-00",
        client=("user", "/acl_users", "jane"),
    )
    snapshot = told(site)
    (one,) = snapshot["holds"]
    since = one.pop("since")
    assert before - 0.1 <= since <= time.time() + 0.1
    assert one == {
        **{"id": "1", "path": "/Plone/held", "user": "jane", "passes": 1},
        **{"waiting_on": ["pkg.wait"], "trace": "ab" * 16},
    }
    assert "secret" not in json.dumps(snapshot)
    assert site.finish() == [200]
    assert told(site)["holds"] == []


def test_address_of_a_visitor_who_is_not_logged_in_is_not_told(site):
    """The publisher knows it, to count what each client holds."""
    site.hold(client=("address", "203.0.113.7"))
    snapshot = told(site)
    assert snapshot["holds"][0]["user"] == ""
    assert "203.0.113.7" not in json.dumps(snapshot)


def test_held_response_waits_on_what_is_not_settled_each_name_once(site):
    """The calls of one function are told as one."""
    done = future(key="pkg.done")(lambda: "done")
    site.short = lambda path: gather(done.submit(), site.wait.submit("a"), site.wait.submit("b"))
    site.hold("/short")
    wait_until(lambda: told(site)["holds"][0]["waiting_on"] == ["pkg.wait"])


def test_totals_have_what_went_wrong():
    """Each under its own name."""
    site = Site(slow_pass=0.001)
    monitor, record = site.worker.monitor, site.worker.record
    site.short = lambda path: (time.sleep(0.02), monitor.look())
    site.ask("/short")
    for _ in range(2):
        monitor.something_blocks(1.0, sys._getframe())
        monitor._blockers.clear()
    record.gone, record.cancelled, record.expired, record.timeouts = 3, 4, 5, 6
    totals = told(site)["totals"]
    names = ("slow_passes", "blocked", "gone", "cancelled", "expired", "timeouts")
    assert [totals[name] for name in names] == [1, 2, 3, 4, 5, 6]


def test_totals_after_a_held_and_a_fast_request(site):
    """Requests, passes, and how long was held."""
    site.hold()
    site.ask("/fast")
    time.sleep(0.02)
    site.finish()
    totals = told(site)["totals"]
    counts = {name: totals[name] for name in ("requests", "held", "passes", "expired")}
    assert counts == {"requests": 2, "held": 1, "passes": 3, "expired": 0}
    assert 0.02 <= totals["held_seconds"] < 5
    assert totals["held_buckets"]["+Inf"] == 1


def test_of_many_held_responses_the_oldest_are_told_and_the_others_counted(site):
    """A snapshot stays small."""
    for _ in range(HOLDS + 3):
        site.hold()
    snapshot = told(site)
    assert [one["id"] for one in snapshot["holds"]] == [str(n + 1) for n in range(HOLDS)]
    assert snapshot["counts"]["held"] == HOLDS + 3
    assert len(json.dumps(snapshot)) < 50_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/m\xc3\xbcller", "/müller"),
        ("/\xff", "/\ufffd"),
        ("/" + "a" * 500, "/" + "a" * 198 + "…"),
    ],
)
def test_path_is_told_as_people_read_it(site, path, text):
    """WSGI gives bytes in a text; a long one is cut."""
    site.hold(path + "/held")
    site.worker.refuse("max_held", path)
    snapshot = told(site)
    assert snapshot["last"][0]["path"] == text
    assert snapshot["holds"][0]["path"] in (text, f"{text}/held")


def test_refusal_expiry_and_timeout_are_told_the_newest_first():
    """What, why, and of which path."""
    site = Site(max_held=1, deadline=0.2, slots=2)
    first = site.hold("/a/held")
    assert site.ask("/b/held") == 503
    first.join()
    assert site.ask("/c/short") == 504
    snapshot = told(site)
    parts = ("what", "why", "path", "held_as")
    assert [tuple(one[part] for part in parts) for one in snapshot["last"]] == [
        ("timeout", "pkg.short", "/c/short", 0),
        ("expired", "pkg.wait", "/a/held", 1),
        ("refused", "max_held", "/b/held", 0),
    ]
    assert all(time.time() - 5 < one["at"] <= time.time() for one in snapshot["last"])
    totals = snapshot["totals"]
    assert (totals["refused"], totals["expired"], totals["timeouts"]) == ({"max_held": 1}, 1, 1)
    assert site.finish() == [504]


def test_only_the_last_fifty_are_kept(site):
    """In a storm of refusals too."""
    for number in range(60):
        site.worker.refuse("max_held", f"/{number}")
    paths = [one["path"] for one in told(site)["last"]]
    assert paths == [f"/{number}" for number in range(59, 9, -1)]


def test_slots_in_use_and_passes_that_wait_for_one_are_counted():
    """The gate tells both."""
    site = Site(slots=1)
    in_view, go_on = [], []
    site.short = lambda path: (in_view.append(path), wait_until(lambda: go_on))[0] or "text"
    threads = [threading.Thread(target=site.ask, args=("/short",)) for _ in range(3)]
    for one in threads:
        one.start()
    wait_until(lambda: site.worker.gate.waiting == 2)
    counts = told(site)["counts"]
    assert (counts["slots_used"], counts["slots"], counts["waiting"]) == (1, 1, 2)
    go_on.append(True)
    for one in threads:
        one.join()
    counts = told(site)["counts"]
    assert (counts["slots_used"], counts["waiting"]) == (0, 0)


def test_declared_upstream_is_told_before_it_is_called(site):
    """With the host alone of its address."""
    declared = Upstream("snapshot-test", "https://example.com:8443/very/secret")
    (one,) = [one for one in told(site)["upstreams"] if one["name"] == declared.name]
    buckets = one.pop("buckets")
    assert set(buckets.values()) == {0}
    assert one == {
        **{"name": "snapshot-test", "host": "example.com:8443", "off": False, "calls": 0},
        **{"in_flight": 0, "queued": 0, "errors": 0, "retries": 0, "busy": 0, "p50": None},
        **{"p99": None, "breaker": "closed", "retry_in": None, "cache_hits": 0},
        **{"cache_misses": 0, "seconds": 0.0},
    }
