"""Views of the tests that run on each storage, with more than one worker."""

from .views import Download
from .views import session
from .views import slow
from .views import View
from collections import Counter
from collective.wsgifutures import future
from collective.wsgifutures import held

import json
import os
import time
import Zope2


@future(timeout=50)
def fetch(url):
    return session.get(url, timeout=50).text


class Storage(View):
    """Tells what the site is stored in."""

    def __call__(self):
        storage = Zope2.DB.storage
        adapter = getattr(storage, "_adapter", None)
        driver = adapter and adapter.driver.__name__
        return json.dumps({"kind": type(storage).__name__, "driver": driver})


class HoldAndTell(View):
    """Is held, and tells which worker did it."""

    @held(answer=lambda self: slow.submit(self.seconds, self.text))
    def __call__(self, answer):
        return json.dumps({"answer": answer, "worker": os.getpid()})


class Clash(View):
    """Reads, lets others run, writes: of two at once, one has a conflict and is tried again."""

    tries = Counter()

    def __call__(self):
        slow(self.seconds, self.text)
        self.tries[self.text] += 1
        counter = getattr(self.context, "holdtests_counter", 0) + 1
        if self.tries[self.text] == 1:
            time.sleep(0.5)
        self.context.holdtests_counter = counter
        return json.dumps({"counter": counter, "tries": self.tries[self.text]})


class BlobAndTell(Download):
    """Streams the blob, and tells in a header which worker did it."""

    def __call__(self):
        self.request.response.setHeader("X-Worker", str(os.getpid()))
        return super().__call__()


class Published(View):
    """Writes down that it is published, and waits for an upstream."""

    def __call__(self):
        with open(os.environ["HOLDTESTS_PUBLISHED"], "a") as file:
            file.write(f"{self.text}\n")
        return fetch(self.request.form["url"])
