"""All workers as one: sums, what is told of whom, what one site sees."""

from collective.wsgifutures.status import overview
from collective.wsgifutures.status.overview import COUNTS as COUNTED
from collective.wsgifutures.status.overview import is_below
from collective.wsgifutures.status.overview import place

import pytest

NOW = 1_000_000.0

COUNTS = {
    "held": 2,
    "streaming": 1,
    "waiting": 1,
    "slots_used": 1,
    "slots": 4,
    "max_held": 10,
    "max_waiting": 5,
}


def snapshot(worker, stale=False, **changes):
    told = {
        "worker": worker,
        "pid": 1,
        "started": NOW - 100,
        "at": NOW - 1,
        "stale": stale,
        "counts": COUNTS,
        "totals": {"passes": 3, "refused": {"max_held": 1}},
        "holds": [],
        "upstreams": [],
        "last": [],
        "history": [],
    }
    return {**told, **changes}


def hold(path, since=NOW - 5, number="1"):
    return {"id": number, "path": path, "user": "", "since": since, "passes": 1, "waiting_on": []}


def upstream(**changes):
    told = {"name": "weather", "host": "a.example", "off": False, "breaker": "closed"}
    numbers = ("calls", "in_flight", "queued", "errors", "retries", "busy")
    numbers += ("cache_hits", "cache_misses")
    return {**told, **dict.fromkeys(numbers, 1), "p50": 1.0, "p99": 2.0, "retry_in": None} | changes


def test_counts_and_totals_of_workers_when_fresh_are_added_up():
    """Also what is nested in them, and what only one of them has."""
    other = {"passes": 1, "refused": {"max_wait": 4, "max_held": 2}}
    told = overview.of([snapshot("a"), snapshot("b", totals=other)], NOW)
    assert told["counts"] == {name: 2 * number for name, number in COUNTS.items()}
    assert told["totals"] == {"passes": 4, "refused": {"max_held": 3, "max_wait": 4}}


def test_refused_tokens_of_workers_are_added_up_by_reason():
    """Of those that tell: a worker without Plone has no tokens."""
    told = [{"refused": {"unknown": 2, "ended": 1}}, {"refused": {"unknown": 3, "ended": 0}}]
    workers = [snapshot(name, tokens=one) for name, one in zip("ab", told, strict=True)]
    stale = snapshot("d", stale=True, tokens=told[0])
    found = overview.of([*workers, snapshot("c"), stale], NOW)["tokens"]
    assert found == {"refused": {"unknown": 5, "ended": 1}}
    assert overview.of([snapshot("c")], NOW)["tokens"] == {}


def test_worker_when_stale_is_listed_and_counted_nowhere():
    """Nobody knows what it does now."""
    old = snapshot("b", stale=True, holds=[hold("/x")], upstreams=[upstream()], at=NOW - 60)
    old["last"] = [{"at": NOW, "what": "refused", "why": "max_held", "path": "/x"}]
    old["history"] = [[NOW, 5, 5, 5]]
    told = overview.of([snapshot("a"), old], NOW)
    assert [(one["worker"], one["stale"], one["age"]) for one in told["workers"]] == [
        ("a", False, 1.0),
        ("b", True, 60.0),
    ]
    assert told["counts"] == COUNTS
    assert (told["holds"], told["upstreams"], told["last"]) == ([], [], [])
    assert sum(sum(point[1:]) for point in told["history"]) == 0


@pytest.mark.parametrize("written", [[], [snapshot("a", stale=True)]])
def test_overview_when_no_worker_is_counted_has_its_whole_form(written):
    """As before the first second is over, or where none has told anything lately."""
    told = overview.of(written, NOW)
    assert told["counts"] == dict.fromkeys(COUNTED, 0)
    assert (told["holds"], told["more_holds"], len(told["history"])) == ([], 0, 60)


def test_holds_of_all_workers_are_told_the_oldest_first_with_their_worker():
    """And their age, at the time of the overview."""
    first = snapshot("a", holds=[hold("/late", NOW - 1), hold("/early", NOW - 9)])
    told = overview.of([first, snapshot("b", holds=[hold("/mid", NOW - 5)])], NOW)
    assert [(one["path"], one["worker"], one["age"]) for one in told["holds"]] == [
        ("/early", "a", 9.0),
        ("/mid", "b", 5.0),
        ("/late", "a", 1.0),
    ]
    assert told["more_holds"] == 1


