"""Views that call a slow service, each in a different way."""

from ..calls import ask
from ..calls import failing
from ..calls import moody
from ..calls import SERVICE
from ..calls import slow
from ..calls import too_slow
from ..query import BadQuery
from ..query import seconds
from ..query import whole_number
from ..tasks import EXPORT
from ..tasks import export
from .parts import Part
from collective.wsgifutures import accepted
from collective.wsgifutures import fragment
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import held
from html import escape
from plone.protect import CheckAuthenticator
from Products.Five import BrowserView
from zope.annotation.interfaces import IAnnotations

import inspect
import requests
import textwrap

COUNTER = "wsgifutures_demo.counter"


class Page(BrowserView):
    """Reads the query; ``render`` makes the page."""

    sources = ()  # the functions and classes whose source code the page shows

    def __call__(self):
        form = self.request.form
        self.text = str(form.get("text", "hello"))[:100]
        self.catches = form.get("catch") != "no"
        try:
            self.seconds = seconds(form)
            self.n = whole_number(form, "n", 5, 1, 50)
        except BadQuery as problem:
            self.request.response.setStatus(400)
            return self.index(problem=str(problem))
        return self.render()

    def source(self):
        """Return the source code that makes this page."""
        parts = [*self.sources, type(self).render]
        return "\n\n".join(textwrap.dedent(inspect.getsource(part)).strip() for part in parts)


class Hold(Page):
    title = "One call"
    lead = "The call starts before the view runs; the view gets the result as an argument."
    sources = (slow,)

    @held(answer=lambda self: slow.submit(self.seconds, self.text))
    def render(self, answer):
        return self.index(answers=[answer])


class HoldMany(Page):
    title = "Many calls, one wait"
    lead = "All calls run side by side: the page takes as long as the slowest of them."
    sources = (slow,)

    def render(self):
        calls = [slow.submit(self.seconds, f"{self.text} {i + 1}") for i in range(self.n)]
        return self.index(answers=gather(*calls))


#: With ?policy=strict the browser loads only files of this site. The parts arrive all the same.
STRICT = "default-src 'self'; img-src 'self' data:"


class HoldProgressive(Page):
    title = "Parts that arrive later"
    lead = "The page is here at once. Your browser fetches its parts; each part is held on its own."

    def __call__(self):
        if self.request.form.get("policy") == "strict":
            self.request.response.setHeader("Content-Security-Policy", STRICT)
        return super().__call__()

    def render(self):
        return self.index()

    @fragment(deferred=True, height=5)
    def soon(self):
        return card("A quick part", slow(seconds(self.request.form), "after one call"))

    @fragment(deferred=True, height=5)
    def late(self):
        return card(
            "A slow part", slow(3 * seconds(self.request.form), "after a call three times as long")
        )

    @fragment(deferred=True, height=5)
    def moody(self):
        return card("A part that fails every other time", moody("this time the call succeeded"))

    sources = (soon, late, moody)


def card(title, text):
    return f"<div class='card card-body'><h3>{escape(title)}</h3><p>{escape(text)}</p></div>"


class HoldBlocking(Page):
    title = "The old way"
    lead = "The view makes the same call itself: it keeps its slot and its ZODB connection."
    sources = (ask,)

    def render(self):
        return self.index(answers=[ask("/slow", seconds=self.seconds, text=self.text)])


class HoldSubmitOnly(Page):
    title = "Submitted, not waited for"
    lead = "A pass with a pending future is never sent: the page is made again with the result."
    sources = (slow,)

    def render(self):
        call = slow.submit(self.seconds, self.text)
        return self.index(answers=[call.result(default="still waiting")])


class HoldParts(Page):
    title = "Ten parts, one wait"
    lead = "Each part is a viewlet that calls the service; no part waits for another part."
    sources = (Part,)

    def render(self):
        return self.index(parts=True)


class HoldWrite(Page):
    title = "One write"
    lead = "The view adds one to a counter in the ZODB, then calls the service."
    sources = (slow,)

    def render(self):
        counters = IAnnotations(self.context)
        answers = []
        if self.request.method == "POST":
            CheckAuthenticator(self.request)
            counters[COUNTER] = counters.get(COUNTER, 0) + 1
            answers.append(slow(self.seconds, self.text))
        return self.index(answers=answers, counter=counters.get(COUNTER, 0))


class HoldError(Page):
    title = "The service fails"
    lead = "The exception of the call arrives in the view, which may catch it."
    sources = (failing,)

    def render(self):
        try:
            answer = failing()
        except requests.HTTPError as error:
            if not self.catches:
                raise
            answer = f"The view caught this error: {error}"
        return self.index(answers=[answer])


class HoldTimeout(Page):
    title = "The service is too slow"
    lead = "The future has a timeout of one second; the service takes ten seconds."
    sources = (too_slow,)

    def render(self):
        try:
            answer = too_slow(10, self.text)
        except FutureTimeout as error:
            if not self.catches:
                raise
            answer = f"The view caught this error: {error}"
        return self.index(answers=[answer])


class JobExport(Page):
    title = "A long export"
    lead = "The button submits a job. It is done after the answer, and a page shows how far it is."
    sources = (export,)

    def render(self):
        if self.request.method != "POST":
            return self.index(button="Export the catalogue")
        job = export.submit(self.context, self.seconds)
        return accepted(job)


class JobExported(Page):
    title = "The exported catalogue"
    lead = "The job has written it into the ZODB, together with “done”."

    def render(self):
        return self.index(answers=IAnnotations(self.context).get(EXPORT, ()))


class Demo(BrowserView):
    """The start page."""

    service = SERVICE
