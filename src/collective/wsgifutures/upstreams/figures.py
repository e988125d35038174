"""Figures of the calls to each upstream of this process, for the status and metrics.

Sites with settings of their own for an upstream have a service of their own. The services at
one host are counted together.
"""

from ..kernel.durations import percentile
from ..kernel.numbers import Kind
from ..kernel.numbers import largest
from ..kernel.numbers import Number
from ..kernel.texts import _
from .breaker import BreakerState
from .service import Service
from .upstream import upstreams
from collections import Counter
from collections.abc import Callable
from typing import Any

#: The names of a breaker's states, the worst state last.
STATES = {
    BreakerState.CLOSED: "closed",
    BreakerState.HALF_OPEN: "half-open",
    BreakerState.OPEN: "open",
}


def _sum(value: Callable[[Service], int]) -> Callable[[list[Service]], int]:
    return lambda services: sum(map(value, services))


def _counted(name: str) -> Callable[[list[Service]], int]:
    return _sum(lambda service: service.counts[name])


def _percentile(percent: int) -> Callable[[list[Service]], float | None]:
    return lambda services: percentile(
        [seconds for one in services for seconds in one.durations.recent], percent
    )


#: The numbers of an upstream at one host, each read from its services there. The page has
#: their columns in this order.
FIGURES = (
    Number("calls", Kind.COUNTER, _counted("calls"), "Calls to the upstream", label=_("Calls")),
    Number(
        *("in_flight", Kind.GAUGE, _sum(lambda service: service.bulkhead.taken)),
        "Calls that are made now",
        label=_("Running"),
    ),
    Number(
        *("queued", Kind.GAUGE, _sum(lambda service: service.bulkhead.waiting)),
        "Calls that wait in the queue now",
        label=_("Queued"),
    ),
    Number(
        *("p50", Kind.GAUGE, _percentile(50)),
        merge=largest,
        label="p50",
        title=_("Half of the last calls took no longer, in the slowest worker"),
    ),
    Number(
        *("p99", Kind.GAUGE, _percentile(99)),
        merge=largest,
        label="p99",
        title=_("99 of 100 of the last calls took no longer, in the slowest worker"),
    ),
    Number(
        *("errors", Kind.COUNTER, _counted("failures"), "Attempts that failed or got a 5xx"),
        label=_("Errors"),
    ),
    Number("retries", Kind.COUNTER, _counted("retries"), "Attempts that were made again"),
    Number("busy", Kind.COUNTER, _counted("refused"), "Calls refused before they were made"),
    Number(
        *("cache_hits", Kind.COUNTER, _counted("hits"), "Answers found in the cache"),
        label=_("From cache"),
    ),
    Number(
        *("cache_misses", Kind.COUNTER, _counted("misses")),
        "Answers looked for in the cache and not found",
    ),
    Number(
        *("retry_in", Kind.GAUGE, lambda own: max(one.breaker.closed_for() for one in own) or None),
        merge=largest,
    ),
    Number("off", Kind.GAUGE, lambda own: all(one.settings.off for one in own), merge=any),
)


def all_figures() -> list[dict[str, Any]]:
    """Return the figures of each upstream at each of its hosts, as plain data."""
    by_host: dict[tuple[str, str], list[Service]] = {}
    for name in sorted(upstreams):
        for service in upstreams[name].services():
            by_host.setdefault((service.name, service.settings.host), []).append(service)
    return [figures(services) for services in by_host.values()]


def figures(services: list[Service]) -> dict[str, Any]:
    """Return the figures of *services*, which call the same upstream at the same host."""
    first = services[0]
    buckets: Counter[str] = Counter()
    for service in services:
        buckets.update(service.durations.buckets())
    breaker = max((service.breaker.state for service in services), key=list(STATES).index)
    return {
        "name": first.name,
        "host": first.settings.host,
        **{one.name: one.read(services) for one in FIGURES},
        "breaker": STATES[breaker],
        "seconds": sum(one.durations.total for one in services),
        "buckets": dict(buckets),
    }
