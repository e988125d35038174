"""A job runs as who submitted it, with the rights that they have when it runs."""

from AccessControl import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SpecialUsers import nobody
from AccessControl.SpecialUsers import system
from AccessControl.users import UnrestrictedUser
from Acquisition import aq_parent
from collective.wsgifutures.jobs.allowed import check_may_submit
from collective.wsgifutures.jobs.errors import NotItsUser
from collective.wsgifutures.jobs.errors import Refusal
from collective.wsgifutures.jobs.errors import SubmitRefused
from collective.wsgifutures.jobs.errors import UserGone
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.origin import run_as
from collective.wsgifutures.jobs.origin import take_origin
from holdsite import ADMIN
from jobruns import ANONYMOUS
from jobruns import Jobs
from jobruns import origin_of
from plone import api
from plone.subrequest import subrequest
from Products.CMFCore.permissions import ManagePortal
from Products.CMFCore.permissions import ModifyPortalContent
from Products.CMFCore.permissions import View
from Products.Five import BrowserView
from zExceptions import Unauthorized
from zope.traversing.interfaces import IBeforeTraverseEvent

import json
import pytest
import transaction

PASSWORD = "of-the-user-1"


@pytest.fixture
def jobs(site):
    return Jobs(site)


#: As the workflows of Plone have it.
_PRIVATE = {
    View: ["Owner", "Editor", "Manager"],
    ModifyPortalContent: ["Owner", "Editor", "Manager"],
}


@pytest.fixture
def people(site):
    """Users of all kinds, and a private folder where some of them have roles."""
    for name in ("member", "editor", "local", "grouped", "manager"):
        api.user.create(f"{name}@example.com", name, PASSWORD)
    site.portal.aq_parent.acl_users.userFolderAddUser("root", PASSWORD, ["Manager"], [])
    api.portal.get_tool("portal_types").Document.behaviors += ("plone.ownership",)
    folder = api.content.create(site.portal, "Folder", "folder")
    for permission, roles in _PRIVATE.items():
        folder.manage_permission(permission, roles, acquire=False)
    api.user.grant_roles("editor", roles=["Editor", "Contributor"])
    api.user.grant_roles("manager", roles=["Manager"])
    api.user.grant_roles("local", roles=["Owner", "Contributor"], obj=folder)
    api.group.create("team")
    api.group.add_user(groupname="team", username="grouped")
    api.group.grant_roles("team", roles=["Editor", "Contributor"], obj=folder)
    transaction.commit()
    return {
        **dict.fromkeys(("member", "editor", "local", "grouped", "manager"), "/plone"),
        "root": "",
    }


def describe(view):
    """Return who is at work, as the code of an add-on may ask."""
    context, user, request = view.context, getSecurityManager().getUser(), view.request
    permissions = (View, ModifyPortalContent, ManagePortal)
    return {
        "id": user.getId(),
        "name": user.getUserName(),
        "folder": "/".join(aq_parent(aq_parent(user)).getPhysicalPath()),
        "roles": sorted(user.getRoles()),
        "roles here": sorted(user.getRolesInContext(context)),
        "groups": sorted(getattr(user, "getGroups", list)()),
        "member": api.user.get_current().getId(),
        "authenticated": request["AUTHENTICATED_USER"].getId(),
        "permissions": [name for name in permissions if user.has_permission(name, context)],
        "parents": parents_of(request),
        "made": make(context),
    }


def make(context):
    """Return whose a new content is."""
    try:
        made = api.content.create(context, "Document", title="Made")
    except Unauthorized:
        return "refused"
    return [made.listCreators(), made.getOwner().getId(), made.get_local_roles()]


@pytest.mark.parametrize("name", ["member", "editor", "local", "grouped", "manager", "root"])
def test_a_job_sees_what_its_users_own_request_sees(site, jobs, people, name):
    """Roles, local roles, groups, permissions, creators, owners: as over HTTP."""
    seen = []

    def view(self):
        seen.append(json.loads(json.dumps(describe(self))))
        return ""

    site.view("describe", view)
    site.get("folder/describe", user=(name, PASSWORD))
    run = jobs.publish(origin_of(name, people[name]), "/plone/folder", view="@@describe")
    by_http, by_job = seen
    assert by_job == by_http
    assert by_job["id"] == by_job["member"] == name
    assert run.committed
    assert jobs.left_over == []


