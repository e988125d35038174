"""Nothing is left behind by any outcome: objects are counted by type, and users.

The bound is a third of the requests that were sent: one object left by each of them is
three times over it, and what a process has more of at one time than at another is below.
``HOLDTESTS_REQUESTS=2000`` sends so many of each outcome instead of a few hundred.
"""

from conftest import Server
from wire import Wire

import json
import os
import pytest
import time

#: How many of each outcome; together they are more than 2,000.
REQUESTS = int(os.environ.get("HOLDTESTS_REQUESTS", 250))

#: As errors are told as JSON no page is rendered for them.
JSON = "Accept: application/json"

#: How a request ends: its status, and how many clients send them at a time.
OUTCOMES = {
    "value": ("200", 40),
    "exception": ("500", 40),
    "base_exception": ("500", 40),
    "out_of_time": ("504", 80),
    "cancelled": ("500", 40),
    "left_behind": ("302", 40),
    "expired": ("504", 250),
}


@pytest.fixture(scope="module")
def server(start_gunicorn):
    """A gunicorn with one worker that holds no response for longer than 1.5 s."""
    env = {"WSGIFUTURES_DEADLINE": "1.5", "WSGIFUTURES_GRACE": "30"}
    process, port = start_gunicorn(env=env)
    server = Server(process, port)
    for how in OUTCOMES:  # what is made once is made now
        load(server, how, 60)
    yield server
    process.stop()


def load(server, how, count, *headers):
    """Send *count* requests that end so; return their statuses."""
    clients = OUTCOMES[how][1]
    view = f"@@fault-outcome?how={how}&text={{n}}"
    result = server.load(view, min(clients, count), count, JSON, *headers)
    assert result["errors"] == {}
    return result["statuses"]


def counted(server):
    """Return what the server keeps, once everything has ended that still runs."""
    with Wire(server, timeout=60) as wire:
        time.sleep(0.2)
        return json.loads(wire.get("@@fault-objects").body)


def grown(before, after, bound=REQUESTS / 3):
    """Return of what there is more than *bound* more."""
    more = {name: n - before["objects"].get(name, 0) for name, n in after["objects"].items()}
    # Blocks are also what no garbage collector sees; two for each request are too many.
    more["blocks"] = (after["blocks"] - before["blocks"]) / 6
    more["files"] = after["files"] - before["files"]
    return {name: n for name, n in more.items() if n > bound}


@pytest.mark.parametrize("how", OUTCOMES)
def test_outcome_leaves_no_object_behind(server, how):
    """No type has more objects than before, no greenlet is somebody, no file is open."""
    before = counted(server)
    assert load(server, how, REQUESTS) == {OUTCOMES[how][0]: REQUESTS}
    after = counted(server)
    assert grown(before, after) == {}
    assert after["users"] == ["None"]  # the one who asks


def test_six_hundred_fresh_greenlets_are_nobody_after_a_busy_time_with_admins(server):
    """Promise 7: whatever the outcome of their requests was."""
    admin = "Authorization: Basic YWRtaW46YWRtaW4="
    for how in OUTCOMES:
        load(server, how, 40, admin)
    assert counted(server)["users"] == ["None"]
    assert server.get("@@whowashere").json() == ["None"]


def test_future_of_an_admin_is_nobody(server):
    """It runs outside of Zope, and as no user of it."""
    answer = server.get("@@fault-outcome", how="user", auth=("admin", "admin"))
    assert answer.text == "None"
