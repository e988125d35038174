"""Nothing is left behind by any outcome: objects are counted by type, and users.

The bound is a third of the requests that were sent: one object left by each of them is
three times over it, and what a process has more of at one time than at another is below.
``HOLDTESTS_REQUESTS=2000`` sends so many of each outcome instead of some hundred.
"""

from processes import Server
from wire import request
from wire import Wire

import json
import os
import pytest
import time

pytestmark = pytest.mark.operation

#: How many of each outcome; together they are more than 2,000.
REQUESTS = int(os.environ.get("HOLDTESTS_REQUESTS", 230))

#: How many responses may be held, and how many publications may wait for a slot.
MOST = 250

#: As errors are told as JSON no page is rendered for them.
JSON = "Accept: application/json"

#: How a request ends: the statuses that answer it, and how many clients send at a time.
#: More of the last ones come at once than may be held or wait.
OUTCOMES = {
    "value": ({"200"}, 40),
    "exception": ({"500"}, 40),
    "base_exception": ({"500"}, 40),
    "out_of_time": ({"504"}, 80),
    "cancelled": ({"500"}, 40),
    "left_behind": ({"302"}, 40),
    "expired": ({"504"}, MOST),
    "refused": ({"503", "504"}, 3 * MOST),
}

#: What a request is made of while it is held.
PARTS = (
    "kernel.hold.Hold",
    "kernel.calls.Call",
    "kernel.passes.Pass",
    "kernel.waiting.Waiter",
    "wsgi.body.RequestBody",
    "wsgi.visit.Visit",
    "wsgi.visit.Attempt",
    "wsgi.visit.Response",
)


@pytest.fixture(scope="module")
def server(start_gunicorn):
    """A gunicorn with one worker that holds few responses, none for longer than 1.5 s."""
    limits = {
        **{"DEADLINE": 1.5, "GRACE": 30},
        **{"MAX_HELD": MOST, "MAX_HELD_PER_CLIENT": MOST, "MAX_WAITING": MOST},
    }
    env = {f"WSGIFUTURES_{name}": str(value) for name, value in limits.items()}
    process, port = start_gunicorn(env=env)
    server = Server(process, port)
    for how in OUTCOMES:  # what is made once is made now
        load(server, how, 30)
    leave(server, 20)
    yield server
    process.stop()


def load(server, how, count, *headers):
    """Send *count* requests that end so; return how many were answered with which status."""
    clients = OUTCOMES[how][1]
    view = f"@@fault-outcome?how={how}&text={{n}}"
    result = server.load(view, min(clients, count), count, JSON, *headers)
    assert result["errors"] == {}
    return result["statuses"]


def leave(server, count, *headers):
    """Send *count* requests at once, some of which are held soon and some wait; go away."""
    wires = [Wire(server) for _ in range(count)]
    for wire in wires:
        wire.send(request("@@fault-outcome?how=expired", JSON, *headers))
    time.sleep(0.3)
    for wire in wires:
        wire.close()


def counted(server):
    """Return what the server keeps, once everything has ended that still runs."""
    with Wire(server, timeout=60) as wire:
        time.sleep(0.3)
        return json.loads(wire.get("@@fault-objects").body)


def grown(before, after, bound=REQUESTS / 3):
    """Return of what there is more than *bound* more."""
    more = {name: n - before["objects"].get(name, 0) for name, n in after["objects"].items()}
    # Blocks are also what no garbage collector sees; they come and go by the hundred.
    more["blocks"] = (after["blocks"] - before["blocks"]) / 6
    more["files"] = after["files"] - before["files"]
    return {name for name, n in more.items() if n > bound}


def check_nothing_is_left_by(server, cause):
    """Nothing of which *cause* leaves some each time, no part of a request, and nobody."""
    before = counted(server)
    cause()
    after = counted(server)
    found = grown(before, after)
    if found:  # what is made once is not left behind
        cause()
        found &= grown(after, counted(server))
    assert found == set()
    names = [f"collective.wsgifutures.{part}" for part in PARTS]
    held = {name: n for name in names if (n := after["objects"].get(name, 0)) > 1}
    assert held == {}  # the request that counts has one of most
    assert set(after["users"]) == {"None"}


@pytest.mark.parametrize("how", OUTCOMES)
def test_outcome_leaves_nothing_behind(server, how):
    """No object, file or security manager, whatever becomes of a request."""
    statuses, clients = OUTCOMES[how]
    count = max(clients, REQUESTS)
    answered = {}
    check_nothing_is_left_by(server, lambda: answered.update(load(server, how, count)))
    assert set(answered) == statuses


def test_client_that_goes_leaves_nothing_behind(server):
    """While it is held, while it waits for a slot, or while it is published."""
    check_nothing_is_left_by(server, lambda: leave(server, REQUESTS))


def test_six_hundred_fresh_greenlets_are_nobody_after_a_busy_time_with_admins(server):
    """Promise 7: whatever the outcome of their requests was."""
    admin = "Authorization: Basic YWRtaW46YWRtaW4="
    for how in OUTCOMES:
        load(server, how, 20, admin)
    leave(server, 20, admin)
    assert set(counted(server)["users"]) == {"None"}
    assert server.get("@@whowashere").json() == ["None"]


def test_future_of_an_admin_is_nobody(server):
    """It runs outside of Zope, and as no user of it."""
    answer = server.get("@@fault-outcome", how="user", auth=("admin", "admin"))
    assert answer.text == "None"
