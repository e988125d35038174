"""Logins with refresh tokens at two web workers: two tabs at once, and workers that are killed."""

from concurrent.futures import ThreadPoolExecutor
from introduced import ADMIN
from sites import open_site
from sites import Site

import os
import pytest
import random
import requests
import signal
import time

pytestmark = pytest.mark.storages

PASSWORD = "correct horse battery"
JSON = {"Accept": "application/json"}

#: How often two tabs refresh at once, and how often a worker is killed meanwhile.
ROUNDS, KILLS = 50, 4

#: Seconds within which a tab that got no answer asks again: less than those of grace.
PATIENCE = 25.0


class LoginSite(Site):
    """A site with two web workers."""

    def __init__(self, storage, folder, start):
        storage.workers = 2
        super().__init__(storage, folder, start)
        more = {"headers": JSON, "auth": ADMIN}
        self.server.post("@addons/plone.restapi/install", **more).raise_for_status()
        user = {"username": "jane", "password": PASSWORD, "email": "jane@example.com"}
        self.server.post("@users", json={**user, "roles": ["Manager"]}, **more).raise_for_status()

    def log_in(self):
        wish = {"login": "jane", "password": PASSWORD, "refresh": True, "name": "Two tabs"}
        answer = self.server.post("@login", json=wish, headers=JSON)
        answer.raise_for_status()
        return answer.json()

    def refresh(self, secret):
        """Ask for the successor of a refresh token, as a tab does."""
        form = {"grant_type": "refresh_token", "refresh_token": secret}
        return self.server.post("@token", data=form, timeout=20)

    def refresh_in_the_end(self, secret):
        """Ask again, until there is an answer."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.refresh(secret)
                if answer.status_code < 500:
                    return answer
            except requests.RequestException:
                pass
            assert time.monotonic() < until, "no worker has answered in time"
            time.sleep(0.05)

    def reads(self, token):
        """Tell whether an access token is its user."""
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        return self.server.get("@types", headers=headers).status_code == 200

    def in_two_tabs(self, ask, secret, meanwhile=lambda: None):
        """Let two tabs ask at once; return the refresh token that both have then."""
        with ThreadPoolExecutor(2) as tabs:
            asked = [tabs.submit(ask, secret) for _ in range(2)]
            meanwhile()
            answers = [each.result() for each in asked]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        (successor,) = {answer.json()["refresh_token"] for answer in answers}
        return successor


@pytest.fixture(scope="module", params=["zeo", "postgresql"])
def site(request, new_instance, start_gunicorn):
    """A site in each storage that has several processes."""
    with open_site(LoginSite, request.param, new_instance(), start_gunicorn) as site:
        yield site


def test_two_tabs_that_refresh_at_once_have_the_same_successor(site):
    """Each time, and the family lives; at two workers, which conflict now and then."""
    told = site.log_in()
    seen = [told["refresh_token"]]
    for _ in range(ROUNDS):
        seen.append(site.in_two_tabs(site.refresh, seen[-1]))
    assert len(set(seen)) == ROUNDS + 1
    last = site.refresh(seen[-1]).json()
    assert site.reads(told["access_token"])
    assert site.reads(last["access_token"])


def test_a_worker_that_is_killed_meanwhile_loses_no_login(site):
    """A tab that got no answer asks again, and gets what the other one got."""
    secret = site.log_in()["refresh_token"]

    def kill():
        time.sleep(random.uniform(0, 0.05))
        os.kill(random.choice(site.children()), signal.SIGKILL)

    for _ in range(KILLS):
        secret = site.in_two_tabs(site.refresh_in_the_end, secret, kill)
        site.wait_for_workers()
    assert site.reads(site.refresh(secret).json()["access_token"])


def test_reuse_ends_the_login_at_all_workers(site):
    """At once, whichever worker is asked."""
    first = site.log_in()
    second = site.refresh(first["refresh_token"]).json()
    site.refresh(second["refresh_token"])
    assert site.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    tokens = [first["access_token"], second["access_token"]] * 5
    assert not any(site.server.together([lambda _, each=each: site.reads(each) for each in tokens]))
