"""Timed work in a site: declared in ZCML, submitted by the clock, done as its user."""

from AccessControl import getSecurityManager
from collective.wsgifutures import current_job
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.clock import acts
from collective.wsgifutures.clock import joint
from collective.wsgifutures.clock.directives import IClockDirective
from collective.wsgifutures.clock.entries import declared
from collective.wsgifutures.clock.entries import Entry
from collective.wsgifutures.clock.errors import EntryRefused
from collective.wsgifutures.clock.errors import EntryUnknown
from collective.wsgifutures.clock.loop import tick_all
from collective.wsgifutures.clock.records import find
from collective.wsgifutures.clock.sites import paths_of
from collective.wsgifutures.clock.ticks import Ticker
from collective.wsgifutures.clock.words import describe
from collective.wsgifutures.jobs.role_user import RoleUser
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from dataclasses import replace
from pathlib import Path
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.protect import CheckAuthenticator
from zope.component.hooks import getSite
from zope.configuration.exceptions import ConfigurationError
from zope.i18n import translate
from zope.schema import getFieldNamesInOrder

import pytest
import re
import subprocess
import sys
import threading
import time
import transaction

DOCS = Path(__file__).parents[2] / "docs"

done = []

HOUR = 3600.0

RIGHTS = ("View", "Modify portal content", "Manage users")

#: An hour that begins.
NOW = 1_900_000_800.0


@task(name="tests.report", title="Write the report")
def report(context, language="en"):
    user = getSecurityManager().getUser()
    done.append((context.getId(), language, user.getId() or user.getUserName()))


@task(name="tests.told")
def tell_slot(context):
    done.append(current_job().slot)


@task(name="tests.rights")
def tell_rights(context):
    user = getSecurityManager().getUser()
    rights = {name: bool(user.has_permission(name, context)) for name in RIGHTS}
    done.append((user.getUserName(), rights, user.getRoles()))
    if context.getId() == "inbox":
        report.submit(context)


@task(name="tests.strict")
def strict(context, needed):
    done.append(needed)


ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="nightly" cron="0 3 * * *" task="tests.report" {more} />
"""


@pytest.fixture
def site(site):
    done.clear()
    return site


def entry(**changes):
    return Entry(**{"name": "hourly", "cron": "0 * * * *", "task": "tests.report"} | changes)


def look(site, now, of):
    """Look at an entry, as a clock does in a thread of its own; return what was told of /plone."""
    transaction.commit()
    database, told = site.portal._p_jar.db(), []
    left = []

    def work():
        told.extend(tick_all(database, Ticker(database), of, now))
        left.append((getSite(), getSecurityManager().getUser().getUserName()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    site.sync()
    assert left == [(None, "Anonymous User")]
    (one,) = [one for one in told if one.site == "/plone"] if not of.site else told
    return one


def due(site, of):
    """Let an entry be seen, and come to its first slot; return what was told."""
    look(site, NOW - HOUR, of)
    return look(site, NOW, of)


def jobs_there(site):
    site.sync()
    return [entry.job for entry in jobs_of(find_store(site.portal._p_jar))]


# ZCML


def test_an_entry_is_declared_in_zcml(site):
    """With a default for what is not said."""
    site.zcml(ZCML.format(more=""))
    assert declared() == [Entry("nightly", "0 3 * * *", "tests.report")]


def test_everything_can_be_declared(site):
    """As the class has it."""
    site.zcml(
        ZCML.format(
            more="""timezone="Europe/Helsinki" arguments='{"language": "de"}' context="/a/b/"
            roles="Reader, Site Administrator" missed="all" overlap="queue" timeout="90"
            site="plone/" """
        )
    )
    assert declared() == [
        Entry(
            "nightly",
            "0 3 * * *",
            "tests.report",
            timezone="Europe/Helsinki",
            arguments={"language": "de"},
            context="a/b",
            roles=("Reader", "Site Administrator"),
            missed="all",
            overlap="queue",
            timeout=90.0,
            site="/plone",
        )
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('timezone="Mars"', "Europe/Helsinki"),
        ('missed="maybe"', "skip, once, all"),
        ("arguments='[1]'", "object of JSON"),
        ('roles="Reader" run_as="editor"', "leave out run_as"),
        ('timeout="0"', "above 0"),
    ],
)
def test_a_wrong_declaration_is_refused_with_an_example(site, more, said):
    """At the start, and not at three in the morning."""
    with pytest.raises((ConfigurationError, EntryRefused), match=said):
        site.zcml(ZCML.format(more=more))


def test_two_entries_of_one_name_are_a_conflict(site):
    """But a site may have its own instead of the one of all."""
    with pytest.raises(ConfigurationError, match="Conflict"):
        site.zcml(ZCML.format(more="") + ZCML.format(more=""))


def test_the_entry_of_a_site_is_instead_of_the_one_of_all(site):
    """There only."""
    own = ZCML.format(more='site="/plone"').replace("0 3", "0 4")
    site.zcml(ZCML.format(more="") + own)
    of_all, of_site = declared()
    assert paths_of(site.portal._p_jar, of_all) == []
    assert paths_of(site.portal._p_jar, of_site) == ["/plone"]
    assert acts.entries() == [of_site]


# Jobs


def test_a_slot_gets_a_job_that_runs(site):
    """As Zope's own user, if nobody is named; the site is what it is about."""
    told = due(site, entry())
    (job,) = jobs_there(site)
    assert told.jobs == (job.id,)
    assert job.wanted.origin.is_system
    jobs.run()
    assert done == [("plone", "en", "System Processes")]
    assert look(site, NOW + 1, entry()).jobs == ()


