"""The metrics: what Prometheus reads, of all workers, and what is not told."""

from .snapshots import claims
from .snapshots import elsewhere
from .snapshots import figure
from .snapshots import jobs
from .snapshots import RELAY
from .snapshots import snapshot
from .snapshots import tokens
from .snapshots import upstream
from collective.wsgifutures.metrics.families import families
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from types import SimpleNamespace

import pytest
import re

LIMITS = ("max_held", "max_held_per_client", "max_waiting", "max_wait", "max_bodies")


def text_of(*snapshots, generate=generate_latest, relay=None):
    """Return what a scraper gets."""
    return generate(SimpleNamespace(collect=lambda: families(snapshots, relay))).decode()


def samples_of(*snapshots, relay=None):
    """Return values by the metric's name, and the values of its labels, as they are parsed."""
    return {
        (sample.name.removeprefix("wsgifutures_"), *_values(sample.labels)): sample.value
        for family in text_string_to_metric_families(text_of(*snapshots, relay=relay))
        for sample in family.samples
    }


def _values(labels):
    order = ["worker", "upstream", "queue", "entry", "limit", "reason", "le"]
    return [labels[name] for name in sorted(labels, key=order.index)]


def test_metrics_of_a_worker_have_its_numbers():
    """Each of them another one here, so that none is another's."""
    samples = samples_of(snapshot(upstreams=[], jobs=None, claims={}, clock=[], tokens={}))
    refused = {("refused_total", "0000000a", limit): 0.0 for limit in LIMITS}
    assert samples == {
        ("worker_start_time_seconds", "0000000a"): 100.0,
        ("worker_report_time_seconds", "0000000a"): 200.0,
        ("worker_stale", "0000000a"): 0.0,
        ("held_responses", "0000000a"): 3.0,
        ("streamed_responses", "0000000a"): 9.0,
        ("held_responses_limit", "0000000a"): 5000.0,
        ("held_oldest_seconds", "0000000a"): 60.0,
        ("waiting_passes", "0000000a"): 2.0,
        ("waiting_passes_limit", "0000000a"): 1000.0,
        ("slots_used", "0000000a"): 1.0,
        ("slots", "0000000a"): 4.0,
        ("requests_total", "0000000a"): 30.0,
        ("passes_total", "0000000a"): 45.0,
        ("streams_total", "0000000a"): 11.0,
        ("expired_total", "0000000a"): 1.0,
        ("cancelled_total", "0000000a"): 4.0,
        ("timeouts_total", "0000000a"): 5.0,
        ("clients_gone_total", "0000000a"): 6.0,
        ("slow_passes_total", "0000000a"): 7.0,
        ("blocked_total", "0000000a"): 8.0,
        ("held_seconds_bucket", "0000000a", "1"): 2.0,
        ("held_seconds_bucket", "0000000a", "+Inf"): 6.0,
        ("held_seconds_count", "0000000a"): 6.0,
        ("held_seconds_sum", "0000000a"): 12.5,
        **refused,
        ("refused_total", "0000000a", "max_held"): 2.0,
    }


def test_metrics_of_tokens_say_why_they_were_refused():
    """By worker and reason; a worker that tells nothing of them has none."""
    one, other = snapshot("000000a1"), snapshot("000000a2", tokens=tokens(refused={"ended": 7}))
    samples = samples_of(one, other, snapshot("000000a3", tokens={}))
    assert {name: value for name, value in samples.items() if name[0].startswith("tokens")} == {
        ("tokens_refused_total", "000000a1", "unknown"): 51.0,
        ("tokens_refused_total", "000000a1", "reused"): 52.0,
        ("tokens_refused_total", "000000a1", "scope"): 0.0,
        ("tokens_refused_total", "000000a2", "ended"): 7.0,
    }


