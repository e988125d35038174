"""A job is published with the URLs and the language of its submission, and by jobs alone."""

from AccessControl import getSecurityManager
from collective.wsgifutures.jobs.interfaces import ITaskLayer
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.origin import take_origin
from collective.wsgifutures.jobs.publishing import JOB
from collective.wsgifutures.jobs.publishing import TASK_VIEW
from collective.wsgifutures.jobs.publishing import TaskView
from holdsite import ADMIN
from jobruns import Jobs
from jobruns import origin_of
from plone import api
from plone.subrequest import subrequest
from Products.SiteAccess.VirtualHostMonster import manage_addVirtualHostMonster
from zope.component import queryMultiAdapter
from zope.i18n import translate
from zope.i18nmessageid import MessageFactory
from zope.interface import alsoProvides
from zope.traversing.interfaces import IBeforeTraverseEvent
from ZPublisher.interfaces import IPubAfterTraversal

import dataclasses
import pickle
import pytest
import transaction

TASK = TASK_VIEW.lstrip("@")


@pytest.fixture
def jobs(site):
    return Jobs(site)


@pytest.fixture
def placed(site):
    """The site with folders, a page with a difficult name, and virtual hosts."""
    api.content.create(api.content.create(site.portal, "Folder", "en"), "Document", "page")
    api.content.create(api.content.create(site.portal, "Folder", "de"), "Document", "seite")
    manage_addVirtualHostMonster(site.portal.aq_parent, "virtual_hosting")
    site.portal.aq_parent.virtual_hosting.set_map("mapped.example.com/plone")
    transaction.commit()
    return site


def urls(context, request):
    """Return all that tells where the public site is."""
    return {
        "context": context.absolute_url(),
        "site": api.portal.get().absolute_url(),
        "other": api.portal.get().de.seite.absolute_url(),
        "virtual path": context.virtual_url_path(),
        "URL": request["URL"].replace(TASK_VIEW, "where").replace("@@", ""),
        "SERVER_URL": request["SERVER_URL"],
        "BASE1": request["BASE1"],
        "physical": request.physicalPathFromURL(context.absolute_url()),
    }


HOSTS = {
    "no rewriting": ("en/page/where", {}),
    "another port": ("en/page/where", {"HTTP_HOST": "example.com:8080"}),
    "https": ("en/page/where", {"wsgi.url_scheme": "https", "HTTP_HOST": "example.com"}),
    "mounted": ("en/page/where", {"SCRIPT_NAME": "/mounted/h%c3"}),
    "a virtual host": (
        "../VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/en/page/where",
        {},
    ),
    "with a port": (
        "../VirtualHostBase/http/example.com:81/plone/VirtualHostRoot/en/page/where",
        {},
    ),
    "inside out": (
        "../VirtualHostBase/https/example.com/plone/VirtualHostRoot/_vh_a/_vh_n t/en/page/where",
        {},
    ),
    "Zope's root inside out": (
        "../VirtualHostBase/https/example.com:443/VirtualHostRoot/_vh_zope/plone/en/page/where",
        {},
    ),
    "a folder": (
        "../VirtualHostBase/https/example.com:443/plone/en/VirtualHostRoot/page/where",
        {},
    ),
    "IPv6": ("en/page/where", {"HTTP_HOST": "[::1]:8080"}),
    "a map": ("../en/page/where", {"HTTP_HOST": "mapped.example.com"}),
}


@pytest.mark.parametrize("kind", HOSTS)
def test_a_job_has_the_urls_of_its_submission(placed, jobs, kind):
    """A mail from a job links to the public address, however the front writes it."""
    seen = []

    def view(self):
        seen.append((urls(self.context, self.request), take_origin(self.request, None)))
        return "seen"

    placed.view("where", view)
    path, headers = HOSTS[kind]
    assert placed.get(path, headers=headers).status == 200
    ((public, origin),) = seen
    run = jobs.run(
        urls, dataclasses.replace(origin, user="test_user_1_", folder="/plone"), "/plone/en/page"
    )
    assert run.result == public
    assert run.committed


def test_a_job_outside_of_the_virtual_root_is_published_all_the_same(placed, jobs):
    """Its context was moved, or was never below it."""
    origin = origin_of("test_user_1_", virtual_root="/plone/en")
    run = jobs.run(lambda context, request: context.absolute_url(), origin, "/plone/de/seite")
    assert run.result == "http://nohost/de/seite"


def test_a_job_of_a_script_knows_no_public_url(site, jobs):
    """There was no request; it runs."""
    origin = dataclasses.replace(take_origin(None, None), user="test_user_1_", folder="/plone")
    assert (origin.server_url, origin.site) == ("", "/plone")
    assert origin.site_uid == api.content.get_uuid(site.portal)
    assert jobs.run(lambda c, r: c.absolute_url(), origin).result == "http://localhost/plone"


