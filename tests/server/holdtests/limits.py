"""Views that wait in their slot, compute, or conflict."""

from .views import slow
from .views import View
from collections import Counter
from collective.wsgifutures import future
from urllib.parse import urlsplit
from ZODB.POSException import ConflictError

import asyncio
import contextlib
import hashlib
import requests
import time


@future(timeout=30)
def compute(seconds):
    """Let nothing else run."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "computed"


@future(timeout=30)
def wait_for_url(url):
    return requests.get(url, timeout=60).text


class Silent(View):
    """Calls an upstream that may never answer."""

    def __call__(self):
        return wait_for_url(self.request.form["url"])


@future(timeout=60)
async def read_url(url):
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    with contextlib.closing(writer):
        writer.write(f"GET {where.path}?{where.query} HTTP/1.0\r\n\r\n".encode())
        return (await reader.read()).decode()


class SilentAsync(View):
    """The same by an async future."""

    def __call__(self):
        return read_url(self.request.form["url"])


class Sleep(View):
    """Waits in its slot, as old code does."""

    def __call__(self):
        time.sleep(self.seconds)
        return "slept"


@future(timeout=30)
def compute_in_c():
    """The same in C code, where no signal is heard."""
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200_000_000).hex()


class Compute(View):
    """Lets nothing else run, in the pass or in its future."""

    def __call__(self):
        where = self.request.form.get("future")
        if where:
            return compute_in_c() if where == "in C" else compute(self.seconds)
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            pass
        return "computed"


class AsksItsOwnSite(View):
    """Calls its own site in the pass."""

    def __call__(self):
        url = f"{self.context.absolute_url()}/@@fast"
        answer = requests.get(url, timeout=60)
        self.request.response.setStatus(answer.status_code)
        return answer.text


class Counted(View):
    """Counts how often it is published, and is held."""

    published = Counter()

    def __call__(self):
        self.published[self.text] += 1
        return slow(self.seconds, self.text)


class HowOften(View):
    def __call__(self):
        return str(Counted.published[self.text])


class Storm(View):
    """Conflicts twice, then answers."""

    attempts = Counter()

    def __call__(self):
        self.attempts[self.text] += 1
        if self.attempts[self.text] < 3:
            raise ConflictError("storm")
        return "calm"
