"""The token of a claim is good as long as the claim, the lease and the user are."""

from AccessControl.users import UnrestrictedUser
from bearers import Bearers
from bearers import blind
from bearers import Claimed
from bearers import PASSWORD
from bearers import read
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.ring import ring_of
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import CLAIM
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.pas.plugin import ID
from dataclasses import replace
from plone import api
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from Products.PluggableAuthService.PluggableAuthService import PluggableAuthService
from ZPublisher.interfaces import IPubAfterTraversal

import jwt
import pytest
import time
import transaction

BOX = "folder/box"


@pytest.fixture
def bearers(site):
    return Bearers(site)


@pytest.fixture
def claimed(bearers):
    return bearers.claim()


@pytest.fixture
def token(bearers, claimed):
    """A token that is good for ``BOX``."""
    token = claimed.token()
    assert bearers.ask(BOX, token).status == 200
    return token


def store_of(bearers):
    return find_store(main_connection(bearers.site.portal._p_jar))


def like(bearers, token, *, typ=ACCESS, lifetime=60, now=None, **changes):
    """Return another token of the site, with *changes* of its claims; None: without."""
    claims = jwt.decode(token, options={"verify_signature": False})
    for name in ("iss", "aud", "iat", "nbf", "exp", "jti"):
        del claims[name]
    claims = {k: v for k, v in {**claims, **changes}.items() if v is not None}
    made = mint(bearers.site.portal, typ, claims, lifetime, now=now)
    transaction.commit()
    return made


# What is in it


def test_a_token_says_whose_job_it_is_and_until_when(bearers, claimed):
    """As protocol and RFC 9068 have it."""
    now = time.time()
    claims = jwt.decode(claimed.token(now), options={"verify_signature": False})
    job, urn = claimed.job, place_of(bearers.site.portal).urn
    assert claims.pop("jti")
    assert claims == {
        "iss": urn,
        "aud": urn,
        "sub": TEST_USER_ID,
        "client_id": "a-worker",
        "scope": "job",
        "job": job.id,
        "gen": job.generation,
        "auth_time": job.since,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(job.side.lease),
    }


def test_a_task_that_allows_nothing_gives_no_token(bearers):
    """That is the default."""
    assert bearers.claim(task=blind).token() is None


def test_a_job_of_nobody_or_of_the_system_gives_no_token(bearers, claimed, token):
    """Its worker is anonymous; and a token that somebody makes for it is nobody's."""
    origin = claimed.job.wanted.origin
    for changes in ({"user": None}, {"user": None, "is_system": True}, {"user": ""}):
        changed = claimed.job.wanted._replace(origin=replace(origin, **changes))
        claimed.job._wanted.value = changed
        transaction.commit()
        assert claimed.token() is None
        assert bearers.is_nobodys(BOX, token)
        for user in ("", "None", "System Processes", "Anonymous User"):
            assert bearers.is_nobodys(BOX, like(bearers, token, sub=user))


def test_a_token_is_not_given_for_an_older_claim_or_after_the_lease(bearers, claimed):
    """It would be nobody's."""
    job, claim = claimed
    assert Claimed(job, claim._replace(generation=claim.generation - 1)).token() is None
    assert claimed.token(job.side.lease + 1) is None
    leases.complete(store_of(bearers), job, claim.generation, None, time.time())
    assert claimed.token() is None


# While the job runs


def end(bearers, claimed, how):
    """End a claim, in one of the ways that there are."""
    job, generation, now = claimed.job, claimed.claim.generation, time.time()
    store = store_of(bearers)
    if how == "complete":
        leases.complete(store, job, generation, None, now)
    elif how == "fail":
        leases.fail(store, job, generation, "broken", now)
    elif how == "release":
        leases.release(store, job, generation, now)
    elif how == "rescue":
        leases.rescue(store, job, now)
    elif how == "cancel":
        job.cancel(now)
    elif how == "over":
        job.side.lease = now - 0.1
    elif how == "again":
        leases.release(store, job, generation, now)
        leases.claim_elsewhere(store, job, "another-worker", "its-key", now)
    transaction.commit()


@pytest.mark.parametrize(
    "how", ["complete", "fail", "release", "rescue", "cancel", "over", "again"]
)
def test_a_token_ends_with_its_claim(bearers, claimed, token, how):
    """However that ends, and though the token itself lives on."""
    end(bearers, claimed, how)
    assert bearers.is_nobodys(BOX, token)


def test_a_token_of_the_next_claim_is_another_one(bearers, claimed, token):
    """The first worker's is nobody's, the second one's good."""
    end(bearers, claimed, "again")
    second = Claimed(claimed.job, leases.claim_of(claimed.job))
    assert bearers.ask(BOX, second.token()).status == 200
    assert bearers.is_nobodys(BOX, token)


def test_a_job_that_is_gone_or_not_for_workers_elsewhere_lets_nobody_in(bearers, claimed, token):
    """The claim's number may be that of a job inside of Plone."""
    for job in ("", "0-999", "x", None, 7, claimed.job.id + "0"):
        assert bearers.is_nobodys(BOX, like(bearers, token, job=job))
    claimed.job._wanted.value = claimed.job.wanted._replace(elsewhere=False)
    transaction.commit()
    assert bearers.is_nobodys(BOX, token)


