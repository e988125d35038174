"""The action "Run a task" of content rules: as who triggers the rule, in their transaction."""

from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.contentrules.task import is_offered
from collective.wsgifutures.contentrules.task import offered_tasks
from collective.wsgifutures.contentrules.task import RunTask
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import tasks
from holdsite import ADMIN
from places import JSON
from plone import api
from plone.app.contentrules.rule import get_assignments
from plone.app.contentrules.rule import Rule
from plone.app.testing import TEST_USER_ID
from plone.contentrules.engine.assignments import RuleAssignment
from plone.contentrules.engine.interfaces import IRuleAssignmentManager
from plone.contentrules.engine.interfaces import IRuleStorage
from plone.contentrules.rule.interfaces import IExecutable
from plone.contentrules.rule.interfaces import IRuleAction
from Products.GenericSetup.context import TarballExportContext
from Products.GenericSetup.interfaces import IBody
from Products.statusmessages.interfaces import IStatusMessage
from types import SimpleNamespace
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.i18n import translate
from zope.lifecycleevent import ObjectRemovedEvent
from zope.lifecycleevent.interfaces import IObjectAddedEvent
from zope.schema.interfaces import ConstraintNotSatisfied

import json
import pytest
import transaction

ACTION = "collective.wsgifutures.actions.RunTask"

done = []


@task(title="Shout the title")
def shout(context, words="", *more, **options):
    done.append((api.user.get_current().getId(), context.absolute_url()))
    context.title = context.title.upper()


@task(title="Needs a language")
def translate_it(context, language):
    """Nobody could say which."""


@task(title="Needs a language by name")
def translate_by_name(context, *, language):
    """Nor here."""


@task
def for_code_alone(context):
    """It has no title."""


@pytest.fixture
def rule(site):
    """A rule on new contents of the site, without an action."""
    done.clear()
    rule = Rule()
    rule.title, rule.event = "Rule", IObjectAddedEvent
    storage = getUtility(IRuleStorage)
    storage["rule"] = rule
    storage.active = True
    IRuleAssignmentManager(site.portal)["rule"] = RuleAssignment("rule")
    get_assignments(rule).insert("/plone")
    transaction.commit()
    return site.portal.restrictedTraverse("++rule++rule")


def action(name=f"{__name__}.shout"):
    made = RunTask()
    made.task = name
    return made


def execute(site, event, name=f"{__name__}.shout"):
    """Run the action for *event*, as the engine does."""
    return getMultiAdapter((site.portal, action(name), event), IExecutable)()


# When it runs


def test_a_job_is_submitted_as_who_triggers_the_rule_about_the_content(site, rule):
    """By plone.restapi, in the transaction that adds the content."""
    rule.actions.append(action())
    transaction.commit()
    before = site.commits
    body = json.dumps({"@type": "Document", "title": "Page", "id": "page"}).encode()
    answer = site.request("POST", "", body=body, kind=JSON, user=ADMIN, accept=JSON)
    assert (answer.status, done, site.commits - before) == (201, [], 1)
    (job,) = jobs.run()
    assert (job.state, site.portal.page.title) == (JobState.DONE, "PAGE")
    assert done == [(ADMIN[0], "http://nohost/plone/page")]


def test_no_job_is_there_if_the_content_is_not(site, rule):
    """The transaction that would have added it was aborted."""
    rule.actions.append(action())
    transaction.commit()
    api.content.create(site.portal, "Document", "page")
    transaction.abort()
    assert jobs.run() == []
    api.content.create(site.portal, "Document", "page", title="Page")
    transaction.commit()
    assert [job.state for job in jobs.run()] == [JobState.DONE]
    assert done == [(TEST_USER_ID, "http://nohost/plone/page")]


@pytest.mark.parametrize("about", ["content", "part", "nothing", "removed", "user", "site"])
def test_the_job_is_about_what_is_there_when_it_runs(site, rule, about):
    """A part's content; the folder of what is gone; the site, for a user."""
    page = api.content.create(site.portal, "Document", "page", title="Page")
    part = SimpleNamespace(__parent__=page)
    events = {
        "content": SimpleNamespace(object=page),
        "part": SimpleNamespace(object=part),
        "nothing": SimpleNamespace(),
        "removed": ObjectRemovedEvent(page, site.portal, "page"),
        "user": SimpleNamespace(object=api.user.get_current()),
        "site": SimpleNamespace(object=site.portal),
    }
    assert execute(site, events[about]) is True
    transaction.commit()
    (job,) = jobs.run()
    assert job.state is JobState.DONE
    where = "/page" if about in ("content", "part") else ""
    assert done[0][1] == f"http://nohost/plone{where}"


