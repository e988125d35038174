"""``@jobs`` for workers elsewhere: claims, and what becomes of them."""

from claimsite import act
from claimsite import capability
from claimsite import count
from claimsite import Elsewhere
from claimsite import form
from claimsite import ocr
from claimsite import post
from claimsite import stored
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import run
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.keys import tokens
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import check_signed
from collective.wsgifutures.keys.tokens import CLAIM
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.restapi import claims
from collective.wsgifutures.workers import registry
from holdsite import ADMIN
from jobsite import OWNER
from jobsite import prepare
from jobsite import submit

import json
import pytest
import time
import transaction


@pytest.fixture
def page(site):
    """A page of an editor, who is logged in in this thread; nobody may use the REST API."""
    made = prepare(site)
    site.portal.manage_permission("plone.restapi: Use REST API", ["Manager"])
    transaction.commit()
    stored.clear()
    return made


@pytest.fixture
def worker(site, page):
    return Elsewhere(site)


@pytest.fixture
def claimed(site, page, worker):
    """A job that the worker has claimed."""
    submit(site, ocr, page, "de", dpi=300)
    return worker.claim(key="k").json


def store_of(site):
    transaction.begin()
    return find_store(main_connection(site.portal._p_jar))


def job_of(site, claimed):
    from collective.wsgifutures.jobs.store import find_job

    return find_job(store_of(site), claimed["job"])


# Claims


def test_a_claim_is_answered_with_all_that_the_work_needs(site, page, worker):
    """In one answer, with a token that is good for this claim."""
    job = submit(site, ocr, page, "de", dpi=300)
    answer = worker.claim(queues=["ocr"], key="k")
    told = answer.json
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.passes == ["200"]
    wanted = ("job", "generation", "task", "queue", "attempt", "key", "args", "kwargs")
    assert [told[name] for name in wanted] == [
        job.id,
        1,
        "ocr",
        "ocr",
        1,
        job.id,
        ["de"],
        {"dpi": 300},
    ]
    assert told["context"] == {
        "@id": "http://nohost/plone/page",
        "@type": "Document",
        "UID": page.UID(),
    }
    assert 118 <= told["lease"] <= 120
    assert told["links"]["complete"] == f"http://nohost/plone/@jobs/{job.id}/complete"
    assert told["claim"].count(".") == told["access_token"].count(".") == 2
    assert (job.state, job.runner) == (JobState.RUNNING, worker.id)


def test_a_job_of_a_task_that_lets_a_worker_do_nothing_has_no_access_token(site, page, worker):
    """The default."""
    submit(site, count, page)
    assert worker.claim().json["access_token"] is None


def test_a_job_of_the_site_has_no_context(site, page, worker):
    """Nor has one whose object is gone."""
    submit(site, count, site.portal)
    assert worker.claim().json["context"] is None


def test_without_a_job_a_worker_is_told_to_ask_again(site, worker):
    """At once, where a wait would cost a thread; nothing is written."""
    before = site.commits
    answer = worker.claim(wait=50)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (204, "5", "")
    assert site.commits == before


def test_the_same_key_gives_the_same_claim(site, page, worker):
    """The answer was lost. Another worker with that key has another claim."""
    for _ in range(3):
        submit(site, ocr, page, "de")
    first, again, other = (worker.claim(key=key).json for key in ("k", "k", "other"))
    assert (again["job"], again["generation"]) == (first["job"], first["generation"])
    assert other["job"] != first["job"]
    assert Elsewhere(site).claim(key="k").json["job"] not in (first["job"], other["job"])
    act(site, first, "complete", {"result": 1})
    assert worker.claim(key="k").status == 204  # held no more: it is a new claim


def test_a_worker_gets_no_job_of_queues_for_which_it_is_not_approved(site, page, worker):
    """The answer names them; by default it is asked for all that are approved."""
    job = submit(site, ocr.using(queue="video"), page)
    answer = worker.claim(queues=["ocr", "video", "gpu"])
    assert (answer.status, answer.json["message"]) == (
        403,
        "The worker is not approved for these queues: gpu, video.",
    )
    assert worker.claim().status == 204
    assert Elsewhere(site, ["video"]).claim().json["job"] == job.id


