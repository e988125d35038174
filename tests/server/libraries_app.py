"""A WSGI application without Zope: ``/<executor>/<what>`` does what a library may do, thrice.

Gunicorn's configuration of this package holds its responses; where that is not used, with
threads, it does that itself.
"""

from collective.wsgifutures import future
from collective.wsgifutures import gather

import functools
import json
import libraries
import os


@functools.cache
def call(executor, what):
    function = getattr(libraries, what + ("_async" if executor == "asyncio" else ""))
    key = f"{executor}-{what}"
    return future(key=key, executor=executor, timeout=8)(function)


def told(value):
    is_error = isinstance(value, BaseException)
    return f"{type(value).__name__}: {value}" if is_error else value


def answer(environ, start_response):
    executor, _, what = environ["PATH_INFO"].strip("/").partition("/")
    found = os.getpid()
    if what:
        asked = [call(executor, what).submit(n) for n in range(3)]
        found = [told(value) for value in gather(*asked, return_exceptions=True)]
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@functools.cache
def hold():
    from collective.wsgifutures.wsgi.middleware import Middleware
    from collective.wsgifutures.wsgi.worker import Worker

    worker = Worker(answer)
    worker.start()
    return Middleware(worker)


def application(environ, start_response):
    by_itself = os.environ.get("LIBRARIES_SERVER") == "threads"
    return (hold() if by_itself else answer)(environ, start_response)
