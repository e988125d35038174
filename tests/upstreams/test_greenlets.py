"""What is only so where threads are greenlets."""

from .outside import until

import gevent
import pytest

pytestmark = pytest.mark.concurrency


@pytest.mark.parametrize("where", ["in its place", "in line"])
def test_call_that_is_killed_gives_its_place_back(outside, weather, where):
    """Its client went away; its connection is closed too."""
    outside.says(after=0.5)
    upstream = weather(max_calls=1)
    first, second = (gevent.spawn(upstream.get, "/") for _ in range(2))
    assert until(lambda: len(outside.asked) == 1)
    (first if where == "in its place" else second).kill()
    (second if where == "in its place" else first).join(3)
    bulkhead = upstream.service().bulkhead
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)
    assert len(outside.asked) == (2 if where == "in its place" else 1)
    assert upstream.service().counts["failures"] == 0