def test_numbers_that_are_not_of_one_instant_are_never_below_0():
    """A hold may come while its worker counts, and times are rounded."""
    early = snapshot("a", holds=[hold("/a", NOW + 0.04)], at=NOW + 0.1)
    early["counts"] = {**COUNTS, "held": 0}
    told = overview.of([early], NOW)
    assert (told["more_holds"], told["holds"][0]["age"], told["workers"][0]["age"]) == (0, 0, 0)


def test_hold_of_when_another_worker_has_the_same_number_is_that_of_the_worker():
    """Each worker counts from one."""
    told = overview.of([snapshot("a", holds=[hold("/a")]), snapshot("b", holds=[hold("/b")])], NOW)
    assert overview.hold_of(told, "b", "1")["path"] == "/b"
    assert overview.hold_of(told, "c", "1") is None


def test_upstream_of_two_workers_is_one_with_the_slowest_times_and_the_worst_breaker():
    """Numbers are added up; a percentile of two cannot be."""
    open_one = upstream(p50=None, p99=9.0, breaker="open", retry_in=3.0)
    all_three = [upstream(), upstream(breaker="half-open", calls=5), open_one]
    written = [snapshot(str(n), upstreams=[one]) for n, one in enumerate(all_three)]
    (told,) = overview.of(written, NOW)["upstreams"]
    assert (told["calls"], told["errors"], told["p50"], told["p99"]) == (7, 3, 1.0, 9.0)
    assert (told["breaker"], told["retry_in"]) == ("open", 3.0)
    assert told["breakers"] == {"closed": 1, "half-open": 1, "open": 1}


def test_upstream_when_one_worker_does_not_ask_it_is_told_as_switched_off():
    """An operator who has switched it off sees that it is."""
    both = [snapshot(str(off), upstreams=[upstream(off=off)]) for off in (False, True)]
    assert overview.of(both, NOW)["upstreams"][0]["off"] is True


def test_upstream_when_sites_have_it_at_two_hosts_is_two():
    """They are two services."""
    both = [upstream(), upstream(host="b.example")]
    told = overview.of([snapshot("a", upstreams=both)], NOW)["upstreams"]
    assert [one["host"] for one in told] == ["a.example", "b.example"]


def test_upstream_when_it_answered_nothing_yet_has_no_times():
    """None, and not 0."""
    told = overview.of([snapshot("a", upstreams=[upstream(p50=None, p99=None)])], NOW)
    assert told["upstreams"][0]["p99"] is None


def test_history_of_two_workers_is_put_on_one_line_of_time():
    """Sixty points of ten seconds, the last one now; what is older is left out."""
    first = [[NOW - 700, 9, 9, 9], [NOW - 20, 1, 2, 3], [NOW, 4, 0, 0]]
    second = [[NOW - 20, 10, 20, 30], [NOW, 0, 0, 0]]
    told = overview.of([snapshot("a", history=first), snapshot("b", history=second)], NOW)[
        "history"
    ]
    assert len(told) == 60
    assert told[-1] == [NOW, 4, 0, 0]
    assert told[-3] == [NOW - 20, 11, 22, 33]
    assert sum(point[1] for point in told) == 15


def test_history_when_a_worker_has_not_told_of_the_newest_point_ends_before_it():
    """Its last point is no sum of some workers alone."""
    first, second = [[NOW - 10, 5, 0, 0], [NOW, 5, 0, 0]], [[NOW - 10, 7, 0, 0]]
    told = overview.of([snapshot("a", history=first), snapshot("b", history=second)], NOW + 1)
    assert told["history"][-1] == [NOW - 10, 12, 0, 0]


def test_what_happened_is_told_the_last_one_first_with_its_worker():
    """Fifty at most, of all workers."""
    last = [{"at": NOW - n, "what": "refused", "why": "max_held", "path": "/x"} for n in range(40)]
    told = overview.of([snapshot("a", last=last), snapshot("b", last=last)], NOW)["last"]
    assert len(told) == 50
    assert [one["worker"] for one in told[:2]] == ["a", "b"]
    assert told[0]["at"] == NOW


