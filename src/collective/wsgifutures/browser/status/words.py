"""The status in words: the texts for a number, a limit and the state of a breaker."""

from ...interfaces import _
from ...jobs.records import JobState
from ...workers.registry import SEEN_EVERY
from typing import Any

import time

#: The icon, the colour and the words for each state of a breaker. The words stand on the page,
#: since not everybody can tell the colours apart.
BREAKERS = {
    "closed": ("check-circle", "success", _("Working")),
    "half-open": ("question-circle", "warning", _("Trying again")),
    "open": ("x-octagon", "danger", _("Paused")),
    "off": ("slash-circle", "secondary", _("Switched off")),
}

#: The icon and the words for each bad end of a request.
ENDS = {
    "refused": ("x-octagon", _("Refused")),
    "expired": ("hourglass-bottom", _("Out of time")),
    "timeout": ("alarm", _("A call timed out")),
    "cancelled": ("slash-circle", _("Cancelled")),
}

#: Why a request was refused: each limit in words.
LIMITS = {
    "max_held": _("the limit of held responses is reached"),
    "max_held_per_client": _("the limit of held responses for one visitor is reached"),
    "max_waiting": _("the limit of requests that wait for a slot is reached"),
    "max_wait": _("the wait for a slot was too long"),
    "max_bodies": _("the space for uploads is full"),
}

#: How attempts at jobs ended.
JOB_ENDS = {
    "done": _("done"),
    "failed": _("failed, and tried again"),
    "dead": _("dead"),
    "cancelled": _("cancelled while they ran"),
    "rescued": _("rescued: their process had ended"),
    "lost": _("too late: another process had the job"),
    "conflicts": _("conflicts in the database"),
    "stopped": _("broken off by a stop of the server"),
}

#: The states of a job.
JOB_STATES = {
    JobState.WAITING: _("waiting"),
    JobState.RUNNING: _("running"),
    JobState.DONE: _("done"),
    JobState.DEAD: _("dead"),
    JobState.CANCELLED: _("cancelled"),
}


def duration(seconds: float | None) -> str:
    """Return *seconds* for people, like ``120 ms``, ``2.4 s`` or ``3 min 5 s``."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return age(seconds)


def age(seconds: float) -> str:
    """Return *seconds* in whole seconds, like ``12 s``, ``3 min 5 s`` or ``2 h 10 min``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def ago(at: float) -> str:
    """Return for people how long ago *at* was."""
    return age(max(0.0, time.time() - at))


#: Seconds after a note that a worker was seen in which another one may not be due.
RECENTLY = SEEN_EVERY + 600.0


def seen(at: float | None, is_busy: bool, now: float) -> Any:
    """Return in words when a worker was last seen, which is noted once an hour."""
    if is_busy:
        return _("now: it has a job")
    if at is None:
        return _("never")
    if now - at < RECENTLY:
        return _("in the last hour")
    return _("${time} ago", mapping={"time": age(now - at)})