@pytest.mark.parametrize("name", ["gone.task", f"{__name__}.translate_it", ""])
def test_a_task_that_is_not_available_stops_the_rule_and_says_so(site, rule, name):
    """What triggered the rule goes on; the editor and the log know."""
    event = SimpleNamespace(object=site.portal)
    assert execute(site, event, name) is False
    assert [name in message for message in site.logged] == [True]
    (shown,) = IStatusMessage(site.portal.REQUEST).show()
    assert (shown.type, f"“{name}”" in shown.message) == ("error", True)
    transaction.commit()
    assert jobs.run() == []


# What it offers


def test_it_offers_tasks_with_a_title_that_need_nothing_more(site):
    """By their titles; what code alone can call is not among them."""
    terms = {term.value: term.title for term in offered_tasks(site.portal)}
    assert terms[f"{__name__}.shout"] == "Shout the title"
    assert set(terms) == {name for name, one in tasks.items() if is_offered(one)}
    others = {f"{__name__}.{name}" for name in ("translate_it", "translate_by_name")}
    assert not {*others, f"{__name__}.for_code_alone", "publish"} & set(terms)
    assert list(terms.values()) == sorted(terms.values(), key=str.lower)


# Its forms


def form_of(view):
    view.form_instance.update()
    return view.form_instance


def test_an_editor_of_rules_adds_it_by_a_form(site, rule):
    """And changes it by another."""
    element = getUtility(IRuleAction, name=ACTION)
    adding = getMultiAdapter((rule, site.portal.REQUEST), name="+action")
    form = form_of(getMultiAdapter((adding, site.portal.REQUEST), name=element.addview))
    assert f"{__name__}.shout" in [item["value"] for item in form.widgets["task"].items]
    form.add(form.create({"task": f"{__name__}.shout"}))
    (added,) = rule.actions
    assert (type(added), added.task, added.element) == (RunTask, f"{__name__}.shout", ACTION)
    form = form_of(getMultiAdapter((added, site.portal.REQUEST), name=element.editview))
    form.applyChanges({"task": "other"})
    assert added.task == "other"


def test_its_page_is_for_who_manages_rules(site, rule):
    """It is shown, with the form; not to others."""
    path = f"++rule++rule/+action/{ACTION}"
    answer = site.get(path, user=ADMIN)
    assert (answer.status, "Shout the title" in answer.text) == (200, True)
    api.user.create("member@example.com", "member", "of-the-member-1")
    transaction.commit()
    assert site.get(path, user=("member", "of-the-member-1")).status in (302, 401)


@pytest.mark.parametrize(
    ("language", "summary", "gone"),
    [
        ("en", "Run the task “Shout the title”", "Run the task “gone”, which is not available"),
        (
            "de",
            "Die Aufgabe „Shout the title“ ausführen",
            "Die Aufgabe „gone“ ausführen, die nicht verfügbar ist",
        ),
        (
            "fi",
            "Suorita tehtävä ”Shout the title”",
            "Suorita tehtävä ”gone”, joka ei ole saatavilla",
        ),
    ],
)
def test_its_summary_has_the_title_of_the_task(site, language, summary, gone):
    """In the language of who reads it; also if the task is gone."""
    found = [translate(one.summary, target_language=language) for one in (action(), action("gone"))]
    assert found == [summary, gone]


# Profiles


def test_a_rule_is_exported_and_imported_with_its_task(site, rule):
    """By plone.app.contentrules."""
    rule.actions.append(action())
    context = TarballExportContext(site.portal.portal_setup)
    exporter = getMultiAdapter((site.portal, context), IBody, "plone.contentrules")
    exported = exporter.body
    assert f'<property name="task">{__name__}.shout</property>'.encode() in exported
    del rule.actions[:]
    exporter.body = exported
    (found,) = getUtility(IRuleStorage)["rule"].actions
    assert (type(found), found.task) == (RunTask, f"{__name__}.shout")


def test_a_profile_with_a_task_that_is_not_offered_is_refused(site, rule):
    """Nobody finds out later only."""
    rule.actions.append(action())
    context = TarballExportContext(site.portal.portal_setup)
    exporter = getMultiAdapter((site.portal, context), IBody, "plone.contentrules")
    exported = exporter.body.replace(b".shout<", b".translate_it<")
    with pytest.raises(ConstraintNotSatisfied):
        exporter.body = exported
