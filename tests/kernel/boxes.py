"""An inbox of the runtime, as a test reads it: one item at a time."""

from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.waiting import Inbox

import queue


class Mailbox:
    """What was put, in its order."""

    def __init__(self):
        self._inbox = Inbox(current().signal())
        self._taken = []

    def put(self, item):
        """Add *item*, from wherever."""
        self._inbox.put(item)

    def get(self, *, timeout):
        """Return the first item; wait for it, or raise ``queue.Empty`` after *timeout*."""
        if self.empty():
            self._inbox.signal.wait(timeout)
        if self.empty():
            raise queue.Empty
        return self._taken.pop(0)

    def empty(self):
        """Tell whether there is none."""
        self._taken += self._inbox.take_all()
        return not self._taken