def test_a_task_decides_anew_what_its_workers_may(bearers, claimed, token, monkeypatch):
    """Where it is not known, or allows nothing any more, the token is nobody's."""
    monkeypatch.setattr(read, "may", ())
    assert bearers.is_nobodys(BOX, token)
    monkeypatch.setattr(read, "may", ("GET",))
    assert bearers.ask(BOX, token).status == 200
    monkeypatch.delitem(tasks, "bearers.read")
    assert bearers.is_nobodys(BOX, token)


def test_an_object_that_is_deleted_takes_the_scope_along(bearers, token):
    """Nothing else gets its place."""
    api.content.delete(bearers.box)
    folder = api.content.create(bearers.site.portal["folder"], "Folder", "box", title="New")
    transaction.commit()
    assert folder.title == "New"
    assert bearers.is_nobodys(BOX, token)


# The user


def test_a_user_who_is_demoted_loses_it_at_once(bearers, token):
    """The rights are those of now."""
    setRoles(bearers.site.portal, TEST_USER_ID, ["Member"])
    transaction.commit()
    assert bearers.ask(BOX, token).status == 401


def test_a_user_who_is_deleted_is_nobody(bearers, claimed, token):
    """No user folder makes up the user; and not one who has the id later, either."""
    api.user.delete(username=TEST_USER_ID)
    transaction.commit()
    assert bearers.is_nobodys(BOX, token)
    assert claimed.token() is None
    users = bearers.site.portal.acl_users
    users.source_users.addUser(TEST_USER_ID, TEST_USER_NAME, TEST_USER_PASSWORD)
    users.portal_role_manager.assignRolesToPrincipal(["Manager"], TEST_USER_ID)
    transaction.commit()
    assert bearers.is_nobodys(BOX, token)


def test_what_began_at_the_very_time_of_the_end_of_all_is_nobodys(bearers, claimed, token):
    """Nobody can tell which came first, and the token of a job is soon another one."""
    users = bearers.site.portal.aq_parent
    end_all(bearers.site.portal, "/plone", TEST_USER_ID, claimed.job.since - 0.001)
    end_all(users, "", TEST_USER_ID)  # somebody else, of Zope's root
    transaction.commit()
    assert bearers.ask(BOX, token).status == 200
    end_all(bearers.site.portal, "/plone", TEST_USER_ID, claimed.job.since)
    transaction.commit()
    assert bearers.is_nobodys(BOX, token)
    assert claimed.token() is None


@pytest.fixture
def rooted(bearers):
    """A claim of a job of a Manager of Zope's root."""
    root = bearers.site.portal.aq_parent.acl_users
    root.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
    transaction.commit()
    return bearers.claim(user="boss")


def test_a_user_of_zopes_root_is_let_in_by_the_plugin_there(bearers, rooted):
    """With the roles that the user has there."""
    assert rooted.job.wanted.origin.folder == ""
    answer = bearers.ask(f"{BOX}/page", rooted.token())
    assert (answer.status, bearers.seen) == (200, ["boss"])
    bearers.site.portal.aq_parent.acl_users.users.removeUser("boss")
    transaction.commit()
    assert bearers.is_nobodys(BOX, rooted.token() or "x")


@pytest.mark.parametrize("kept", ["site", "root"])
def test_a_plugin_answers_for_the_users_of_its_own_folder(bearers, rooted, token, kept):
    """Also where the other folder has a user of that id."""
    portal = bearers.site.portal
    portal.acl_users.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
    portal.aq_parent.acl_users.users.addUser(TEST_USER_ID, TEST_USER_ID, PASSWORD)
    of_boss = rooted.token()
    folder = portal.acl_users if kept == "root" else portal.aq_parent.acl_users
    folder._delObject(ID)
    transaction.commit()
    good, bad = (token, of_boss) if kept == "site" else (of_boss, token)
    assert bearers.ask(BOX, good).status == 200
    assert bearers.is_nobodys(BOX, bad)


def test_a_token_for_another_user_or_folder_is_nobodys(bearers, claimed, token):
    """Both have to be the job's."""
    api.user.create("m@example.com", "manager", PASSWORD, roles=["Manager"])
    transaction.commit()
    assert bearers.is_nobodys(BOX, like(bearers, token, sub="manager"))
    origin = claimed.job.wanted.origin
    for folder in ("/plone/folder", "/other", "/plone/", "plone", "/plone/acl_users", ""):
        changed = claimed.job.wanted._replace(origin=replace(origin, folder=folder))
        claimed.job._wanted.value = changed
        transaction.commit()
        assert bearers.is_nobodys(BOX, token)


def test_the_emergency_user_is_nobody(bearers, rooted, monkeypatch):
    """It has all rights, and may have the id of another user."""
    token = rooted.token()
    emergency = UnrestrictedUser("boss", PASSWORD, ["manage"], [])
    monkeypatch.setattr(PluggableAuthService, "_emergency_user", emergency)
    assert bearers.is_nobodys(BOX, token)
    assert rooted.token() is None


