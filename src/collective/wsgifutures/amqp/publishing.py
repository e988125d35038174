"""``publish``: a message that leaves after the commit, exactly if the transaction is committed.

It is recorded as a job that only the relay does, so all that holds for jobs holds for it: a pass
that suspends, a rolled back savepoint, an error leave none; a conflict leaves one; a dead one is
seen, and can be retried. The relay sends it at least once, each time with the same id.
"""

from ..jobs.options import Options
from ..jobs.records import Job
from ..jobs.submitting import submit
from ..jobs.tasks import register
from ..jobs.tasks import Task
from .messages import check_headers
from .messages import check_name
from .messages import check_properties
from .messages import encode
from .messages import Message
from collections.abc import Mapping
from typing import Any
from zope.component.hooks import getSite

#: The name of the task, and of its queue: workers elsewhere cannot have it.
NAME = QUEUE = "collective.wsgifutures.amqp"

#: How often a message may be refused, which takes some eleven hours, until its job is dead.
ATTEMPTS = 20


class _Outgoing(Task[Any]):
    has_result = False
    elsewhere = True


def _send(
    context: Any,
    exchange: str,
    routing_key: str,
    body: bytes,
    content_type: str,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    id: str,
    mandatory: bool,
    /,
) -> None:
    """Say what the arguments are: those of a ``Message``."""


outgoing: Task[Any] = register(
    _Outgoing(_send, NAME, title="Send a message to a broker", queue=QUEUE, attempts=ATTEMPTS)
)


def publish(
    exchange: str,
    routing_key: str,
    body: Any,
    *,
    key: str = "",
    headers: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    properties: Mapping[str, Any] | None = None,
    mandatory: bool = True,
) -> Job:
    """Send a message after this transaction is committed, if it is.

    The relay (``wsgifutures relay``) sends it, within a second if the broker is there, and at
    least once: who gets it twice, after a crash, knows it by its ``message_id``.

    Args:
        exchange: Where to; ``""`` is the default exchange, which knows each queue by its name.
        routing_key: By which the exchange finds its queues.
        body: What JSON can say, or bytes.
        key: Messages with the same key arrive in the order of their transactions. Those
            without may overtake each other.
        headers: Texts, numbers, lists and dicts, by their names.
        content_type: Of bytes. Default: ``application/octet-stream``.
        properties: ``correlation_id``, ``reply_to``, ``type``, ``app_id``, ``priority``, and
            ``expiration`` in seconds.
        mandatory: Whether it is an error that no queue gets it: the job is tried again, and dead
            at last. With False the broker drops it then.

    Returns:
        The job that is recorded. It is done when the broker has confirmed the message.

    Raises:
        MessageRefused: It is neither JSON nor bytes, or too large; the message says what to do.
        SubmitRefused: As for ``submit``: the record would be lost, or nobody meant it.
    """
    encoded, kind = encode(body, content_type)
    message = Message(
        check_name("exchange", exchange),
        check_name("routing_key", routing_key),
        encoded,
        kind,
        check_headers(headers),
        check_properties(properties),
        mandatory=bool(mandatory),
    )
    return submit(outgoing, Options(), getSite(), pack(message), check_name("key", key))


def pack(message: Message) -> bytes:
    """Return a message as the arguments of its job."""
    return outgoing.take(tuple(vars(message).values()), {})


def message_of(job: Job) -> Message:
    """Return the message of a job that ``publish`` recorded."""
    args, _ = outgoing.unpack(job.wanted.arguments)
    return Message(*args)
