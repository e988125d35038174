"""``@workers``: a worker introduces itself, and administrators decide."""

from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers.events import TokenDenied
from holdsite import ADMIN
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from workersite import FORM
from workersite import JSON
from workersite import Outside
from workersite import prepare
from workersite import send
from zope.event import subscribers

import json
import logging
import pytest
import time
import transaction

ANY_SITE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ACTS = ("approve", "withdraw", "forget")
GOOD = {"approve": b'{"queues": ["ocr"]}', "withdraw": b"{}", "forget": b"{}"}


@pytest.fixture
def outside(site):
    """A worker that the site does not know yet."""
    prepare(site)
    return Outside(site)


@pytest.fixture
def act(site):
    """Send what an administrator decides."""

    def decide(id, what, body=None, user=SITE_ADMIN, **more):
        return send(site, f"@workers/{id}/{what}", body or GOOD[what], user=user, **more)

    return decide


def workers(site):
    site.sync()
    return registry.workers_of(site.portal)


def told(answer):
    """Return what the answer says is wrong."""
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"type", "message"}
    return answer.json["message"]


# A worker introduces itself


@pytest.mark.parametrize("accept", [JSON, "*/*"])
def test_a_worker_introduces_itself(site, outside, accept):
    """And waits to be approved; again, with the same answer and nothing written."""
    body = {"jwk": make_jwk(outside.public), "name": "ocr", "queues": ["ocr"]}
    before = site.commits
    for _ in range(3):
        sent = json.dumps({**body, "assertion": outside.sign()}).encode()
        answer = send(site, "@workers", sent, accept=accept)
        assert answer.status == 202
        assert answer.headers["cache-control"] == "no-store"
        assert {**answer.json, "fingerprint": ""} == {
            "id": outside.id,
            "state": "pending",
            "fingerprint": "",
            "queues": [],
        }
        assert answer.json["fingerprint"].replace(" ", "") == outside.id
    assert site.commits == before + 1
    assert [worker.id for worker in workers(site)] == [outside.id]


def test_a_worker_reads_what_became_of_it(site, outside, act):
    """From the same address."""
    outside.introduce()
    act(outside.id, "approve")
    answer = outside.introduce(queues=["others"])
    assert (answer.status, answer.json["state"], answer.json["queues"]) == (
        200,
        "approved",
        ["ocr"],
    )
    act(outside.id, "withdraw")
    answer = outside.introduce()
    assert (answer.status, answer.json["state"]) == (200, "withdrawn")
    act(outside.id, "forget")
    assert outside.introduce().status == 202


def test_a_worker_gets_a_token_when_it_is_approved(site, outside, act):
    """And not before, and not afterwards."""
    outside.introduce()
    assert outside.ask().status == 401
    act(outside.id, "approve")
    assert outside.ask().status == 200
    act(outside.id, "withdraw")
    assert outside.ask().status == 401


def test_an_approval_may_be_changed(site, outside, act):
    """By another one."""
    outside.introduce()
    for queues in (["ocr"], ["thumbs", "ocr"]):
        answer = act(outside.id, "approve", json.dumps({"queues": queues}).encode())
        assert answer.json["queues"] == queues


def test_only_so_many_wait(site, outside):
    """Then the answer is 429, and nothing is written."""
    for _ in range(registry.MOST_PENDING):
        assert Outside(site).introduce().status == 202
    before = site.commits
    answer = outside.introduce()
    assert (answer.status, answer.headers["retry-after"]) == (429, "3600")
    assert "20 workers wait" in told(answer)
    assert site.commits == before
    assert len(workers(site)) == registry.MOST_PENDING


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "name is not"),
        ({"name": "a\nb"}, "name is not"),
        ({"name": "x" * 101}, "name is not"),
        ({"queues": None}, "queues is not"),
        ({"queues": []}, "queues is not"),
        ({"queues": "ocr"}, "queues is not"),
        ({"queues": ["a,b"]}, "not a name"),
        ({"jwk": None}, "not a JSON object"),
        ({"jwk": {}}, "Ed25519"),
        ({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}, "anybody could sign"),
        ({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43}}, "private key"),
    ],
)
def test_what_a_worker_says_is_checked(site, outside, changes, words):
    """With a sentence that says what is wrong."""
    before = site.commits
    answer = outside.introduce(**changes)
    assert answer.status == 400
    assert words in told(answer)
    assert site.commits == before
    assert workers(site) == []


