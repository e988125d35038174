"""Pages of the add-on. Each takes ``seconds``; what it asks for, ``text``, is nobody's business.

The upstreams have names as a site's have. They are asked through a proxy: the slow service for
those of http, and for those of https one that nobody has started.
"""

from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import Upstream
from Products.Five import BrowserView
from wsgifutures_demo.calls import ask

import time

weather = Upstream("weather", "http://weather.example.com", timeout=(3, 60), total=60, cache=300)
search = Upstream("search", "http://search.example.com", timeout=(3, 60), total=60)
payments = Upstream(
    "payments", "https://pay.example.com", retries=0, failure_calls=2, failure_pause=30
)
translation = Upstream("translation", "https://translate.example.com", off=True)


@future(timeout=60)
def answer(seconds, text):
    return ask("/slow", seconds=seconds, text=text)


class Page(BrowserView):
    @property
    def asked(self):
        form = self.request.form
        return {"seconds": float(form.get("seconds", 1)), "text": form.get("text", "hello")}


class Assistant(Page):
    def __call__(self):
        return answer(**self.asked)


class Forecast(Page):
    def __call__(self):
        return weather.get("/slow", params=self.asked).json()["text"]


class Everywhere(Page):
    def __call__(self):
        asked = self.asked
        found, _ = gather(search.get.submit("/slow", params=asked), answer.submit(**asked))
        return found.json()["text"]


class Checkout(Page):
    def __call__(self):
        return payments.post("/orders", json=self.asked).text


class Busy(Page):
    """Keeps its slot."""

    def __call__(self):
        time.sleep(self.asked["seconds"])
        return "done"
