"""The metrics: what Prometheus reads, of all workers, and what is not told."""

from .snapshots import snapshot
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


def text_of(*snapshots, generate=generate_latest):
    """Return what a scraper gets."""
    return generate(SimpleNamespace(collect=lambda: families(snapshots))).decode()


def samples_of(*snapshots):
    """Return values by the metric's name, and the values of its labels, as they are parsed."""
    return {
        (sample.name.removeprefix("wsgifutures_"), *_values(sample.labels)): sample.value
        for family in text_string_to_metric_families(text_of(*snapshots))
        for sample in family.samples
    }


def _values(labels):
    order = ["worker", "upstream", "limit", "le"]
    return [labels[name] for name in sorted(labels, key=order.index)]


def test_metrics_of_a_worker_have_its_numbers():
    """Each of them another one here, so that none is another's."""
    samples = samples_of(snapshot(upstreams=[]))
    refused = {("refused_total", "0000000a", limit): 0.0 for limit in LIMITS}
    assert samples == {
        ("worker_start_time_seconds", "0000000a"): 100.0,
        ("worker_report_time_seconds", "0000000a"): 200.0,
        ("worker_stale", "0000000a"): 0.0,
        ("held_responses", "0000000a"): 3.0,
        ("held_responses_limit", "0000000a"): 5000.0,
        ("held_oldest_seconds", "0000000a"): 60.0,
        ("waiting_passes", "0000000a"): 2.0,
        ("waiting_passes_limit", "0000000a"): 1000.0,
        ("slots_used", "0000000a"): 1.0,
        ("slots", "0000000a"): 4.0,
        ("requests_total", "0000000a"): 30.0,
        ("passes_total", "0000000a"): 45.0,
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
    text = text_of(snapshot())
    assert not re.search("secret-path|jane|example.com|internal|pkg", text)


def test_the_text_is_openmetrics_too():
    """Its parser is strict: names of counters, buckets that add up, no name twice."""
    text = text_of(snapshot("0000000a"), snapshot("0000000b"), generate=generate_openmetrics)
    found = list(parse_openmetrics(text))
    assert len(found) == len(list(families([])))
