"""Ten minutes of a site with visitors, for pictures of the live status: the same each time.

There are more and fewer of them. Once more come than the slots take, once more than may be
held; one waits for too long; and at the end the payments fail.
"""

from status_site import start_status_site

import math
import random
import threading
import time

#: Seconds. The picture of the live status shows so many.
TEN_MINUTES = 600

ENV = {
    "WSGIFUTURES_DEADLINE": "50",
    "WSGIFUTURES_MAX_HELD": "12",
    "WSGIFUTURES_MAX_HELD_PER_CLIENT": "12",
    "WSGIFUTURES_UPSTREAM_TOWN_BASE_URL": "http://town.example.com",
}

#: What they ask for, and for how long it takes at least and at most, in seconds.
PAGES = {
    "news/assistant": (4, 20),
    "library/everywhere": (3, 12),
    "shop/assistant": (4, 16),
    "news/forecast": (0.2, 2),
}

USERS = ("jane", "walter", None, None)


def visits():
    """Return who comes: after how many seconds, for which page, for how long, which user."""
    chance = random.Random(1)
    for second in (*range(145), *range(165, 395), *range(425, TEN_MINUTES - 15)):
        if chance.random() < 0.45 + 0.4 * math.sin(second / 45):
            page, between = chance.choice(list(PAGES.items()))
            yield second, page, round(chance.uniform(*between), 1), chance.choice(USERS)
    yield from ((150, "news/busy", 3, None) for _ in range(40))
    yield from ((400 + n // 20, "library/assistant", 20, None) for n in range(36))
    yield 430, "news/everywhere", 59, "jane"  # longer than the deadline
    yield from ((TEN_MINUTES - 12 + n // 2, "shop/checkout", 0, "jane") for n in range(12))
    for n, page in enumerate([*PAGES] * 2):
        yield TEN_MINUTES - 15 + n, page, 45, USERS[n % len(USERS)]


class Visited:
    """A site that has visitors from its start on.

    Args:
        running: The site.
    """

    def __init__(self, running):
        self.site = running.site
        self.stop = running.stop
        self._ask = running.ask
        self._visitors = threading.Thread(target=self._let_them_come, daemon=True)
        self._visitors.start()

    def wait_for_visitors(self):
        """Wait until all have come."""
        self._visitors.join()

    def _let_them_come(self):
        began = time.monotonic()
        for second, *visit in sorted(visits(), key=lambda one: one[0]):
            time.sleep(max(0, began + second - time.monotonic()))
            self._ask(*visit)


def start_visited_site(instance, folder):
    """Start the site with two workers, with a copy of *instance*, and let visitors come."""
    return Visited(start_status_site(instance, folder, ENV))