def test_a_job_is_done_as_its_user(site):
    """About an object, with arguments, within a time limit."""
    api.content.create(site.portal, "Folder", "inbox")
    one = entry(run_as=TEST_USER_ID, context="inbox", arguments={"language": "de"}, timeout=7.0)
    due(site, one)
    jobs.run()
    assert done == [("inbox", "de", TEST_USER_ID)]
    (job,) = jobs_there(site)
    assert job.wanted.timeout == 7.0


def test_a_view_that_a_clock_has_called_is_published(site):
    """As it was, with a token of plone.protect; now as a user without a password."""
    text = (DOCS / "howto" / "port_clock.rst").read_text()
    (directive,) = re.findall(r"<wsgifutures:clock(.+?)/>", text, re.S)
    directive = directive.replace("robot", TEST_USER_ID).replace("/Plone", "/plone")
    site.zcml(ZCML.replace('name="nightly" cron="0 3 * * *" task="tests.report" {more}', directive))
    site.view("clean-up", lambda self: report(self.context, CheckAuthenticator(self.request)))
    (one,) = declared()
    look(site, NOW - 1200, one)
    assert len(look(site, NOW, one).jobs) == 1
    jobs.run()
    assert done == [("plone", None, TEST_USER_ID)]


def test_each_process_that_runs_jobs_can_publish_a_view():
    """Also one in which no add-on has imported that."""
    code = "from collective.wsgifutures.jobs import joint, tasks; tasks.find_task('publish')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_object_is_found_by_its_uid(site):
    """Wherever it is, and though nobody published it."""
    page = api.content.create(site.portal, "Document", "page")
    one = entry(context=page.UID())
    api.content.rename(page, "moved")
    due(site, one)
    jobs.run()
    assert done[0][0] == "moved"


def test_a_job_is_done_with_just_some_roles(site):
    """By a user whom no user folder knows; what it submits is done so, too."""
    inbox = api.content.create(site.portal, "Folder", "inbox")
    inbox.manage_permission("View", ["Reader"], acquire=0)
    inbox.manage_permission("Modify portal content", ["Editor"], acquire=0)
    name = "System Processes (Reader, Site Administrator)"
    for roles, may_view in ((("Reader", "Site Administrator"), True), (("Contributor",), False)):
        due(site, entry(task="tests.rights", context="inbox", roles=roles, name=roles[0]))
        jobs.run()
        if may_view:
            (who, rights, has), (_, _, report_by) = done
            assert rights == dict(zip(RIGHTS, (True, False, False), strict=True))
            assert (who, report_by) == (name, name)
            assert set(has) == {*roles, "Authenticated"}
    assert len(done) == 2
    assert {job.wanted.origin.user for job in jobs_there(site)} == {None}


