"""How many tokens this process has refused, and why: for metrics.

Each refusal counts, also those that logs and audits are not told of. The reasons are few and fixed,
since Prometheus keeps a series for each; no name, no id and no address is one of them.
"""

from collections import Counter
from collections.abc import Mapping
from enum import Enum

import threading


class Reason(Enum):
    """Why a token is good for nothing, or not for this."""

    UNKNOWN = "unknown"  #: the site never gave it, or keeps nothing of it any more
    ENDED = "ended"  #: its end has come, somebody has ended it, or its user is gone
    SCOPE = "scope"  #: it is good, for something else
    REUSED = "reused"  #: a refresh token that was used before: somebody else has had it
    INVALID = "invalid"  #: it is not well-formed, or its signature or what it says is not good
    REQUEST = "request"  #: at ``@token``: it was asked for in another way than that works


class Refusals:
    """Counts refusals, whichever thread they happen in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys(Reason, 0))

    def count(self, reason: Reason) -> None:
        """Count one."""
        with self._lock:
            self._counts[reason] += 1

    def counts(self) -> Mapping[str, int]:
        """Return how often each reason was one, since the start of the process."""
        with self._lock:
            return {reason.value: number for reason, number in self._counts.items()}


#: Those of this process.
refusals = Refusals()
