"""The responses that a worker holds now: counted, limited, and listed for whoever looks.

Nothing is copied before somebody looks: what is kept here is the visit itself.
"""

from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..kernel.waiting import Waiter
from .settings import Settings
from collections import Counter
from collections.abc import Hashable
from typing import Protocol

import itertools
import threading


class Held(Protocol):
    """What is known of a visit whose response is held."""

    hold: Hold
    waiter: Waiter
    path: str  #: of the request, without its query string
    client: Hashable  #: whose request it is
    number: int  #: by which the response is known in this worker


class HeldResponses:
    """Counts the responses that are held, in all and for each client.

    Args:
        settings: Its ``max_held`` and ``held_by_one_client`` are the limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._max = settings.max_held
        self._max_per_client = settings.held_by_one_client
        self._by_client: Counter[Hashable] = Counter()
        self._by_number: dict[int, Held] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._by_number)

    def add(self, visit: Held) -> None:
        """Count the response of *visit*, and give it its number.

        Raises:
            Refused: It would be one too many.
        """
        with self._lock:
            if len(self._by_number) >= self._max:
                raise Refused("max_held")
            if self._by_client[visit.client] >= self._max_per_client:
                raise Refused("max_held_per_client")
            visit.number = next(self._numbers)
            self._by_number[visit.number] = visit
            self._by_client[visit.client] += 1

    def remove(self, visit: Held) -> None:
        """Count the response of *visit* no longer."""
        with self._lock:
            del self._by_number[visit.number]
            self._by_client[visit.client] -= 1
            if not self._by_client[visit.client]:
                del self._by_client[visit.client]

    def oldest(self, most: int) -> list[Held]:
        """Return those that were held first, *most* of them at most."""
        return list(self._by_number.values())[:most]  # a copy in one step: others come and go

    def cancel(self, number: int) -> None:
        """Let the last pass of one begin, since an operator wants it so; if it is there still."""
        visit = self._by_number.get(number)
        if visit is not None:
            visit.waiter.cancel()
