"""A connection to a broker: kombu is imported here, and nowhere else.

RabbitMQ confirms each message (publisher confirms); a batch is sent in one go, and then its
confirms are awaited, never longer than ``CONFIRM``. On another transport, as Redis, a message is
confirmed when the broker has answered.

Whatever is wrong with the connection is ``BrokerAway``, and the connection is dropped without a
word to the broker, which may be stopped or blocked and would not answer. What is wrong with one
message concerns that message alone: RabbitMQ closes the channel for it, so the messages of its
batch that have no confirm yet are sent again, one by one.

Tested with RabbitMQ 3.10. RabbitMQ 4 changes what is not said: a quorum queue without a
``delivery-limit`` drops a message after 20 deliveries, mirrored classic queues are gone, and
messages are at most 16 MiB. So each queue that is declared here is a quorum queue with a limit
and a dead-letter exchange; on a broker that has the queue already, it is used as it is.
"""

from .addresses import hide
from .addresses import mask
from .confirms import Confirms
from .confirms import Sent
from .errors import BrokerAway
from .errors import BrokerRefused
from .messages import DEAD
from .messages import Delivery
from .messages import Message
from .unlike import read_unlike
from .wire import CONFIRM
from .wire import delivery_of
from .wire import publish
from collections import deque
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import logging
import sys
import time

logger = logging.getLogger(__name__)

#: How many seconds a connection may take, and any answer of the broker.
CONNECT = 5.0

#: Seconds between two heartbeats of a connection.
HEARTBEAT = 30

#: How often a message is delivered until it is a dead letter, RabbitMQ 4's own default. A hint
#: may come back far more often: workers that are busy, or have no site, hand it back unused.
DELIVERY_LIMIT = 20
HINT_LIMIT = 500

#: How many dead letters are kept, the newest, and for how long, in milliseconds.
MOST_DEAD = 10_000
DEAD_KEPT = 14 * 86400 * 1000

#: kombu's names of what speaks with RabbitMQ.
_CONFIRMING = ("amqp", "amqps", "pyamqp")

#: Seconds until whoever waits looks whether to stop.
_GLANCE = 0.25

MISSING = "The package kombu is missing: pip install collective.wsgifutures[broker]"

_DEAD_QUEUE = {
    "x-queue-type": "quorum",
    "x-max-length": MOST_DEAD,
    "x-message-ttl": DEAD_KEPT,
}


