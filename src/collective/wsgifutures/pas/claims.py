"""Access tokens of claims: good for a worker elsewhere, for as long as it has the job.

At each use it is looked up what holds now: the job runs under the claim that the token names, and
its lease is not over; what is published is at or below what the job is about; and the method and
the name are in the ``may=`` of the task.
"""

from ..jobs.records import Job
from ..jobs.records import JobState
from ..jobs.store import find_job
from ..jobs.store import find_store
from ..keys.places import place_of
from ..tokens.refusals import Reason
from ..workers.access import what_it_may
from .bearer import Bearer
from .published import OWN
from .published import Published
from collections.abc import Mapping
from typing import Any


def read_claims(claims: Mapping[str, Any], published: Published, now: float) -> Bearer | None:
    """Return whose request it is, by the claims of a token; None: nobody's.

    Args:
        claims: Of a token that the site has signed.
        published: What is about to be published.
        now: In seconds since the epoch.
    """
    job = _find(claims, published)
    if job is None or not _has_claim(job, claims, now):
        published.refuse(Reason.ENDED)
        return None
    if not _is_in_scope(job, published):
        published.refuse(Reason.SCOPE)
        return None
    origin, since = job.wanted.origin, claims.get("auth_time")
    if not isinstance(since, (int, float)) or claims["sub"] != origin.user:
        published.refuse(Reason.INVALID)
        return None
    return Bearer(origin, since, within=job.wanted.context)


def _find(claims: Mapping[str, Any], published: Published) -> Job | None:
    """Return the job that a token names, if it is one of the site."""
    place = place_of(published.site)
    job = find_job(find_store(place.connection), str(claims.get("job", "")))
    return job if job is not None and place.has(job) else None


def _has_claim(job: Job, claims: Mapping[str, Any], now: float) -> bool:
    runs = job.state is JobState.RUNNING and job.wanted.elsewhere
    return runs and job.generation == claims.get("gen") and now < job.side.lease


def _is_in_scope(job: Job, published: Published) -> bool:
    """Tell whether the worker that has *job* may do this."""
    may, uid = what_it_may(job), job.wanted.context
    if published.method not in may or published.name not in (OWN, *may):
        return False
    return published.is_at_or_below(uid) and not (uid and published.shows_others)