def test_jobs_come_by_priority_when_they_are_due_and_not_from_a_paused_queue(site, page, worker):
    """As jobs for runners."""
    submit(site, count.using(delay=3600), page)
    low, high = (
        submit(site, count.using(priority="low"), page),
        submit(site, count.using(priority="high"), page),
    )
    desk.pause_queue(store_of(site), "ocr", time.time())
    transaction.commit()
    assert worker.claim().status == 204
    desk.resume_queue(store_of(site), "ocr")
    transaction.commit()
    time.sleep(1.1)  # it looked a moment ago
    assert [worker.claim().json["job"] for _ in range(2)] == [high.id, low.id]
    assert worker.claim().status == 204


def test_a_full_queue_lets_nobody_claim(site, page, worker):
    """In all processes together."""
    for _ in range(2):
        submit(site, count, page)
    headers = {"headers": {"HTTP_AUTHORIZATION": f"Bearer {worker.token}"}}
    ask = {"job_limits": (("ocr", 1),), **headers}
    assert post(site, "@jobs/claim", None, {}, **ask).status == 200
    assert post(site, "@jobs/claim", None, {}, **ask).status == 204


def test_a_job_past_its_deadline_is_buried_and_not_given(site, page, worker):
    """In sight, with the reason."""
    job = submit(site, count.using(deadline=1e-6), page)
    time.sleep(0.02)
    assert worker.claim().status == 204
    assert (job.state, "was not done within" in job.error) == (JobState.DEAD, True)


def test_a_job_for_runners_is_never_claimed(site, page, worker):
    """Whatever its queue is."""
    from jobsite import export

    submit(site, export.using(queue="ocr"), page, "x")
    assert worker.claim().status == 204


@pytest.mark.parametrize(
    "body",
    [{"queues": "ocr"}, {"queues": [1]}, {"key": 1}, {"key": "x" * 201}],
)
def test_what_is_asked_for_wrongly_is_refused(site, page, worker, body):
    """Nothing is claimed."""
    job = submit(site, ocr, page, "de")
    assert worker.claim(**body).status == 400
    assert job.state is JobState.WAITING


# Who claims


@pytest.mark.parametrize("user", [None, OWNER, ADMIN])
def test_only_a_token_of_a_worker_claims(site, page, worker, user):
    """No session, no password, whoever it is."""
    job = submit(site, ocr, page, "de")
    answer = post(site, "@jobs/claim", None, {}, user=user, headers={})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert job.state is JobState.WAITING


def test_the_token_of_a_worker_is_verified_once(site, page, worker, monkeypatch):
    """The plugins of both user folders see what it is for, and the wait is told when it ends."""
    verified = []

    def check(token, *arguments, **options):
        verified.append(token)
        return check_signed(token, *arguments, **options)

    monkeypatch.setattr(tokens, "check_signed", check)
    monkeypatch.setattr(claims, "may_wait", lambda: True)
    assert worker.claim(wait=0).status == 204
    assert verified == [worker.token]


def test_other_tokens_of_ours_do_not_claim(site, page, worker):
    """Each is good for what it was made for."""
    submit(site, ocr, page, "de")
    told = worker.claim().json
    submit(site, ocr, page, "de")
    for token in (told["claim"], told["access_token"], "x", "a.b.c"):
        answer = post(site, "@jobs/claim", token, {})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_worker_that_was_withdrawn_claims_nothing_and_ends_nothing(site, page, worker, claimed):
    """At once, though its tokens live on."""
    registry.withdraw(site.portal, worker.worker, "admin")
    transaction.commit()
    assert worker.claim().status == 401
    assert act(site, claimed, "complete", {"result": 1}).status == 401
    assert job_of(site, claimed).state is JobState.RUNNING


# Capabilities


def test_a_capability_claims_its_job_and_no_other(site, page):
    """Without a wait, without a body."""
    submit(site, ocr, page, "first")
    job = submit(site, ocr, page, "second")
    answer = post(site, "@jobs/claim", capability(site, job))
    assert (answer.status, answer.json["job"], answer.json["args"]) == (200, job.id, ["second"])
    assert job.runner == "capability"
    assert act(site, answer.json, "complete", {"result": 1}).json == {"state": "done"}


