"""What workers have left on the board, as if they ran."""

from collections import Counter
from collective.wsgifutures.status.board import Board

import itertools
import time

_numbers = itertools.count(1)

UPSTREAM = {
    "name": "weather",
    "host": "weather.example.com",
    "off": False,
    "calls": 40,
    "in_flight": 2,
    "queued": 0,
    "errors": 1,
    "retries": 0,
    "busy": 0,
    "p50": 0.12,
    "p99": 2.5,
    "breaker": "closed",
    "retry_in": None,
    "cache_hits": 7,
    "cache_misses": 3,
    "seconds": 5.0,
    "buckets": {"+Inf": 40},
}


def hold(path, **changes):
    """Return a hold of a request to *path*."""
    told = {
        "id": str(next(_numbers)),
        "path": path,
        "user": "",
        "since": time.time() - 3,
        "passes": 1,
        "waiting_on": ["acme.weather.now"],
        "trace": "",
    }
    return {**told, **changes}


def upstream(**changes):
    """Return the figures of an upstream."""
    return {**UPSTREAM, **changes}


def happened(what, why, path, held_as=0):
    """Return something that went wrong just now."""
    return {"at": time.time() - 2, "what": what, "why": why, "path": path, "held_as": held_as}


def running(id, **changes):
    """Return a job that runs."""
    told = {
        "id": id,
        "task": "acme.report",
        "label": "Make a report",
        "queue": "texts",
        "user": "walter",
        "site": "/plone",
        "since": time.time() - 10,
        "attempt": 1,
        "attempts": 5,
        "progress": 0.0,
    }
    return {**told, **changes}


def jobs(**changes):
    """Return what the runner of a worker does."""
    counts = dict.fromkeys(("cancelled", "rescued", "lost", "conflicts", "stopped"), 0)
    told = {
        "runner": "0123456789ab",
        "claims": True,
        "queues": [],
        "most": 10,
        "running": 1,
        "jobs": [running("aa-1")],
        "waiting": {"slow": 1, "texts": 4},
        "oldest": {"texts": time.time() - 90.5},
        "dead": 1,
        "totals": {"done": 40, "failed": 4, "dead": 1, **counts},
        "recent": {"done": 3, "failed": 1, "dead": 1, **counts},
        "delay_seconds": 1.0,
        "delay_buckets": {"+Inf": 40},
        "run_seconds": 1.0,
        "run_buckets": {"+Inf": 40},
    }
    return {**told, **changes}


def lease(id, **changes):
    """Return a job that a worker elsewhere has."""
    told = {
        "id": id,
        "task": "acme.scan",
        "label": "Read a scan",
        "queue": "scans",
        "user": "walter",
        "site": "/plone",
        "worker": "w" * 43,
        "since": time.time() - 65,
        "lease": time.time() + 100.5,
        "progress": 0.4,
    }
    return {**told, **changes}


def elsewhere(*leases, **changes):
    """Return what a runner sees of jobs for workers elsewhere."""
    running = Counter(one["queue"] for one in leases)
    told = {"waiting": {}, "oldest": {}, "running": dict(running), "jobs": list(leases)}
    return {**told, **changes}


def claims(*waiting, site="/plone"):
    """Return which claims wait in a worker: pairs of queue and number."""
    lines = [{"site": site, "queue": queue, "claims": number} for queue, number in waiting]
    return {"waiting": lines, "totals": {}}


def snapshot(worker, *holds, **changes):
    """Return what *worker* does: it holds *holds*."""
    now = time.time()
    counts = {"held": len(holds), "streaming": 0, "waiting": 0, "slots_used": 1, "slots": 4}
    told = {
        "format": 1,
        "pid": 4000 + int(worker, 16) % 1000,
        "worker": worker,
        "started": now - 600,
        "at": now,
        "counts": {**counts, "max_held": 5000, "max_waiting": 1000},
        "totals": {
            "requests": 100,
            "held": 50,
            "streams": 0,
            "passes": 150,
            "refused": {},
            "expired": 0,
            "cancelled": 0,
            "timeouts": 0,
            "gone": 0,
            "held_seconds": 60.0,
            "held_buckets": {"+Inf": 50},
            "slow_passes": 0,
            "blocked": 0,
        },
        "holds": list(holds),
        "upstreams": [],
        "last": [],
        "history": [],
    }
    return {**told, **changes}


class Workers:
    """The board, and who writes on it."""

    def __init__(self, folder):
        self.folder = folder / "status"
        self.board = Board(self.folder)

    @property
    def settings(self):
        """What a request has to be asked with to see them."""
        return {"status_folder": str(self.folder)}

    def write(self, worker="000000a1", *holds, seconds_ago=-60, **changes):
        """Write what *worker* does; it is not stale for a minute, on a busy machine too."""
        board = Board(self.folder, lambda: time.time() - seconds_ago)
        board.write(snapshot(worker, *holds, **changes))

    def asked_to_cancel(self, worker="000000a1"):
        """Return what *worker* is asked to cancel."""
        return self.board.take_cancels(worker)