def test_the_login_name_is_the_users_and_not_the_id(bearers, token):
    """As after a login with the password."""
    names = []

    def note(event):
        names.append(event.request["AUTHENTICATED_USER"].getUserName())

    bearers.site.subscriber(IPubAfterTraversal, note)
    bearers.ask(BOX, token)
    assert (names, TEST_USER_NAME != TEST_USER_ID) == ([TEST_USER_NAME], True)


# Other tokens


OTHERS = [
    {"typ": CLAIM},
    {"typ": CAPABILITY},
    {"typ": "JWT"},
    {"scope": "claim"},
    {"scope": ""},
    {"scope": None},
    {"scope": "job claim"},
    {"gen": 0},
    {"gen": 2},
    {"gen": None},
    {"gen": "1"},
    {"auth_time": None},
    {"auth_time": "9999999999"},
    {"lifetime": -10},
    {"now": time.time() + 3600},
]


def test_a_token_of_the_site_that_is_not_exactly_that_is_nobodys(bearers, token):
    """Though the site has signed it: a worker's, a claim's, a capability, an older or later one."""
    assert bearers.ask(BOX, like(bearers, token)).status == 200
    good = [c for c in OTHERS if not bearers.is_nobodys(BOX, like(bearers, token, **c))]
    assert good == []


def test_what_somebody_else_has_made_is_nobodys(bearers, token):
    """Without a signature, with another key, in another place, or not a token at all."""
    header, claims, signature = token.split(".")
    ring = ring_of(place_of(bearers.site.portal), time.time())
    read_claims = jwt.decode(token, options={"verify_signature": False})
    symmetric = jwt.encode(
        read_claims, ring.current.public, "HS256", {"typ": ACCESS, "kid": ring.current.id}
    )
    unsigned = jwt.encode(read_claims, None, "none", {"typ": ACCESS, "kid": ring.current.id})
    for made in (
        symmetric,
        unsigned,
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[::-1]}",
        token[:-1],
        token[1:],
        f"{token}.{token}",
        f"{token}x",
        f"x {token}",
        header,
        "",
        ".",
        "é",
        "x" * 100_000,
    ):
        assert bearers.is_nobodys(BOX, made)
    ring.rotate(time.time(), forget=True)
    transaction.commit()
    assert bearers.is_nobodys(BOX, token)


def test_a_token_is_read_from_the_header_and_nowhere_else(bearers, token):
    """Not from a cookie, a query, a form or basic auth."""
    for more in (
        {"query": {"access_token": token, "Authorization": f"Bearer {token}", "_auth": token}},
        {"headers": {"HTTP_COOKIE": f"__ac={token}; access_token={token}"}},
        {"user": ("Bearer", token)},
        {"user": (TEST_USER_NAME, token)},
        {"headers": {"HTTP_X_AUTHORIZATION": f"Bearer {token}"}},
        {"headers": {"HTTP_AUTHORIZATION": token}},
    ):
        assert bearers.ask(BOX, **more).status == 401
    assert bearers.ask(BOX, headers={"HTTP_AUTHORIZATION": f"bearer  {token} "}).status == 200


def test_a_token_of_plone_restapi_is_read_by_plone_restapi(bearers):
    """Ours looks at no other token."""
    plugins = bearers.site.portal.acl_users
    if "jwt_auth" not in plugins:
        api.portal.get_tool("portal_setup").runAllImportStepsFromProfile("plone.restapi:default")
    theirs = plugins.jwt_auth.create_token(TEST_USER_ID)
    transaction.commit()
    assert bearers.ask("folder/other", theirs).status == 200
    assert bearers.ask("@login-renew", theirs, method="POST").status == 200
    ours = bearers.claim().token()
    assert bearers.is_nobodys("@login-renew", ours, method="POST")
    assert bearers.ask(BOX, ours).status == 200


def test_credentials_that_others_extract_are_not_ours(bearers, token):
    """A body in JSON may say anything."""
    plugin = bearers.site.portal.acl_users[ID]
    said = {"extractor": ID, "admitted": {"id": TEST_USER_ID}, "login": TEST_USER_ID}
    for credentials in (said, {**said, "admitted": [TEST_USER_ID, TEST_USER_ID]}, {}):
        assert plugin.authenticateCredentials(credentials) is None


# What else an answer has


def test_an_answer_sets_no_cookie(bearers, token):
    """The token is all that the worker has."""
    for path, method in ((BOX, "GET"), (f"{BOX}/page", "GET"), ("folder/other", "GET")):
        answer = bearers.ask(path, token, method)
        assert "set-cookie" not in answer.headers
        assert "__ac" not in str(answer.headers)


def test_nothing_is_written_by_a_request(bearers, token):
    """However often the token is used."""
    before = bearers.site.commits
    for path in (BOX, f"{BOX}/page", "folder/other", "@users"):
        bearers.ask(path, token)
    assert bearers.site.commits == before
