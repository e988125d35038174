"""The external calls of the demo. They take and return plain data, and know nothing of Plone."""

from collective.wsgifutures import future
from collective.wsgifutures import Upstream

import os
import requests

SERVICE = os.environ.get("WSGIFUTURES_DEMO_SERVICE", "http://127.0.0.1:8090")

#: The same service as a named upstream: Site Setup shows it, and a site can change its limits.
town = Upstream("town", base_url=SERVICE, timeout=(3, 40), total=50)


def ask(path, **params):
    """Call the service and wait for its answer, as the code of every add-on does somewhere."""
    answer = requests.get(SERVICE + path, params=params, timeout=60)
    answer.raise_for_status()
    return answer.json()["text"]


@future(timeout=60)
def slow(seconds, text):
    """Return *text* after that many *seconds*."""
    return ask("/slow", seconds=seconds, text=text)


@future(timeout=1)
def too_slow(seconds, text):
    """Return *text* after that many *seconds*, which is later than the timeout."""
    return ask("/slow", seconds=seconds, text=text)


@future
def moody(text):
    """Raise requests.HTTPError every other time."""
    return ask("/moody", seconds=0.5, text=text)


@future
def failing():
    """Raise requests.HTTPError, since the service answers 503."""
    return ask("/fail", status=503)