def test_no_login_reaches_the_user_of_roles(site):
    """Whatever name and password somebody sends: no user folder knows it."""
    user = RoleUser(("Manager",))
    name = user.getUserName()
    assert user.getId() is None
    assert not user.authenticate("", None)
    for folder in (site.portal.acl_users, site.portal.aq_parent.acl_users):
        assert folder.getUser(name) is None
        assert folder.getUserById(name) is None
    site.view("who", lambda self: getSecurityManager().getUser().getUserName())
    for password in ("", "x"):
        assert name not in site.get("@@who", user=(name, password)).body
    assert site.get("@@who").body == "Anonymous User"


def test_a_user_of_the_root_is_found(site):
    """As for every job."""
    due(site, entry(run_as="admin"))
    jobs.run()
    assert done[0][2] == "admin"


def test_a_job_knows_the_time_that_it_is_for(site):
    """In the time zone of its expression, whenever it runs; one that a person runs has none."""
    due(site, entry(task="tests.told", timezone="Europe/Helsinki"))
    jobs.run()
    (slot,) = done
    assert (slot.timestamp(), str(slot.tzinfo)) == (NOW, "Europe/Helsinki")
    site.zcml(ZCML.format(more="").replace("tests.report", "tests.told"))
    acts.run_now("nightly")
    transaction.commit()
    jobs.run()
    assert done[1:] == [None]


def test_jobs_that_queue_do_not_run_side_by_side(site):
    """They hold one lock; others do not."""
    due(site, entry(overlap="queue"))
    due(site, entry(name="other"))
    locks = {job.wanted.lock for job in jobs_there(site)}
    assert locks == {"/plone tests.report clock hourly", ""}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_as": "gone"}, "There is no user 'gone'"),
        ({"roles": ("Raeder",)}, "roles that the site does not have: Raeder"),
        ({"task": "tests.nosuch"}, "There is no task 'tests.nosuch'"),
        ({"task": "tests.strict"}, "needed"),
        ({"context": "gone"}, "There is nothing at /plone/gone"),
        ({"context": "0" * 32}, "There is nothing at /plone/000"),
        ({"site": "/nosuch"}, "There is nothing at /nosuch"),
    ],
)
def test_what_cannot_be_done_now_is_seen_and_logged(site, changes, said, caplog):
    """No job of somebody else; the next slot tries again."""
    one = entry(**changes)
    told = due(site, one)
    assert said in told.error
    assert said in caplog.text
    assert find(site.portal._p_jar, told.site, "hourly").error == told.error
    assert find_store(site.portal._p_jar) is None or jobs_there(site) == []


def test_an_acquired_object_is_not_meant(site):
    """A path is one below the site."""
    api.content.create(site.portal, "Folder", "inbox")
    api.content.create(site.portal, "Document", "page")
    assert "There is nothing at /plone/inbox/page" in due(site, entry(context="inbox/page")).error


def test_a_user_who_comes_back_is_found_again(site):
    """At the next slot."""
    one = entry(run_as="late")
    assert due(site, one).error
    api.user.create(email="late@example.com", username="late", password="s3cret-s3cret")
    assert look(site, NOW + HOUR, one).jobs
    assert find(site.portal._p_jar, "/plone", "hourly").error == ""


# Switched off, and now


@pytest.fixture
def nightly(site):
    """A site with an entry."""
    site.zcml(ZCML.format(more=""))
    return declared()[0]


def test_a_paused_entry_gets_no_jobs_until_it_is_resumed(site, nightly):
    """What was due meanwhile is not made up for."""
    acts.pause("nightly")
    transaction.commit()
    assert look(site, time.time() + 48 * HOUR, nightly).jobs == ()
    acts.kept_of(nightly).last -= 72 * HOUR
    acts.resume("nightly")
    once = replace(nightly, missed="once")
    assert look(site, time.time(), once).jobs == ()
    assert len(look(site, time.time() + 25 * HOUR, once).jobs) == 1