class Broker:
    """One connection, used by one thread.

    Args:
        url: The broker's address, as kombu reads it.
        stopping: Tells whether the process is about to end: then nothing is awaited.
        confirm: How many seconds confirms may take.
        options: Further options of kombu's transport.

    Raises:
        BrokerRefused: kombu is missing, or has no such transport.
    """

    def __init__(
        self,
        url: str,
        stopping: Callable[[], bool] = lambda: False,
        *,
        confirm: float = CONFIRM,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._url = url
        self._stopping = stopping
        self._confirm = confirm
        self._options = dict(options or {})
        self._connection: Any = None
        self._known: set[str] = set()  # queues that are there
        self._blocked = ""  # why the broker takes no messages
        self.unlike: dict[str, str] = {}  #: queues that are not as we make them, and the setting
        self._confirms: Confirms | None = None  # the channel on which messages are sent
        #: What has come, and what acknowledges it.
        self.arrived: deque[tuple[Delivery, Callable[[], None]]] = deque()
        made = self._make()  # so that a wrong address is told at once
        self.confirms = made.transport_cls in _CONFIRMING  #: whether it does so by itself

    @property
    def address(self) -> str:
        """The address without its password."""
        return mask(self._url)

    @property
    def server(self) -> str:
        """What the broker is, and its version, as it says; empty: not known."""
        transport = None if self._connection is None else self._connection.connection
        told = getattr(transport, "server_properties", None) or {}
        return f"{told.get('product', '')} {told.get('version', '')}".strip()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as known."""
        return self._connection is not None

    def connect(self) -> None:
        """Connect, if there is no connection.

        Raises:
            BrokerAway: The broker cannot be reached, or lets nobody in.
        """
        if self._connection is not None:
            return
        connection = self._make()
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            self._limit(connection)
        except Exception as error:
            drop(connection)
            raise self._away(error) from None
        self._connection, self._blocked, self._confirms = connection, "", None
        self._known.clear()

    def close(self) -> None:
        """Drop the connection, and ask nobody."""
        connection, self._connection = self._connection, None
        self.arrived.clear()
        if connection is not None:
            drop(connection)

    def send(self, messages: Sequence[Message], sent: Sent) -> None:
        """Send *messages*, and wait for their confirms.

        Args:
            messages: In this order.
            sent: Told what became of them, even if this raises.

        Raises:
            BrokerAway: What *sent* does not have may have come or not.
        """
        everything = range(len(messages))
        with self._using() as connection:
            self._check(connection)
            if not self.confirms:
                self._send_at_once(connection, messages, sent)
                return
            self._send_some(connection, messages, everything, sent)
            for place in everything:  # what came before or after a message that was refused
                if not sent.has(place):
                    self._send_some(connection, messages, [place], sent)

    def ensure_queue(
        self, name: str, exchange: str = "", routing_key: str = "", *, limit: int = DELIVERY_LIMIT
    ) -> None:
        """Make a queue that is not there; bind it, if an exchange is named.

        Args:
            name: Its name.
            exchange: What it is bound to.
            routing_key: By which it is bound.
            limit: How often a message of it is delivered.

        Raises:
            BrokerAway: The broker does not answer, or refuses.
        """
        known = f"{name} {exchange} {routing_key}"
        if known in self._known:
            return
        with self._using() as connection:
            self._ensure_dead(connection)
            if self._is_there(connection, name):
                self._compare(connection, name, queue_arguments(limit))
            else:
                self._declare(connection, name, queue_arguments(limit))
            if exchange:
                self._bind(connection, name, exchange, routing_key)
        self._known.add(known)

    def forget_queue(self, name: str) -> None:
        """Look again whether the queue is there, at the next ``ensure_queue``."""
        self._known = {known for known in self._known if known.split(" ")[0] != name}

    def depth(self, name: str) -> int:
        """Return how many messages wait in a queue; 0 if there is no such queue.

        Raises:
            BrokerAway: The broker does not answer.
        """
        with self._using() as connection:
            found = self._look_at(connection, name)
        return 0 if found is None else int(found.message_count)

    def keep(self) -> None:
        """Hear what the broker says, and give a sign of life.

        Raises:
            BrokerAway: The broker gave none.
        """
        if self._connection is None or not self._connection.supports_heartbeats:
            return
        with self._using() as connection:
            self._hear(connection)
            connection.heartbeat_check()

    # What comes

    def consume(self, queue: str, prefetch: int) -> None:
        """Let the messages of a queue come, at most so many at a time.

        Raises:
            BrokerAway: The broker refuses.
        """
        kombu = load()
        with self._using() as connection:
            consumer = kombu.Consumer(
                connection.channel(),
                [kombu.Queue(queue, no_declare=True)],
                on_message=lambda message: self._arrive(queue, message),
                auto_declare=False,
                prefetch_count=prefetch,
            )
            consumer.consume()

    def wait(self, seconds: float) -> None:
        """Wait until something has arrived, at most so many seconds.

        Raises:
            BrokerAway: The broker is gone.
        """
        with self._using() as connection:
            with suppress(TimeoutError):
                connection.drain_events(timeout=seconds)
            if connection.supports_heartbeats:
                connection.heartbeat_check()

    def _arrive(self, queue: str, message: Any) -> None:
        self.arrived.append((delivery_of(queue, message), lambda: self._acknowledge(message)))

    def _acknowledge(self, message: Any) -> None:
        with self._using():
            message.ack()

    # Connections

    def _make(self) -> Any:
        kombu = load()
        if "://" not in self._url:
            raise BrokerRefused(f"{self.address!r} is not the address of a broker: amqp://...")
        try:
            connection = kombu.Connection(
                self._url,
                connect_timeout=CONNECT,
                heartbeat=HEARTBEAT,
                transport_options={**self._timeouts(), **self._options},
            )
            connection.transport  # noqa: B018 - its module is imported now
        except Exception as error:
            reason = self._clean(f"{type(error).__name__}: {error}")
            raise BrokerRefused(f"{self.address} cannot be used as a broker. {reason}") from None
        return connection

    def _timeouts(self) -> dict[str, Any]:
        if self._url.partition("://")[0] in _CONFIRMING:
            return {"on_blocked": self._is_blocked, "on_unblocked": self._is_unblocked}
        return {"socket_timeout": self._confirm, "socket_connect_timeout": CONNECT}

    def _is_blocked(self, reason: Any = "") -> None:
        self._blocked = str(reason) or "it is short of memory or disk"

    def _is_unblocked(self) -> None:
        self._blocked = ""

    def _limit(self, connection: Any) -> None:
        """Let no answer take for ever: py-amqp has no limit for most of them."""
        if self.confirms:
            connection.connection.transport.sock.settimeout(self._confirm)

    def _using(self) -> "_Using":
        self.connect()
        return _Using(self)

    def _away(self, error: BaseException) -> BrokerAway:
        if isinstance(error, BrokerAway):
            return error
        unlike = read_unlike(error)
        if unlike is not None:
            return BrokerAway(
                f"{self.address}: {unlike} Delete it there: the relay makes it again."
            )
        kind = type(error).__name__
        text = self._clean(str(error).strip())
        return BrokerAway(f"{self.address} cannot be had: {kind}{': ' if text else ''}{text}")

    def _clean(self, text: str) -> str:
        return hide(self._url, text)

    # Messages

    def _send_at_once(self, connection: Any, messages: Sequence[Message], sent: Sent) -> None:
        channel = connection.default_channel
        for place, message in enumerate(messages):
            publish(channel, message)
            sent.confirmed.add(place)

    def _send_some(
        self, connection: Any, messages: Sequence[Message], places: Sequence[int], sent: Sent
    ) -> None:
        """Send some of *messages*; if the broker closes the channel, one alone is refused."""
        if self._confirms is None:
            self._confirms = Confirms(connection.channel())
        confirms = self._confirms
        try:
            confirms.begin(sent)
            for place in places:
                confirms.publish(place, messages[place])
            self._await(connection, confirms)
        except connection.connection_errors:
            raise  # a broker that is blocked would not even let the channel be closed
        except connection.channel_errors as error:
            if len(places) == 1:
                sent.refused[places[0]] = self._clean(str(error))
            self._confirms = None
            confirms.close()

    def _await(self, connection: Any, confirms: Confirms) -> None:
        until = time.monotonic() + self._confirm
        while confirms.open:
            self._check(connection)
            left = until - time.monotonic()
            if left <= 0:
                self._look_at_silence(connection, confirms)
                return
            with suppress(TimeoutError):
                connection.connection.blocking_read(min(left, _GLANCE))  # drain_events goes on

    def _look_at_silence(self, connection: Any, confirms: Confirms) -> None:
        """Tell a broker that does not answer at all from one that does not confirm."""
        try:
            connection.channel().close()
        except connection.connection_errors:
            raise BrokerAway(
                f"{self.address} did not confirm {len(confirms.open)} messages within "
                f"{self._confirm:g} s, and does not answer."
            ) from None
        confirms.give_up()
        self._confirms = None  # the broker holds up the whole channel for that queue
        confirms.close()

    def _check(self, connection: Any) -> None:
        """Raise ``BrokerAway`` if nothing can be sent now."""
        if self.confirms:
            self._hear(connection)
        if self._blocked:
            raise BrokerAway(f"{self.address} takes no messages: {self._blocked}.")
        if self._stopping():
            raise BrokerAway("The relay is stopping.")

    def _hear(self, connection: Any) -> None:
        with suppress(TimeoutError):
            while True:
                connection.drain_events(timeout=0.001)

    # Queues

    def _is_there(self, connection: Any, name: str) -> bool:
        return self.confirms and self._look_at(connection, name) is not None

    def _look_at(self, connection: Any, name: str) -> Any:
        """Return what the broker has of a queue; None if there is none."""
        channel = connection.channel()
        try:
            return channel.queue_declare(queue=name, passive=True)
        except Exception as error:
            if str(getattr(error, "reply_code", "")) != "404":
                raise
            return None
        finally:
            with suppress(Exception):
                channel.close()

    def _ensure_dead(self, connection: Any) -> None:
        """Make what dead letters need. Where it is, the relay needs no right to make it."""
        if DEAD in self._known:
            return
        if not self._is_there(connection, DEAD):
            with connection.channel() as channel:
                channel.exchange_declare(
                    exchange=DEAD, type="direct", durable=True, auto_delete=False
                )
            self._declare(connection, DEAD, _DEAD_QUEUE)
            self._bind(connection, DEAD, DEAD, DEAD)
        self._known.add(DEAD)

    def _declare(self, connection: Any, name: str, arguments: Mapping[str, Any]) -> None:
        with connection.channel() as channel:
            channel.queue_declare(
                queue=name, durable=True, auto_delete=False, arguments=dict(arguments)
            )

    def _compare(self, connection: Any, name: str, arguments: Mapping[str, Any]) -> None:
        """Note in what a queue that is there differs from ours; the log hears of it once."""
        before = self.unlike.pop(name, "")
        channel = connection.channel()
        try:
            channel.queue_declare(
                queue=name, durable=True, auto_delete=False, arguments=dict(arguments)
            )
        except connection.channel_errors as error:  # also if the relay may make nothing
            unlike = read_unlike(error)
            if unlike is None:
                return
            self.unlike[name] = unlike.setting
            if before != unlike.setting:
                logger.warning(
                    "%s It is used as it is, and no job is lost. If that is not what you want, "
                    "delete the queue while it is empty: the relay makes it again.",
                    unlike,
                )
        finally:
            with suppress(Exception):
                channel.close()

    def _bind(self, connection: Any, queue: str, exchange: str, routing_key: str) -> None:
        with connection.channel() as channel:
            channel.queue_bind(queue=queue, exchange=exchange, routing_key=routing_key)


class _Using:
    """Makes ``BrokerAway`` of each error, and drops the connection then."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __enter__(self) -> Any:
        return self._broker._connection

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            self._broker.close()
            raise self._broker._away(error) from None


def queue_arguments(limit: int) -> dict[str, Any]:
    """Return what a queue is made with: it is not lost with one node, and nothing loops in it."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": limit,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": DEAD,
    }


def load() -> Any:
    """Return kombu.

    Raises:
        BrokerRefused: It is not installed.
    """
    try:
        import kombu
    except ImportError:
        raise BrokerRefused(MISSING) from None
    # Its connections log what they do, and what they were opened with.
    logging.getLogger("amqp").setLevel(logging.WARNING)
    return kombu


def drop(connection: Any) -> None:
    """Close a connection of kombu's here, without a word to the broker."""
    with suppress(Exception):
        connection.collect(CONNECT)


def is_patched() -> bool:
    """Tell whether gevent has patched this process: there a broker's answers get mixed up."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))
