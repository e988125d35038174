"""Many pages that follow jobs on a real server: held, without a slot, answered at a change."""

from concurrent.futures import ThreadPoolExecutor
from processes import wait_until

import requests
import time

ALICE = ("alice", "wonderland-1")
FOLLOWERS = 60


def submit(server, name, seconds, auth=ALICE):
    data = {"names": name, "args": f"[{seconds}]"}
    answer = requests.post(f"{server.site}/@@jobs-submit", data=data, auth=auth, timeout=60)
    answer.raise_for_status()
    return answer.json()[0]


def count_held(server):
    """Return how many responses the only worker holds."""
    headers = {"Accept": "application/json"}
    answer = server.get("@futures", headers=headers, auth=("admin", "admin"))
    return len(answer.json()["holds"])


def look(server, id, since="", auth=ALICE):
    answer = server.get(f"@@wsgifutures-job-data/{id}", auth=auth, since=since)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_followers_are_held_without_a_slot_and_answered_when_the_job_has_changed(gunicorn):
    """All of them at once, while other visitors are served as ever."""
    server = gunicorn
    server.post("@@jobs-prepare")
    id = submit(server, "followed", 8.0)
    wait_until(lambda: "In progress" in look(server, id)["html"], 10)
    version = look(server, id)["version"]
    begun = time.monotonic()
    with ThreadPoolExecutor(FOLLOWERS) as clients:
        answers = [clients.submit(look, server, id, version) for _ in range(FOLLOWERS)]
        wait_until(lambda: count_held(server) == FOLLOWERS)
        assert not any(answer.done() for answer in answers)
        visits = []
        for _ in range(20):
            asked = time.monotonic()
            assert server.get("@@fast").status_code == 200
            visits.append(time.monotonic() - asked)
        told = [answer.result() for answer in answers]
    assert sorted(visits)[10] < 0.5
    assert 2 < time.monotonic() - begun < 20
    assert {one["version"] != version for one in told} == {True}


def test_a_page_on_a_threaded_server_is_answered_at_once_and_told_when_to_ask_again(waitress):
    """A follower would keep one of its few threads."""
    server = waitress
    server.post("@@jobs-prepare")
    id = submit(server, "asked", 3.0)
    told = look(server, id)
    asked = time.monotonic()
    again = look(server, id, told["version"])
    assert time.monotonic() - asked < 2
    assert again["again"] == 2
    wait_until(lambda: look(server, id)["ended"], 20)
