"""Streams of the add-on, and pages that show them. ``log`` has what the generators did."""

from collective.wsgifutures import current_stream
from collective.wsgifutures import future
from collective.wsgifutures import stream
from collective.wsgifutures import StreamEvent
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from zExceptions import Forbidden

import json
import time

STRICT = "default-src 'self'"

#: What the generators did, by the key of who asked.
log = {}


@stream(timeout=60, between=20)
def tell(key, text, pause, fails):
    log.setdefault(key, []).append("begins")
    try:
        for n, word in enumerate(text.split(" ")):
            if n:
                time.sleep(pause)
            yield f" {word}" if n else word
        if fails:
            raise LookupError("secret")
    finally:
        log[key].append("closed")


@stream(between=2)
def count(key, last, fails_at):
    """Count up to *last*, from where the client was; fail at the first time."""
    seen = current_stream().last_event_id
    log.setdefault(key, []).append(f"after {seen!r}")
    for n in range(int(seen or 0) + 1, last + 1):
        if n == fails_at and not seen:
            raise LookupError("secret")
        yield StreamEvent(f"Number {n}. ", id=str(n))


@future
def tell_whole(text):
    return "".join(tell("whole", text, 0, False))


class Told(BrowserView):
    """The stream: ``text`` word by word, as ``kind`` says."""

    def __call__(self, key="", text="One. Two. Three.", kind="events", pause=0.0, fails=""):
        words = tell(key, text, float(pause), bool(fails))
        return words.text() if kind == "text" else words.events()


class Counted(BrowserView):
    """A stream that fails once, and whose events have ids."""

    def __call__(self, key, last, fails_at):
        return count(key, int(last), int(fails_at)).events()


class Refused(BrowserView):
    def __call__(self):
        raise Forbidden


class Log(BrowserView):
    def __call__(self, key):
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps(log.get(key, []))


class Telling(BrowserView):
    """A page with the element for the stream ``src``; or for the form's, if ``src`` is empty."""

    told = ViewPageTemplateFile("told.pt")

    @property
    def src(self):
        return f"{self.context.absolute_url()}/{self.request.form.get('src') or '@@told'}"

    @property
    def form_id(self):
        return None if self.request.form.get("src") else "ask"

    def whole(self):
        """Return the whole text where the page itself was asked for it: without JavaScript."""
        text = self.request.form.get("text")
        return tell_whole(text) if text else ""


class Bare(Telling):
    """The same without a theme, under a policy that allows only files of the site."""

    def __call__(self):
        self.request.response.setHeader("Content-Security-Policy", STRICT)
        self.request.response.setHeader("X-Theme-Disabled", "1")
        return self.index()
