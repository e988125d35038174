"""Code as it was written for ``collective.taskqueue``. Q01 and so on: its cases.

Only its import lines are others.
"""

from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import compat
from collective.wsgifutures import jobs
from collective.wsgifutures.compat import taskqueue
from collective.wsgifutures.compat.taskqueue import ITaskQueueLayer
from collective.wsgifutures.jobs import submitting
from collective.wsgifutures.jobs.errors import Refusal
from collective.wsgifutures.jobs.errors import SubmitRefused
from collective.wsgifutures.jobs.interfaces import ITaskLayer
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import find_task
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import fields
from five.localsitemanager.registry import PersistentComponents
from holdsite import ADMIN
from pathlib import Path
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.protect.interfaces import IDisableCSRFProtection
from Products.Five import BrowserView
from zExceptions import Redirect
from ZODB.POSException import ConflictError
from zope.component.hooks import site as in_site
from zope.interface import alsoProvides
from zope.interface import Interface
from ZPublisher.interfaces import IPubBeforeCommit

import json
import pytest
import re
import sys
import time
import transaction

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "port_taskqueue.rst"


class Published(list):
    """What each task's request had."""

    def hear(self, view):
        request = view.request
        self.append(
            {
                "id": request.getHeader("X-Task-Id"),
                "method": request.method,
                "query": request["QUERY_STRING"],
                "form": dict(request.form),
                "body": request.get("BODY", b""),
                "environ": dict(request.environ),
                "user": getSecurityManager().getUser().getId(),
                "context": "/".join(view.context.getPhysicalPath()),
                "url": view.context.absolute_url(),
                "layer": ITaskQueueLayer.providedBy(request),
            }
        )
        return "heard"


@pytest.fixture
def heard(site):
    """The site has a page, a view for everybody, and one for tasks alone."""
    heard = Published()
    api.content.create(site.portal, "Document", "page", title="Old")
    site.view("hear", lambda view: heard.hear(view))
    task_view(site, "only-tasks", heard.hear)
    transaction.commit()
    return heard


def task_view(site, name, call):
    """Register a view that has the ancestor's layer."""

    class View(BrowserView):
        def __call__(self):
            return call(self)

    View.__call__.__doc__ = "Zope publishes what has one."
    site.adapter(View, (Interface, ITaskQueueLayer), Interface, name)


def run():
    """Commit, and do what is due."""
    transaction.commit()
    return jobs.run()


# What a task is


def test_q01_add_returns_the_id_that_the_tasks_request_has(site, heard):
    """In the order of the calls."""
    ids = [taskqueue.add("/plone/page/hear") for _ in range(3)]
    assert len(set(ids)) == 3
    done = run()
    assert [one["id"] for one in heard] == ids == [job.id for job in done]
    taskqueue.add("/plone/page/hear", headers={"X-Task-Id": "mine"})
    (last,) = run()
    assert heard[-1]["id"] == last.id


@pytest.mark.parametrize("path", ["/plone/page/hear", "/plone/page/@@hear", "/plone/page/hear/"])
def test_q01_url_is_a_physical_path(site, heard, path):
    """The path leads to any object of the site; the job itself is about the site."""
    taskqueue.add(path)
    (job,) = run()
    assert (job.state, job.wanted.context) == (JobState.DONE, "")
    assert heard[0]["context"] == "/plone/page"


def test_q01_url_may_be_the_sites(site, heard):
    """Its default page is published, and nothing of the site is changed."""
    taskqueue.add("/plone")
    (job,) = run()
    assert job.state is JobState.DONE


def test_q01_a_quoted_path_is_unquoted(site, heard):
    """As a server does."""
    api.content.rename(site.portal.page, "a page")
    taskqueue.add("/plone/a%20page/hear")
    run()
    assert heard[0]["context"] == "/plone/a page"


# Transactions


def test_q02_a_task_is_queued_by_the_commit(site, heard):
    """None after an abort."""
    taskqueue.add("/plone/hear")
    transaction.abort()
    assert run() == []
    taskqueue.add("/plone/hear")
    run()
    taskqueue.add("/plone/hear")
    run()
    assert len(heard) == 2


def test_q02_a_conflict_queues_nothing_twice(site, heard):
    """Two passes, one job."""
    conflicts = [ConflictError()]

    def adds(view):
        alsoProvides(view.request, IDisableCSRFProtection)
        return taskqueue.add("/plone/hear")

    def conflict(event):
        if conflicts and event.request["URL"].endswith("/adds"):
            raise conflicts.pop()

    site.view("adds", adds)
    site.subscriber(IPubBeforeCommit, conflict)
    answer = site.get("adds")
    assert len(answer.passes) == 2
    assert [job.id for job in jobs.run()] == [answer.body]
    assert len(heard) == 1