def test_a_capability_of_a_job_that_does_not_wait_is_a_conflict(site, page):
    """It runs, or has ended. With its key the bearer gets its claim again."""
    job = submit(site, ocr, page, "de")
    token = capability(site, job)
    first = post(site, "@jobs/claim", token, {"key": "k"}).json
    assert post(site, "@jobs/claim", token, {"key": "k"}).json["generation"] == first["generation"]
    assert post(site, "@jobs/claim", token, {"key": "other"}).status == 409
    act(site, first, "complete", {"result": 1})
    assert post(site, "@jobs/claim", token, {"key": "k"}).status == 409


def test_a_capability_of_a_job_that_has_to_wait_is_told_when_to_come_again(site, page):
    """Its time has not come."""
    job = submit(site, ocr.using(delay=60), page, "de")
    answer = post(site, "@jobs/claim", capability(site, job))
    assert (answer.status, answer.headers["retry-after"]) == (409, "15")


def test_a_capability_of_a_job_that_is_gone_is_told_so(site, page):
    """Or of one whose time is over."""
    job = submit(site, ocr.using(deadline=1e-6), page, "de")
    token = capability(site, job)
    assert post(site, "@jobs/claim", token).status == 410
    store = store_of(site)
    lane, _, number = job.id.partition("-")
    del store.lanes[lane].jobs[int(number)]
    transaction.commit()
    assert post(site, "@jobs/claim", token).status == 410


def test_a_capability_does_nothing_but_claim(site, page):
    """Not even what its claim's token does."""
    job = submit(site, ocr, page, "de")
    token = capability(site, job)
    post(site, "@jobs/claim", token)
    for what in ("heartbeat", "complete", "release", "cancel"):
        assert post(site, f"@jobs/{job.id}/{what}", token, {}).status == 401
    assert job.state is JobState.RUNNING


# While it runs


def test_a_heartbeat_renews_the_lease_and_the_access_token(site, page, claimed):
    """And says whether somebody wants the job to end."""
    job = job_of(site, claimed)
    job.side.lease -= 100
    transaction.commit()
    told = act(site, claimed, "heartbeat").json
    assert (told["lease"] >= 118, told["cancelled"]) == (True, False)
    assert told["access_token"].count(".") == 2
    desk.cancel(job_of(site, claimed), time.time())
    transaction.commit()
    assert act(site, claimed, "heartbeat").json["cancelled"] is True
    assert act(site, claimed, "fail", {"error": "stopped"}).json == {"state": "cancelled"}


def test_progress_is_seen_and_written_seldom(site, page, claimed):
    """Every few seconds; each is a heartbeat."""
    job = job_of(site, claimed)
    act(site, claimed, "progress", {"done": 0.1})
    assert job.side.progress == 0.0  # it was claimed just now
    job.side.lease -= 6
    transaction.commit()
    before = site.commits
    for done in (0.4, 0.5):
        answer = act(site, claimed, "progress", {"done": done, "words": "40 of 100"})
        assert answer.json["lease"] >= 118
    job = job_of(site, claimed)
    assert (job.side.progress, job.side.words, site.commits - before) == (0.4, "40 of 100", 1)
    assert act(site, claimed, "progress", {"done": 2}).status == 400


def test_the_token_of_a_claim_is_for_its_job_alone(site, page, worker, claimed):
    """In the path of another one it is refused."""
    other = submit(site, ocr, page, "de")
    answer = post(site, f"@jobs/{other.id}/complete", claimed["claim"], {"result": 1})
    assert answer.status == 401
    for token in (worker.token, claimed["access_token"], None):
        answer = post(site, f"@jobs/{claimed['job']}/complete", token, {"result": 1})
        assert answer.status == 401
    assert job_of(site, claimed).state is JobState.RUNNING


def test_a_claims_token_is_no_session(site, page, claimed):
    """plone.restapi knows nobody by it."""
    for token in (claimed["claim"], claimed["access_token"]):
        headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        answer = post(site, "@login-renew", token, {})
        assert answer.status in (401, 404)
        answer = site.get("@users", accept="application/json", headers=headers)
        assert answer.status == 401


# Ends


