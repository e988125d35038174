"""``@workers``: what workers have, and the keys of the site, as Site Setup shows them."""

from collective.wsgifutures.jobs.leases import claim_elsewhere
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.ring import find_ring
from holdsite import ADMIN
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from workersite import JSON
from workersite import Outside
from workersite import prepare
from workersite import send

import json
import pytest
import time
import transaction

ROTATE = "@workers/keys/rotate"

scan = task(name="workers.scan", queue="ocr", elsewhere=True)


@pytest.fixture
def worker(site):
    """An approved worker."""
    prepare(site)
    return Outside(site).approved()


@pytest.fixture
def job(site, worker):
    """A job that the worker has."""
    made = scan.submit(site.portal)
    transaction.commit()
    claim_elsewhere(find_store(site.portal._p_jar), made, worker.id, "", time.time())
    transaction.commit()
    return made


def get(site, path="@workers", user=SITE_ADMIN):
    return site.request("GET", path, user=user, accept=JSON)


def ring_of(site):
    site.sync()
    return find_ring(place_of(site.portal))


def test_a_worker_is_told_with_what_it_has(site, worker, job):
    """Its jobs, how far its clock is off, and where it came from."""
    outside = Outside(site)
    outside.introduce()
    assert worker.ask(worker.sign(iat=int(time.time()) - 20)).status == 200
    shown = {item["id"]: item for item in get(site).json["items"]}
    assert shown[worker.id]["running"] == [job.id]
    assert shown[worker.id]["skew"] == pytest.approx(-20, abs=3)
    assert (shown[outside.id]["running"], shown[outside.id]["skew"]) == ([], None)
    assert {"address"} <= set(shown[outside.id])


@pytest.mark.parametrize("what", ["withdraw", "forget"])
def test_a_worker_that_may_do_nothing_any_more_has_nothing_any_more(site, worker, job, what):
    """Its jobs wait for another one, at once."""
    send(site, f"@workers/{worker.id}/{what}", b"{}", user=SITE_ADMIN)
    site.sync()
    assert (job.state, job.attempt) == (JobState.WAITING, 0)


def test_keys_are_told_without_their_private_halves(site, worker):
    """The one that signs first, with when the next one takes over."""
    ring = ring_of(site)
    ring.rotate(time.time())
    transaction.commit()
    answer = get(site)
    new, old = answer.json["keys"]
    assert (new["id"], old["id"]) == tuple(key.id for key in ring.known(time.time()))
    assert new["ended"] is None
    assert new["rotates"] > new["made"]
    assert (old["ended"] is None, old["rotates"]) == (False, None)
    assert new["fingerprint"].replace(" ", "") == new["id"]
    assert set(new) == {"id", "fingerprint", "made", "ended", "rotates"}
    assert ring.current.private.hex() not in answer.body


@pytest.mark.parametrize(("forget", "state"), [(False, "running"), (True, "waiting")])
def test_the_key_is_changed(site, worker, job, forget, state):
    """And all tokens of before end, if that is asked for."""
    old = ring_of(site).current.id
    body = json.dumps({"forget": forget}).encode()
    answer = send(site, ROTATE, body, user=SITE_ADMIN)
    assert answer.status == 200
    ids = [key["id"] for key in answer.json["keys"]]
    assert ids[0] == ring_of(site).current.id != old
    assert (old in ids) is not forget
    assert job.state.value == state


@pytest.mark.parametrize("body", [b'{"forget": 1}', b'{"forget": "yes"}', b"[]", b""])
def test_what_is_no_answer_to_whether_tokens_end_changes_nothing(site, worker, body):
    """It may have been meant otherwise."""
    old = ring_of(site).current.id
    assert send(site, ROTATE, body, user=ADMIN).status == 400
    assert ring_of(site).current.id == old


@pytest.mark.parametrize("user", [None, MEMBER])
def test_nobody_else_changes_the_key(site, worker, user):
    """Nor reads which there are."""
    old = ring_of(site).current.id
    assert send(site, ROTATE, b"{}", user=user).status == 401
    assert get(site, user=user).status == 401
    assert ring_of(site).current.id == old


def test_the_key_is_changed_by_nothing_that_a_page_of_another_site_can_send(site, worker):
    """A form, or a link."""
    old = ring_of(site).current.id
    kind = "application/x-www-form-urlencoded"
    assert send(site, ROTATE, b"forget=1", kind, user=ADMIN).status == 400
    assert get(site, ROTATE, user=ADMIN).status == 404
    assert ring_of(site).current.id == old