def test_a_users_origin_is_the_id_and_the_folder(site, people):
    """That is enough to find the user again."""
    with api.env.adopt_user("editor"):
        taken = take_origin(None, api.user.get_current().getUser())
    assert (taken.user, taken.folder, taken.is_system) == ("editor", "/plone", False)
    root = site.portal.aq_parent.acl_users.getUserById("root")
    assert take_origin(None, root).folder == ""


class Powerful(UnrestrictedUser):
    """As code of Plone makes one, to do what its user may not."""

    def getId(self):
        return self.getUserName()


@pytest.mark.parametrize("name", ["editor", "root"])
def test_a_user_with_more_rights_for_a_while_is_the_same_user(site, people, name):
    """The job has the rights of the user, and finds the user where the user is."""
    powerful = Powerful(name, "", ["Manager"], "").__of__(site.portal.acl_users)
    taken = take_origin(None, powerful)
    assert (taken.user, taken.folder) == (name, people[name])


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_user_without_an_id_submits_nothing(site, jobs, wrapped):
    """The job could only run as somebody else; and if there is one, it does not run."""
    user = UnrestrictedUser("emergency", "", ["manage"], "")
    user = user.__of__(site.portal.acl_users) if wrapped else user
    newSecurityManager(None, user)
    with pytest.raises(SubmitRefused, match="has no id") as caught:
        check_may_submit(None)
    assert caught.value.reason is Refusal.NO_USER
    with pytest.raises(UserGone):
        jobs.run(lambda *_: 1, take_origin(None, user))


@pytest.mark.parametrize("permission", ["zope2.View", "cmf.ManagePortal"])
def test_a_job_may_do_what_its_user_may_do(site, jobs, people, permission):
    """Views with permissions are checked, with the roles of the user."""
    site.view("guarded", lambda self: "", permission=permission)
    assert jobs.publish(origin_of("manager"), "/plone/folder", view="@@guarded").committed
    with pytest.raises(Unauthorized, match="'member' may not publish"):
        jobs.publish(origin_of("member"), "/plone/folder", view="@@guarded")


def test_a_task_needs_to_see_its_context(site, jobs, people):
    """Its view has the permission of a view."""
    assert jobs.run(lambda context, request: 1, origin_of("local"), "/plone/folder").committed
    with pytest.raises(Unauthorized):
        jobs.run(lambda *_: 1, origin_of("member"), "/plone/folder")
    assert jobs.done == [1]


def test_a_job_has_the_roles_of_now(site, jobs, people):
    """Who was demoted in between may do no more, who was promoted may."""
    site.view("guarded", lambda self: "", permission="cmf.ManagePortal")
    assert jobs.publish(origin_of("manager"), view="@@guarded").committed
    api.user.revoke_roles("manager", roles=["Manager"])
    api.user.grant_roles("member", roles=["Manager"])
    transaction.commit()
    with pytest.raises(Unauthorized):
        jobs.publish(origin_of("manager"), view="@@guarded")
    assert jobs.publish(origin_of("member"), view="@@guarded").committed


@pytest.mark.parametrize("folder", ["", "/plone"])
def test_a_job_of_a_user_who_is_gone_runs_as_nobody(site, jobs, people, folder):
    """It fails, says who is missing, and its view is not called."""
    called = []
    name = "member" if folder else "root"
    if folder:
        api.user.delete(name)
    else:
        site.portal.aq_parent.acl_users.users.removeUser(name)
    transaction.commit()
    with pytest.raises(UserGone, match=f"no user '{name}'") as caught:
        jobs.run(lambda *_: called.append(1), origin_of(name, folder))
    assert (caught.value.user, caught.value.folder) == (name, folder)
    assert (called, jobs.done, jobs.written, site.errors) == ([], [], 0, [])


@pytest.mark.parametrize("folder", ["", "/plone", "/plone/folder", "/gone"])
def test_a_user_of_one_folder_is_not_looked_for_in_another(site, jobs, people, folder):
    """One id in two folders is two users."""
    name = {"": "member", "/plone": "root"}.get(folder, "member")
    with pytest.raises(UserGone):
        jobs.run(lambda *_: 1, origin_of(name, folder))


def test_an_anonymous_job_runs_as_anonymous(site, jobs, people):
    """With the rights of a visitor."""
    seen = []
    for visitor in (None, nobody, nobody.__of__(site.portal.acl_users)):
        assert take_origin(None, visitor) == take_origin(None, None)
    assert take_origin(None, None).user_name == "Anonymous User"
    assert jobs.run(lambda context, request: seen.append(api.user.is_anonymous())).committed
    assert seen == [True]
    with pytest.raises(Unauthorized):
        jobs.run(lambda *_: 1, ANONYMOUS, "/plone/folder")


