"""Makes a job of each message of the queues that consumers are declared for.

A message is acknowledged when its job is recorded, in a transaction of its own. If the database is
away, the messages that were delivered wait here, unacknowledged. A message that cannot become a job
is sent to the exchange of dead letters, with the reason, and then acknowledged: it never comes
again by itself, and it is not lost.

A message that comes twice has the same ``message_id``, and makes no second job within a day. One
without an id can only be lost or done twice when a process dies at the wrong moment; it is done
twice.
"""

from ..jobs.changes import Changes
from ..jobs.entering import acting_as
from ..jobs.entering import commit
from ..jobs.entering import find_site
from ..jobs.errors import JobError
from ..jobs.records import Job
from ..jobs.store import lanes
from ..jobs.tasks import find_task
from ..jobs.tasks import what_is_wrong
from ..kernel.errors import ArgumentRefused
from .errors import MessageUnfit
from .messages import Delivery
from AccessControl.SpecialUsers import system
from dataclasses import dataclass
from transaction.interfaces import TransientError
from typing import Any
from zope.component import getUtilitiesFor
from zope.component.hooks import site as in_site
from zope.interface import implementer
from zope.interface import Interface

import hashlib
import time

#: For how long a message is known by its id, in seconds.
KNOWN_FOR = 86400.0


class IConsumer(Interface):  # type: ignore[misc]
    """What is declared with ``<wsgifutures:consumer />``, by its queue."""


@implementer(IConsumer)
@dataclass(frozen=True)
class Consumer:
    """Which task the messages of a queue are for.

    Args:
        queue: The queue's name at the broker.
        task: The name of a task. It gets the body and everything else of a message.
        run_as: The id of the user who does the jobs.
        site: The path of the site.
        context: The path of what the jobs are about, below the site; empty: the site.
        exchange: What the queue is bound to; empty: that is somebody else's business.
        routing_key: By which it is bound.
    """

    queue: str
    task: str
    run_as: str
    site: str
    context: str = ""
    exchange: str = ""
    routing_key: str = ""


def consumers() -> list[Consumer]:
    """Return those that are declared, by their queues."""
    return [consumer for _, consumer in sorted(getUtilitiesFor(IConsumer))]


def record(database: Any, consumer: Consumer, delivery: Delivery) -> Job:
    """Record the job of a message, or find the one that it has.

    Raises:
        MessageUnfit: It cannot become a job.
        Exception: The database is away: it may be recorded later.
    """
    body = delivery.value()
    _renew_lanes(database, time.time())
    return commit(database, lambda connection: _submit(connection, consumer, delivery, body))


def _renew_lanes(database: Any, now: float) -> None:
    """See to it that jobs have lanes, as a runner does where there is one."""
    if lanes.need_some(now):
        Changes(database).commit(lambda store: lanes.renew(store, now), lanes.renewed)


def _submit(connection: Any, consumer: Consumer, delivery: Delivery, body: Any) -> Job:
    site = find_site(connection, consumer.site)
    if site is None:
        raise MessageUnfit(f"There is no site at {consumer.site}.")
    with in_site(site), acting_as(system):
        return _submit_here(site, consumer, delivery, body)


def _submit_here(site: Any, consumer: Consumer, delivery: Delivery, body: Any) -> Job:
    try:
        context = site.unrestrictedTraverse(consumer.context) if consumer.context else site
        options: dict[str, Any] = {"run_as": consumer.run_as}
        if delivery.id:
            options |= {"key": key_of(delivery), "unique_for": KNOWN_FOR}
        task = find_task(consumer.task)
        return task.using(**options).submit(context, body, delivery.described())
    except TransientError:
        raise
    except (JobError, ArgumentRefused, TypeError, ValueError, LookupError, AttributeError) as error:
        raise MessageUnfit(f"{type(error).__name__}: {error}") from None


def key_of(delivery: Delivery) -> str:
    """Return what a message is known by: two queues have ids of their own."""
    return hashlib.sha256(f"{delivery.queue} {delivery.id}".encode()).hexdigest()


def check(consumer: Consumer) -> str:
    """Return what is wrong with a declaration, as far as it can be seen now; empty: nothing."""
    return what_is_wrong(consumer.task, (b"", {}), {})
