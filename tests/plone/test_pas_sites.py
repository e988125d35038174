"""Several sites of one Zope: a token is good in the site that has signed it, and nowhere else."""

from bearers import Bearers
from bearers import PASSWORD
from bearers import read
from claimsite import capability
from claimsite import post
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.origin import take_origin
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.endings import ended_since
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.pas.install import add_plugins
from collective.wsgifutures.pas.plugin import ID
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.workers.access import access_token_for
from jobsite import submit
from plone import api
from plone.app.testing import login
from plone.app.testing import TEST_USER_NAME
from plone.uuid.interfaces import ATTRIBUTE_NAME
from plone.uuid.interfaces import IUUID
from Products.CMFPlone.factory import addPloneSite
from Products.PluggableAuthService.events import CredentialsUpdated
from Products.PluggableAuthService.events import PrincipalDeleted
from Products.PluggableAuthService.PluggableAuthService import _PLUGIN_TYPE_INFO
from Products.PluggableAuthService.PluggableAuthService import PluggableAuthService
from Products.PluggableAuthService.plugins.ZODBRoleManager import ZODBRoleManager
from Products.PluggableAuthService.plugins.ZODBUserManager import ZODBUserManager
from Products.PluginRegistry.PluginRegistry import PluginRegistry
from zope.component.hooks import getSite
from zope.component.hooks import site as in_site
from zope.event import notify

import json
import jwt
import pytest
import time
import transaction

BOX = "folder/box"


@pytest.fixture
def bearers(site):
    """The site ``plone``, with a Manager ``boss`` of Zope's root."""
    made = Bearers(site)
    site.portal.aq_parent.acl_users.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
    transaction.commit()
    return made


def add_site(holder):
    """Add a site with the add-on, and a private page in it."""
    with in_site(getSite()):
        other = addPloneSite(holder, "other", setup_content=False, default_language="en")
    other.manage_permission("plone.restapi: Use REST API", ["Anonymous"], acquire=1)
    with in_site(other):
        for profile in ("plone.app.contenttypes:default", "collective.wsgifutures:default"):
            other.portal_setup.runAllImportStepsFromProfile(f"profile-{profile}")
        login(holder.getPhysicalRoot(), "boss")
        page = api.content.create(other, "Document", "page", title="In the other site")
        page.manage_permission("View", ["Manager"], acquire=False)
    transaction.commit()
    return other


@pytest.fixture
def other(bearers):
    """A site beside the first one."""
    yield add_site(bearers.site.portal.aq_parent)
    login(bearers.site.portal, TEST_USER_NAME)


def claim(site, context):
    """Return a job that the user who is logged in submits in *site*, and its claim."""
    with in_site(site):
        job = read.submit(context)
        transaction.commit()
        store = find_store(main_connection(site._p_jar))
        claim = leases.claim_elsewhere(store, job, "a-worker", job.id, time.time())
        transaction.commit()
    return job, claim


def token_of(job, claim):
    token = access_token_for(job, claim, time.time())
    transaction.commit()
    return token


def signed_by(site, token):
    """Return a token that says the same, with a key of *site*."""
    claims = jwt.decode(token, options={"verify_signature": False})
    about = {k: v for k, v in claims.items() if k not in ("iss", "aud", "iat", "nbf", "exp", "jti")}
    made = mint(site, ACCESS, about, 60)
    transaction.commit()
    return made


def test_a_token_is_nobodys_in_a_site_beside_the_one_that_has_signed_it(bearers, other):
    """Though its user is one of both, and the job is about the whole site."""
    mine = bearers.claim(bearers.site.portal, user="boss").token()
    login(other.aq_parent, "boss")
    theirs = token_of(*claim(other, other))
    assert bearers.ask("news/secret", mine).status == 200
    assert bearers.ask("/other/page", theirs).json["title"] == "In the other site"
    for path in ("/other", "/other/page", "/plone/other/page", "/other/plone/other/page"):
        assert bearers.is_nobodys(path, mine)
    for path in ("", "news/secret", "folder", "/other/plone/news/secret", "/plone/other/news"):
        assert bearers.is_nobodys(path, theirs)


def test_a_job_of_another_site_lets_nobody_in(bearers, other):
    """Also with a token that this site has signed."""
    job = bearers.claim(bearers.site.portal, user="boss")
    token = signed_by(other, job.token())
    for path in ("/other", "/other/page", "", "news/secret"):
        assert bearers.is_nobodys(path, token)


@pytest.mark.parametrize("source", ["/other/page", "/../other/page"])
@pytest.mark.parametrize("name", ["@copy", "@move"])
def test_a_token_takes_nothing_out_of_another_site(bearers, other, name, source):
    """Though its user may, and without the token does; in its own site it is copied and moved."""
    login(other.aq_parent, "boss")
    owner = take_origin(None, api.user.get_current())
    scope, ends = make_scope(["write:@copy", "write:@move"]), time.time() + 3600
    _, secret = acts.make(bearers.site.portal, owner, "A", scope, ends, "boss")
    transaction.commit()

    def take(path, token=secret, **more):
        body = {"body": json.dumps({"source": path}).encode(), "kind": "application/json"}
        return bearers.ask(name, token, "POST", **body, **more)

    assert take(source).status == 403
    assert "page" in other
    assert take("/news/secret").status == 200
    assert take(source, None, user=("boss", PASSWORD)).status == 200


