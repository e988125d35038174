"""The access token of a claim: with it a worker elsewhere reads and changes what its job is about.

It says whose job it is, which claim it belongs to, and since when. What it is good for stands in
the task (``may=``) and is looked up at each use, by the plugin in ``pas/``: see there. It lives no
longer than the claim's lease; each heartbeat gives another one.
"""

from ..jobs.errors import TaskUnknown
from ..jobs.origin import NO_ID
from ..jobs.origin import Origin
from ..jobs.records import Claim
from ..jobs.records import Job
from ..jobs.store import main_connection
from ..jobs.tasks import find_task
from ..keys.endings import ended_since
from ..keys.places import Place
from ..keys.tokens import ACCESS
from ..keys.tokens import mint
from Acquisition import aq_base
from Products.PluggableAuthService.interfaces.authservice import IPluggableAuthService

#: The ``scope`` of such a token.
SCOPE = "job"


def access_token_for(job: Job, claim: Claim, now: float) -> str | None:
    """Return a token for who has claimed *job*, until the end of the lease; None: there is none.

    That is so if the task has no ``may=``, nobody is the job's user, the user is gone or has ended
    all tokens since the claim, or the claim is not the job's last one.

    Args:
        job: Its record.
        claim: The claim.
        now: In seconds since the epoch.
    """
    origin, connection = job.wanted.origin, main_connection(job._p_jar)
    place = Place(connection, origin.site_uid, origin.site)
    lifetime = job.side.lease - now
    is_good = job.has(claim) and lifetime >= 1 and bool(what_it_may(job))
    if not is_good or find_login(origin, job.since, place) is None:
        return None
    claims = {
        "sub": origin.user,
        "client_id": job.runner,
        "scope": SCOPE,
        "job": job.id,
        "gen": claim.generation,
        "auth_time": job.since,
    }
    return mint(place, ACCESS, claims, lifetime, now=now)


def what_it_may(job: Job) -> tuple[str, ...]:
    """Return what the task of *job* says that its workers may; nothing if it is unknown here."""
    try:
        return tuple(find_task(job.wanted.task).may)
    except TaskUnknown:
        return ()


def find_login(origin: Origin, since: float, place: Place) -> str | None:
    """Return the login name of the user of an origin, as it is now; None: nobody has the token.

    That is so if the user is gone, or has ended all tokens that began by *since*. The user is
    enumerated, not made with all groups and properties: Zope does that next.
    """
    if origin.user in (None, NO_ID) or since <= ended_since(place, origin.folder, origin.user):
        return None
    root = place.connection.root()["Application"]
    holder = root.unrestrictedTraverse(origin.folder, None) if origin.folder else root
    if not IPluggableAuthService.providedBy(getattr(aq_base(holder), "acl_users", None)):
        return None
    if origin.user == holder.acl_users._emergency_user.getUserName():  # whom Zope would take
        return None
    found = holder.acl_users.searchUsers(id=origin.user, exact_match=True)
    return next((each["login"] for each in found if each["id"] == origin.user), None)