def test_a_job_of_zopes_own_user_runs_as_that(site, jobs, people):
    """A script that became ``system`` submitted it."""
    taken = take_origin(None, system)
    assert (taken.user, taken.is_system) == (None, True)
    seen = []

    def work(context, request):
        seen.append(getSecurityManager().getUser().getUserName())

    assert jobs.run(work, Origin(is_system=True, site="/plone"), "/plone/folder").committed
    assert seen == ["System Processes"]


@pytest.mark.parametrize("name", ["editor", "root"])
def test_run_as_finds_the_user_of_the_site_or_of_zopes_root(site, people, name):
    """And keeps the rest of the origin."""
    found = run_as(origin_of("member", accept_language="fi"), name)
    assert (found.user, found.folder, found.accept_language) == (name, people[name], "fi")
    assert run_as(Origin(is_system=True, site="/plone"), name).user_name == name
    with pytest.raises(UserGone):
        run_as(found, "nobody-of-that-name")


class Folder:
    """Lets everybody in, as the manager."""

    def __init__(self, site):
        self._site = site

    def validate(self, request, auth="", roles=None):
        return self._site.portal.acl_users.getUserById("manager")


def publish_itself(view, request):
    return view, ()


def test_a_view_that_has_its_own_users_is_not_published(site, jobs, people):
    """It would run as somebody else."""
    called = []
    site.view(
        "own",
        lambda self: called.append(1),
        __allow_groups__=Folder(site),
        browserDefault=publish_itself,
    )
    with pytest.raises(NotItsUser, match="'manager'"):
        jobs.publish(origin_of("member"), view="@@own")
    assert called == []


@pytest.mark.parametrize("path", ["/plone/folder/@@inner", "/plone/folder/inner"])
def test_a_subrequest_of_a_job_is_its_users(site, jobs, people, path):
    """Parts of a page are made as who the page is made as, also where they are guarded."""
    site.view(
        "inner", lambda self: api.user.get_current().getId(), permission="cmf.ModifyPortalContent"
    )
    run = jobs.run(lambda *_: subrequest(path).getBody(), origin_of("editor"))
    assert run.result == b"editor"
    assert jobs.run(lambda *_: subrequest(path).getStatus(), origin_of("member")).result != 200


def parents_of(request):
    return [type(parent).__name__ for parent in request["PARENTS"]]


def test_what_runs_at_the_end_of_the_way_sees_no_door(site, jobs, people):
    """The user is in."""
    seen = []

    def look(event):
        event.request.post_traverse(lambda: seen.append(parents_of(event.request)))

    site.subscriber(IBeforeTraverseEvent, look)
    run = jobs.run(lambda context, request: parents_of(request), origin_of("editor"))
    assert run.result == seen[0] != []
    assert "_Door" not in run.result


def test_a_part_of_a_job_that_has_its_own_users_has_no_door_left(site, jobs, people):
    """It is as over HTTP: its own user folder lets in, and nobody came to the door."""
    seen = []
    site.view(
        "own",
        lambda self: seen.append(parents_of(self.request)),
        __allow_groups__=Folder(site),
        browserDefault=publish_itself,
    )
    assert jobs.run(lambda *_: subrequest("/plone/folder/@@own"), origin_of("editor")).committed
    assert len(seen) == 1
    assert "_Door" not in seen[0]


def test_a_method_of_a_view_is_published_as_the_user_with_its_arguments(site, jobs, people):
    """The bound method that Zope publishes has no user folder of its own."""
    module = __name__
    site.zcml(
        f'<browser:page name="method" for="*" class="{module}.Method" attribute="method"'
        ' permission="cmf.ModifyPortalContent" />'
    )
    Method.seen = []
    for method in ("GET", "POST"):
        form = {"word": "ä", "many:list": ["a", "b"]}
        jobs.publish(origin_of("local"), "/plone/folder", view="@@method", method=method, form=form)
    assert Method.seen == [("local", "GET", "ä", ["a", "b"]), ("local", "POST", "ä", ["a", "b"])]


class Method(BrowserView):
    seen: list[object] = []

    def method(self, word, many):
        """Note who calls with what."""
        user = api.user.get_current().getId()
        self.seen.append((user, self.request["REQUEST_METHOD"], word, many))


def test_a_request_over_http_is_its_own_users(site, people):
    """Nothing of jobs is in its way."""
    site.view("who", lambda self: api.user.get_current().getUserName())
    assert site.get("who", user=ADMIN).text == "admin"
    assert site.get("who").text == "Anonymous User"