def test_metrics_of_an_upstream_have_its_numbers():
    """By worker and name."""
    samples = samples_of(snapshot(upstreams=[upstream("llm")]))
    assert {name: value for name, value in samples.items() if name[0].startswith("upstream")} == {
        ("upstream_calls_total", "0000000a", "llm"): 5.0,
        ("upstream_errors_total", "0000000a", "llm"): 3.0,
        ("upstream_retries_total", "0000000a", "llm"): 4.0,
        ("upstream_busy_total", "0000000a", "llm"): 6.0,
        ("upstream_cache_hits_total", "0000000a", "llm"): 7.0,
        ("upstream_cache_misses_total", "0000000a", "llm"): 8.0,
        ("upstream_in_flight", "0000000a", "llm"): 1.0,
        ("upstream_queued", "0000000a", "llm"): 2.0,
        ("upstream_breaker_open", "0000000a", "llm"): 0.0,
        ("upstream_off", "0000000a", "llm"): 0.0,
        ("upstream_attempt_seconds_bucket", "0000000a", "llm", "1"): 8.0,
        ("upstream_attempt_seconds_bucket", "0000000a", "llm", "+Inf"): 9.0,
        ("upstream_attempt_seconds_count", "0000000a", "llm"): 9.0,
        ("upstream_attempt_seconds_sum", "0000000a", "llm"): 2.5,
    }


def test_an_upstream_at_two_hosts_is_counted_together():
    """One series: hosts are no label."""
    hosts = [upstream("llm", "a", breaker="open", off=True), upstream("llm", "b")]
    samples = samples_of(snapshot(upstreams=hosts))
    assert samples["upstream_calls_total", "0000000a", "llm"] == 10.0
    assert samples["upstream_attempt_seconds_count", "0000000a", "llm"] == 18.0
    assert samples["upstream_attempt_seconds_sum", "0000000a", "llm"] == 5.0
    assert samples["upstream_breaker_open", "0000000a", "llm"] == 1.0
    assert samples["upstream_off", "0000000a", "llm"] == 0.0  # not everywhere


@pytest.mark.parametrize(("state", "value"), [("open", 1), ("half-open", 1), ("closed", 0)])
def test_an_upstream_that_is_only_tried_is_not_asked_yet(state, value):
    """One call finds out whether it is back."""
    samples = samples_of(snapshot(upstreams=[upstream("llm", breaker=state)]))
    assert samples["upstream_breaker_open", "0000000a", "llm"] == value


def clock_of(*figures):
    """Return what is told of timed work."""
    samples = samples_of(snapshot(clock=list(figures)))
    return {name: value for name, value in samples.items() if name[0].startswith("clock")}


def test_metrics_of_timed_work_tell_when_it_was_done_last_and_whether_it_is_overdue():
    """By its name."""
    assert clock_of(figure(), figure("other", slot=None, due=170.0, fails=True)) == {
        ("clock_last_slot_seconds", "0000000a", "nightly"): 70.0,
        ("clock_overdue_seconds", "0000000a", "nightly"): 0.0,
        ("clock_failing", "0000000a", "nightly"): 0.0,
        ("clock_overdue_seconds", "0000000a", "other"): 30.0,
        ("clock_failing", "0000000a", "other"): 1.0,
    }


def test_timed_work_of_several_sites_is_told_of_the_one_that_is_worst_off():
    """Sites are no label."""
    worse = figure(site="/other", slot=20.0, due=150.0, fails=True)
    paused = figure(site="/third", slot=None, due=None)
    assert clock_of(figure(), worse, paused) == {
        ("clock_last_slot_seconds", "0000000a", "nightly"): 180.0,
        ("clock_overdue_seconds", "0000000a", "nightly"): 50.0,
        ("clock_failing", "0000000a", "nightly"): 1.0,
    }


def test_all_workers_are_in_one_scrape():
    """Each by its own name; a stale one is marked."""
    samples = samples_of(snapshot("0000000a"), snapshot("0000000b", stale=True))
    stale = {name[1]: value for name, value in samples.items() if name[0] == "worker_stale"}
    assert stale == {"0000000a": 0.0, "0000000b": 1.0}
    assert samples["upstream_calls_total", "0000000b", "weather"] == 5.0


