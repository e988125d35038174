"""The responses that a worker holds now: counted, limited, and told of to whoever looks.

One entry for each: what the request keeps anyway. Nothing is copied before somebody looks.
"""

from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..kernel.waiting import Waiter
from .settings import Settings
from collections import Counter
from collections.abc import Hashable

import itertools
import threading


class HeldResponse:
    """One of them: a context that lasts as long. A generator would keep its frame."""

    __slots__ = ("_all", "client", "hold", "number", "path", "waiter")

    def __init__(
        self, all_of_them: "HeldResponses", client: Hashable, hold: Hold, waiter: Waiter, path: str
    ) -> None:
        self._all = all_of_them
        self.client = client
        self.hold = hold
        self.waiter = waiter
        self.path = path  #: of the request, without its query string
        self.number = 0  #: by which it is known in this worker

    def __enter__(self) -> None:
        self._all._add(self)

    def __exit__(self, *raised: object) -> None:
        self._all._remove(self)


class HeldResponses:
    """Counts the responses that are held, in all and for each client.

    Args:
        settings: Its ``max_held`` and ``held_by_one_client`` are the limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._max = settings.max_held
        self._max_per_client = settings.held_by_one_client
        self._by_client: Counter[Hashable] = Counter()
        self._by_number: dict[int, HeldResponse] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._by_number)

    def one_more(self, client: Hashable, hold: Hold, waiter: Waiter, path: str) -> HeldResponse:
        """Count one of *client* for as long as the context lasts.

        Args:
            client: Whose it is.
            hold: What is kept for it.
            waiter: What waits for it.
            path: Of the request, without its query string.

        Raises:
            Refused: It would be one too many.
        """
        return HeldResponse(self, client, hold, waiter, path)

    def oldest(self, most: int) -> list[HeldResponse]:
        """Return those that were held first, *most* of them at most."""
        return list(self._by_number.values())[:most]  # a copy in one step: others come and go

    def cancel(self, number: int) -> None:
        """Let the last pass of one begin, since an operator wants it so; if it is there still."""
        one = self._by_number.get(number)
        if one is not None:
            one.waiter.cancel()

    def _add(self, one: HeldResponse) -> None:
        with self._lock:
            if len(self._by_number) >= self._max:
                raise Refused("max_held")
            if self._by_client[one.client] >= self._max_per_client:
                raise Refused("max_held_per_client")
            one.number = next(self._numbers)
            self._by_number[one.number] = one
            self._by_client[one.client] += 1

    def _remove(self, one: HeldResponse) -> None:
        with self._lock:
            del self._by_number[one.number]
            self._by_client[one.client] -= 1
            if not self._by_client[one.client]:
                del self._by_client[one.client]