PLACES = {
    "/Plone/x": "/Plone/x",
    "/Plone//x/./y/": "/Plone/x/y",
    "/Plone/../Other/x": "/Other/x",
    "/../../x": "/x",
    "//Plone/x": "/Plone/x",
    "/": "/",
    "": "",
    "/VirtualHostBase/https/example.com:443/Plone/VirtualHostRoot/x": "/Plone/x",
    "/VirtualHostBase/http/a:80/Plone/VirtualHostRoot/_vh_b/_vh_c/x": "/Plone/x",
    "/VirtualHostBase/http/a:80/VirtualHostRoot/Plone/x": "/Plone/x",
    "/VirtualHostBase/http/a/One/VirtualHostRoot/../../Two": "/VirtualHostBase/http/a/Two",
    "/VirtualHostBase/http/a:80/Plone": "/VirtualHostBase/http/a:80/Plone",
}


@pytest.mark.parametrize("path", PLACES)
def test_place_of_a_path_is_where_zope_gets_to(path):
    """So that nobody passes for another site's visitor by the way the path is written."""
    assert place(path) == PLACES[path]


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/a/b", True), ("/a", True), ("/ab", False), ("/", False), ("", False), ("/b/a", False)],
)
def test_path_is_below_a_site_when_it_is_the_site_or_in_it(path, seen):
    """A name that begins alike is another site's."""
    assert is_below(path, "/a") is seen
    assert is_below(path, "/")


def test_one_site_sees_its_own_holds_and_what_happened_there_and_the_numbers_of_all():
    """Paths and users of others are nobody's business."""
    happened = {"at": NOW, "what": "refused", "why": "max_held"}
    one = snapshot(
        "a",
        holds=[hold("/a/x"), hold("/b/y", number="2")],
        last=[{**happened, "path": "/a/x"}, {**happened, "path": "/b/y"}, {**happened, "path": ""}],
    )
    told = overview.of([one], NOW, "/a")
    assert [hold["path"] for hold in told["holds"]] == ["/a/x"]
    assert [event["path"] for event in told["last"]] == ["/a/x"]
    assert (told["counts"]["held"], told["more_holds"]) == (2, 1)
    assert overview.hold_of(told, "a", "2") is None


def test_one_site_sees_its_own_by_where_zope_gets_to():
    """However the path is written."""
    through = "/VirtualHostBase/http/a.example:80/a/VirtualHostRoot/x"
    one = snapshot("a", holds=[hold(through), hold("/a/../b/y", number="2")])
    assert [one["path"] for one in overview.of([one], NOW, "/a")["holds"]] == ["/a/x"]


# Jobs


def runner(**changes):
    told = {
        **{"runner": "abc", "claims": True, "queues": [], "most": 10, "running": 1, "jobs": []},
        **{"waiting": {}, "oldest": {}, "dead": 0, "totals": {"done": 1}, "recent": {"done": 1}},
    }
    return {**told, **changes}


def running(site="/Plone", since=NOW - 5):
    return {"id": "aa-1", "label": "Tidy", "site": site, "since": since}


def jobs_of(*runners, site="/"):
    told = [snapshot(chr(97 + n), jobs=one) for n, one in enumerate(runners)]
    return overview.of([*told, snapshot("z")], NOW, site)["jobs"]


def test_jobs_without_a_runner_have_their_whole_form():
    """A page may ask for any of it."""
    assert jobs_of() == {
        **{"runners": 0, "most": 0, "running": 0, "jobs": [], "more_jobs": 0, "waiting": {}},
        **{"oldest": {}, "unserved": [], "dead": 0, "totals": {}, "recent": {}},
    }


def test_what_runners_do_is_added_up_and_what_all_of_them_see_is_not():
    """Each of them counts the jobs of the same database."""
    one = runner(waiting={"a": 3, "b": 1}, oldest={"a": NOW - 9}, dead=2)
    two = runner(waiting={"a": 4}, oldest={"a": NOW - 7, "b": NOW + 3}, dead=1, claims=False)
    told = jobs_of(one, two)
    assert (told["runners"], told["most"], told["running"]) == (1, 10, 2)
    assert (told["waiting"], told["dead"]) == ({"a": 4, "b": 1}, 2)
    assert told["oldest"] == {"a": 9.0, "b": 0.0}
    assert (told["totals"], told["recent"]) == ({"done": 2}, {"done": 2})