def test_a_worker_that_holds_nothing_has_an_oldest_of_no_age():
    """Also in the first second after the oldest has come, by a clock that goes back."""
    assert samples_of(snapshot(holds=[]))["held_oldest_seconds", "0000000a"] == 0.0
    early = snapshot(holds=[{"since": 201.0}])
    assert samples_of(early)["held_oldest_seconds", "0000000a"] == 0.0


def test_no_path_user_or_host_is_told():
    """Each would be a series of its own, and not everybody's to know."""
    text = text_of(snapshot(), relay=RELAY)
    assert not re.search(
        "secret-path|secret-site|bb-1|amqp|jane|example.com|internal|pkg|aa-1|[Ss]ecret", text
    )


def test_metrics_of_jobs_have_the_numbers_of_the_runner():
    """Each of them another one here; what waits is by queue."""
    samples = samples_of(snapshot(upstreams=[]))
    worker = "0000000a"
    assert {name: value for name, value in samples.items() if name[0].startswith("jobs")} == {
        ("jobs_runner", worker): 1.0,
        ("jobs_running", worker): 2.0,
        ("jobs_running_limit", worker): 10.0,
        ("jobs_dead", worker): 3.0,
        ("jobs_done_total", worker): 11.0,
        ("jobs_failed_total", worker): 12.0,
        ("jobs_died_total", worker): 13.0,
        ("jobs_cancelled_total", worker): 14.0,
        ("jobs_rescued_total", worker): 15.0,
        ("jobs_lost_total", worker): 16.0,
        ("jobs_conflicts_total", worker): 17.0,
        ("jobs_stopped_total", worker): 18.0,
        ("jobs_waiting", worker, "default"): 4.0,
        ("jobs_waiting", worker, "texts"): 5.0,
        ("jobs_oldest_seconds", worker, "default"): 0.0,
        ("jobs_oldest_seconds", worker, "texts"): 30.0,
        ("jobs_served", worker, "default"): 1.0,
        ("jobs_served", worker, "texts"): 1.0,
        ("jobs_delay_seconds_bucket", worker, "1"): 6.0,
        ("jobs_delay_seconds_bucket", worker, "+Inf"): 8.0,
        ("jobs_delay_seconds_count", worker): 8.0,
        ("jobs_delay_seconds_sum", worker): 21.5,
        ("jobs_run_seconds_bucket", worker, "1"): 7.0,
        ("jobs_run_seconds_bucket", worker, "+Inf"): 9.0,
        ("jobs_run_seconds_count", worker): 9.0,
        ("jobs_run_seconds_sum", worker): 22.5,
    }


def test_metrics_of_workers_elsewhere_have_their_numbers():
    """Claims of all sites are one number; messages for a broker are no jobs of workers."""
    samples = samples_of(snapshot(upstreams=[]))
    worker = "0000000a"
    assert {name: value for name, value in samples.items() if name[0].startswith("elsewhere")} == {
        ("elsewhere_claimed_total", worker): 31.0,
        ("elsewhere_done_total", worker): 32.0,
        ("elsewhere_failed_total", worker): 33.0,
        ("elsewhere_released_total", worker): 34.0,
        ("elsewhere_leases_lost_total", worker): 35.0,
        ("elsewhere_claims_waiting", worker, "film"): 0.0,
        ("elsewhere_claims_waiting", worker, "scans"): 3.0,
        ("elsewhere_claims_waiting", worker, "texts"): 4.0,
        ("elsewhere_jobs_waiting", worker, "film"): 0.0,
        ("elsewhere_jobs_waiting", worker, "scans"): 6.0,
        ("elsewhere_jobs_waiting", worker, "texts"): 0.0,
        ("elsewhere_jobs_oldest_seconds", worker, "film"): 0.0,
        ("elsewhere_jobs_oldest_seconds", worker, "scans"): 50.0,
        ("elsewhere_jobs_oldest_seconds", worker, "texts"): 0.0,
        ("elsewhere_jobs_running", worker, "film"): 8.0,
        ("elsewhere_jobs_running", worker, "scans"): 7.0,
        ("elsewhere_jobs_running", worker, "texts"): 0.0,
    }


