"""``amqp.publish`` in views and scripts, and consumers that make jobs of messages."""

from collective.wsgifutures import current_job
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.amqp import consuming
from collective.wsgifutures.amqp import publish
from collective.wsgifutures.amqp.consuming import check
from collective.wsgifutures.amqp.consuming import Consumer
from collective.wsgifutures.amqp.consuming import consumers
from collective.wsgifutures.amqp.consuming import record
from collective.wsgifutures.amqp.errors import MessageRefused
from collective.wsgifutures.amqp.errors import MessageUnfit
from collective.wsgifutures.amqp.messages import Delivery
from collective.wsgifutures.amqp.publishing import message_of
from collective.wsgifutures.amqp.publishing import QUEUE
from collective.wsgifutures.jobs import submitting
from collective.wsgifutures.jobs.store import COMMON
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import Lanes
from holdsite import ADMIN
from holdsite import ask
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.protect.authenticator import createToken
from ZODB.POSException import ConflictError
from zope.configuration.exceptions import ConfigurationError

import pytest
import threading
import transaction

done = []


@task(name="tests.take", title="Take a message")
def take(context, body, message):
    done.append((context.getId(), body, message, api.user.get_current().getId()))


@task(name="tests.answer")
def answer(context, body, message):
    publish("", message["reply_to"], {"length": len(body)}, key=current_job().key)


@task(name="tests.of_one")
def of_one(context, body):
    done.append(body)


@pytest.fixture
def site(site):
    done.clear()
    site.view("token", lambda self: createToken())
    return site


def jobs_there(site):
    """Return all jobs, the first one first."""
    site.sync()
    store = find_store(site.portal._p_jar)
    return sorted((entry.job for entry in jobs_of(store)), key=lambda job: job.wanted.submitted)


def bodies(site):
    """Return what is to be sent."""
    return [message_of(job).body for job in jobs_there(site)]


def post(site, name, **form):
    """Send a form with its token, as a page does."""
    token = site.get("token", user=ADMIN).body
    return site.post(name, {"_authenticator": token, **form}, user=ADMIN)


# Publishing


def test_a_view_that_waits_and_conflicts_publishes_once(site):
    """Nothing of a suspended pass leaves, nor of one that conflicts."""
    tries = []

    def view(self):
        ask("before")
        publish("news", "plone.added", {"uid": 1})
        tries.append(1)
        if len(tries) < 3:
            raise ConflictError
        return "done"

    site.view("publish-it", view)
    assert post(site, "publish-it").status == 200
    assert bodies(site) == [b'{"uid":1}']


def test_a_view_that_fails_publishes_nothing(site):
    """No phantom."""

    def view(self):
        publish("news", "plone.added", {"uid": 1})
        raise LookupError

    site.view("publish-it", view)
    post(site, "publish-it")
    assert bodies(site) == []


def test_a_rolled_back_savepoint_takes_its_messages_with_it(site):
    """And leaves those before it."""
    publish("", "q", 1)
    savepoint = transaction.savepoint()
    publish("", "q", 2)
    savepoint.rollback()
    transaction.commit()
    assert bodies(site) == [b"1"]


def test_a_message_is_recorded_whole(site):
    """Its id is its own, and stays: nobody else's job has it after a restore."""
    publish(
        "news",
        "plone.added",
        b"a;b",
        key="k",
        headers={"x": [1]},
        content_type="text/csv",
        properties={"reply_to": "answers"},
        mandatory=False,
    )
    publish("news", "plone.added", b"a;b")
    transaction.commit()
    first, second = (message_of(job) for job in jobs_there(site))
    assert (first.exchange, first.routing_key, first.body) == ("news", "plone.added", b"a;b")
    assert (first.content_type, first.headers) == ("text/csv", {"x": [1]})
    assert (first.properties, first.mandatory) == ({"reply_to": "answers"}, False)
    assert first.id != second.id
    assert [job.wanted.lock.split(" ")[-1] for job in jobs_there(site)] == ["k", ""]


def test_what_cannot_be_sent_is_refused_where_it_is_published(site):
    """Nothing is recorded."""
    for arguments in (("news", "key", object()), (None, "key", 1), ("news", "x" * 300, 1)):
        with pytest.raises(MessageRefused):
            publish(*arguments)
    transaction.commit()
    assert bodies(site) == []


def test_a_get_of_a_logged_in_user_is_refused(site):
    """As for every job: plone.protect would drop it."""
    site.view("publish-it", lambda self: publish("", "q", 1) and "done")
    site.get("publish-it", user=ADMIN)
    assert bodies(site) == []


def test_no_runner_ever_takes_a_message(site):
    """Only a relay does."""
    publish("", "q", 1)
    transaction.commit()
    jobs.run()
    (job,) = jobs_there(site)
    assert (job.state.value, job.wanted.queue, job.wanted.elsewhere) == ("waiting", QUEUE, True)


# Consumers


ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<consumer xmlns="http://namespaces.plone.org/wsgifutures"
    queue="scans" task="tests.take" run_as="{user}" site="/plone/" />
"""


def consumer(**changes):
    return Consumer(
        **{"queue": "q", "task": "tests.take", "run_as": "admin", "site": "/plone"} | changes
    )


def take_in(page, delivery, **changes):
    """Record the job of a message, as the relay does in a thread of its own."""
    page.sync()
    found = []

    def work():
        try:
            found.append(record(page.portal._p_jar.db(), consumer(**changes), delivery).id)
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    page.sync()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def test_a_consumer_is_declared_in_zcml(site):
    """By its queue; two of one queue are a conflict."""
    site.zcml(ZCML.format(user="admin"))
    (found,) = consumers()
    assert found == Consumer("scans", "tests.take", "admin", "/plone", routing_key="scans")
    assert check(found) == ""


def test_a_declaration_without_a_user_is_refused(site):
    """Nobody's rights are taken for granted."""
    with pytest.raises(ConfigurationError):
        site.zcml(ZCML.format(user="admin").replace('run_as="admin"', ""))