def test_a_job_that_a_job_submits_has_its_origin(placed, jobs):
    """The user, the public URLs and the language go along."""
    origin = origin_of(
        "test_user_1_",
        accept_language="de",
        language="fi",
        virtual_root="/plone/en",
        script="/a/b%20c",
        site_uid=api.content.get_uuid(placed.portal),
    )

    def work(context, request):
        return take_origin(request, getSecurityManager().getUser())

    assert jobs.run(work, origin, "/plone/en/page").result == origin


@pytest.mark.parametrize("url", ["http://a:b:c", "http://[::1", "http://", "ftp://a", "http://a/b"])
def test_a_job_with_no_host_runs_all_the_same(site, jobs, url):
    """Clients may send any ``Host``."""
    origin = dataclasses.replace(origin_of("test_user_1_"), server_url=url)
    assert jobs.run(lambda c, r: c.absolute_url(), origin).result == "http://localhost/plone"


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({"HTTP_ACCEPT_LANGUAGE": "de-at, en;q=0.5"}, "de"),
        ({"HTTP_ACCEPT_LANGUAGE": "de", "HTTP_COOKIE": "I18N_LANGUAGE=fi"}, "fi"),
        ({"HTTP_COOKIE": 'I18N_LANGUAGE="fi"; __ac=secret'}, "fi"),
        ({}, "en"),
    ],
)
def test_a_job_speaks_the_language_of_its_submission(site, jobs, headers, language):
    """By the header or the cookie that the site would go by."""
    registry = {"use_cookie_negotiation": True, "use_request_negotiation": True}
    for name, value in registry.items():
        api.portal.set_registry_record(f"plone.{name}", value)
    api.portal.set_registry_record("plone.available_languages", ["en", "de", "fi"])
    transaction.commit()
    _ = MessageFactory("plone")
    origins = []

    def speak(context, request):
        return api.portal.get_current_language(), translate(_("Save"), context=request)

    def view(self):
        origins.append((speak(self.context, self.request), take_origin(self.request, None)))
        return ""

    site.view("speak", view)
    site.get("speak", headers=headers)
    ((spoken, origin),) = origins
    assert spoken[0] == language
    assert jobs.run(speak, origin).result == spoken
    assert "secret" not in repr(origin)


def test_an_origin_is_plain_and_keeps_no_secret(site):
    """No cookie, no password, no token is in what pickles."""
    taken = []
    site.view("take", lambda self: taken.append(take_origin(self.request, None)))
    secrets = {
        "HTTP_COOKIE": '__ac=s3cret; I18N_LANGUAGE=s3cret\\"; x=s3cret',
        "HTTP_X_CSRF_TOKEN": "s3cret",
        "QUERY_STRING": "_authenticator=s3cret&VirtualRootPhysicalPath=s3cret&SERVER_URL=s3cret",
    }
    site.get("take", user=ADMIN, headers=secrets)
    (origin,) = taken
    assert pickle.loads(pickle.dumps(origin)) == origin
    assert {type(value) for value in vars(origin).values()} <= {str, bool, type(None), tuple}
    assert origin.roles == ()
    kept = f"{vars(origin)} {origin!r}"
    token = FORGED["HTTP_AUTHORIZATION"].partition(" ")[2]
    assert [word for word in ("cret", "Basic", token) if word in kept] == []


# Reached by jobs alone

#: Paths to a view, and whether they reach one that is for everybody.
ROADS = {
    "{}": True,
    "@@{}": True,
    "++view++{}": True,
    "page/@@{}": True,
    "page/{}": True,
    "++api++/@@{}": True,
    "++api++/{}": True,
    "../@@{}": True,
    "../VirtualHostBase/http/nohost:80/plone/VirtualHostRoot/@@{}": True,
    "../VirtualHostBase/http/nohost:80/plone/VirtualHostRoot/_vh_a/page/@@{}": True,
    "../VirtualHostBase/http/nohost:80/plone/VirtualHostRoot/_vh_@@{0}/@@{0}": True,
    "++layer++ITaskLayer/@@{}": False,
    "@@wsgifutures-task/@@{}": False,
    "@@{}/@@{}": True,
}

FORGED = {
    JOB: "1",
    "HTTP_COLLECTIVE_WSGIFUTURES_JOB": "1",
    "HTTP_X_TASK": "1",
    "HTTP_AUTHORIZATION": "Basic YWRtaW46c2VjcmV0",
}


@pytest.fixture
def called(site):
    """What a view for jobs alone was called as; every test tries to reach it."""
    found = []
    Hidden.called = found
    api.content.create(site.portal, "Document", "page")
    manage_addVirtualHostMonster(site.portal.aq_parent, "virtual_hosting")
    transaction.commit()
    site.view("shown", lambda self: "SHOWN")
    layer = f"{ITaskLayer.__module__}.ITaskLayer"
    site.zcml(
        f'<browser:page name="hidden" for="*" class="{__name__}.Hidden" permission="zope2.Public"'
        f' layer="{layer}" />'
    )
    return found


