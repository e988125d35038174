"""Errors of our services have one shape, plone.restapi's; those of OAuth that of RFC 6749."""

from claimsite import act
from claimsite import Elsewhere
from claimsite import ocr
from collective.wsgifutures.jobs.records import JobState
from holdsite import ADMIN
from jobsite import bring
from jobsite import export
from jobsite import prepare
from jobsite import submit
from lxml import etree
from pathlib import Path

import collective.wsgifutures.restapi
import json
import pytest

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TABLE = Path(collective.wsgifutures.restapi.__file__).with_name("configure.zcml")
NAMES = "{http://namespaces.plone.org/plone}service", "{http://namespaces.zope.org/browser}page"

#: What answers as RFC 6749 says (5.2).
OAUTH = ("@token",)


def shape_of(answer):
    """Return the names of a body's members that are texts."""
    return {name for name, value in answer.json.items() if isinstance(value, str)}


def is_good(path, answer):
    """Tell whether an error has the shape that belongs to its address."""
    told, has = answer.json, shape_of(answer)
    if answer.status < 400 or not answer.headers["content-type"].startswith(JSON):
        return False
    if path.partition("/")[0] in OAUTH:
        return has == set(told) == {"error", "error_description"}
    return has >= {"type", "message"} and told["type"].isalpha() and "error" not in told


@pytest.fixture
def page(site):
    return prepare(site)


@pytest.fixture
def worker(site, page):
    return Elsewhere(site)


@pytest.fixture
def ask(site, page, worker):
    """Send a request; ``body`` is JSON if it is not bytes, ``token`` for ``Bearer``."""
    done = submit(site, export, page, "x")
    bring(site, done, JobState.DONE)
    claimed = []
    for _ in range(3):
        submit(site, ocr, page)
        claimed.append(worker.claim().json)
    act(site, claimed[1], "release")
    tokens = {"own": worker.token, "claim": claimed[0]["claim"], "lost": claimed[1]["claim"]}
    ids = {"done": done.id, "job": claimed[0]["job"], "lost": claimed[1]["job"], "id": worker.id}

    def send(method, path, body=b"", token=None, kind=JSON, user=None, query=None):
        bearer = tokens.get(token, token)
        return site.request(
            method,
            path.format(**ids),
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            kind=kind,
            accept=JSON,
            user=user,
            query=query,
            headers={} if token is None else {"HTTP_AUTHORIZATION": f"Bearer {bearer}"},
        )

    return send


REFUSED = [
    ("GET", "@futures", {}, 401),
    ("GET", "@futures/a/b", {"user": ADMIN}, 404),
    ("DELETE", "@futures/a/b", {"user": ADMIN}, 404),
    ("GET", "@jobs", {}, 401),
    ("GET", "@jobs/nosuch", {"user": ADMIN}, 404),
    ("GET", "@jobs/{done}", {"user": ADMIN, "query": {"wait": "x"}}, 400),
    ("GET", "@jobs", {"user": ADMIN, "query": {"all": "1", "state": "x"}}, 400),
    ("DELETE", "@jobs/{done}", {"user": ADMIN}, 409),
    ("POST", "@jobs/{done}/retry", {"user": ADMIN}, 409),
    ("POST", "@jobs/{done}/nosuch", {"user": ADMIN}, 404),
    ("POST", "@jobs/claim", {}, 401),
    ("POST", "@jobs/claim", {"user": ADMIN}, 401),
    ("POST", "@jobs/claim", {"token": "x"}, 401),
    ("POST", "@jobs/claim", {"token": "own", "body": b"{"}, 400),
    ("POST", "@jobs/claim", {"token": "own", "body": {"queues": "ocr"}}, 400),
    ("POST", "@jobs/claim", {"token": "own", "body": {"queues": ["other"]}}, 403),
    ("POST", "@jobs/{job}/heartbeat", {"token": "own"}, 401),
    ("POST", "@jobs/{job}/progress", {"token": "claim", "body": {"done": 7}}, 400),
    ("POST", "@jobs/{job}/complete", {"token": "claim", "body": {"result": {"$type": "x"}}}, 400),
    ("POST", "@jobs/{job}/complete", {"token": "claim", "body": {"result": "x" * 2**21}}, 413),
    ("POST", "@jobs/{job}/fail", {"token": "claim", "body": {"retry_after": -1}}, 400),
    ("POST", "@jobs/{lost}/release", {"token": "claim"}, 401),
    ("POST", "@jobs/{lost}/heartbeat", {"token": "lost"}, 409),
    ("GET", "@clock", {}, 401),
    ("GET", "@clock/nosuch", {"user": ADMIN}, 404),
    ("POST", "@clock/nosuch/run", {"user": ADMIN}, 404),
    ("GET", "@workers", {}, 401),
    ("GET", "@workers/nosuch", {"user": ADMIN}, 404),
    ("DELETE", "@workers", {"user": ADMIN}, 405),
    ("POST", "@workers", {"body": b"{"}, 400),
    ("POST", "@workers", {"kind": FORM}, 400),
    ("POST", "@workers", {"body": {"jwk": {}, "name": "x", "queues": ["ocr"]}}, 400),
    ("POST", "@workers/{id}/approve", {"user": ADMIN, "body": {"queues": 7}}, 400),
    ("POST", "@workers/{id}/nosuch", {"user": ADMIN, "body": {}}, 404),
    ("POST", "@workers/keys/rotate", {"body": {}}, 401),
    ("POST", "@workers/keys/rotate", {"user": ADMIN, "body": {"forget": 7}}, 400),
    ("POST", "@jwks", {}, 405),
    ("GET", "@token", {}, 405),
    ("POST", "@token", {}, 400),
    ("POST", "@token", {"body": b"x", "kind": "text/plain"}, 400),
    ("POST", "@token", {"body": b"grant_type=x", "kind": FORM}, 400),
    ("POST", "@token", {"body": {"grant_type": "client_credentials"}}, 400),
    ("GET", "@controlpanels/wsgifutures", {}, 401),
    ("PATCH", "@controlpanels/wsgifutures", {"user": ADMIN, "body": {"timeout": "x"}}, 400),
    ("PATCH", "@controlpanels/wsgifutures", {"user": ADMIN, "body": b"{"}, 400),
]


def test_each_error_has_the_shape_of_its_address(ask):
    """Whoever made it: a service of ours, plone.restapi, or plone.rest."""
    for method, path, more, status in REFUSED:
        answer = ask(method, path, **more)
        assert (method, path, more, answer.status) == (method, path, more, status)
        assert is_good(path, answer), (method, path, more, answer.body)


def services():
    """Return method and name of each service and page in the ZCML."""
    for each in etree.parse(TABLE).iter(*NAMES):
        yield each.get("method", "POST"), each.get("name")


@pytest.mark.parametrize("user", [None, ADMIN])
def test_an_address_with_nothing_behind_it_has_that_shape_too(ask, user):
    """Also of a service that is new."""
    for method, name in set(services()):
        answer = ask(method, f"{name}/nosuch/nosuch/nosuch", user=user)
        assert answer.status >= 400
        if name not in OAUTH:  # Zope answers: nothing is below that page
            assert is_good(name, answer), (method, name, answer.body)
