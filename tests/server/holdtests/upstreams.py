"""Calls to upstreams. Where they are, the test says by variables of the environment."""

from .views import View
from collective.wsgifutures import Upstream

NOWHERE = "http://127.0.0.1:9"

#: Sent with each call, and never told to anybody else.
SECRET = "s3cr3t-w0rd"

LIMITS = {"timeout": (1, 20), "headers": {"Authorization": SECRET}}

UPSTREAMS = {
    "plain": Upstream("holdtests", NOWHERE, idempotency_key=True, **LIMITS),
    "kept": Upstream("holdtests-kept", NOWHERE, cache=300, **LIMITS),
    "small": Upstream("holdtests-small", NOWHERE, max_calls=1, max_queue=0, **LIMITS),
    "dead": Upstream("holdtests-dead", NOWHERE, retries=0, failure_calls=2, failure_pause=30),
    "silent": Upstream("holdtests-silent", NOWHERE, cache=300, **LIMITS),
}


class Get(View):
    """``name`` is that of the upstream, ``text`` the last part of the path."""

    def __call__(self):
        upstream = UPSTREAMS[self.request.form["name"]]
        return upstream.get(f"/{SECRET}/{self.text}", params={"key": SECRET}).text


class Post(View):
    """Two passes for the first call, and another one for the second."""

    def __call__(self):
        upstream = UPSTREAMS["plain"]
        answers = [upstream.post(f"/{self.text}", json={"n": n, "key": SECRET}) for n in range(2)]
        return " ".join(str(answer.status) for answer in answers)


class Failing(View):
    """Whatever it is, the view does not catch it."""

    def __call__(self):
        upstream = UPSTREAMS["plain"]
        answer = upstream.put(f"/{SECRET}/{self.text}", data={"password": SECRET})
        return answer.raise_for_status().text
