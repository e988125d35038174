"""Figures of the calls to each upstream of this process, for the status and metrics.

Sites with settings of their own for an upstream have a service of their own. The services at
one host are counted together.
"""

from ..kernel.durations import percentile
from .breaker import BreakerState
from .service import Service
from .upstream import upstreams
from collections import Counter
from typing import Any

#: The names of a breaker's states, the worst state last.
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
    counts: Counter[str] = sum((service.counts for service in services), Counter())
    recent = [seconds for service in services for seconds in service.durations.recent]
    buckets: Counter[str] = Counter()
    for service in services:
        buckets.update(service.durations.buckets())
    breaker = max((service.breaker.state for service in services), key=list(STATES).index)
    return {
        "name": first.name,
        "host": first.settings.host,
        "off": all(service.settings.off for service in services),
        "calls": counts["calls"],
        "in_flight": sum(service.bulkhead.taken for service in services),
        "queued": sum(service.bulkhead.waiting for service in services),
        "errors": counts["failures"],
        "retries": counts["retries"],
        "busy": counts["refused"],
        "p50": percentile(recent, 50),
        "p99": percentile(recent, 99),
        "breaker": STATES[breaker],
        "retry_in": max(service.breaker.closed_for() for service in services) or None,
        "cache_hits": counts["hits"],
        "cache_misses": counts["misses"],
        "seconds": sum(service.durations.total for service in services),
        "buckets": dict(buckets),
    }