def test_the_key_has_to_be_the_workers_own(site, outside):
    """Somebody else's, an assertion that is old, for another site, or none: 401."""
    other, now = Outside(site), int(time.time())
    before = site.commits
    for assertion in (
        None,
        7,
        "",
        "a.b.c",
        other.sign(),
        outside.sign(key=other.key),
        other.sign(header={"kid": outside.id}),
        outside.sign(header={"kid": other.id}),
        outside.sign(iss=other.id),
        outside.sign(aud="https://other.example"),
        outside.sign(exp=now - 100),
        outside.sign(header={"typ": "at+jwt"}),
    ):
        answer = outside.introduce(assertion=assertion)
        assert answer.status == 401
        assert told(answer) == "The assertion does not prove that the key is the worker's own."
    assert site.commits == before
    assert workers(site) == []


@pytest.mark.parametrize("kind", ["", "text/plain", FORM, "application/jose"])
def test_a_body_says_that_it_is_json(site, outside, kind):
    """For workers and for administrators."""
    outside.introduce()
    for path in ("@workers", f"@workers/{outside.id}/withdraw"):
        answer = send(site, path, b"{}", kind, user=ADMIN)
        assert answer.status == 400
        assert "Content-Type" in told(answer)
    assert workers(site)[0].state.value == "pending"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"7", b"\xff", b"[" * 9000, b'{"x": "' + b"y" * 20_000 + b'"}']
)
def test_what_is_no_json_object_is_refused(site, outside, body):
    """Or too long; and no error is logged."""
    assert send(site, "@workers", body).status == 400
    assert site.logged == site.errors == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@ANY_SITE
@given(st.dictionaries(st.sampled_from(["jwk", "name", "queues", "assertion"]), JSON_VALUES))
def test_whatever_comes_is_refused(site, outside, changes):
    """Never a 5xx, and nothing is written."""
    before = site.commits
    answer = outside.introduce(**changes)
    is_good = answer.status == 202  # another name is a good one
    assert is_good or answer.status in (400, 401)
    assert site.commits == before or is_good
    assert site.logged == []


def test_refusals_are_told_to_subscribers_and_the_log(site, outside):
    """With the reason, which the worker does not read."""
    site.log.set_level(logging.INFO)
    noted = []
    subscribers.append(noted.append)
    try:
        outside.introduce(assertion=outside.sign(exp=1))
    finally:
        subscribers.remove(noted.append)
    (event,) = (event for event in noted if isinstance(event, TokenDenied))
    assert (event.site, event.grant, event.subject) == ("/plone", "introduction", outside.id)
    assert event.reason in site.log.text
    assert make_jwk(outside.public)["x"] not in site.log.text


def test_a_worker_may_be_introduced_by_somebody_who_is_logged_in(site, outside):
    """plone.protect drops nothing of it."""
    body = {"jwk": make_jwk(outside.public), "name": "ocr", "queues": ["ocr"]}
    sent = json.dumps({**body, "assertion": outside.sign()}).encode()
    assert send(site, "@workers", sent, user=MEMBER).status == 202
    assert [worker.id for worker in workers(site)] == [outside.id]


# Administrators


