"""The part of a relay that takes messages from a broker, with a connection of its own.

It has so many messages at a time as ``PREFETCH`` says. Each is acknowledged, or sent to the dead
letters, before the next one is looked at.
"""

from .broker import Broker
from .confirms import Sent
from .consuming import Consumer
from .consuming import record
from .errors import BrokerAway
from .errors import MessageUnfit
from .messages import DEAD
from .messages import Delivery
from .messages import LONGEST_NAME
from .messages import Message
from .trouble import Trouble
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import logging
import threading
import time

logger = logging.getLogger(__name__)

#: How many messages of a queue are here at a time, unacknowledged.
PREFETCH = 20

#: Seconds until it is looked whether the process is to end.
GLANCE = 0.5


class Intake:
    """Takes the messages of some queues.

    Args:
        database: Zope's main database.
        broker: Where they come from: a connection of its own.
        stop: Set when the process is to end.
        consumers: Which task they are for.
    """

    def __init__(
        self, database: Any, broker: Broker, stop: threading.Event, consumers: Iterable[Consumer]
    ) -> None:
        self.count = 0  #: how many became jobs
        self.dead = 0  #: how many could not
        self._database = database
        self._broker = broker
        self._stop = stop
        self._consumers = {consumer.queue: consumer for consumer in consumers}
        self._trouble = Trouble(f"The broker at {broker.address} (for consumers)")
        self._away = Trouble("The database")

    def run(self) -> None:
        """Take messages until the process is to end."""
        while not self._stop.is_set():
            try:
                self.look(GLANCE)
            except BrokerAway as away:
                self._leave()
                if not self._stop.is_set():
                    self._trouble.begins(away.reason, time.time())
            except Exception:
                logger.exception("The relay could not take a message; it begins anew.")
                self._leave()
                self._stop.wait(5.0)
            while self._trouble and not self._trouble.is_over(time.time()):
                if self._stop.wait(GLANCE):
                    break
        self._leave()

    def look(self, seconds: float) -> None:
        """Take what comes within so many seconds.

        Raises:
            BrokerAway: The broker cannot be had.
        """
        if not self._broker.is_connected:
            self._begin()
        self._broker.wait(seconds)
        while self._broker.arrived:
            self._take(*self._broker.arrived.popleft())
        self._trouble.ends(time.time())

    def _begin(self) -> None:
        self._broker.connect()
        for consumer in self._consumers.values():
            self._broker.ensure_queue(consumer.queue, consumer.exchange, consumer.routing_key)
            self._broker.consume(consumer.queue, PREFETCH)

    def _leave(self) -> None:
        self._broker.close()  # what is not acknowledged is delivered again

    def _take(self, delivery: Delivery, acknowledge: Callable[[], None]) -> None:
        """Make a job of a message, and acknowledge it."""
        consumer = self._consumers[delivery.queue]
        while not self._stop.is_set():
            try:
                job = record(self._database, consumer, delivery)
            except MessageUnfit as unfit:
                self._bury(delivery, unfit.reason)
            except Exception as error:
                self._wait_for_database(error)
                continue
            else:
                self.count += 1
                logger.debug("A message of %s is job %s.", consumer.queue, job.id)
            self._away.ends(time.time())
            acknowledge()
            return
        raise BrokerAway("The relay is stopping.")

    def _wait_for_database(self, error: Exception) -> None:
        """Wait for a while, and let the broker know that somebody is there."""
        self._away.begins(f"{type(error).__name__}: {error}", time.time())
        while not self._away.is_over(time.time()) and not self._stop.wait(GLANCE):
            self._broker.keep()

    def _bury(self, delivery: Delivery, reason: str) -> None:
        """Send a message to the dead letters, as it came.

        Raises:
            BrokerAway: It may not have come there; it is not acknowledged, and comes again.
        """
        logger.warning(
            "A message of the queue %s became no job, and is in the queue %s. %s",
            delivery.queue,
            DEAD,
            reason,
        )
        sent = Sent()
        self._broker.send([dead_letter(delivery, reason)], sent)
        if 0 in sent.refused:
            raise BrokerAway(f"The dead letters are not taken: {sent.refused[0]}.")
        self.dead += 1


def dead_letter(delivery: Delivery, reason: str) -> Message:
    """Return what is sent of a message that cannot become a job: all of it, and why."""
    headers = {
        **delivery.described()["headers"],
        "x-wsgifutures-reason": reason[:LONGEST_NAME],
        "x-wsgifutures-queue": delivery.queue,
        "x-wsgifutures-exchange": delivery.exchange,
        "x-wsgifutures-routing-key": delivery.routing_key,
    }
    kind = delivery.content_type or "application/octet-stream"
    message = Message(DEAD, DEAD, delivery.body, kind, headers)
    return replace(message, id=delivery.id) if delivery.id else message
