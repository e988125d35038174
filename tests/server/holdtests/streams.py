"""Views that answer with streams. ``log`` has what their generators did, by the client's text."""

from .connections import peak
from .views import slow
from .views import View
from collective.wsgifutures import current_stream
from collective.wsgifutures import stream
from collective.wsgifutures import task
from collective.wsgifutures import Upstream
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from zExceptions import NotFound
from zope.interface import alsoProvides

import asyncio
import json
import requests
import time
import transaction

log = {}


def _note(text, what):
    log.setdefault(text, []).append(what)


@stream(timeout=60, between=20)
def count(text, number, pause, size):
    _note(text, "begins")
    try:
        for n in range(number):
            if n:
                time.sleep(pause)
            yield f"{n:0{size}} "
    finally:
        _note(text, "closed")


@stream
def tell_time(number, pause):
    for n in range(number):
        if n:
            time.sleep(pause)
        yield f"{time.time()}\n"


@stream
async def count_async(text, number, pause):
    _note(text, "begins")
    try:
        for n in range(number):
            if n:
                await asyncio.sleep(pause)
            yield f"{n} "
    finally:
        _note(text, "closed")


@stream(between=1.5)
def fail(text, number):
    for n in range(number):
        yield f"{n} "
    raise KeyError("secret")


@stream(timeout=3)
def flood(text):
    try:
        while True:
            yield "x" * 10_000
    finally:
        _note(text, "closed")


@stream
def mute(text):
    _note(text, "begins")
    try:
        time.sleep(20)
        yield "at last"
    finally:
        _note(text, "closed")


@stream
def ask_silent(text, url, by):
    yield "begins "
    if by == "upstream":
        silent = Upstream("holdtests-unheard", url.rstrip("/"), timeout=(3, 50), total=60)
        with silent.stream("GET", "/") as answer:
            yield from answer.lines()
    with requests.get(url, stream=True, timeout=60) as answer:
        yield from answer.iter_lines()


@stream
def speak(url):
    with Upstream("holdtests-words", url).stream("POST", "/chat", json={"q": 1}) as answer:
        for event in answer.raise_for_status().events():
            if event.data == "[DONE]":
                return
            yield json.loads(event.data)["word"]


@stream
def whoami(text):
    yield json.dumps([current_stream().last_event_id, peak.open])


class Words(View):
    """Counts in the wanted form, after a future where one is wanted."""

    def __call__(self, kind="text", how="count", number=3, pause=0.0, size=1, wait=0, heartbeat=15):
        if int(wait):
            slow(0.1, self.text)
        if how == "count":
            words = count(self.text, int(number), float(pause), int(size))
        elif how == "async":
            words = count_async(self.text, int(number), float(pause))
        elif how == "time":
            words = tell_time(int(number), float(pause))
        elif how == "fail":
            words = fail(self.text, int(number))
        elif how == "flood":
            words = flood(self.text)
        elif how == "mute":
            words = mute(self.text)
        elif how == "whoami":
            words = whoami(self.text)
        if kind == "events":
            return words.events(heartbeat=float(heartbeat))
        return getattr(words, kind)()


class Silent(View):
    def __call__(self, url, by="requests"):
        return ask_silent(self.text, url, by).events()


class OfUpstream(View):
    def __call__(self, url):
        return speak(url).text()


class Writing(View):
    """Writes, and answers with a stream; or ends otherwise."""

    def answer(self):
        return count(self.text, 2, 0.0, 1).events()

    def __call__(self, allowed="", end=""):
        if allowed:
            alsoProvides(self.request, IDisableCSRFProtection)
        portal = api.portal.get()
        portal.streamed = getattr(portal, "streamed", 0) + 1
        answer = self.answer()
        if end == "redirect":
            self.request.response.redirect("http://example.com/")
        elif end == "notfound":
            raise NotFound(self.text)
        elif end == "error":
            raise ValueError("secret")
        elif end == "page":
            return "a page"
        elif end == "commit":
            transaction.get().addBeforeCommitHook(_fail)
        return answer


def _fail():
    raise ValueError("secret")


class Written(View):
    def __call__(self):
        return str(getattr(api.portal.get(), "streamed", 0))


class Log(View):
    """What the generators of this text did, and what the worker keeps."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps(log.get(self.text, []))


@task(name="holdtests.keep-words")
def keep_words(context, text):
    """Store them, with who does it."""
    user = api.user.get_current().getId()
    context.words = [*getattr(context, "words", ()), [text, user]]


class Then(View):
    """A stream whose text is stored."""

    def __call__(self, number, pause, keep_going=""):
        alsoProvides(self.request, IDisableCSRFProtection)
        words = count(self.text, int(number), float(pause), 1)
        context = api.portal.get()
        return words.events(then=keep_words, context=context, keep_going=bool(keep_going))


class Kept(View):
    """What was stored, and what became of the jobs."""

    def __call__(self):
        portal = api.portal.get()
        store = find_store(portal._p_jar)
        states = [entry.job.state.value for entry in jobs_of(store)]
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps([getattr(portal, "words", []), states])
