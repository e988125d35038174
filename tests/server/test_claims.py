"""Workers elsewhere on a real server: a claim is held until there is a job, and costs little."""

from claiming import Far
from claiming import look
from claiming import submit
from concurrent.futures import ThreadPoolExecutor
from processes import wait_until

import pytest
import requests
import time

WAITING = 100


@pytest.fixture
def worker(gunicorn):
    """A worker of a gunicorn."""
    return Far(gunicorn)


@pytest.fixture
def clients():
    """Threads of clients."""
    with ThreadPoolExecutor(WAITING) as threads:
        yield threads


def test_a_held_claim_is_answered_when_a_job_is_committed_and_what_follows_is_done(
    gunicorn, worker, clients
):
    """At once; the result is stored by a task in Plone."""
    asked = clients.submit(worker.claim, wait=30)
    wait_until(lambda: look(gunicorn)["waiting"] == 1)
    begun = time.monotonic()
    (id,) = submit(gunicorn, "answered")
    claimed = asked.result().json()
    assert time.monotonic() - begun < 1.0
    assert (claimed["job"], claimed["args"]) == (id, ["answered"])
    assert worker.act(claimed, "heartbeat").json()["lease"] > 100
    assert worker.act(claimed, "complete", {"result": {"name": "answered"}}).json() == {
        "state": "done"
    }
    wait_until(lambda: look(gunicorn)["kept"].get("answered") == 1)


def test_a_claim_that_waits_in_vain_ends_with_204(gunicorn, worker):
    """When its time is over, and not before."""
    begun = time.monotonic()
    answer = worker.claim(wait=2)
    assert (answer.status_code, answer.content) == (204, b"")
    assert 1.9 < time.monotonic() - begun < 5
    assert worker.claim(wait=0).status_code == 204


def test_claims_that_wait_have_no_connection_and_one_job_wakes_the_first(gunicorn, worker, clients):
    """First come, first served; the others go on waiting, and visitors are served as ever."""
    asked = []
    for number in range(WAITING):
        asked.append(clients.submit(worker.claim, wait=25, key=str(number)))
        if number < 10:  # in order
            wait_until(lambda n=number: look(gunicorn)["waiting"] == n + 1)
    wait_until(lambda: look(gunicorn)["waiting"] == WAITING)
    time.sleep(1)
    assert look(gunicorn)["opened"] <= 3  # that of the view that looks, and of a runner
    visits = []
    for _ in range(20):
        begun = time.monotonic()
        assert gunicorn.get("@@fast").status_code == 200
        visits.append(time.monotonic() - begun)
    assert sorted(visits)[10] < 0.5
    ids = submit(gunicorn, "one", "two", "three")
    wait_until(lambda: sum(one.done() for one in asked) == 3)
    assert [one.result().json()["job"] for one in asked[:3]] == ids
    assert look(gunicorn)["waiting"] == WAITING - 3
    for one in asked[3:]:
        assert one.result().status_code == 204
    assert look(gunicorn)["waiting"] == 0


def test_a_client_that_leaves_gets_no_job(gunicorn, worker, clients):
    """It leaves the line; the job is for the next one."""
    headers = {"Authorization": f"Bearer {worker.token}", "Accept": "application/json"}
    url = f"{gunicorn.site}/@jobs/claim"
    with pytest.raises(requests.ReadTimeout):
        requests.post(url, json={"wait": 30}, headers=headers, timeout=1)
    wait_until(lambda: look(gunicorn)["waiting"] == 0)
    (id,) = submit(gunicorn, "left")
    assert worker.claim(wait=10).json()["job"] == id


def test_a_job_of_another_queue_wakes_nobody(gunicorn, worker, clients):
    """Each worker gets those of its queues."""
    asked = clients.submit(worker.claim, wait=20, queues=["farther"])
    wait_until(lambda: look(gunicorn)["waiting"] == 1)
    (near,) = submit(gunicorn, "near")
    time.sleep(1.5)
    assert not asked.done()
    (id,) = submit(gunicorn, "farther", queue="farther")
    assert asked.result().json()["job"] == id
    assert worker.claim(queues=["far"]).json()["job"] == near


