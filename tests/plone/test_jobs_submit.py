"""A job exists exactly if the transaction that submitted it was committed, wherever that was."""

from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from holdsite import ADMIN
from holdsite import ask
from plone import api
from plone.protect.authenticator import createToken
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.deserializer import json_body
from plone.restapi.services import Service
from plone.z3cform.layout import wrap_form
from z3c.form import button
from z3c.form import field
from z3c.form.form import Form
from ZODB.POSException import ConflictError
from zope import schema
from zope.interface import alsoProvides
from zope.interface import Interface
from zope.lifecycleevent import IObjectAddedEvent
from zope.publisher.interfaces.browser import IBrowserRequest
from ZPublisher.interfaces import IPubSuccess

import pytest
import transaction

done = []


@task
def note(context, text):
    done.append((text, api.user.get_current().getId()))


@task
def note_twice(context, text):
    note.submit(context, f"{text} again")
    done.append((text, api.user.get_current().getId()))


@pytest.fixture(autouse=True)
def nothing_done():
    done.clear()


def submitted(site):
    """Return the arguments of all jobs that there are, the first one first."""
    site.sync()
    store = find_store(site.portal._p_jar)
    found = sorted((entry.job for entry in jobs_of(store)), key=lambda job: job.wanted.submitted)
    return [note.unpack(job.wanted.arguments)[0][0] for job in found]


def post(site, name, user=ADMIN, **form):
    """Send a form with its token, as a page does."""
    token = site.get("token", user=user).body
    return site.post(name, {"_authenticator": token, **form}, user=user)


@pytest.fixture
def site(site):
    site.view("token", lambda self: createToken())
    return site


def test_a_view_that_waits_before_and_after_submits_one_job(site):
    """Nothing of a suspended pass is kept."""

    def view(self):
        ask("before")
        note.submit(self.context, "one")
        return ask("after")

    site.view("submit-it", view)
    answer = post(site, "submit-it")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert submitted(site) == ["one"]


def test_a_view_that_conflicts_submits_one_job(site):
    """However often the request is published again."""
    tries = []

    def view(self):
        note.submit(self.context, "one")
        tries.append(1)
        if len(tries) < 3:
            raise ConflictError
        return "done"

    site.view("submit-it", view)
    assert post(site, "submit-it").passes == ["Suspended", "Suspended", "200"]
    assert submitted(site) == ["one"]


def test_a_view_that_fails_submits_nothing(site):
    """No phantom: an error, a redirect that is raised, a doomed transaction."""

    def view(self):
        note.submit(self.context, "never")
        if self.request.form["how"] == "doom":
            transaction.doom()
            return "doomed"
        raise LookupError

    site.view("submit-it", view)
    for how in ("error", "doom"):
        post(site, "submit-it", how=how)
    assert submitted(site) == []


def test_a_rolled_back_savepoint_takes_its_jobs_with_it(site):
    """Also if it was made before the first one; what comes after is kept."""

    def view(self):
        first = transaction.savepoint()
        note.submit(self.context, "never")
        first.rollback()
        note.submit(self.context, "one")
        second = transaction.savepoint()
        note.submit(self.context, "nor this")
        second.rollback()
        note.submit(self.context, "two")
        return "done"

    site.view("submit-it", view)
    assert post(site, "submit-it").status == 200
    assert submitted(site) == ["one", "two"]


def test_a_form_submits(site):
    """In its handler."""

    class Fields(Interface):
        text = schema.TextLine(title="Text")

    class AskForm(Form):
        fields = field.Fields(Fields)
        ignoreContext = True

        @button.buttonAndHandler("Send", name="send")
        def send(self, action):
            data, errors = self.extractData()
            assert not errors
            note.submit(self.context, data["text"])
            self.status = "accepted"

    site.adapter(wrap_form(AskForm), (Interface, IBrowserRequest), Interface, "ask-form")
    answer = post(site, "ask-form", **{"form.widgets.text": "of a form", "form.buttons.send": "1"})
    assert "accepted" in answer.body
    assert submitted(site) == ["of a form"]


class NoteService(Service):
    """Says that it is safe: no browser sends JSON to it by itself."""

    def reply(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        note.submit(self.context, json_body(self.request)["text"])
        self.request.response.setStatus(202)
        return {}


def test_a_rest_service_submits(site):
    """As the user of its request."""
    site.zcml(
        """<plone:service
            name="@note" method="POST" for="*" permission="zope2.View"
            factory="test_jobs_submit.NoteService" />"""
    )
    answer = site.request(
        "POST",
        "@note",
        body=b'{"text": "of a service"}',
        kind="application/json",
        accept="application/json",
        user=ADMIN,
    )
    assert answer.status == 202
    assert submitted(site) == ["of a service"]
    jobs.run()
    assert done == [("of a service", "admin")]


def test_an_event_subscriber_submits_in_the_transaction_of_the_event(site):
    """About the very object, which is not in the database yet."""

    def added(event):
        if event.object.portal_type == "Document":
            note.submit(event.object, event.object.title)

    site.subscriber(IObjectAddedEvent, added)
    api.content.create(site.portal, "Document", title="never")
    transaction.abort()
    api.content.create(site.portal, "Document", title="News")
    transaction.commit()
    assert submitted(site) == ["News"]
    jobs.run()
    assert done == [("News", "test_user_1_")]


def test_a_job_submits_another_as_the_same_user(site):
    """Recorded with its own effects."""
    note_twice.submit(site.portal, "one")
    transaction.commit()
    jobs.run()
    assert done == [("one", "test_user_1_"), ("one again", "test_user_1_")]


def test_a_script_submits(site):
    """Without a request."""
    note.submit(site.portal, "of a script")
    transaction.commit()
    assert submitted(site) == ["of a script"]


def test_nothing_is_submitted_after_the_commit(site):
    """It would be lost, so it is refused aloud."""
    raised = []

    def succeeded(event):
        if event.request.get("URL", "").endswith("submit-it"):
            raised.append(swallowed(note.submit, site.portal, "never"))

    site.subscriber(IPubSuccess, succeeded)
    site.view("submit-it", lambda self: "done")
    post(site, "submit-it")
    assert raised == ["SubmitRefused"]
    assert submitted(site) == []


def test_a_logged_in_get_is_refused_at_submit(site):
    """Not with a 200 whose job is gone."""
    site.view("submit-it", lambda self: note.submit(self.context, "never") and "done")
    site.get("submit-it", user=ADMIN)
    assert submitted(site) == []
    assert site.errors == ["SubmitRefused"]


@pytest.mark.parametrize("unique_for", [None, 3600])
def test_a_key_gives_the_first_job_again(site, unique_for):
    """While it waits or runs; or for as long as one wants."""
    options = {} if unique_for is None else {"unique_for": unique_for}
    first = note.using(key="a", **options).submit(site.portal, "one")
    assert note.using(key="a").submit(site.portal, "two") is first
    assert note.using(key="b").submit(site.portal, "other") is not first
    transaction.commit()
    jobs.run()
    assert first.state is JobState.DONE
    again = note.using(key="a").submit(site.portal, "three")
    assert (again is first) is (unique_for is not None)


def swallowed(function, *args):
    """Return the name of what *function* raised."""
    try:
        function(*args)
    except Exception as error:
        return type(error).__name__