def test_q03_a_task_is_gone_with_its_savepoint(site, heard):
    """What was added before is not."""
    kept = taskqueue.add("/plone/hear")
    savepoint = transaction.savepoint()
    taskqueue.add("/plone/hear")
    savepoint.rollback()
    run()
    assert [one["id"] for one in heard] == [kept]


def test_q04_a_hundred_tasks_are_done_in_order_each_once(site, heard):
    """Whatever transaction they are from."""
    for start in range(0, 100, 25):
        for number in range(start, start + 25):
            taskqueue.add("/plone/hear", params={"number": number})
        transaction.commit()
    run()
    assert [one["form"]["number"] for one in heard] == [str(number) for number in range(100)]


# What is refused

URLS = {
    "empty": ("", "it is empty"),
    "none": (None, "it is empty"),
    "another site": ("/other/page/@@hear", "/other/page/@@hear is not in this site"),
    "a name that begins alike": ("/plone2/@@hear", "/plone2/@@hear is not in this site"),
    "relative": ("page/@@hear", "page/@@hear is not in this site"),
    "the root": ("/", "is not in this site"),
    "out of the site": ("/plone/../acl_users/@@hear", "it has a step '.' or '..'"),
    "out of it, quoted": ("/plone/%2e%2e/acl_users", "it has a step '.' or '..'"),
    "with a host": ("http://nohost/plone/@@hear", "it has a host"),
    "with a virtual host": (
        "/VirtualHostBase/http/example.com:80/plone/VirtualHostRoot/@@hear",
        "it is rewritten for a virtual host, which a job does by itself",
    ),
}


@pytest.mark.parametrize("kind", URLS)
def test_q05_a_url_that_is_no_path_of_the_site_is_refused(site, heard, kind):
    """The error says what to do, and nothing is queued."""
    url, reason = URLS[kind]
    with pytest.raises(ArgumentRefused) as caught:
        taskqueue.add(url)
    assert reason in str(caught.value)
    assert "Give " in str(caught.value)
    assert run() == []


def test_q05_url_is_required(site, heard):
    """As it was."""
    with pytest.raises(TypeError, match="url"):
        taskqueue.add()


@pytest.mark.parametrize(
    ("option", "value"), [("queue", ""), ("queue", "a,b"), ("queue", None), ("method", "FETCH")]
)
def test_q05_no_value_falls_back_to_another(site, heard, option, value):
    """A name that was mistyped is no other queue's."""
    with pytest.raises(ValueError, match=option):
        taskqueue.add("/plone/hear", **{option: value})
    assert run() == []


def test_q05_a_queue_is_there_when_a_task_is_added(site, heard):
    """It needs no declaration."""
    taskqueue.add("/plone/hear", queue="mail")
    (job,) = run()
    assert job.wanted.queue == "mail"


def test_q05_what_the_visitor_sent_by_get_is_refused_aloud(site, heard):
    """Else plone.protect would drop the task in silence, and each crawler would add one."""
    reasons = []

    def adds(view):
        try:
            return taskqueue.add("/plone/hear")
        except SubmitRefused as refused:
            reasons.append(refused.reason)
            return ""

    site.view("adds", adds)
    site.get("adds", user=ADMIN)
    site.get("adds")
    assert reasons == [Refusal.UNPROTECTED, Refusal.ANONYMOUS]
    assert jobs.run() == []


# Its request


def test_q06_params_are_added_to_the_query(site, heard):
    """Encoded; several values of one name in a list."""
    taskqueue.add("/plone/hear?a=1&b=%26", params={"c": "ä&", "d": [2, 3]})
    taskqueue.add("/plone/hear", method="POST", params={"c": "4"})
    run()
    assert heard[0]["query"] == "a=1&b=%26&c=%C3%A4%26&d=2&d=3"
    assert heard[0]["form"] == {"a": "1", "b": "&", "c": "ä&", "d": ["2", "3"]}
    assert (heard[1]["method"], heard[1]["form"]) == ("POST", {"c": "4"})


#: What a visitor's request has.
_SENT = {
    "HTTP_COOKIE": "__ac=secret; I18N_LANGUAGE=fi",
    "HTTP_X_TOKEN": "secret",
    "HTTP_REFERER": "http://nohost/secret",
    "HTTP_ACCEPT_LANGUAGE": "fi",
    "HTTP_HOST": "www.example.com",
}