@pytest.mark.parametrize("user", [ADMIN, SITE_ADMIN])
def test_administrators_see_all(site, outside, user):
    """The newest first, with what they need to decide."""
    outside.introduce()
    other = Outside(site).approved()
    answer = site.request("GET", "@workers", user=user, accept=JSON)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["items_total"] == 2
    shown = {item["id"]: item for item in answer.json["items"]}
    assert set(shown) == {outside.id, other.id}
    one = shown[outside.id]
    assert (one["state"], one["queues"], one["queues_wanted"]) == ("pending", [], ["ocr"])
    assert (one["name"], one["by"], one["seen"]) == ("ocr on host7", None, None)
    assert one["jwk"] == make_jwk(outside.public)
    assert (shown[other.id]["by"], shown[other.id]["queues"]) == ("admin", ["ocr"])
    assert site.request("GET", one["@id"].partition("plone/")[2], user=user).json == one


@pytest.mark.parametrize("user", [None, MEMBER])
def test_nobody_else_sees_or_decides_anything(site, outside, act, user):
    """The answer is the same whether there is such a worker."""
    outside.introduce()
    before = site.commits
    for path in ("@workers", f"@workers/{outside.id}", "@workers/x"):
        assert site.request("GET", path, user=user, accept=JSON).status == 401
    for what in ACTS:
        assert act(outside.id, what, user=user).status == 401
        assert act("x", what, user=user).status == 401
    assert site.commits == before
    assert workers(site)[0].state.value == "pending"


def test_a_worker_decides_nothing(site, outside):
    """Neither on itself nor on others; its token is no administrator's."""
    outside.approved()
    header = {"HTTP_AUTHORIZATION": f"Bearer {outside.token()}"}
    path = f"@workers/{outside.id}/approve"
    answer = send(site, path, b'{"queues": ["secrets"]}', headers=header)
    assert answer.status == 401
    assert workers(site)[0].queues == ("ocr",)


def test_who_decided_is_kept(site, outside, act):
    """And shown."""
    outside.introduce()
    assert act(outside.id, "approve").json["by"] == site.portal.acl_users.getUser("sally").getId()


def test_forget_answers_without_a_body(site, outside, act):
    """There is nothing to tell."""
    outside.introduce()
    answer = act(outside.id, "forget")
    assert (answer.status, answer.body) == (204, "")
    assert workers(site) == []


@pytest.mark.parametrize(
    "body", [b"{}", b'{"queues": []}', b'{"queues": "ocr"}', b'{"queues": [7]}']
)
def test_an_approval_names_queues(site, outside, act, body):
    """At least one."""
    outside.introduce()
    answer = act(outside.id, "approve", body)
    assert answer.status == 400
    assert "queues" in told(answer)
    assert workers(site)[0].state.value == "pending"


@pytest.mark.parametrize(
    "path",
    ["x/approve", "{id}", "{id}/retry", "{id}/approve/more", "{id}/", "x", "{id}/approve/@x"],
)
def test_an_address_that_names_nothing_is_not_found(site, outside, path):
    """For a POST: a worker without what to do with it, too."""
    outside.introduce()
    answer = send(site, "@workers/" + path.format(id=outside.id), b"{}", user=ADMIN)
    assert answer.status == 404


@pytest.mark.parametrize("start", ["_", "-", "a"])
def test_a_worker_is_found_whatever_its_id_begins_with(site, outside, act, start):
    """Zope keeps names that begin with an underscore to itself."""
    worker = next(one for one in iter(lambda: Outside(site), None) if one.id[0] == start)
    worker.introduce()
    assert act(worker.id, "approve").status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(site, outside, method):
    """With those that are."""
    answer = site.request(method, "@workers", accept=JSON, user=ADMIN)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


def test_a_site_knows_its_own_workers(site, outside, act):
    """The permission counts in the site."""
    outside.introduce()
    site.portal.manage_permission(registry.MANAGE, ["Manager"])
    transaction.commit()
    assert act(outside.id, "approve", user=SITE_ADMIN).status == 401
    assert act(outside.id, "approve", user=ADMIN).status == 200


def test_nothing_of_a_worker_is_in_the_site(site, outside):
    """It is beside the site's keys."""
    before = site.portal._p_serial
    outside.introduce()
    site.sync()
    assert site.portal._p_serial == before