def test_the_result_goes_to_the_task_that_gets_it_as_the_same_user_about_the_same_object(
    site, page, claimed
):
    """Recorded with "done"; done by a runner."""
    answer = act(site, claimed, "complete", {"result": {"text": "Ein Brief"}})
    assert (answer.status, answer.json) == (200, {"state": "done"})
    job = job_of(site, claimed)
    assert (job.state, job.result) == (JobState.DONE, {"text": "Ein Brief"})
    (following,) = run()
    assert following.state is JobState.DONE
    expected = ("page", OWNER[0], page.absolute_url(), {"text": "Ein Brief"}, {})
    assert stored == [expected]
    assert following.wanted.origin == job.wanted.origin


def test_the_result_for_a_user_who_is_gone_meanwhile_is_stored_by_nobody(site, page, claimed):
    """The worker has done its part; what follows is dead, and says why."""
    user = job_of(site, claimed).wanted.origin.user
    site.portal.acl_users.userFolderDelUsers([user])
    transaction.commit()
    assert act(site, claimed, "complete", {"result": {"text": "read"}}).json["state"] == "done"
    run()
    assert stored == []
    store = store_of(site)
    (dead,) = [e.job for e in jobs_of(store) if e.job.state is JobState.DEAD]
    assert user in dead.error


def test_complete_again_is_answered_as_the_first_time(site, page, claimed):
    """Nothing is done twice."""
    for _ in range(3):
        answer = act(site, claimed, "complete", {"result": 1})
        assert (answer.status, answer.json) == (200, {"state": "done"})
    assert len(run()) == 1


def test_fail_waits_for_another_attempt_and_is_repeatable(site, page, worker, claimed):
    """With the worker's words; out of attempts it is dead."""
    for _ in range(2):
        told = act(site, claimed, "fail", {"error": "no paper", "retry_after": 0}).json
        assert told == {"state": "waiting"}
    job = job_of(site, claimed)
    assert (job.attempt, job.error) == (1, "no paper")
    again = worker.claim().json
    assert (again["generation"], again["attempt"]) == (2, 2)
    assert act(site, again, "fail", {"error": "no ink"}).json == {"state": "dead"}
    assert job_of(site, claimed).error == "no ink"


def test_fail_that_is_hopeless_is_dead_at_once(site, page, claimed):
    """No attempt would help."""
    told = act(site, claimed, "fail", {"error": "not an image", "hopeless": True}).json
    assert told == {"state": "dead"}
    assert job_of(site, claimed).error == "not an image"


def test_release_is_no_attempt(site, page, worker, claimed):
    """The worker stops, and another one has the job at once."""
    for _ in range(2):
        assert act(site, claimed, "release").json == {"state": "waiting"}
    assert job_of(site, claimed).attempt == 0
    assert worker.claim().json["job"] == claimed["job"]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("heartbeat", {}),
        ("progress", {"done": 1}),
        ("complete", {"result": 1}),
        ("fail", {}),
        ("release", {}),
    ],
)
def test_an_older_claim_changes_nothing(site, page, worker, claimed, what, body):
    """409: somebody else has the job."""
    act(site, claimed, "release")
    newer = worker.claim().json
    answer = act(site, claimed, what, body)
    assert (answer.status, answer.json["type"]) == (409, "Conflict")
    job = job_of(site, claimed)
    assert (job.state, job.generation) == (JobState.RUNNING, newer["generation"])


def test_the_end_of_a_job_that_is_gone_is_410(site, page, claimed):
    """It was purged."""
    store = store_of(site)
    lane, _, number = claimed["job"].partition("-")
    del store.lanes[lane].jobs[int(number)]
    transaction.commit()
    assert act(site, claimed, "complete", {"result": 1}).status == 410


def test_the_claim_of_another_site_is_refused(site, page, claimed):
    """A copy of a site may have its UID, and never its keys."""
    from dataclasses import replace

    job = job_of(site, claimed)
    origin = replace(job.wanted.origin, site="/copy")
    job._wanted.value = job.wanted._replace(origin=origin)
    transaction.commit()
    assert act(site, claimed, "complete", {"result": 1}).status == 410


@pytest.mark.parametrize("result", [{"$type": "unknown", "value": 1}, {"$type": "UUID"}])
def test_a_result_that_cannot_be_read_is_refused(site, page, claimed, result):
    """The job still runs."""
    assert act(site, claimed, "complete", {"result": result}).status == 400
    assert job_of(site, claimed).state is JobState.RUNNING


