"""What can go wrong between Plone and a broker, as one small tree::

    FuturesError
     └ BrokerError
        ├ BrokerRefused     the relay cannot start: no kombu, an address that is none
        ├ BrokerAway        not reachable, not confirming, out of memory: tried again by itself
        ├ MessageRefused    where it is published: what to pass instead; also TypeError
        ├ NotDelivered      the broker refused one message: a failed attempt of its job
        └ MessageUnfit      a message that came cannot become a job: a dead letter

An error carries its facts as attributes and survives pickling. None has a password.
"""

from ..kernel.errors import FuturesError


class BrokerError(FuturesError):
    """Something is wrong with a broker or a message."""


class BrokerRefused(BrokerError):
    """There can be no connection to such a broker; ``str`` says what to do."""


class BrokerAway(BrokerError):
    """The broker cannot be had now."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class MessageRefused(BrokerError, TypeError):
    """A message cannot be published as it is."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where  #: the argument
        self.reason = reason

    def __str__(self) -> str:
        return f"amqp.publish: {self.where} {self.reason}"


class NotDelivered(BrokerError):
    """The broker refused a message."""

    def __init__(self, exchange: str, routing_key: str, reason: str) -> None:
        super().__init__(exchange, routing_key, reason)
        self.exchange = exchange
        self.routing_key = routing_key
        self.reason = reason

    def __str__(self) -> str:
        where = f"the exchange {self.exchange!r}" if self.exchange else "the default exchange"
        return (
            f"The broker did not take the message for {where} with the routing key "
            f"{self.routing_key!r}: {self.reason}"
        )


class MessageUnfit(BrokerError):
    """A message cannot become a job."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
