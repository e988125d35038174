"""One view for each thing that a server test asks for. ``text`` makes its call its own."""

from .connections import peak
from AccessControl import getSecurityManager
from collective.wsgifutures import fragment
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import held
from contextvars import ContextVar
from plone import api
from plone.namedfile.file import NamedBlobFile
from plone.namedfile.utils import set_headers
from plone.namedfile.utils import stream_data
from plone.transformchain.interfaces import ITransform
from Products.Five import BrowserView
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized
from ZODB.POSException import ConflictError
from zope.component import adapter
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces import IPublishTraverse

import gc
import hashlib
import json
import os
import requests
import time
import transaction

#: One for the process: it keeps connections, and reads the proxies of the environment once.
session = requests.Session()
session.trust_env = False

seen = ContextVar("holdtests.seen", default=None)


def ask(seconds, text):
    """Call the slow service and wait for its answer."""
    url = os.environ["HOLDTESTS_SERVICE"] + "/slow"
    return session.get(url, params={"seconds": seconds, "text": text}).json()["text"]


slow = future(timeout=60)(ask)


@future(timeout=0.5)
def too_slow(url):
    return requests.get(url, timeout=30).text


class Later(BrowserView):
    """A page with a part that is fetched after it."""

    def __call__(self):
        return f"<html><body>{self.part()}</body></html>"

    @fragment(deferred=True)
    def part(self):
        user = getSecurityManager().getUser().getId()
        return f"{slow(1, self.request.form['text'])} for {user}"


@future
def hashed(data):
    return hashlib.sha256(data).hexdigest()


class View(BrowserView):
    @property
    def text(self):
        return self.request.form.get("text", "nothing")

    @property
    def seconds(self):
        return float(self.request.form.get("seconds", 0.1))


class Hold(View):
    @held(answer=lambda self: slow.submit(self.seconds, self.text))
    def __call__(self, answer, city="nowhere", *, unfilled=None):
        return f"{answer} in {city}"


class Blocking(View):
    """The same call the old way, for the benchmark."""

    def __call__(self):
        return f"{ask(self.seconds, self.text)} in nowhere"


class Many(View):
    def __call__(self):
        calls = [slow.submit(self.seconds, f"{self.text}-{n}") for n in range(5)]
        return " ".join(gather(*calls))


class Fast(View):
    def __call__(self):
        return "fast"


class Ends(View):
    """Submits, then ends its pass in another way than by waiting."""

    def __call__(self):
        slow.submit(self.seconds, self.text)
        how = self.request.form["how"]
        if how == "raise-redirect":
            raise Redirect(self.context.absolute_url())
        if how == "redirect":
            return self.request.response.redirect(self.context.absolute_url())
        if how == "unauthorized":
            raise Unauthorized("not for you")
        if how == "notfound":
            raise NotFound("not here")
        raise ValueError("how is none of those")


class SubmitOnly(View):
    def __call__(self):
        slow.submit(self.seconds, self.text)
        return "submitted"


class Placeholder(View):
    """Only submits, and shows a placeholder until the result is there."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/html")
        return slow.submit(self.seconds, self.text).result(default="placeholder")


@implementer(ITransform)
@adapter(Interface, Interface)
class Transformed:
    """Writes down what plone.transformchain was given of that view."""

    order = 1
    bodies = []

    def __init__(self, published, request):
        self._looks = isinstance(published, Placeholder)

    def transformIterable(self, result, encoding):
        if self._looks:
            self.bodies.append(b"".join(result).decode())

    transformBytes = transformUnicode = transformIterable


class TransformedBodies(View):
    def __call__(self):
        return json.dumps(Transformed.bodies)


class Conflict(View):
    """Raises a ConflictError once, when the result is there."""

    raised = set()

    def __call__(self):
        answer = slow(self.seconds, self.text)
        if self.text not in self.raised:
            self.raised.add(self.text)
            raise ConflictError("once")
        return answer


class Count(View):
    """Writes, then waits."""

    def __call__(self):
        site = self.context
        site.holdtests_counter = getattr(site, "holdtests_counter", 0) + 1
        slow(self.seconds, self.text)
        return str(site.holdtests_counter)


class CountHTML(Count):
    """The same as a page, which plone.protect looks at."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/html")
        return f"<html><body>{super().__call__()}</body></html>"


class Counted(View):
    def __call__(self):
        return str(getattr(self.context, "holdtests_counter", 0))


class Mail(View):
    def __call__(self):
        api.portal.set_registry_record("plone.smtp_host", "127.0.0.1")
        api.portal.set_registry_record("plone.smtp_port", int(self.request.form["port"]))
        self.context.MailHost.send(
            "Hello",
            "to@example.org",
            "from@example.org",
            subject=self.text,
            immediate="immediate" in self.request.form,
        )
        return slow(self.seconds, self.text)


class WhoAmI(View):
    def __call__(self):
        before = getSecurityManager().getUser().getId()
        slow(self.seconds, self.text)
        return f"{before} {getSecurityManager().getUser().getId()}"


class WhoWasHere(View):
    """Tells who 600 fresh greenlets are, without being asked to authenticate."""

    def __call__(self):
        import gevent

        def who():
            return getSecurityManager().getUser().getId()

        greenlets = [gevent.spawn(who) for _ in range(600)]
        gevent.joinall(greenlets)
        return json.dumps(sorted({str(g.value) for g in greenlets}))


class Body(View):
    """Reads the body in each pass; answers with what pass 1 and the last one saw."""

    def __call__(self):
        upload = self.request.form.get("upload")
        data = upload.read() if upload is not None else self.request.get("BODY", b"")
        first = hashed(data)
        return json.dumps({"size": len(data), "sha256": first})


class Timeout(View):
    def __call__(self):
        return too_slow(self.request.form["url"])


class Forever(View):
    def __call__(self):
        return slow(0, f"{self.text}-{time.time_ns()}")


class Context(View):
    """Tells what an earlier pass in this slot has set in its context."""

    def __call__(self):
        before = seen.get()
        seen.set(self.text)
        slow(self.seconds, self.text)
        return str(before)


class Download(View):
    """Streams a blob, after a wait where a text is given."""

    def __call__(self):
        if "text" in self.request.form:
            slow(self.seconds, self.text)
        set_headers(self.context.holdtests_blob, self.request.response)
        return stream_data(self.context.holdtests_blob)


class Upload(View):
    """Keeps the body as a blob of the site."""

    def __call__(self):
        self.context.holdtests_blob = NamedBlobFile(self.request.get("BODY"), filename="blob")
        return "kept"


@implementer(IPublishTraverse)
class Traverse(View):
    """Needs a result to find its name."""

    name = None

    def publishTraverse(self, request, name):
        self.name = slow(0.1, name)
        return self

    def __call__(self):
        return str(self.name)


class State(View):
    """Tells what the process keeps; ``reset`` begins to count anew."""

    def __call__(self):
        if "reset" in self.request.form:
            peak.most = peak.open
        gc.collect()
        return json.dumps(
            {
                "collect_after": gc.get_threshold()[0],
                "connections": peak.most,
                "never_collected": gc.get_freeze_count(),
                "pid": os.getpid(),
                "requests": sum(type(o).__name__ == "WSGIRequest" for o in gc.get_objects()),
                "transaction": transaction.get().description,
            }
        )
