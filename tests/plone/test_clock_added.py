"""Timed work that people add in a site: whom it runs as, what it may do, who sees it."""

from AccessControl import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import UnrestrictedUser
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.clock import acts
from collective.wsgifutures.clock import changes
from collective.wsgifutures.clock.audit import describe
from collective.wsgifutures.clock.audit import of_clock
from collective.wsgifutures.clock.entries import declared
from collective.wsgifutures.clock.entries import Entry
from collective.wsgifutures.clock.errors import EntryDeclared
from collective.wsgifutures.clock.errors import EntryRefused
from collective.wsgifutures.clock.errors import EntryUnknown
from collective.wsgifutures.clock.records import find
from collective.wsgifutures.clock.sites import paths_of
from collective.wsgifutures.clock.stored import ROOT
from collective.wsgifutures.clock.stored import stored
from collective.wsgifutures.clock.ticks import Ticker
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import asdict
from plone import api
from plone.app.testing import login
from plone.app.testing import logout
from plone.app.testing import SITE_OWNER_NAME
from plone.uuid.interfaces import IUUID
from sitesettings import install

import pytest
import threading
import time
import transaction

HOUR = 3600.0

#: An hour that begins.
NOW = 1_900_000_800.0

ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="declared" cron="0 3 * * *" task="tests.added.other" {more} />
"""

done = []


@task(name="tests.added.report", title="Write the report", timed=True)
def report(context, language="en"):
    done.append((context.getId(), getSecurityManager().getUser().getId()))


@task(name="tests.added.other")
def other(context):
    done.append("other")


@pytest.fixture
def site(site):
    """A site in which Sally, a Site Administrator, is logged in. Mark is a member."""
    done.clear()
    install(site.portal)
    login(site.portal, "sally")
    return site


def add(name="hourly", **options):
    return changes.add(name, **{"cron": "0 * * * *", "task": "tests.added.report"} | options)


def look(site, entry, now):
    """Look as a process does; return what was told."""
    transaction.commit()
    told = []

    def work():
        told.append(Ticker(site.portal._p_jar.db()).tick("/plone", entry, now))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    site.sync()
    return told[0]


def due(site, entry):
    """Let the work come to its first slot; return what was told."""
    acts.kept_of(entry).last = NOW - HOUR
    return look(site, entry, NOW)


def jobs_there(site):
    site.sync()
    return [entry.job for entry in jobs_of(find_store(site.portal._p_jar))]


# As whom


def test_added_work_runs_as_whoever_added_it(site):
    """About what was chosen, each time once."""
    api.content.create(site.portal, "Folder", "inbox")
    entry = add(context="/inbox/", timeout=7.0)
    assert (entry.run_as, entry.by, entry.site) == ("sally", "sally", "/plone")
    assert len(due(site, entry).jobs) == 1
    assert look(site, entry, NOW + 1).jobs == ()
    jobs.run()
    assert done == [("inbox", "sally")]
    assert jobs_there(site)[0].wanted.timeout == 7.0


def test_a_manager_lets_it_run_as_another_user_of_the_site(site):
    """Site Administrators do not, though they may change everything else."""
    with pytest.raises(EntryRefused, match="only Managers"):
        add(run_as="mark")
    login(site.portal.aq_parent, SITE_OWNER_NAME)
    entry = add(run_as="mark")
    assert len(due(site, entry).jobs) == 1
    jobs.run()
    assert done == [("plone", "mark")]


def test_whoever_changes_work_answers_for_all_of_it(site):
    """So nobody lets a task of their choice run as somebody with more rights."""
    login(site.portal.aq_parent, SITE_OWNER_NAME)
    add()
    login(site.portal, "sally")
    with pytest.raises(EntryRefused, match="only Managers"):
        changes.change("hourly", context="")
    assert changes.change("hourly", run_as="sally").run_as == "sally"


def test_a_user_of_zope_can_only_choose_themselves(site):
    """They may have rights that nobody in the site has."""
    login(site.portal.aq_parent, SITE_OWNER_NAME)
    site.portal.aq_parent.acl_users.userFolderAddUser("root", "s3cret-s3cret", ["Manager"], [])
    with pytest.raises(EntryRefused, match="only choose themselves"):
        add(run_as="root")
    assert add().folder == ""


def test_what_the_emergency_user_adds_is_added_as_well(site):
    """Who has no id: it names somebody else, and can be changed and removed as the rest."""
    user = UnrestrictedUser("emergency", "", ["manage"], [])
    newSecurityManager(None, user.__of__(site.portal.aq_parent.acl_users))
    with pytest.raises(EntryRefused, match="no user of this site"):
        add()
    entry = add(run_as="mark")
    assert (entry.by, entry.is_declared) == ("emergency", False)
    changes.remove("hourly")
    assert acts.entries() == []


def test_another_user_of_the_same_id_is_not_meant(site):
    """One of Zope's root, after the site's own was deleted."""
    site.portal.aq_parent.acl_users.userFolderAddUser("sally", "s3cret-s3cret", ["Manager"], [])
    entry = add()
    site.portal.acl_users.userFolderDelUsers(["sally"])
    told = due(site, entry)
    assert "There is no user 'sally' in /plone any more" in told.error
    assert jobs_there(site) == []


@pytest.mark.parametrize("user", ["nosuch", ""])
def test_work_runs_as_somebody(site, user):
    """Never as Zope's own user."""
    if user:
        login(site.portal.aq_parent, SITE_OWNER_NAME)
    else:
        logout()
    with pytest.raises(EntryRefused, match="no user of this site"):
        add(run_as=user)


# What


def test_only_tasks_that_their_code_offers_can_be_chosen(site):
    """Others may do what nobody but their own code should ask for."""
    with pytest.raises(EntryRefused, match=r"offered: .*tests\.added\.report"):
        add(task="tests.added.other")