def test_a_result_that_is_too_large_is_refused(site, page, claimed):
    """As one of a runner's."""
    answer = act(site, claimed, "complete", {"result": "x" * 300_000})
    assert (answer.status, "at most" in answer.json["message"]) == (413, True)
    assert job_of(site, claimed).state is JobState.RUNNING


# Files


def test_files_go_to_the_task_that_gets_the_result(site, page, claimed):
    """They are there until it is done."""
    sent = form(
        {"n": 1}, page1=("../p1.png", "image/png", b"P" * 100), raw=("r", "text/plain", b"")
    )
    answer = act(site, claimed, "complete", **sent)
    assert (answer.status, answer.json) == (200, {"state": "done"})
    (following,) = run()
    files = {
        "page1": ("p1.png", "image/png", 100, b"P" * 100),
        "raw": ("r", "text/plain", 0, b""),
    }
    assert stored[0][3:] == ({"n": 1}, files)
    assert following.files is None


def test_files_of_a_job_that_is_cancelled_are_dropped(site, page, claimed):
    """Nobody will read them."""
    from collective.wsgifutures.jobs.store import jobs_of

    act(site, claimed, "complete", **form(1, page1=("p1", "image/png", b"P")))
    (job,) = [e.job for e in jobs_of(store_of(site)) if e.task == "claimsite.store"]
    assert job.files
    desk.cancel(job, time.time())
    transaction.commit()
    assert job.files is None


def test_files_that_nobody_gets_are_refused(site, page, worker):
    """The message says why."""
    submit(site, count, page)
    told = worker.claim().json
    answer = act(site, told, "complete", **form(1, page1=("p1", "image/png", b"P")))
    assert (answer.status, "no then=" in answer.body) == (400, True)
    assert job_of(site, told).state is JobState.RUNNING


def test_too_many_bytes_of_files_are_refused(site, page, claimed):
    """The message says how many are allowed."""
    sent = form(1, page1=("p1", "image/png", b"P" * 600), page2=("p2", "image/png", b"P" * 600))
    answer = act(site, claimed, "complete", max_files=1000, **sent)
    assert (answer.status, "1200 bytes" in answer.body) == (413, True)
    assert job_of(site, claimed).state is JobState.RUNNING
    assert act(site, claimed, "complete", max_files=1200, **sent).status == 200


def test_a_form_with_more_than_a_result_and_files_is_refused(site, page, claimed):
    """A file without a name is a mistake."""
    sent = form(1)
    sent["body"] = sent["body"].replace(b'name="result"', b'name="reslt"')
    assert act(site, claimed, "complete", **sent).status == 400


# The others


def test_what_others_ask_of_jobs_is_as_before(site, page):
    """The services for people need their permission."""
    job = submit(site, ocr, page, "de")
    answer = post(site, f"@jobs/{job.id}/cancel", None, {}, user=OWNER, headers={})
    assert (answer.status, job.state) == (401, JobState.WAITING)  # who may not use the REST API
    answer = post(site, f"@jobs/{job.id}/cancel", None, {}, user=ADMIN, headers={})
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert post(site, f"@jobs/{job.id}/cancel", None, {}).status == 401


def test_a_job_elsewhere_that_runs_is_told_and_can_be_cancelled_by_its_user(site, page, claimed):
    """As any other job."""
    answer = site.get(f"@jobs/{claimed['job']}", user=ADMIN, accept="application/json")
    assert answer.json["state"] == "running"
    assert "de" not in json.dumps(answer.json["context"] or "").split()


def test_a_token_of_a_claim_that_is_over_is_refused(site, page, claimed):
    """It is good until the job's deadline."""
    about = {"sub": claimed["job"], "gen": 1, "client_id": "capability"}
    old = mint(site.portal, CLAIM, about, 60, now=time.time() - 120)
    transaction.commit()
    assert post(site, f"@jobs/{claimed['job']}/heartbeat", old, {}).status == 401
    access = mint(site.portal, ACCESS, about, 60)
    transaction.commit()
    assert post(site, f"@jobs/{claimed['job']}/heartbeat", access, {}).status == 401
