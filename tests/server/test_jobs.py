"""Jobs on real servers: done once, with their effects, whatever happens to the processes."""

from processes import wait_until

import pytest
import time


@pytest.fixture(params=["gunicorn", "waitress"])
def server(request):
    """One of the two servers."""
    found = request.getfixturevalue(request.param)
    found.post("@@jobs-prepare")
    return found


def tell(server):
    return server.get("@@jobs-tell").json()


def submit(server, *names, **form):
    answer = server.post("@@jobs-submit", data={"names": " ".join(names), **form})
    answer.raise_for_status()
    return answer.json()


def test_a_job_is_done_once_after_the_answer(server):
    """By the worker itself, without any other process."""
    before = tell(server)["states"]
    submit(server, "one")
    wait_until(lambda: tell(server)["done"].get("one") == 1)
    assert tell(server)["states"] == {**before, "done": before.get("done", 0) + 1}


def test_a_request_that_fails_leaves_no_job(server):
    """Nothing phantom."""
    server.post("@@jobs-submit", data={"names": "never", "then": "oops"})
    assert "never" not in tell(server)["asked"]
    submit(server, "after")
    wait_until(lambda: tell(server)["done"].get("after") == 1)
    assert "never" not in tell(server)["done"]


def test_jobs_wait_for_futures_side_by_side(server):
    """Four jobs that wait three seconds each are done together: in less than three turns."""
    names = [f"slow-{n}" for n in range(4)]
    begun = time.monotonic()
    submit(server, *names, args="[3.0]")
    wait_until(lambda: {tell(server)["done"].get(name) for name in names} == {1})
    assert time.monotonic() - begun < 9
