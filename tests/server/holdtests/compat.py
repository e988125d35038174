"""Views as they were written for ``collective.futures``; their import line is another one."""

from .views import ask
from .views import View
from collective.wsgifutures import compat as futures
from zope.interface import noLongerProvides

import json
import os
import requests
import threading

#: How often each text was published.
passes = {}


def call(url):
    return requests.get(url, timeout=30).text


def process_of(text):
    return os.getpid()


def fail(text):
    raise LookupError(text)


def lock(text):
    return threading.Lock()


#: What is asked for in another process.
IN_A_PROCESS = {"pid": process_of, "fails": fail, "unpicklable": lock}


class Old(View):
    def __call__(self):
        try:
            return futures.result("answer")
        except futures.FutureNotSubmittedError:
            futures.submit("answer", ask, self.seconds, self.text)
            return "placeholder"


class Uncaught(View):
    """Asks for what it has just submitted, and catches nothing."""

    def __call__(self):
        try:
            return futures.result("answer")
        except futures.FutureNotSubmittedError:
            futures.submit("answer", ask, self.seconds, self.text)
        return futures.result("answer")


class Many(View):
    def __call__(self):
        keys = [f"{self.text}-{n}" for n in range(8)]
        return " ".join(
            futures.resultOrSubmit(key, "placeholder", ask, self.seconds, key) for key in keys
        )


class Chain(View):
    """Each is submitted when the one before it is there."""

    def __call__(self):
        found = self.text
        for n in range(20):
            found = futures.resultOrSubmit(n, None, ask, 0, f"{self.text}-{n}")
            if found is None:
                return "placeholder"
        return found


class OptedOut(View):
    def __call__(self):
        try:
            return futures.resultOrSubmit("answer", "placeholder", ask, self.seconds, self.text)
        finally:
            noLongerProvides(self.request, futures.IContainsPromises)


class Writing(View):
    """Sends its placeholder by itself."""

    def __call__(self):
        if futures.resultOrSubmit("answer", None, ask, self.seconds, self.text) is None:
            self.request.response.setHeader("Content-Length", "11")
            self.request.response.write(b"placeholder")
            return None
        return futures.result("answer")


class Left(View):
    """Waits for an upstream that never answers."""

    def __call__(self):
        passes[self.text] = passes.get(self.text, 0) + 1
        return futures.resultOrSubmit("answer", "placeholder", call, self.request.form["url"])


class Passes(View):
    def __call__(self):
        return json.dumps(passes.get(self.text, 0))


class Multiprocess(View):
    """In another process, and in the same pass by a thread or a greenlet."""

    def __call__(self):
        function = IN_A_PROCESS[self.request.form["what"]]
        try:
            pid = futures.resultOrSubmitMultiprocess("process", None, function, self.text)
        except Exception as error:
            pid = type(error).__name__
        other = futures.resultOrSubmit("other", None, process_of, self.text)
        return json.dumps([pid, other, os.getpid()])
