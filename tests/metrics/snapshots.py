"""Snapshots of workers that have done a little of everything."""


def upstream(name, host="example.com", **changes):
    """Return the figures of an upstream at a host."""
    return {
        **{"name": name, "host": host, "off": False, "calls": 5, "in_flight": 1, "queued": 2},
        **{"errors": 3, "retries": 4, "busy": 6, "p50": 0.1, "p99": 1.0, "breaker": "closed"},
        **{"retry_in": None, "cache_hits": 7, "cache_misses": 8, "seconds": 2.5},
        "buckets": {"1": 8, "+Inf": 9},
        **changes,
    }


def jobs(**changes):
    """Return what the runner of a worker does."""
    return {
        **{"runner": "abc", "claims": True, "queues": [], "most": 10, "running": 2},
        "jobs": [
            {"id": "aa-1", "task": "pkg.secret-task", "label": "Secret task", "user": "jane"},
        ],
        **{"waiting": {"default": 4, "texts": 5}, "oldest": {"texts": 170.0}, "dead": 3},
        "totals": {
            **{"done": 11, "failed": 12, "dead": 13, "cancelled": 14, "rescued": 15},
            **{"lost": 16, "conflicts": 17, "stopped": 18},
        },
        **{"recent": {"done": 1}, "delay_seconds": 21.5, "run_seconds": 22.5},
        **{"delay_buckets": {"1": 6, "+Inf": 8}, "run_buckets": {"1": 7, "+Inf": 9}},
        "elsewhere": elsewhere(),
        **changes,
    }


def elsewhere(**changes):
    """Return what a runner sees of jobs for workers elsewhere, and of messages for a broker."""
    return {
        "waiting": {"scans": 6, "collective.wsgifutures.amqp": 9},
        "oldest": {"scans": 150.0, "collective.wsgifutures.amqp": 190.0},
        "running": {"scans": 7, "film": 8},
        "jobs": [{"id": "bb-1", "task": "pkg.secret-scan", "site": "/secret-site", "user": "jane"}],
        **changes,
    }


def claims(**changes):
    """Return which claims wait in a worker, and what workers elsewhere did there."""
    return {
        "waiting": [
            {"site": "/secret-site", "queue": "scans", "claims": 2},
            {"site": "/other", "queue": "scans", "claims": 1},
            {"site": "/other", "queue": "texts", "claims": 4},
        ],
        "totals": {"claimed": 31, "done": 32, "failed": 33, "released": 34, "lost": 35},
        **changes,
    }


def figure(entry="nightly", **changes):
    """Return what the clock of a worker has found of an entry in a site."""
    return {
        **{"site": "/secret-site", "entry": entry, "slot": 130.0, "due": 300.0, "fails": False},
        **changes,
    }


def tokens(**changes):
    """Return which tokens a worker has refused."""
    return {"refused": {"unknown": 51, "reused": 52, "scope": 0}, **changes}


#: What a relay told last.
RELAY = {
    **{"relay": "abc", "process": 7, "has_ended": False, "broker": "amqp://jane@internal//"},
    **{"trouble": "", "hints": 41, "messages": 42, "depths": {"scans": 43}, "at": 195.0},
}


def snapshot(worker="0000000a", **changes):
    """Return what a worker tells."""
    return {
        **{"format": 1, "pid": 7, "worker": worker, "started": 100.0, "at": 200.0, "stale": False},
        "counts": {
            **{"streaming": 9},
            **{"held": 3, "waiting": 2, "slots_used": 1, "slots": 4},
            **{"max_held": 5000, "max_waiting": 1000},
        },
        "totals": {
            **{"requests": 30, "held": 9, "passes": 45, "refused": {"max_held": 2}, "expired": 1},
            **{"cancelled": 4, "timeouts": 5, "gone": 6, "held_seconds": 12.5},
            **{"held_buckets": {"1": 2, "+Inf": 6}, "slow_passes": 7, "blocked": 8},
            **{"streams": 11},
        },
        "holds": [
            {"id": "2", "path": "/Plone/secret-path", "user": "jane", "since": 150.0},
            {"id": "1", "path": "/Plone/other", "user": "", "since": 140.0},
        ],
        "upstreams": [upstream("llm", "llm.internal"), upstream("weather")],
        "last": [],
        "history": [],
        "jobs": jobs(),
        "claims": claims(),
        "clock": [figure()],
        "tokens": tokens(),
        **changes,
    }
