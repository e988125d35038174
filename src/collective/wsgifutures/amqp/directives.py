"""The ZCML directive of consumers. It declares; ``wsgifutures relay`` consumes."""

from .consuming import Consumer
from .consuming import IConsumer
from typing import Any
from zope.component.zcml import utility
from zope.interface import Interface
from zope.schema import TextLine


class IConsumerDirective(Interface):  # type: ignore[misc]
    """Make each message of a broker's queue a job."""

    queue = TextLine(
        title="Queue",
        description="Its name at the broker. If it is not there, it is made: durable, a quorum "
        "queue.",
    )
    task = TextLine(
        title="Task",
        description="The name of a task, which gets the body and everything else of a message.",
    )
    run_as = TextLine(title="User", description="The id of the user who does the jobs.")
    site = TextLine(title="Site", description="The path of the site, as /Plone.")
    context = TextLine(
        title="Context",
        description="The path of what the jobs are about, below the site. Default: the site.",
        required=False,
        default="",
    )
    exchange = TextLine(
        title="Exchange",
        description="What the queue is bound to, and has to be there. Default: nothing is bound.",
        required=False,
        default="",
    )
    routing_key = TextLine(
        title="Routing key",
        description="By which the queue is bound. Default: its name.",
        required=False,
        default="",
    )


def declare_consumer(
    _context: Any,
    queue: str,
    task: str,
    run_as: str,
    site: str,
    context: str = "",
    exchange: str = "",
    routing_key: str = "",
) -> None:
    """Register a consumer; a second one of the same queue is a conflict."""
    consumer = Consumer(
        queue,
        task,
        run_as,
        f"/{site.strip('/')}",
        context.strip("/"),
        exchange,
        routing_key or queue,
    )
    utility(_context, provides=IConsumer, component=consumer, name=queue)
