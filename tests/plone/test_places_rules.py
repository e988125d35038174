"""Content rules may wait where they run; what they do after the commit may not.

A rule runs in the request that changes a content: a condition, and an action too, suspends
there as the view would. What is committed cannot be published again, and the error says so.
"""

from collective.wsgifutures import AskedAfterCommit
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import swallow
from mailboxes import mailbox_of_the_site
from OFS.SimpleItem import SimpleItem
from places import bracketed
from places import JSON
from places import publish
from plone.app.contentrules.actions.mail import MailAction
from plone.app.contentrules.rule import get_assignments
from plone.app.contentrules.rule import Rule
from plone.contentrules.engine.assignments import RuleAssignment
from plone.contentrules.engine.interfaces import IRuleAssignmentManager
from plone.contentrules.engine.interfaces import IRuleStorage
from plone.contentrules.rule.interfaces import IExecutable
from plone.contentrules.rule.interfaces import IRuleElementData
from zope.component import getUtility
from zope.interface import implementer
from zope.interface import Interface
from zope.lifecycleevent.interfaces import IObjectAddedEvent
from ZPublisher.interfaces import IPubSuccess

import json
import pytest
import transaction

#: What the element of the rule does, for the test that is running.
runs: dict[str, object] = {}


class IElement(Interface):
    """A condition or an action."""


@implementer(IElement, IRuleElementData)
class Element(SimpleItem):
    """One that does what the test says."""

    element = "places.Element"
    summary = "An element"

    def __init__(self, name):
        self.name = name


class Executor:
    """Runs an element."""

    def __init__(self, context, element, event):
        self.element = element
        self.event = event

    def __call__(self):
        return runs[self.element.name](self.event.object)


@pytest.fixture
def rule(site):
    """A rule on new contents: its condition and action are in ``runs``."""
    runs.update(condition=lambda content: True, action=lambda content: True)
    site.adapter(Executor, (Interface, IElement, Interface), IExecutable)
    rule = Rule()
    rule.event = IObjectAddedEvent
    storage = getUtility(IRuleStorage)
    storage["rule"] = rule
    storage.active = True
    rule = storage["rule"]
    rule.conditions.append(Element("condition"))
    rule.actions.append(Element("action"))
    IRuleAssignmentManager(site.portal)["rule"] = RuleAssignment("rule")
    get_assignments(rule).insert("/plone")
    transaction.commit()
    return rule


def add(site, **more):
    """Add a document as a Manager, by plone.restapi; return it and the answer."""
    body = json.dumps({"@type": "Document", "title": "Page", "id": "page"}).encode()
    environ = {"body": body, "kind": JSON, "user": ADMIN, "accept": JSON}
    more = {"passes": ["Suspended", "201"], "wrote": 1, **more}
    answer = publish(site, "request", "POST", "", **environ, **more)
    return site.portal["page"], answer


def describe(content):
    """Write what was asked for into the content."""
    content.description = bracketed()
    return True


def test_a_condition_when_it_suspends_lets_its_action_run_once(site, rule):
    """The rule runs again in the next pass: what a discarded one has begun is forgotten."""
    runs["condition"] = lambda content: bracketed() == "[A]"
    runs["action"] = lambda content: setattr(content, "description", "acted") or True
    page, _ = add(site)
    assert page.description == "acted"


def test_a_condition_when_it_suspends_may_say_no(site, rule):
    """The content is added, and the action does not run."""
    log = []
    runs["condition"] = lambda content: bracketed() == "no"
    runs["action"] = log.append
    add(site)
    assert log == []


def test_a_condition_when_it_swallows_its_suspension_is_held(site, rule):
    """The action ran with what is not there; that pass is discarded, with its writes."""
    runs["condition"] = lambda content: swallow(ask, "a") in (None, "A")
    runs["action"] = lambda content: setattr(content, "description", f"after {calls}") or True
    page, _ = add(site)
    assert page.description == "after ['a']"


def test_an_action_when_it_suspends_acts_once(site, rule):
    """It runs in the request, before the commit."""
    runs["action"] = describe
    page, _ = add(site)
    assert page.description == "[A]"
    assert [b.Description for b in site.portal.portal_catalog(id="page")] == ["[A]"]