def test_a_wrong_declaration_is_said_at_the_start():
    """Before messages come."""
    assert "There is no task 'nosuch'" in check(consumer(task="nosuch"))
    assert "too many positional arguments" in check(consumer(task="tests.of_one"))


def test_a_message_becomes_a_job_of_its_user(site):
    """With body, headers and properties; at the context that is declared."""
    folder = api.content.create(site.portal, "Folder", "inbox")
    transaction.commit()
    delivery = Delivery(
        "q", b'{"a": 1}', "application/json", "id-1", headers={"x": 1}, properties={"type": "t"}
    )
    take_in(site, delivery, context="inbox")
    jobs.run()
    (told,) = done
    assert (told[0], told[1], told[3]) == (folder.getId(), {"a": 1}, "admin")
    assert (told[2]["message_id"], told[2]["headers"], told[2]["type"]) == ("id-1", {"x": 1}, "t")


def test_a_message_that_comes_again_makes_no_second_job(site):
    """Within a day, also when the first one is done; another queue has ids of its own."""
    first = take_in(site, Delivery("q", b"1", id="id-1"))
    assert take_in(site, Delivery("q", b"1", id="id-1", redelivered=True)) == first
    jobs.run()
    assert take_in(site, Delivery("q", b"1", id="id-1", redelivered=True)) == first
    assert take_in(site, Delivery("q", b"1", id="id-2")) != first
    assert take_in(site, Delivery("other", b"1", id="id-1"), queue="other") != first
    (job, *_) = jobs_there(site)
    assert (
        find_store(site.portal._p_jar).unique[job.wanted.unique][1] > job.wanted.submitted + 86000
    )


def test_a_message_without_an_id_makes_a_job_each_time(site):
    """At least once: its task is told that it may have come before."""
    take_in(site, Delivery("q", b"1"))
    take_in(site, Delivery("q", b"1", redelivered=True))
    jobs.run()
    assert [told[2]["redelivered"] for told in done] == [False, True]


@pytest.mark.parametrize(
    ("delivery", "changes", "reason"),
    [
        (Delivery("q", b"{", "application/json"), {}, "not JSON"),
        (Delivery("q", b"x" * (1024 * 1024 + 1)), {}, "bytes"),
        (Delivery("q", b""), {"task": "nosuch"}, "There is no task"),
        (Delivery("q", b""), {"task": "tests.of_one"}, "TypeError: tests.of_one"),
        (Delivery("q", b""), {"site": "/gone"}, "There is no site"),
        (Delivery("q", b""), {"context": "gone"}, "KeyError|NotFound"),
        (Delivery("q", b""), {"run_as": "gone"}, "There is no user 'gone'"),
    ],
)
def test_a_message_that_cannot_become_a_job_is_unfit(site, delivery, changes, reason):
    """With the reason, and nothing recorded."""
    with pytest.raises(MessageUnfit, match=reason):
        take_in(site, delivery, **changes)
    assert jobs_there(site) == []


def test_a_conflict_is_nobodys_error(site, monkeypatch):
    """The job is recorded at the next try."""
    tries = []
    plain = consuming._submit

    def submit(*args):
        tries.append(1)
        if len(tries) < 3:
            raise ConflictError
        return plain(*args)

    monkeypatch.setattr(consuming, "_submit", submit)
    take_in(site, Delivery("q", b"1"))
    assert len(jobs_there(site)) == 1


def test_jobs_of_messages_have_lanes_of_their_own_also_after_a_conflict(site, monkeypatch):
    """Made in a transaction that is over before the first of them."""
    publish("", "q", 1)  # there are jobs
    transaction.commit()
    lanes, tries = Lanes(), []
    plain = consuming._submit

    def submit(*args):
        tries.append(plain(*args))
        if len(tries) == 1:
            raise ConflictError
        return tries[-1]

    monkeypatch.setattr(consuming, "_submit", submit)
    monkeypatch.setattr(consuming, "lanes", lanes)
    monkeypatch.setattr(submitting, "lanes", lanes)
    ids = [take_in(site, Delivery("q", b"1")) for _ in range(2)]
    assert COMMON not in [id.partition("-")[0] for id in ids]


def test_nothing_of_a_message_stays_in_the_thread_that_took_it(site):
    """No site, user or transaction."""
    from AccessControl import getSecurityManager
    from zope.component.hooks import getSite

    left = []

    def work():
        record(site.portal._p_jar.db(), consumer(), Delivery("q", b"1"))
        left.append((getSite(), getSecurityManager().getUser().getUserName()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert left == [(None, "Anonymous User")]


def test_a_task_answers_a_message(site):
    """Recorded together with its end: collective.zamqp's reply_to."""
    take_in(
        site,
        Delivery("q", b"12345", id="id-1", properties={"reply_to": "answers"}),
        task="tests.answer",
    )
    jobs.run()
    (message,) = (message_of(job) for job in jobs_there(site) if job.wanted.queue == QUEUE)
    assert (message.routing_key, message.body) == ("answers", b'{"length":5}')


def test_a_consumer_runs_as_a_user_of_the_site_too(site):
    """Found where it is."""
    take_in(site, Delivery("q", b"1"), run_as=TEST_USER_ID)
    jobs.run()
    assert done[0][3] == TEST_USER_ID
