"""Views of which something goes wrong: in their future, their upstream or their client."""

from .views import session
from .views import View
from AccessControl import getSecurityManager
from AccessControl.SecurityManagement import _managers
from collections import Counter
from collective.wsgifutures import future
from plone.restapi.services import Service
from zope.interface import implementer
from ZPublisher.Iterators import IUnboundStreamIterator

import gc
import hashlib
import json
import os
import requests
import sys
import tempfile
import time
import weakref

#: More than this is not read by who takes care.
LIMIT = 1_000_000


class OwnEnd(BaseException):
    """A BaseException of an add-on's own."""


class Unprintable(BaseException):
    """One that cannot be told."""

    def __repr__(self):
        raise ValueError("no repr")


class Kept:
    """What a future reads; counted while it is there."""

    def __init__(self):
        self.parts = []


kept = weakref.WeakSet()


@future(timeout=0.4)
def fetch(url):
    """Read all that comes, as careless code does."""
    answer = session.get(url, timeout=30)
    return {"status": answer.status_code, "size": len(answer.content)}


@future(timeout=0.4)
def swallow(url):
    """Keep all that comes."""
    with session.get(url, stream=True, timeout=30) as answer:
        mine = Kept()
        kept.add(mine)
        mine.parts.extend(answer.iter_content(65536))
        return len(mine.parts)


@future(timeout=0.4)
def fetch_bounded(url):
    """Read no more than LIMIT."""
    size = 0
    with session.get(url, stream=True, timeout=30) as answer:
        for chunk in answer.iter_content(65536):
            size += len(chunk)
            if size > LIMIT:
                raise ValueError(f"more than {LIMIT} bytes")
    return {"status": answer.status_code, "size": size}


@future(timeout=0.4)
def fetch_for_ever(url):
    """Read all that comes and keep nothing."""
    with session.get(url, stream=True, timeout=30) as answer:
        for _ in answer.iter_content(65536):
            pass


@future(timeout=0.2)
def go_on(url):
    """Hear of no end."""
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        try:
            time.sleep(0.1)
        except BaseException:
            continue


_FETCHES = {
    "goes-on": go_on,
    "careless": fetch,
    "keeps": swallow,
    "bounded": fetch_bounded,
    "discards": fetch_for_ever,
}


class Fetch(View):
    """Asks an upstream; tells what came of it, or lets it be raised."""

    def __call__(self):
        form = self.request.form
        try:
            return json.dumps(_FETCHES[form.get("how", "careless")](form["url"]))
        except Exception as error:
            if "raise" in form:
                raise
            return json.dumps({"error": type(error).__name__, "str": str(error)})


class HowMuchIsKept(View):
    def __call__(self):
        gc.collect()
        return str(len(kept))


def base_exception(name):
    """Return the class of that name."""
    if name == "GreenletExit":
        from gevent import GreenletExit

        return GreenletExit
    known = (SystemExit, KeyboardInterrupt, GeneratorExit, OwnEnd, Unprintable)
    return {c.__name__: c for c in known}[name]


@future(timeout=1)
def end(what, nested):
    """Raise a BaseException, in a future inside of this one where it is nested."""
    if nested:
        end(what, False)
    raise base_exception(what)("by the future")


class End(View):
    def __call__(self):
        form = self.request.form
        try:
            end(form["what"], "nested" in form)
        except Exception as error:
            if "raise" in form:
                raise
            return json.dumps({"error": type(error).__name__, "str": str(error)})
        return "it did not raise"


@future
def echo(value):
    time.sleep(0.001)
    return value


class Read(View):
    """Reads its body in each pass without keeping it; held."""

    def __call__(self):
        digest, size = hashlib.sha256(), 0
        stream = self.request.get("BODYFILE")
        while chunk := stream.read(65536) if stream else b"":
            digest.update(chunk)
            size += len(chunk)
        told = echo({"size": size, "sha256": digest.hexdigest(), "method": self.request.method})
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps(told)


class Options(Service):
    """Held, and of a method that Zope publishes no browser view for."""

    def reply(self):
        return {"options": echo("held")}


class Hidden(View):
    """Writes down that it was published."""

    published = Counter()

    def __call__(self):
        self.published[self.text] += 1
        return "hidden"


class HowOftenHidden(View):
    def __call__(self):
        return str(Hidden.published[self.text])


@implementer(IUnboundStreamIterator)
class Broken:
    """A body that ends in an exception, and knows whether it was closed."""

    closed = Counter()

    def __init__(self, text):
        self._text = text
        self._left = 3

    def __iter__(self):
        return self

    def __next__(self):
        self._left -= 1
        if not self._left:
            raise ValueError("broken in the middle")
        return b"x" * 20_000

    def close(self):
        self.closed[self._text] += 1


class BrokenStream(View):
    """Streams a body that breaks, from a held view."""

    def __call__(self):
        if "closed" in self.request.form:
            return str(Broken.closed[self.text])
        echo(self.text)
        self.request.response.setHeader("Content-Type", "application/octet-stream")
        return Broken(self.text)


class Process(View):
    """Tells which process it is, and which blobs and kept bodies it has open."""

    def __call__(self):
        found = [os.getpid()]
        for fd in os.listdir("/proc/self/fd"):
            try:
                name = os.readlink(f"/proc/self/fd/{fd}")
            except OSError:
                continue
            body = name.startswith(tempfile.gettempdir()) and name.endswith(" (deleted)")
            if (body and "wgunicorn" not in name) or name.partition(" ")[0].endswith(".blob"):
                found.append(name)
        return json.dumps(found)


@future(timeout=15)
def ask_site(url):
    return requests.get(url, timeout=10).text  # it keeps no connection to its own site


class AskSite(View):
    """Its future calls the site."""

    def __call__(self):
        return ask_site(f"{self.context.absolute_url()}/@@{self.request.form['view']}")


@future(timeout=60)
def sleep(seconds):
    time.sleep(seconds)


@future(timeout=0.05)
def oversleep():
    time.sleep(30)


@future
def fail(text):
    raise ValueError(text)


@future
def user():
    """Tell who a future is."""
    return str(getSecurityManager().getUser().getId())


class Leave(View):
    """Raises what no view should, itself."""

    def __call__(self):
        echo(self.text)
        raise base_exception(self.request.form["what"])("by the view")


class Outcome(View):
    """Ends in each way that a held request can end."""

    def __call__(self):
        return getattr(self, f"_{self.request.form['how']}")()

    def _value(self):
        return echo([self.text])[0]

    def _exception(self):
        return fail(self.text)

    def _base_exception(self):
        return end("SystemExit", False)

    def _out_of_time(self):
        return oversleep()

    def _cancelled(self):
        asleep = sleep.submit(30)
        echo(self.text)
        asleep.cancel()
        return asleep.result()

    def _left_behind(self):
        """It answers while one of its futures runs."""
        sleep.submit(30)
        echo(self.text)
        return self.request.response.redirect(self.context.absolute_url())

    def _expired(self):
        return str(sleep(30))

    _refused = _expired

    def _user(self):
        return user()


class Objects(View):
    """Counts what the process keeps."""

    def __call__(self):
        gc.collect()
        gc.collect()
        types = [type(o) for o in gc.get_objects()]
        return json.dumps(
            {
                "objects": Counter(f"{t.__module__}.{t.__qualname__}" for t in types),
                "blocks": sys.getallocatedblocks(),
                "users": sorted(str(m.getUser().getId()) for m in list(_managers.values())),
                "files": len(os.listdir("/proc/self/fd")),
            }
        )