def test_a_copy_of_a_site_beside_its_original_is_another_site(bearers, other):
    """It has the UID of the first one, as a site has that was imported."""
    uid = IUUID(bearers.site.portal)
    setattr(other, ATTRIBUTE_NAME, uid)
    transaction.commit()
    job = bearers.claim(bearers.site.portal, user="boss")
    mine = job.token()
    assert bearers.ask("news/secret", mine).status == 200
    for token in (mine, signed_by(other, mine)):
        for path in ("/other", "/other/page"):
            assert bearers.is_nobodys(path, token)
    login(other.aq_parent, "boss")
    theirs = token_of(*claim(other, other))
    assert bearers.ask("/other/page", theirs).status == 200
    assert bearers.is_nobodys("news/secret", theirs)


def test_a_hint_of_a_site_is_refused_by_its_copy_and_stays_good(bearers, other):
    """Their queues at a broker have one name, since that has the UID: each hears of both."""
    setattr(other, ATTRIBUTE_NAME, IUUID(bearers.site.portal))
    job = submit(bearers.site, read, bearers.box)
    token = capability(bearers.site, job)
    login(other.aq_parent, "boss")
    with in_site(other):
        theirs = read.submit(other)
    transaction.commit()
    wrong = mint(other, CAPABILITY, {"sub": job.id}, 60)
    own = mint(other, CAPABILITY, {"sub": theirs.id}, 60)
    transaction.commit()
    at_copy = {"headers": {"PATH_INFO": "/other/@jobs/claim"}, "accept": "application/json"}
    for bearer, status in ((token, 401), (wrong, 410), (own, 200), (token, 401)):
        at_copy["headers"]["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
        assert bearers.site.request("POST", "", **at_copy).status == status
    assert post(bearers.site, "@jobs/claim", own).status == 401
    claimed = post(bearers.site, "@jobs/claim", token)
    assert (claimed.status, claimed.json["job"]) == (200, job.id)


# A site in a folder that has users of its own


def add_users(folder):
    """Give a folder users of its own: the Manager ``jane``."""
    folder._setObject("acl_users", PluggableAuthService())
    users = folder.acl_users
    users._setObject("plugins", PluginRegistry(_PLUGIN_TYPE_INFO))
    for id, plugin, kinds in (
        ("users", ZODBUserManager("users"), ["IAuthenticationPlugin", "IUserEnumerationPlugin"]),
        ("roles", ZODBRoleManager("roles"), ["IRolesPlugin"]),
    ):
        users._setObject(id, plugin)
        users[id].manage_activateInterfaces(kinds)
    users.users.addUser("jane", "jane", PASSWORD)
    users.roles.assignRoleToPrincipal("Manager", "jane")


@pytest.fixture
def between(bearers):
    """A folder in Zope's root with a site in it, and a user folder."""
    app = bearers.site.portal.aq_parent
    app.manage_addFolder("sites")
    add_users(app["sites"])
    add_site(app["sites"])
    yield app["sites"]
    login(bearers.site.portal, TEST_USER_NAME)


def test_a_user_of_a_folder_between_is_let_in_by_the_plugin_there(bearers, between):
    """As users of Zope's root are by the one of the root."""
    assert ID in between.acl_users
    login(between, "jane")
    job, claimed = claim(between["other"], between["other"])
    token = token_of(job, claimed)
    assert job.wanted.origin.folder == "/sites"
    assert bearers.ask("/sites/other/page", token).status == 200
    assert bearers.seen == ["jane"]
    assert bearers.is_nobodys("news/secret", token)
    between.acl_users._delObject(ID)
    transaction.commit()
    assert bearers.is_nobodys("/sites/other/page", token)


def test_the_end_of_all_tokens_of_a_user_of_a_folder_between_is_that_of_all_sites(bearers, between):
    """Whoever is deleted there, in whichever site, has no token any more; others keep theirs."""
    login(between, "jane")
    job, claimed = claim(between["other"], between["other"])
    token = token_of(job, claimed)
    end_all(bearers.site.portal, "/plone", "jane")
    end_all(between.aq_parent, "", "jane")
    transaction.commit()
    assert bearers.ask("/sites/other/page", token).status == 200
    users = between.acl_users.users
    users.removeUser("jane")
    with in_site(between["other"]):
        notify(PrincipalDeleted("jane"))
    users.addUser("jane", "jane", PASSWORD)  # another one
    transaction.commit()
    assert bearers.is_nobodys("/sites/other/page", token)
    assert ended_since(between["other"], "/sites", "jane") > job.since
    assert token_of(job, claimed) is None


def test_a_user_of_a_site_who_is_deleted_is_not_the_one_of_zopes_root(bearers, other):
    """So nobody who manages users of one site ends what administrators have in the others."""
    job, claimed = claim(other, other)
    token = token_of(job, claimed)
    users = bearers.site.portal.acl_users
    users.userFolderAddUser("boss", PASSWORD, ["Member"], [])
    users.userFolderDelUsers(["boss"])
    transaction.commit()
    assert ended_since(bearers.site.portal, "/plone", "boss") > job.since
    assert bearers.ask("/other/page", token).status == 200


def test_the_plugin_of_a_folder_between_stays_while_a_site_in_it_needs_it(between):
    """Not by the sites elsewhere."""
    other = between["other"]
    with in_site(other):
        add_plugins(None)
        other.portal_setup.runAllImportStepsFromProfile("profile-collective.wsgifutures:uninstall")
    assert ID not in between.acl_users
    assert ID not in other.acl_users
    assert ID in between.aq_parent.acl_users


def test_users_of_a_folder_in_a_site_are_the_sites(bearers):
    """Another password of one is kept with the site."""
    folder, now = bearers.site.portal["folder"], time.time()
    add_users(folder)
    user = folder.acl_users.getUserById("jane")
    notify(CredentialsUpdated(user, "another horse battery"))
    assert ended_since(place_of(bearers.site.portal), "/plone/folder", "jane") >= now
