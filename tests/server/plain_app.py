"""A WSGI application without Zope, whose pages ask for futures of each kind."""

from collective.wsgifutures import future
from collective.wsgifutures import gather

import asyncio
import json
import os
import time


@future(executor="processes")
def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return os.getpid()


@future
async def sleep(seconds):
    await asyncio.sleep(seconds)
    return os.getpid()


@future(executor="threads")
def block(seconds):
    time.sleep(seconds)
    return os.getpid()


def application(environ, start_response):
    seconds = float(environ["QUERY_STRING"] or 0)
    pids = gather(*(call.submit(seconds) for call in (compute, sleep, block)))
    body = json.dumps([*pids, os.getpid()]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
