"""How many different secrets that are not good came from one address in this minute.

Past a limit nobody is told of more, so that logs and audits stay readable. It keeps no good token
out: with 256 random bits nobody guesses one, to look one up is cheap, and behind a proxy that Zope
does not trust all clients have one address. Kept in the memory of each process, bounded, and gone
with the minute: nothing is written because somebody guesses. The same secret counts once.
"""

import threading

MINUTE = 60

#: How many different failures of one address are told of in a minute.
MOST = 20

#: How many addresses are counted in a minute. Past that no other one is.
MOST_ADDRESSES = 10_000


class Failures:
    """The failures of this minute, by address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._seen: dict[str, set[bytes]] = {}

    def note(self, address: str, digest: bytes, now: float) -> bool:
        """Count a failure; return whether it is the first one with this secret: tell of it then.

        Args:
            address: Of the client.
            digest: Of what it came with.
            now: In seconds since the epoch.
        """
        with self._lock:
            self._turn(now)
            if address not in self._seen and len(self._seen) >= MOST_ADDRESSES:
                return False
            seen = self._seen.setdefault(address, set())
            is_new = digest not in seen and len(seen) < MOST
            if is_new:
                seen.add(digest)
            return is_new

    def _turn(self, now: float) -> None:
        minute = int(now // MINUTE)
        if minute != self._minute:
            self._minute, self._seen = minute, {}

    def forget(self) -> None:
        """Count from nothing, for tests."""
        with self._lock:
            self._seen = {}


#: Those of this process.
failures = Failures()