def test_metrics_of_the_relay_have_its_numbers():
    """One series each: there is one relay for a database. What waits is told by the workers."""
    samples = samples_of(snapshot(upstreams=[]), relay=RELAY)
    assert {name: value for name, value in samples.items() if name[0].startswith("relay")} == {
        ("relay_up",): 1.0,
        ("relay_trouble",): 0.0,
        ("relay_sign_time_seconds",): 195.0,
        ("relay_hints_total",): 41.0,
        ("relay_messages_total",): 42.0,
        ("relay_depth", "scans"): 43.0,
        ("relay_unconfirmed_messages", "0000000a"): 9.0,
        ("relay_oldest_seconds", "0000000a"): 10.0,
    }


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"has_ended": True}, "relay_up", 0.0),
        ({"trouble": "it is away"}, "relay_trouble", 1.0),
        ({"depths": {}}, "relay_sign_time_seconds", 195.0),
    ],
)
def test_a_relay_that_does_not_do_its_work_is_told(change, name, value):
    """Whether it has ended, or the broker is the reason."""
    assert samples_of(relay={**RELAY, **change})[name,] == value


def test_a_database_without_a_relay_has_no_metrics_of_one():
    """But how many messages wait for one."""
    names = {name[0] for name in samples_of(snapshot()) if name[0].startswith("relay")}
    assert names == {"relay_unconfirmed_messages", "relay_oldest_seconds"}


def test_a_worker_that_knows_nothing_of_workers_elsewhere_tells_nothing_of_them():
    """One of an older version, during an update."""
    old = snapshot(jobs={**jobs()})
    del old["claims"], old["jobs"]["elsewhere"]
    assert not [name for name in samples_of(old) if name[0].startswith("elsewhere")]
    none = snapshot(claims=claims(waiting=[]), jobs=jobs(elsewhere=elsewhere(oldest={"x": 205.0})))
    assert samples_of(none)["elsewhere_jobs_oldest_seconds", "0000000a", "scans"] == 0.0


def test_a_queue_is_served_by_a_worker_that_runs_its_jobs():
    """Not by one that only submits some, nor by one for other queues."""
    off = snapshot("0000000a", jobs=jobs(claims=False))
    texts = snapshot("0000000b", jobs=jobs(queues=["texts", "mail"], waiting={"default": 1}))
    samples = samples_of(off, texts)
    assert {name[1:]: n for name, n in samples.items() if name[0] == "jobs_served"} == {
        ("0000000a", "default"): 0.0,
        ("0000000a", "texts"): 0.0,
        ("0000000b", "default"): 0.0,
        ("0000000b", "texts"): 1.0,
        ("0000000b", "mail"): 1.0,
    }
    assert samples["jobs_runner", "0000000a"] == 0.0


def test_a_worker_without_plone_has_no_metrics_of_jobs():
    """It has no jobs."""
    one = snapshot()
    del one["jobs"]
    assert not [name for name in samples_of(one) if name[0].startswith("jobs")]


def test_the_oldest_job_is_never_younger_than_nothing():
    """Clocks of hosts differ."""
    early = snapshot(jobs=jobs(oldest={"texts": 205.0}))
    assert samples_of(early)["jobs_oldest_seconds", "0000000a", "texts"] == 0.0


def test_the_text_is_openmetrics_too():
    """Its parser is strict: names of counters, buckets that add up, no name twice."""
    both = snapshot("0000000a"), snapshot("0000000b")
    text = text_of(*both, generate=generate_openmetrics, relay=RELAY)
    found = list(parse_openmetrics(text))
    assert len(found) == len(list(families([])))
