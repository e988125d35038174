"""The access token of a claim: with it a worker elsewhere reads what its job is about."""

from ..jobs.errors import TaskUnknown
from ..jobs.records import Claim
from ..jobs.records import Job
from ..jobs.store import main_connection
from ..jobs.tasks import find_task
from ..keys.places import Place
from ..keys.tokens import ACCESS
from ..keys.tokens import mint

#: The ``scope`` of such a token.
SCOPE = "job"


def access_token_for(job: Job, claim: Claim, now: float) -> str | None:
    """Return a token for who has claimed *job*, until the end of the lease; None: there is none."""
    origin = job.wanted.origin
    lifetime = job.side.lease - now
    if not job.has(claim) or lifetime < 1 or not _may(job) or not origin.user:
        return None
    claims = {
        "sub": origin.user,
        "client_id": job.runner,
        "scope": SCOPE,
        "job": job.id,
        "gen": claim.generation,
        "auth_time": job.since,
    }
    place = Place(main_connection(job._p_jar), origin.site_uid, origin.site)
    return mint(place, ACCESS, claims, lifetime, now=now)


def _may(job: Job) -> bool:
    try:
        return bool(find_task(job.wanted.task).may)
    except TaskUnknown:
        return False