class Hidden:
    called: list[str] = []

    def __init__(self, context, request):
        pass

    def __call__(self):
        """Note the call."""
        self.called.append("called")
        return "HIDDEN"


@pytest.mark.parametrize("name", ["hidden", TASK])
@pytest.mark.parametrize("road", ROADS)
def test_no_path_reaches_a_view_of_jobs(site, called, name, road):
    """Not with forged headers and as Manager, where the same path reaches another view."""
    shown = site.get(road.format("shown", "shown"), headers=FORGED)
    assert (shown.status, "SHOWN" in shown.body) == ((200, True) if ROADS[road] else (404, False))
    assert site.get(road.format(name, name), headers=FORGED).status == 404
    assert called == []


@pytest.mark.parametrize("name", ["hidden", TASK])
@pytest.mark.parametrize("road", ["{}", "@@{}", "page/@@{}", "++api++/{}"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PROPFIND", "OPTIONS", "PUT", "DELETE", "LOCK"])
def test_no_method_reaches_a_view_of_jobs(site, called, name, road, method):
    """WebDAV and REST have ways of their own."""
    site.request(method, road.format(name), headers=FORGED)
    assert called == []


@pytest.mark.parametrize("name", ["hidden", TASK])
@pytest.mark.parametrize(
    "form",
    [
        {"@@{}:method": "1"},
        {"{}:method": "1"},
        {"{}:action": "1"},
        {":method": "@@{}"},
        {JOB: "1", "PUBLISHED": "@@{}", "{}:default_method": "1"},
    ],
)
def test_no_form_reaches_a_view_of_jobs(site, called, name, form):
    """Zope lets a form name a method."""
    filled = {key.format(name): value.format(name) for key, value in form.items()}
    site.post("page", filled, user=ADMIN)
    site.get("page", filled, user=ADMIN)
    assert called == []


@pytest.mark.parametrize("name", ["hidden", TASK])
def test_no_code_of_a_request_reaches_a_view_of_jobs(site, called, name):
    """A template, a script, a subrequest of a page finds none."""
    found = []

    def view(self):
        site_, request = self.context, self.request
        for path in (f"@@{name}", name, f"++view++{name}", f"page/@@{name}"):
            found.append(site_.restrictedTraverse(path, None))
            found.append(site_.unrestrictedTraverse(path, None))
            found.append(subrequest(f"/plone/{path}").getStatus())
        found.append(queryMultiAdapter((site_, request), name=name))
        return "done"

    site.view("look", view)
    assert site.get("look", user=ADMIN).text == "done"
    assert [each for each in found if each is not None] == [404] * 4
    assert called == []


def test_a_job_reaches_a_view_of_jobs(site, jobs, called):
    """That is what it is for."""
    assert jobs.publish(origin_of("test_user_1_"), view="@@hidden").committed
    assert called == ["called"]


def test_a_request_that_got_the_layer_has_no_task_to_do(site):
    """As where the layer of a site extends the one of jobs: the view is there, and finds no job."""
    site.subscriber(IPubAfterTraversal, lambda event: seen.append(event.request["PUBLISHED"]))
    site.subscriber(IBeforeTraverseEvent, lambda event: alsoProvides(event.request, ITaskLayer))
    seen = []
    assert site.get(TASK_VIEW, user=ADMIN).status == 404
    assert [isinstance(view, TaskView) for view in seen] == [True]


@pytest.mark.parametrize("name", ["hidden", TASK])
def test_a_subrequest_of_a_job_reaches_no_view_of_jobs(site, jobs, called, name):
    """An editor may write the path of a part into a page that a job publishes."""
    found = []

    def work(context, request):
        found.extend(
            subrequest(path).getStatus()
            for path in (
                f"/plone/@@{name}",
                f"/plone/{name}",
                f"/plone/++view++{name}",
                f"/@@{name}",
            )
        )

    assert jobs.run(work, origin_of("test_user_1_")).committed
    assert found == [404] * 4
    assert called == []


def test_a_task_is_called_once_whoever_looks_its_view_up(site, jobs):
    """A template that lists all views does not do the work again."""
    count = []

    def work(context, request):
        count.append(1)
        with pytest.raises(Exception, match="wsgifutures-task"):
            context.restrictedTraverse(TASK_VIEW)()
        return "once"

    assert jobs.run(work, origin_of("test_user_1_")).result == "once"
    assert count == [1]


def test_a_page_is_no_job_while_another_request_is(site, jobs):
    """The layer is on the one request alone."""
    seen = []
    site.view("look", lambda self: seen.append(ITaskLayer.providedBy(self.request)))
    jobs.publish(origin_of("test_user_1_"), view="@@look")
    site.get("look")
    assert seen == [True, False]


def test_an_origin_without_anything_is_that_of_nobody():
    """As a record of another version may have it."""
    assert Origin().user_name == "Anonymous User"