def test_a_task_that_is_not_offered_any_more_is_not_done(site, monkeypatch):
    """The doctor says so, too."""
    entry = add()
    monkeypatch.setattr(tasks["tests.added.report"], "timed", False)
    assert "not offered" in due(site, entry).error
    assert jobs_there(site) == []
    (finding,) = of_clock(site.portal._p_jar.db(), Settings())
    assert "not offered" in str(finding)


def test_a_task_that_needs_more_than_its_context_cannot_be_offered():
    """Nobody would give it the rest."""
    with pytest.raises(TypeError, match=r"timed=True.*language"):

        @task(name="tests.added.wrong", timed=True)
        def wrong(context, language):
            """Do nothing."""


def test_an_object_that_the_user_may_not_see_cannot_be_chosen(site):
    """Nor whether it is there."""
    page = api.content.create(site.portal, "Document", "page")
    page.manage_permission("View", ["Manager"], acquire=0)
    for context in ("page", page.UID(), "nosuch"):
        with pytest.raises(EntryRefused, match="neither a path below the site nor a UID"):
            add(context=context)


# Changed and removed


def test_changed_times_have_no_past(site):
    """Other changes do not touch what was missed."""
    entry = add(missed="once")
    acts.kept_of(entry).last = NOW - 5 * HOUR
    changes.change("hourly", timeout=5.0)
    assert acts.kept_of(entry).last == NOW - 5 * HOUR
    changed = changes.change("hourly", cron="30 * * * *")
    assert time.time() - 60 < acts.kept_of(changed).last <= time.time()
    assert acts.kept_of(changed).rule == changed.rule
    assert acts.entries() == [changed]


def test_a_process_that_has_read_an_older_entry_does_the_new_one(site):
    """It reads again in the transaction that submits; its next times come a moment later."""
    old = add()
    changes.change("hourly", run_as="sally", context="", timeout=9.0)
    assert len(due(site, old).jobs) == 1
    assert jobs_there(site)[0].wanted.timeout == 9.0


def test_removed_work_is_gone_everywhere(site):
    """Also for a process that still knows it."""
    entry = add(missed="once")
    due(site, entry)
    changes.remove("hourly")
    assert look(site, entry, NOW + 2 * HOUR).jobs == ()
    assert (acts.entries(), find(site.portal._p_jar, "/plone", "hourly")) == ([], None)
    assert stored(site.portal._p_jar) == []
    with pytest.raises(EntryUnknown):
        changes.remove("hourly")


def test_work_that_takes_the_name_of_other_work_has_nothing_of_it(site):
    """Neither a pause nor a past."""
    add()
    acts.pause("hourly")
    site.portal._p_jar.root()[ROOT].clear()  # as if it had been declared, and is no more
    assert not acts.kept_of(add()).paused


def test_what_is_declared_can_only_be_paused(site):
    """The ZCML belongs to the server."""
    site.zcml(ZCML.format(more=""))
    with pytest.raises(EntryRefused, match="other timed work"):
        add("declared")
    for act in (changes.change, changes.remove):
        with pytest.raises(EntryDeclared, match="ZCML"):
            act("declared")
    acts.pause("declared")
    assert acts.kept_of(acts.find_entry("declared")).paused


@pytest.mark.parametrize("more", ["", 'site="/plone"'])
def test_work_that_was_added_stays_when_the_server_declares_some_of_its_name(site, more):
    """In its own site."""
    added = add("declared")
    site.zcml(ZCML.format(more=more))
    assert acts.entries() == [added]
    of_server = Entry("declared", "0 3 * * *", "tests.added.other", site="/plone" if more else "")
    assert paths_of(site.portal._p_jar, of_server) == []
    assert paths_of(site.portal._p_jar, added) == ["/plone"]


# Other sites


def test_another_site_at_the_same_path_has_nothing_of_it(site):
    """A site was deleted, and a new one has its name."""
    entry = add()
    site.portal._p_jar.root()[ROOT]["/plone", "hourly"] = {**asdict(entry), "site_uid": "0" * 32}
    assert acts.entries() == []
    (stale,) = stored(site.portal._p_jar)
    assert "There is nothing at /plone" in due(site, stale).error
    assert jobs_there(site) == []


def test_work_of_a_site_that_is_gone_is_nobodys_and_the_doctor_says_so(site):
    """Neither is it in the way of what the server declares for the next site at that path."""
    add("declared")
    site.zcml(ZCML.format(more=""))
    (of_all,) = declared()
    connection = site.portal._p_jar
    kept = connection.root()[ROOT]
    for path, uid in (("/plone", "0" * 32), ("/gone", IUUID(site.portal))):
        kept["/plone", "declared"] = {**kept["/plone", "declared"], "site": path, "site_uid": uid}
        (stale,) = stored(connection)
        assert paths_of(connection, stale) == []
        assert paths_of(connection, of_all) == ["/plone"]
        transaction.commit()
        finding, *_ = of_clock(connection.db(), Settings())
        assert f"was added in a site at {path} that is not there" in str(finding)


def test_work_that_this_machine_cannot_read_stops_nothing(site, caplog):
    """It may not know the time zone."""
    entry = add()
    changed = {**asdict(entry), "timezone": "Mars/Olympus", "name": "other"}
    site.portal._p_jar.root()[ROOT]["/plone", "other"] = changed
    assert acts.entries() == [entry]
    assert "Mars/Olympus" in caplog.text


def test_the_first_line_of_a_worker_counts_it(site):
    """Beside what is declared."""
    site.zcml(ZCML.format(more=""))
    add()
    transaction.commit()
    told = describe(site.portal._p_jar.db(), Settings())
    assert told == "Timed work is looked for here: 2 entries."
