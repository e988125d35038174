"""What one worker does now, as plain data for JSON.

Nothing in it is secret: it has paths without their query strings, ids of users, names of
functions and hosts, and numbers, but no argument of a call and no header.
"""

from ..kernel.calls import CallState
from ..kernel.durations import buckets
from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from ..traces.paths import render_path
from ..upstreams.figures import all_figures
from ..wsgi.joints import joints
from ..wsgi.record import COUNTERS
from ..wsgi.record import Happened
from ..wsgi.record import Held
from ..wsgi.worker import Worker
from .board import FORMAT
from .board import Snapshot
from collections.abc import Hashable
from operator import attrgetter
from typing import Any
from typing import NamedTuple

import os

#: How many held responses are listed: those that were held first.
HOLDS = 200

#: The numbers of a worker, each read from its middleware.
NUMBERS = (
    Number(
        "held",
        Kind.GAUGE,
        attrgetter("held.count"),
        "Responses held or streamed now",
        "held_responses",
    ),
    Number(
        *("streaming", Kind.GAUGE, attrgetter("held.streams")),
        *("Responses streamed now", "streamed_responses"),
    ),
    Number(
        *("max_held", Kind.GAUGE, attrgetter("settings.max_held")),
        *("How many responses may be held (max_held)", "held_responses_limit"),
    ),
    Number(
        *("waiting", Kind.GAUGE, attrgetter("gate.waiting")),
        *("Passes that wait for a slot now", "waiting_passes"),
    ),
    Number(
        *("max_waiting", Kind.GAUGE, attrgetter("settings.max_waiting")),
        *("How many new requests may wait for a slot (max_waiting)", "waiting_passes_limit"),
    ),
    Number("slots_used", Kind.GAUGE, attrgetter("gate.taken"), "Passes that run now"),
    Number("slots", Kind.GAUGE, attrgetter("gate.slots"), "How many passes run at a time"),
    *COUNTERS,
    Number(
        *("slow_passes", Kind.COUNTER, lambda one: one.monitor.counts["slow passes"]),
        "Passes that took longer than slow_pass",
    ),
    Number(
        *("blocked", Kind.COUNTER, lambda one: one.monitor.counts["blocked"]),
        "Views and futures that let nothing else run for longer than blocked",
    ),
    Number("refused", Kind.COUNTER, lambda one: dict(one.refusals.counts)),
    Number("held_seconds", Kind.COUNTER, attrgetter("record.held_seconds")),
    Number("held_buckets", Kind.COUNTER, lambda one: buckets(one.record.held_up_to)),
)


class Sender(NamedTuple):
    """The worker that a snapshot is about."""

    name: str  #: random, new at each start of a process
    started: float  #: in seconds since the epoch


def of_worker(sender: Sender, worker: Worker, at: float, history: list[list[float]]) -> Snapshot:
    """Return the snapshot of *worker* at the time *at*, with the points of its ``History``."""
    return {
        "format": FORMAT,
        "pid": os.getpid(),
        "worker": sender.name,
        "started": sender.started,
        "at": at,
        "counts": _numbers(worker, Kind.GAUGE),
        "totals": _numbers(worker, Kind.COUNTER),
        "holds": [_hold(one, worker.clock() - at) for one in worker.held.oldest(HOLDS)],
        "upstreams": all_figures(),
        "last": [_event(one) for one in list(worker.record.last)[::-1]],
        "history": history,
        **{name: part for joint in joints for name, part in joint.report().items()},
    }


def _numbers(worker: Worker, kind: Kind) -> dict[str, Any]:
    return {one.name: one.read(worker) for one in NUMBERS if one.kind is kind}


def _hold(one: Held, offset: float) -> dict[str, Any]:
    """Return a hold as data; *offset* is the time of its clock minus that since the epoch."""
    hold = one.hold
    calls = list(hold.calls.values())  # a copy in one step: its thread goes on
    waiting_on = [call.function_name for call in calls if call.state is not CallState.SETTLED]
    if one.stream:
        waiting_on = [one.stream]
    return {
        "id": str(one.number),
        "path": render_path(one.path),
        "user": _user(hold.client),
        "since": round(hold.since - offset, 1),
        "passes": hold.passes,
        "waiting_on": list(dict.fromkeys(waiting_on)),
        "trace": hold.trace,
    }


def _user(client: Hashable) -> str:
    """Return the id of the user that the publisher found, "" if nobody is logged in."""
    match client:
        case ("user", _, str(name)):
            return name
    return ""


def _event(one: Happened) -> dict[str, Any]:
    return {**one._asdict(), "path": render_path(one.path)}