def test_an_entry_runs_now(site, nightly):
    """Also while it is paused; its times stay."""
    acts.pause("nightly")
    job = acts.run_now("nightly")
    transaction.commit()
    assert acts.run_now("nightly").id == job.id  # it is not over
    jobs.run()
    assert done == [("plone", "en", "System Processes")]
    assert acts.last_job(nightly).id == job.id
    assert acts.run_now("nightly").id != job.id
    assert acts.kept_of(nightly).ran == ()
    assert getSecurityManager().getUser().getId() == TEST_USER_ID


def test_an_entry_that_is_not_there_is_unknown(site, nightly):
    """By its name."""
    for act in (acts.pause, acts.resume, acts.run_now):
        with pytest.raises(EntryUnknown, match="has no timed work 'nosuch'"):
            act("nosuch")


# The process


def test_a_worker_has_a_clock_if_there_is_timed_work(site, nightly, monkeypatch):
    """One, unless it is switched off."""
    started, off = [], Settings(clock=False)
    monkeypatch.setattr(joint.Clock, "start", lambda self: started.append(self))
    own = joint.ClockJoint(site.portal._p_jar.db())
    own.worker_starts(Worker(None, off))
    assert started == []
    assert own.describe(off) == "Timed work is looked for elsewhere: 1 entry."
    own.worker_starts(Worker(None, Settings()))
    own.worker_starts(Worker(None, Settings()))
    assert len(started) == 1
    assert own.describe(Settings()) == "Timed work is looked for here: 1 entry."
    own.worker_stops()
    assert (started[0]._stopping, joint.clocks) == (True, [])


# Words


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 3 * * *", "every day at 03:00, Europe/Helsinki"),
        ("05 23 * * 1-5", "from Monday to Friday at 23:05, Europe/Helsinki"),
        ("0 3 * * mon", "every Monday at 03:00, Europe/Helsinki"),
        ("0 3 * * 0", "every Sunday at 03:00, Europe/Helsinki"),
        ("0 3 * * 7", "every Sunday at 03:00, Europe/Helsinki"),
        ("30 6 1 * *", "on day 1 of every month at 06:30, Europe/Helsinki"),
        ("30 6 L * *", "on the last day of every month at 06:30, Europe/Helsinki"),
        ("7 * * * *", "every hour at minute 7, Europe/Helsinki"),
        ("0 */6 * * *", "every 6 hours at minute 0, Europe/Helsinki"),
        ("0 */5 * * *", "0 */5 * * *, Europe/Helsinki"),
        ("*/15 * * * *", "every 15 minutes, Europe/Helsinki"),
        ("*/7 * * * *", "*/7 * * * *, Europe/Helsinki"),
        ("* * * * *", "every minute, Europe/Helsinki"),
        ("0 3 1 * 1", "0 3 1 * 1, Europe/Helsinki"),
        ("*/10 * * * * *", "*/10 * * * * *, Europe/Helsinki"),
    ],
)
def test_times_are_told_in_words(cron, said):
    """The expression itself, where there are none."""
    assert translate(describe(entry(cron=cron, timezone="Europe/Helsinki"))) == said


def test_words_are_translated(site):
    """Those inside, too."""
    words = describe(entry(cron="0 3 * * 1", timezone="Europe/Berlin"))
    assert translate(words, target_language="de") == "jeden Montag um 03:00, Europe/Berlin"
    assert translate(words, target_language="fi") == "maanantaisin klo 03:00, Europe/Berlin"


# The page


def test_the_page_names_each_attribute():
    """And no other."""
    text = (DOCS / "howto" / "clock.rst").read_text()
    table = text.split(":class: clock\n")[1].split("\nOnce\n")[0]
    assert re.findall(r"\* - ``(\w+)``", table) == list(getFieldNamesInOrder(IClockDirective))


def test_the_example_of_the_page_can_be_declared(site):
    """As it is written."""
    text = (DOCS / "howto" / "clock.rst").read_text()
    directive = re.search(r"<wsgifutures:clock(.+?)/>", text, re.S).group(1)
    site.zcml(ZCML.replace('name="nightly" cron="0 3 * * *" task="tests.report" {more}', directive))
    (found,) = declared()
    assert (found.context, found.run_as, found.missed) == ("reports/daily", "reporter", "once")
    assert found.arguments == {"language": "fi"}