def test_q07_no_header_is_copied_but_language_and_host_are_the_jobs(site, heard):
    """And nothing of the login is in the record."""

    def adds(view):
        alsoProvides(view.request, IDisableCSRFProtection)
        return taskqueue.add("/plone/page/hear", headers={"X-Mine": "1"})

    site.view("adds", adds)
    site.get("adds", user=ADMIN, headers=_SENT)
    (job,) = jobs.run()
    environ = heard[0]["environ"]
    assert heard[0]["url"] == "http://www.example.com/plone/page"
    assert (environ["HTTP_ACCEPT_LANGUAGE"], environ["HTTP_X_MINE"]) == ("fi", "1")
    assert environ["HTTP_COOKIE"] == "I18N_LANGUAGE=fi"
    assert "secret" not in repr({k: v for k, v in environ.items() if k.startswith("HTTP")})
    assert "HTTP_AUTHORIZATION" not in environ
    assert b"secret" not in job.wanted.arguments
    assert "secret" not in repr(job.wanted.origin)


def test_q07_explicit_headers_win_and_booleans_are_small(site, heard):
    """Other values are texts, in the bytes that HTTP has for them."""
    headers = {"X-On": True, "X-Off": False, "X-Size": 3, "X-Name": "ä", "Accept-Language": "de"}
    taskqueue.add("/plone/hear", headers=headers)
    run()
    environ = heard[0]["environ"]
    found = [environ[f"HTTP_X_{name}"] for name in ("ON", "OFF", "SIZE")]
    assert found == ["true", "false", "3"]
    assert environ["HTTP_X_NAME"].encode("latin-1") == "ä".encode()
    assert environ["HTTP_ACCEPT_LANGUAGE"] == "de"


@pytest.mark.parametrize(
    "name", ["Cookie", "COOKIE", "Authorization", "authorization", "Proxy-Authorization"]
)
def test_q07_a_header_with_a_login_is_refused(site, heard, name):
    """The queue keeps no secret; the message does not tell it."""
    with pytest.raises(ArgumentRefused, match="without a login") as caught:
        taskqueue.add("/plone/hear", headers={name: "secret"})
    assert "secret" not in str(caught.value)
    assert run() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("X Y", "1"), ("X_Y", "1"), ("X:Y", "1"), ("", "1"), (3, "1"), ("X-Y", "1\r\nCookie: a")],
)
def test_q07_what_is_no_header_is_refused(site, heard, name, value):
    """Also a name by which another variable could be meant."""
    with pytest.raises(ArgumentRefused, match="header"):
        taskqueue.add("/plone/hear", headers={name: value})


def test_q08_a_payload_is_sent_where_it_is_given(site, heard):
    """Never the body of the current request; also by POST from a GET."""

    def adds(view):
        alsoProvides(view.request, IDisableCSRFProtection)
        taskqueue.add("/plone/hear", method="POST")
        kind = {"Content-Type": "application/json"}
        taskqueue.add("/plone/hear", "POST", payload=json.dumps({"a": "ä"}), headers=kind)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return taskqueue.add("/plone/hear", "POST", {"q": 1}, payload=b"a=1", headers=kind)

    site.view("adds", adds)
    site.post("adds", {"password": "secret"})
    site.get("adds")
    jobs.run()
    assert len(heard) == 6
    for empty, data, form in (heard[:3], heard[3:]):
        assert (empty["form"], empty["body"]) == ({}, b"")
        assert json.loads(data["body"]) == {"a": "ä"}
        assert (form["form"], form["method"]) == ({"a": "1", "q": "1"}, "POST")


def test_q08_a_payload_that_is_no_text_is_refused(site, heard):
    """The message says what to give."""
    with pytest.raises(ArgumentRefused, match=r"it is a dict\. Give bytes or a text"):
        taskqueue.add("/plone/hear", "POST", payload={"a": 1})


# Who, and which views


def test_q09_a_task_runs_as_who_added_it_whatever_a_header_says(site, heard):
    """Nor is the header taken."""
    api.user.create("worker@example.com", "worker", "of-the-worker-1")
    with api.env.adopt_user("worker"):
        taskqueue.add("/plone/hear")
    taskqueue.add("/plone/hear")
    run()
    assert [one["user"] for one in heard] == ["worker", TEST_USER_ID]
    with pytest.raises(ArgumentRefused, match="run_as"):
        taskqueue.add("/plone/hear", headers={"x-task-user-id": "worker"})


