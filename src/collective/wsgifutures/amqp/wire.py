"""Our messages as kombu has them, and its messages as ours: nothing is pickled or unpickled."""

from .messages import Delivery
from .messages import Message
from typing import Any

import time

#: How many seconds the confirms of a batch may take. A quorum writes them to its disks.
CONFIRM = 10.0


def publish(channel: Any, message: Message) -> None:
    """Send a message on a channel of kombu's."""
    properties = dict(message.properties)
    priority = properties.pop("priority", None)
    if "expiration" in properties:  # AMQP has milliseconds, as a text
        properties["expiration"] = str(int(properties["expiration"] * 1000))
    prepared = channel.prepare_message(
        message.body,
        priority=priority,
        content_type=message.content_type,
        content_encoding="binary" if message.content_type != "application/json" else "utf-8",
        headers=dict(message.headers),
        properties={
            **properties,
            "delivery_mode": 2,
            "message_id": message.id,
            "timestamp": int(time.time()),
        },
    )
    channel.basic_publish(
        prepared,
        exchange=message.exchange,
        routing_key=message.routing_key,
        mandatory=message.mandatory,
        **({"timeout": CONFIRM} if hasattr(channel, "confirm_select") else {}),
    )


#: The properties of a message that came which its task is told.
_TOLD = (
    "app_id",
    "correlation_id",
    "expiration",
    "priority",
    "reply_to",
    "timestamp",
    "type",
    "user_id",
)


def delivery_of(queue: str, message: Any) -> Delivery:
    """Return a message of kombu's as plain data. Its body is not decoded: nothing is unpickled."""
    about, properties, body = message.delivery_info, message.properties, message.body
    return Delivery(
        queue=queue,
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=str(message.content_type or ""),
        id=str(properties.get("message_id") or ""),
        exchange=str(about.get("exchange") or ""),
        routing_key=str(about.get("routing_key") or ""),
        redelivered=bool(about.get("redelivered")),
        headers=dict(message.headers or {}),
        properties={name: properties[name] for name in _TOLD if properties.get(name) is not None},
    )
