"""The external calls of the demo. They take and return plain data, and know nothing of Plone."""

from collective.wsgifutures import future
from collective.wsgifutures import stream
from collective.wsgifutures import Upstream

import json
import os
import requests

SERVICE = os.environ.get("WSGIFUTURES_DEMO_SERVICE", "http://127.0.0.1:8090")

#: The same service as a named upstream: Site Setup shows it, and a site can change its limits.
town = Upstream("town", base_url=SERVICE, timeout=(3, 40), total=50)


#: The same once more, as a language model.
model = Upstream("model", base_url=SERVICE, timeout=(3, 30), total=60)


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


@stream(timeout=60, between=10)
def tell(question, language):
    """Yield the words of the model's answer as they come."""
    params = {"text": question, "language": language}
    with model.stream("GET", "/talk", params=params) as answer:
        for event in answer.raise_for_status().events():
            if event.data == "[DONE]":
                return
            yield json.loads(event.data)["word"]
    raise EOFError("The model broke off.")


@future(timeout=60)
def tell_whole(question, language):
    """Return the whole answer, for a page without JavaScript."""
    return "".join(tell(question, language))