def test_q09_a_request_with_the_header_is_nobodys(site, heard):
    """It is one as any other."""
    headers = {"HTTP_X_TASK_USER_ID": TEST_USER_ID, "HTTP_X_TASK_ID": "0-1"}
    assert site.get("hear", headers=headers).status == 200
    assert (heard[0]["user"], heard[0]["layer"]) == (None, False)


def test_q10_views_on_the_layer_are_found_by_tasks_alone(site, heard):
    """404 for who asks over HTTP, whoever it is."""
    assert ITaskQueueLayer is ITaskLayer
    assert site.get("page/only-tasks").status == 404
    assert site.get("page/only-tasks", user=ADMIN).status == 404
    taskqueue.add("/plone/page/only-tasks")
    (job,) = run()
    assert (job.state, heard[0]["layer"]) == (JobState.DONE, True)


class OnlyTasks(BrowserView):
    def __call__(self):
        return "for tasks"


def test_q10_the_layer_is_named_in_zcml_as_before(site, heard):
    """But for its package."""
    site.zcml(
        f"""<browser:page name="by-zcml" for="*" class="{__name__}.OnlyTasks"
            layer="collective.wsgifutures.compat.taskqueue.ITaskQueueLayer"
            permission="zope2.View" />"""
    )
    assert site.get("page/@@by-zcml", user=ADMIN).status == 404
    taskqueue.add("/plone/page/@@by-zcml")
    (job,) = run()
    assert job.state is JobState.DONE


def test_q10_a_manager_publishes_a_document_by_a_task(site, heard):
    """As in its tests."""
    api.portal.get_tool("portal_workflow").setDefaultChain("simple_publication_workflow")
    draft = api.content.create(site.portal, "Document", "draft")
    assert api.content.get_state(draft) == "private"

    def publish(view):
        api.content.transition(view.context, view.request.form["transition"])
        return ""

    task_view(site, "publish-it", publish)
    taskqueue.add("/plone/draft/publish-it", params={"transition": "publish"})
    (job,) = run()
    assert (job.state, api.content.get_state(draft)) == (JobState.DONE, "published")


# Failures


def test_q11_a_conflict_is_no_attempt(site, heard):
    """After more of them than a request has, it is tried again, and not dropped."""
    conflicts = [ConflictError() for _ in range(12)]

    def conflict(view):
        if conflicts:
            raise conflicts.pop()
        return heard.hear(view)

    task_view(site, "conflict", conflict)
    taskqueue.add("/plone/conflict")
    now = time.time()
    (job,) = run()
    for _ in range(12):
        assert job.attempt == 0
        jobs.run(now := now + 10)
    assert (job.state, len(heard), conflicts) == (JobState.DONE, 1, [])


