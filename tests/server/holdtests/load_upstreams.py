"""A view that the benchmarks ask for: one call of an ``Upstream``.

In the form: ``upstream``, one of those below; ``path``, what is asked of the slow service, with
``seconds`` and ``text``; and ``cache`` and ``stale``, how long the answer is kept.
"""

from .views import View
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamError

import os

SERVICE = os.environ.get("HOLDTESTS_SERVICE", "http://127.0.0.1:9")

UPSTREAMS = {
    one.name: one
    for one in (
        Upstream("usual", SERVICE),
        Upstream("many", SERVICE, timeout=(10, 60), total=60, max_calls=2000),
        Upstream("unbroken", SERVICE, failure_calls=1_000_000),  # its breaker never opens
    )
}


class Ask(View):
    """Asks, and renders without an answer where there is none."""

    def __call__(self):
        form = self.request.form
        upstream = UPSTREAMS[form.get("upstream", "many")]
        keep = {name: float(form[name]) for name in ("cache", "stale") if name in form}
        params = {"seconds": self.seconds, "text": self.text}
        try:
            answer = upstream.get(form.get("path", "/slow"), params=params, **keep)
            return answer.raise_for_status().json()["text"]
        except UpstreamError as error:
            return f"without it: {type(error).__name__}"