def test_running_jobs_of_other_sites_are_counted_and_not_listed():
    """Who sees all sites sees all of them, the oldest first."""
    young, old = running(since=NOW - 1), running("/Plone/sub", NOW - 20)
    one = runner(running=3, jobs=[young, running("/Other"), old])
    told = jobs_of(one, site="/Plone")
    assert [(job["age"], job["worker"]) for job in told["jobs"]] == [(20.0, "a"), (1.0, "a")]
    assert told["more_jobs"] == 1
    assert [job["age"] for job in jobs_of(one)["jobs"]] == [20.0, 5.0, 1.0]


@pytest.mark.parametrize(
    ("runners", "unserved"),
    [
        ([{"queues": ["a"]}, {"claims": False}], ["b"]),
        ([{"queues": ["a"]}, {"queues": ["b"]}], []),
        ([{"claims": False}], ["a", "b"]),
        ([{"queues": ["a"]}, {}], []),
    ],
)
def test_a_queue_is_served_by_a_runner_that_takes_its_jobs(runners, unserved):
    """One without queues takes all."""
    waiting = {"a": 1, "b": 1}
    assert jobs_of(*(runner(waiting=waiting, **one) for one in runners))["unserved"] == unserved


def test_runner_of_a_stale_worker_counts_nowhere():
    """Nobody knows what it does now."""
    old = snapshot("a", stale=True, at=NOW - 60, jobs=runner(running=4, jobs=[running()]))
    assert overview.of([old], NOW)["jobs"]["running"] == 0


def lease(id, site="/a", **changes):
    told = {"id": id, "site": site, "queue": "scans", "since": NOW - 30, "lease": NOW + 90}
    return {**told, **changes}


def of_elsewhere(*leases, **changes):
    told = {"waiting": {}, "oldest": {}, "running": {"scans": len(leases)}, "jobs": list(leases)}
    return {"elsewhere": {**told, **changes}}


def claims_of(*lines, **totals):
    lines = [{"site": site, "queue": queue, "claims": n} for site, queue, n in lines]
    return {"waiting": lines, "totals": totals}


def test_jobs_elsewhere_are_told_once_and_claims_added_up():
    """Each process sees the same jobs, and has claims of its own."""
    seen = of_elsewhere(lease("1"), lease("2", since=NOW - 60, lease=NOW - 5), waiting={"film": 2})
    told = overview.of(
        [
            snapshot("a", jobs=runner(**seen), claims=claims_of(("/a", "film", 2), done=1)),
            snapshot("b", jobs=runner(**seen), claims=claims_of(("/b", "film", 3), done=4)),
            snapshot("c", jobs=runner()),  # of an older version
        ],
        NOW,
    )["elsewhere"]
    second, first = told["jobs"]
    assert (first["id"], first["age"], first["lease_left"]) == ("1", 30.0, 90.0)
    assert (second["id"], second["age"], second["lease_left"]) == ("2", 60.0, 0.0)
    assert (told["running"], told["waiting"]) == ({"scans": 2}, {"film": 2})
    assert (told["claims"], told["totals"]) == ({"film": 5}, {"done": 5})


def test_jobs_elsewhere_of_other_sites_are_counted_alone():
    """One site sees its own."""
    seen = of_elsewhere(lease("1"), lease("2", "/b"))
    told = overview.of([snapshot("a", jobs=runner(**seen))], NOW, "/a")["elsewhere"]
    assert [job["id"] for job in told["jobs"]] == ["1"]
    assert told["more_jobs"] == 1


def test_a_queue_elsewhere_is_unserved_if_no_worker_has_a_job_or_waits():
    """As far as this host knows."""
    due = {"scans": NOW - 5, "film": NOW - 5, "texts": NOW - 5}
    seen = of_elsewhere(lease("1"), oldest=due)
    one = snapshot("a", jobs=runner(**seen), claims=claims_of(("/a", "film", 1)))
    told = overview.of([one], NOW)["elsewhere"]
    assert told["unserved"] == ["texts"]
    assert told["oldest"] == {"film": 5.0, "scans": 5.0, "texts": 5.0}