def test_many_jobs_are_each_claimed_once(gunicorn, worker, clients):
    """By workers that ask again and again."""
    names = [f"many-{n}" for n in range(60)]
    got = []

    def work():
        while (answer := worker.claim(wait=3)).status_code == 200:
            claimed = answer.json()
            got.append(claimed["args"][0])
            result = {"result": {"name": claimed["args"][0]}}
            assert worker.act(claimed, "complete", result).status_code == 200

    working = [clients.submit(work) for _ in range(8)]
    for n in range(0, 60, 10):
        submit(gunicorn, *names[n : n + 10])
    for one in working:
        one.result()
    assert sorted(got) == sorted(names)
    wait_until(lambda: all(look(gunicorn)["kept"].get(name) == 1 for name in names))


def test_a_released_job_is_claimed_by_another_worker_that_waits(gunicorn, worker, clients):
    """Within a second or so."""
    (id,) = submit(gunicorn, "released")
    claimed = worker.claim().json()
    asked = clients.submit(worker.claim, wait=20)
    wait_until(lambda: look(gunicorn)["waiting"] == 1)
    worker.act(claimed, "release")
    assert (asked.result().json()["job"], asked.result().json()["generation"]) == (id, 2)


def test_a_claim_waits_for_as_long_as_the_setting_says(started):
    """Even past the deadline of a visitor's request; and never for longer."""
    env = {"WSGIFUTURES_DEADLINE": "2", "WSGIFUTURES_CLAIM_WAIT": "5"}
    server = started(env=env)
    worker = Far(server)
    begun = time.monotonic()
    answer = worker.claim(wait=60)
    assert (answer.status_code, 4.9 < time.monotonic() - begun < 8) == (204, True)


def test_a_threaded_server_answers_soon_and_gives_what_is_there(waitress):
    """A wait would keep one of its few threads."""
    worker = Far(waitress)
    begun = time.monotonic()
    answer = worker.claim(wait=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (204, "5")
    assert time.monotonic() - begun < 3
    (id,) = submit(waitress, "threaded")
    assert worker.claim(wait=30).json()["job"] == id


def test_a_worker_that_asks_again_is_asked_who_it_is_when_there_is_a_job(gunicorn, clients):
    """Not before: that costs the server nearly nothing. One that was withdrawn gets nothing."""
    withdrawn, other = Far(gunicorn), Far(gunicorn)
    assert withdrawn.claim(wait=1, key="k").status_code == 204
    gunicorn.post("@@claims-withdraw", data={"id": withdrawn.id}).raise_for_status()
    again = clients.submit(withdrawn.claim, wait=1, key="k")
    assert again.result().status_code == 204  # it stood in the line, and nobody was asked
    again = clients.submit(withdrawn.claim, wait=20, key="other")
    assert again.result().status_code == 401
    assert withdrawn.claim(wait=1, key="k").status_code == 204
    again = clients.submit(withdrawn.claim, wait=1, key="k")
    wait_until(lambda: look(gunicorn)["waiting"] == 1)
    (id,) = submit(gunicorn, "again")
    assert again.result().status_code == 401
    assert other.claim(wait=10).json()["job"] == id


def test_a_worker_that_asks_again_gets_the_next_job(gunicorn, worker, clients):
    """As at its first request."""
    assert worker.claim(wait=1, key="k").status_code == 204
    asked = clients.submit(worker.claim, wait=20, key="k")
    wait_until(lambda: look(gunicorn)["waiting"] == 1)
    (id,) = submit(gunicorn, "next")
    told = asked.result().json()
    assert told["job"] == id
    assert worker.claim(wait=1, key="k").json()["generation"] == told["generation"]
    assert worker.act(told, "complete", {"result": {"name": "next"}}).status_code == 200
