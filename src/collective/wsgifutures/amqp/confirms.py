"""What becomes of messages that are sent, and the channel on which RabbitMQ confirms them."""

from .messages import Message
from .wire import publish
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from typing import Any


@dataclass
class Sent:
    """What became of the messages of a batch, by their places in it."""

    confirmed: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)  #: why
    silent: set[int] = field(default_factory=set)  #: no confirm came, though the broker answers

    def has(self, place: int) -> bool:
        """Tell whether something is known of that message."""
        return place in self.confirmed or place in self.refused or place in self.silent


class Confirms:
    """A channel whose messages are confirmed, and which of them are not yet."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.open: dict[int, tuple[int, str]] = {}  #: place and id by their delivery tags
        self._sent = Sent()
        self._tag = 0
        self._returned: dict[str, str] = {}  # why, by id
        self._is_new = True

    def begin(self, sent: Sent) -> None:
        """Begin a batch: tell *sent* what becomes of it. What comes of an earlier one is late."""
        self._sent = sent
        self.open.clear()
        self._returned.clear()
        if self._is_new:
            self._is_new = False
            self.channel.confirm_select()
            self.channel.events["basic_ack"].add(self._acknowledge)
            self.channel.events["basic_nack"].add(self._refuse)
            self.channel.events["basic_return"].add(self._return)

    def close(self) -> None:
        """Close the channel, unless the broker has done so."""
        with suppress(Exception):
            self.channel.close()

    def publish(self, place: int, message: Message) -> None:
        """Send a message, and await its confirm."""
        self._tag += 1
        self.open[self._tag] = place, message.id
        publish(self.channel, message)

    def give_up(self) -> None:
        """Await nothing more."""
        self._sent.silent.update(place for place, _ in self.open.values())
        self.open.clear()

    def _return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._returned[message.properties.get("message_id", "")] = (
            "no queue is bound there. Make one, or publish with mandatory=False"
        )

    def _acknowledge(self, tag: int, multiple: bool) -> None:
        for place, id in self._close(tag, multiple):
            if id in self._returned:
                self._sent.refused[place] = self._returned[id]
            else:
                self._sent.confirmed.add(place)

    def _refuse(self, tag: int, multiple: bool) -> None:
        for place, _ in self._close(tag, multiple):
            self._sent.refused[place] = "it said no, as a full queue does"

    def _close(self, tag: int, multiple: bool) -> list[tuple[int, str]]:
        tags = [each for each in self.open if each <= tag] if multiple else [tag]
        return [self.open.pop(each) for each in tags if each in self.open]
