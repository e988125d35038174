"""What became of the calls to each upstream of this process, for whoever looks.

Sites may have settings of their own for one upstream, and so each a service of its own. Those
at one host are told as one.
"""

from ..kernel.durations import percentile
from .breaker import BreakerState
from .service import Service
from .upstream import upstreams
from collections import Counter
from typing import Any

#: What the state of a breaker is called, the worst one last.
STATES = {
    BreakerState.CLOSED: "closed",
    BreakerState.HALF_OPEN: "half-open",
    BreakerState.OPEN: "open",
}


def all_figures() -> list[dict[str, Any]]:
    """Return the figures of each upstream at each of its hosts, as plain data."""
    by_host: dict[tuple[str, str], list[Service]] = {}
    for _, upstream in sorted(upstreams.items()):
        for service in upstream.services():
            by_host.setdefault((service.name, service.settings.host), []).append(service)
    return [figures(services) for services in by_host.values()]


def figures(services: list[Service]) -> dict[str, Any]:
    """Return the figures of *services*, which call the same upstream at the same host."""
    first = services[0]
    counts: Counter[str] = sum((one.counts for one in services), Counter())
    recent = [seconds for one in services for seconds in one.durations.recent]
    buckets: Counter[str] = Counter()
    for one in services:
        buckets.update(one.durations.buckets())
    breaker = max((one.breaker.state for one in services), key=list(STATES).index)
    return {
        "name": first.name,
        "host": first.settings.host,
        "off": all(one.settings.off for one in services),
        "calls": counts["calls"],
        "in_flight": sum(one.bulkhead.taken for one in services),
        "queued": sum(one.bulkhead.waiting for one in services),
        "errors": counts["failures"],
        "retries": counts["retries"],
        "busy": counts["refused"],
        "p50": percentile(recent, 50),
        "p99": percentile(recent, 99),
        "breaker": STATES[breaker],
        "retry_in": max(one.breaker.closed_for() for one in services) or None,
        "cache_hits": counts["hits"],
        "cache_misses": counts["misses"],
        "seconds": sum(one.durations.total for one in services),
        "buckets": dict(buckets),
    }
