"""What one worker does now, as plain data that is JSON.

Nothing in it is secret: paths without their query strings, ids of users, names of functions
and hosts, numbers. No argument of a call is told, and no header.
"""

from ..kernel.calls import CallState
from ..traces.paths import shown
from ..upstreams.figures import all_figures
from ..wsgi.held import Held
from ..wsgi.record import Record
from ..wsgi.worker import Worker
from .board import FORMAT
from .board import Snapshot
from collections.abc import Hashable
from typing import Any
from typing import NamedTuple

import os

#: So many held responses are told one by one: those that were held first.
HOLDS = 200


class Sender(NamedTuple):
    """Who tells."""

    name: str  #: a random one, for each start of a process
    started: float  #: in seconds since the epoch


def of_worker(sender: Sender, worker: Worker, at: float, history: list[list[float]]) -> Snapshot:
    """Return what *worker* does.

    Args:
        sender: Whose snapshot it is.
        worker: The same, as it serves.
        at: The time, in seconds since the epoch.
        history: What was, as ``History`` keeps it.
    """
    return {
        "format": FORMAT,
        "pid": os.getpid(),
        "worker": sender.name,
        "started": sender.started,
        "at": at,
        "counts": _counts(worker),
        "totals": _totals(worker),
        "holds": [_hold(one, worker.clock() - at) for one in worker.held.oldest(HOLDS)],
        "upstreams": all_figures(),
        "last": _last(worker.record),
        "history": history,
    }


def _counts(worker: Worker) -> dict[str, int]:
    gate, settings = worker.gate, worker.settings
    return {
        "held": worker.held.count,
        "waiting": gate.waiting,
        "slots_used": gate.taken,
        "slots": gate.slots,
        "max_held": settings.max_held,
        "max_waiting": settings.max_waiting,
    }


def _totals(worker: Worker) -> dict[str, Any]:
    record, monitor = worker.record, worker.monitor.counts
    return {
        "requests": record.requests,
        "held": record.held,
        "passes": record.passes,
        "refused": dict(worker.refusals.counts),
        "expired": record.expired,
        "cancelled": record.cancelled,
        "timeouts": record.timeouts,
        "gone": record.gone,
        "held_seconds": record.held_for.total,
        "held_buckets": record.held_for.buckets(),
        "slow_passes": monitor["slow passes"],
        "blocked": monitor["blocked"],
    }


def _hold(one: Held, offset: float) -> dict[str, Any]:
    """Return what is told of one; *offset* is the hold's clock less the epoch's."""
    hold = one.hold
    calls = list(hold.calls.values())  # a copy in one step: its thread goes on
    waiting_on = [call.function_name for call in calls if call.state is not CallState.SETTLED]
    return {
        "id": str(one.number),
        "path": shown(one.path),
        "user": _user(hold.client),
        "since": round(hold.since - offset, 1),
        "passes": hold.passes,
        "waiting_on": list(dict.fromkeys(waiting_on)),
        "trace": hold.trace,
    }


def _user(client: Hashable) -> str:
    """Return the id of a user as the publisher tells it, nothing where nobody is logged in."""
    match client:
        case ("user", str(name)):
            return name
    return ""


def _last(record: Record) -> list[dict[str, Any]]:
    """Return the last things that went wrong, the newest first."""
    told = [{**one._asdict(), "path": shown(one.path)} for one in list(record.last)]
    return told[::-1]