ANSWERS = {
    "a redirect": ("AttemptFailed", "302"),
    "a redirect that is raised": ("Redirect", "http"),
    "not found": ("NotFound", ""),
    "an error": ("LookupError", "no such book"),
    "a status": ("AttemptFailed", "500"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_q12_an_answer_other_than_2xx_is_a_failed_attempt(site, heard, kind):
    """Nothing of it is committed; the last one leaves the job dead, for a person to see."""

    def fail(view):
        view.context.page.title = "Half"
        if kind == "an error":
            raise LookupError("no such book")
        if kind == "a redirect that is raised":
            raise Redirect("http://nohost/plone")
        if kind == "a redirect":
            view.request.response.redirect("http://nohost/plone")
        view.request.response.setStatus(500 if kind == "a status" else 302)
        return ""

    task_view(site, "fail", fail)
    taskqueue.add("/plone/nowhere" if kind == "not found" else "/plone/fail")
    (job,) = run()
    assert (job.state, job.attempt, site.portal.page.title) == (JobState.WAITING, 1, "Old")
    now = time.time()
    for _ in range(job.wanted.attempts - 1):
        jobs.run(now := now + 7200)
    assert job.state is JobState.DEAD
    assert all(word in f"{job.error} {job.traceback}" for word in ANSWERS[kind])


def test_q12_a_script_for_the_browser_that_redirects_at_its_end_is_no_task(site, heard):
    """As the guide says: nothing of it is committed."""
    api.portal.get_tool("portal_workflow").setDefaultChain("simple_publication_workflow")
    draft = api.content.create(site.portal, "Document", "draft")
    taskqueue.add("/plone/draft/content_status_modify", params={"workflow_action": "publish"})
    (job,) = run()
    assert (job.attempt, api.content.get_state(draft)) == (1, "private")
    assert "The view answered 302" in job.error


@pytest.mark.parametrize("status", [200, 201, 204])
def test_q12_any_2xx_is_done(site, heard, status):
    """With or without a body."""
    task_view(site, "answer", lambda view: view.request.response.setStatus(status) or "")
    taskqueue.add("/plone/answer")
    (job,) = run()
    assert job.state is JobState.DONE


# Where it is kept


def test_q13_what_waits_is_in_the_database(site, heard):
    """Any other connection, process or host finds it there."""
    id = taskqueue.add("/plone/hear", payload=b"body")
    transaction.commit()
    with site.portal._p_jar.db().transaction() as other:
        lane, _, number = id.partition("-")
        job = find_store(other).lanes[lane].jobs[int(number)][0]
        assert job.state is JobState.WAITING
        assert job.wanted.origin.user == TEST_USER_ID


def test_q13_another_process_knows_what_to_do(site, heard, monkeypatch):
    """It finds the task by its name, whoever imported what there."""
    monkeypatch.setattr(compat, "taskqueue", taskqueue)
    monkeypatch.delitem(sys.modules, taskqueue.__name__)
    monkeypatch.delitem(tasks, taskqueue.added.name)
    found = find_task(taskqueue.added.name)
    assert found is not taskqueue.added
    assert found.name == "collective.wsgifutures.compat.taskqueue.add"


def test_q13_a_site_inside_of_the_site_is_the_sites(site, heard):
    """The job is about the site, wherever its components are registered."""
    folder = api.content.create(site.portal, "Folder", "folder")
    manager = PersistentComponents(__name__)
    manager.__bases__ = (site.portal.getSiteManager(),)
    folder.setSiteManager(manager)
    with in_site(folder):
        taskqueue.add("/plone/folder/hear")
    (job,) = run()
    assert (job.state, job.wanted.context) == (JobState.DONE, "")
    assert heard[0]["context"] == "/plone/folder"


def test_q14_who_cannot_be_told_is_no_failure_of_the_visitor(site, heard, monkeypatch):
    """The job is committed, and is found later."""

    def fail():
        raise ConnectionError("no broker")

    monkeypatch.setattr(submitting, "listeners", [fail])
    id = taskqueue.add("/plone/hear")
    site.portal.page.title = "New"
    transaction.commit()
    assert site.portal.page.title == "New"
    assert [job.id for job in jobs.run()] == [id]
    assert any("told" in record.getMessage() for record in site.log.records)


def test_q15_jobs_are_counted_by_state(site, heard):
    """Of one queue, and only what was added here."""
    states = dict.fromkeys((state.value for state in JobState), 0)
    assert taskqueue.count("mail") == states
    taskqueue.add("/plone/hear", queue="mail")
    run()
    taskqueue.add("/plone/hear", queue="mail")
    taskqueue.add("/plone/hear", queue="mail")
    taskqueue.add("/plone/hear")
    assert taskqueue.count("mail") == {**states, "waiting": 2, "done": 1}
    assert taskqueue.count() == {**states, "waiting": 1}


def test_q15_a_manager_cancels_what_waits(site, heard):
    """In a transaction, for that queue, and nobody else may."""
    ids = [taskqueue.add("/plone/hear", queue=queue) for queue in ("mail", "mail", "default")]
    transaction.commit()
    with api.env.adopt_roles(["Member"]), pytest.raises(Unauthorized, match="Manage jobs"):
        taskqueue.reset("mail")
    assert taskqueue.reset("mail") == 2
    transaction.abort()
    assert taskqueue.count("mail")["waiting"] == 2
    assert taskqueue.reset("mail") == 2
    run()
    assert [one["id"] for one in heard] == ids[2:]
    assert taskqueue.count("mail")["cancelled"] == 2
    assert taskqueue.reset("mail") == 0


# Its settings and its tests

_OLD = ["<taskqueue>", "<taskqueue-server>"]
_OLD += ["concurrent_limit", "retry_max_count", "queue", "name", "type", "unix_socket_path"]


def test_q16_the_guide_maps_each_setting(site):
    """To one that there is."""
    text = GUIDE.read_text(encoding="utf-8")
    assert [key for key in _OLD if not re.search(rf"``{key}\b.*``|``{key}``", text)] == []
    named = set(re.findall(r"``WSGIFUTURES_([A-Z_]+)", text))
    assert named
    assert named - {field.name.upper() for field in fields(Settings)} == set()


def test_q17_run_does_what_was_committed(site, heard):
    """Without a loop, a timeout or a server."""
    taskqueue.add("/plone/hear")
    with pytest.raises(RuntimeError, match="commit"):
        jobs.run()
    transaction.commit()
    jobs.run()
    assert len(heard) == 1
