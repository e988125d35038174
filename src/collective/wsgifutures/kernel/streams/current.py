"""``current_stream``: what a generator knows of the stream that it makes."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class CurrentStream:
    """The stream that is being made here."""

    name: str  #: the dotted name of its generator
    #: The id of the last event that the client got before it lost the stream; empty if none.
    last_event_id: str = ""


#: The stream that is being made in this context.
current: ContextVar[CurrentStream | None] = ContextVar("wsgifutures.stream", default=None)


def current_stream() -> CurrentStream | None:
    """Return the stream that is being made here; None outside of a stream."""
    return current.get()
