"""A page of Plone that the benchmarks ask for, plain and with ten parts that each wait a second."""

from collective.wsgifutures import fragment
from collective.wsgifutures import future
from collective.wsgifutures import gather
from plone import api
from plone.app.layout.viewlets import ViewletBase
from plone.protect.interfaces import IDisableCSRFProtection
from Products.Five import BrowserView
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.interface import Interface

import time


class IParts(Interface):
    """A view whose page has the parts."""


class Page(BrowserView):
    """Plone's main template around what is in a folder: ZCML gives it its template."""

    def items(self):
        return api.content.find(context=self.context, depth=1, sort_on="getObjPositionInParent")


class Fill(BrowserView):
    """Put what a site has into this one: eight sections, with twenty pages in each of two."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        for section in range(8):
            folder = self.add(self.context, "Folder", f"Section {section}")
            for number in range(20 if section < 2 else 0):
                self.add(folder, "Document", f"Page {number} of section {section}")
        return "filled"

    def add(self, container, kind, title):
        found = api.content.create(container, kind, title=title, description=f"About {title}")
        api.content.transition(found, "publish")
        return found


@implementer(IParts)
class PageOfParts(Page):
    """The same, and the parts; ``call`` says what each calls, ``first`` lets the view ask."""

    def __call__(self):
        if "first" in self.request.form:
            gather(*(a_second.submit(text_of(self.request, f"part-{n}")) for n in range(10)))
        return self.index()


@future(timeout=60)
def a_second(text):
    time.sleep(1)  # gives way under gevent
    return text


def from_upstream(text):
    from .load_upstreams import UPSTREAMS

    answer = UPSTREAMS["many"].get("/slow", params={"seconds": 1, "text": text})
    return answer.json()["text"]


def text_of(request, part):
    return f"{part}-{request.form['text']}"


CALLS = {"sleep": a_second, "upstream": from_upstream}


@fragment(deferred=True, height=1)
class Part(ViewletBase):
    """It is waited for with ``?wsgifutures-wait=1``, as one that is not deferred."""

    def update(self):
        self.value = CALLS[self.request.form["call"]](text_of(self.request, self.__name__))

    def render(self):
        return f'<p class="part">{self.value}</p>'