@pytest.fixture
def mailbox(rule):
    """Plone's own action for mail is the rule's first action; this gets what is sent."""
    action = MailAction()
    action.subject, action.source, action.message = "New", "", "New"
    action.recipients = "a@example.com"
    rule.actions.insert(0, action)
    with mailbox_of_the_site() as box:
        yield box


def add_with_mail(site):
    """Add a document; return the answer."""
    body = json.dumps({"@type": "Document", "title": "Page", "id": "page"}).encode()
    return site.request("POST", "", body=body, kind=JSON, accept=JSON, user=ADMIN)


def test_a_mail_of_a_rule_when_its_condition_suspends_goes_out_once(site, mailbox):
    """The condition is asked first, and the mail goes out afterwards."""
    runs["condition"] = lambda content: bracketed() == "[A]"
    add(site)
    assert mailbox.subjects == ["New"]


def test_a_mail_of_a_rule_when_what_follows_waits_goes_out_once(site, mailbox):
    """Plone sends it at once, outside of the transaction: the pass waits inside."""
    runs["action"] = describe
    answer = add_with_mail(site)
    assert (answer.passes, calls, site.logged) == (["201"], ["a"], [])
    assert (mailbox.subjects, site.portal["page"].description) == (["New"], "[A]")


def test_a_mail_of_a_rule_that_is_refused_is_logged_and_the_content_is_there(site, mailbox):
    """As without us."""
    mailbox.refuses = True
    runs["action"] = describe
    answer = add_with_mail(site)
    assert (answer.passes, calls, site.portal["page"].description) == (["201"], ["a"], "[A]")
    assert site.logged == ["mail error: Attempt to send mail in content rule failed"]


def test_a_mail_of_a_rule_when_the_mailhost_has_a_queue_goes_out_once(
    site, mailbox, monkeypatch, tmp_path
):
    """Then it is a part of the transaction."""
    monkeypatch.setenv("MAILHOST_QUEUE_ONLY", "1")
    host = site.portal.MailHost
    host.smtp_queue = True
    host.smtp_queue_directory = str(tmp_path / "queue")
    transaction.commit()
    runs["action"] = describe
    add(site)
    assert mailbox.mails == []
    assert len(list((tmp_path / "queue" / "new").iterdir())) == 1


# after the commit

ADVICE = "Ask in the view or in a before-commit hook"


def test_an_action_that_asks_after_the_commit_is_told_what_to_do_instead(site, rule):
    """An after-commit hook that raises is logged by ``transaction``; the content is there."""

    def hook(committed):
        ask("a")

    def action(content):
        transaction.get().addAfterCommitHook(hook)
        return True

    runs["action"] = action
    before = site.commits
    body = json.dumps({"@type": "Document", "title": "Page"}).encode()
    answer = site.request("POST", "", body=body, kind=JSON, accept=JSON, user=ADMIN)
    assert (answer.status, answer.passes, calls) == (201, ["201"], [])
    assert (site.commits - before, site.errors) == (1, [])
    (message,) = site.logged
    assert "Error in hook exec" in message
    assert AskedAfterCommit.__name__ in site.log.text
    assert "holdsite.ask is pending and the transaction is committed" in site.log.text
    assert ADVICE in site.log.text


def test_an_action_that_asked_before_the_commit_has_the_value_after_it(site, rule):
    """What the error says to do: ask early, use it late."""
    log = []

    def action(content):
        future = ask.submit("a")
        transaction.get().addAfterCommitHook(lambda committed: log.append(future.result()))
        return True

    runs["action"] = action
    add(site)
    assert log == ["A"]


def test_a_subscriber_of_success_that_asks_is_told_what_to_do_instead(site):
    """The request ends with an error, and what it committed is there."""
    site.subscriber(IPubSuccess, lambda event: ask("a"))
    site.view("plain", lambda self: "plain")
    answer = site.get("plain")
    assert (answer.status, answer.passes, calls) == (500, ["500"], [])
    (entry,) = site.error_log
    assert entry["type"] == AskedAfterCommit.__name__
    assert ADVICE in entry["value"]
