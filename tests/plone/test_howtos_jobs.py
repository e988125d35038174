"""The how-tos on jobs: their files make an add-on, which does what they say."""

from collective.wsgifutures import jobs
from collective.wsgifutures.testing import answer
from docsaddon import DOCS
from docsaddon import HOWTO
from holdsite import ADMIN
from plone import api
from plone.app.testing import TEST_USER_ID
from types import SimpleNamespace

import json
import pytest
import transaction

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

EDITOR = ("editor", "secret-tea-1")


def blocks(page, language="python"):
    return DOCS["blocks_of"](HOWTO / page, language)


@pytest.fixture
def folder(site):
    """A folder with two pages, and somebody who may edit them."""
    api.user.create(email="e@example.com", username="editor", password=EDITOR[1])
    made = api.content.create(site.portal, "Folder", "teas")
    for title in ("Green", "Black"):
        api.content.create(made, "Document", title=title)
    api.user.grant_roles("editor", roles=["Editor", "Contributor"])
    transaction.commit()
    return made


@pytest.fixture
def editor(browser):
    browser.addHeader("Authorization", "Basic " + ":".join(EDITOR))
    return browser


def run_jobs(site):
    """Run what is committed; return the subjects of the pages and who owns the jobs."""
    site.sync()
    return [(job.state.value, job.wanted.origin.user, job.error) for job in jobs.run()]


def subjects(folder):
    return {page.Subject() for page in folder.objectValues()}


def test_view_of_the_docs_submits_a_job(acme, site, folder, editor):
    """By the form that goes with it, with a token."""
    acme("jobs-submit.rst", "tasks")
    token = blocks("jobs-submit.rst", "html")[0].text
    site.view("tag-page", template=token)
    editor.open(f"{folder.absolute_url()}/@@tag-page")
    editor.getControl(name="subject").value = "tea"
    editor.getControl("Set the subject").click()
    assert run_jobs(site) == [("done", "editor", "")]
    assert subjects(folder) == {("tea",)}


def test_view_of_the_docs_is_refused_without_a_token(acme, site, folder, editor):
    """As its page says; nothing is recorded."""
    acme("jobs-submit.rst", "tasks")
    editor.open(f"{folder.absolute_url()}/@@tag?subject=tea")
    assert editor.headers["status"].startswith("500")
    assert run_jobs(site) == []


def test_form_of_the_docs_submits_a_job(acme, site, folder, editor):
    """It brings the token."""
    acme("jobs-submit.rst", "tasks")
    editor.open(f"{folder.absolute_url()}/@@tag-form")
    editor.getControl("Subject").value = "tea"
    editor.getControl("Set the subject").click()
    assert "will have the subject soon" in editor.contents
    assert run_jobs(site) == [("done", "editor", "")]


def test_service_of_the_docs_submits_a_job(acme, site, folder, browser):
    """Without a token."""
    acme("jobs-submit.rst", "tasks")
    browser.addHeader("Authorization", "Basic " + ":".join(ADMIN))
    browser.addHeader("Accept", "application/json")
    body = json.dumps({"subject": "tea"})
    browser.post(f"{folder.absolute_url()}/@tag", body, "application/json")
    assert browser.headers["status"].startswith("202")
    assert run_jobs(site) == [("done", ADMIN[0], "")]
    assert subjects(folder) == {("tea",)}


def test_script_and_task_of_the_docs_submit_jobs(acme, site, folder):
    """As somebody; and a job for each folder."""
    module = acme("jobs-submit.rst", "tasks")
    script, others = [
        b for b in blocks("jobs-submit.rst") if "setSite(" in b.text or "tag_all" in b.text
    ]
    names = {"__name__": "submit_jobs", "app": SimpleNamespace(Plone=site.portal)}
    exec(compile(script.text, script.place, "exec"), names)
    assert run_jobs(site) == [("done", "editor", "")]
    exec(compile(others.text, others.place, "exec"), vars(module))
    module.tag_all.submit(site.portal, "hot")
    transaction.commit()
    assert [state for state, *_ in run_jobs(site)] == ["done", "done"]
    assert subjects(folder) == {("hot", "tea")}


def test_letter_of_the_docs_is_printed_by_a_key_and_tried_again(acme, site, folder, monkeypatch):
    """A busy printer is asked again later, with the same key."""
    module = acme("jobs-retry.rst", "tasks")
    job = module.print_letter.submit(folder)
    transaction.commit()
    answers, keys = [answer(429), answer(json={"id": "L1"})], []

    def post(path, json, headers):
        keys.append(headers["Idempotency-Key"])
        return answers.pop(0)

    monkeypatch.setattr(module.printer, "post", post)
    assert run_jobs(site) == [("waiting", TEST_USER_ID, "The printer is busy.")]
    assert jobs.run(job.due + 1) == [job]
    assert (job.state.value, folder.letter, keys) == ("done", "L1", [job.key] * 2)


def test_jobs_of_the_docs_with_a_lock_or_a_key(acme, site, folder):
    """The second click is the first one's job."""
    module = acme("jobs-order.rst", "tasks")
    job = module.rebuild_report.submit(folder, 2026)
    assert job.wanted.lock == f"/plone acme.tasks.rebuild_report {folder.UID()} 2026"
    once = module.rebuild_report.using(key="report")
    assert once.submit(folder, 2025) is once.submit(folder, 2024)
    module.send_newsletter.submit(folder)
    transaction.commit()
    assert [state for state, *_ in run_jobs(site)] == ["done"] * 3
    assert (folder.report, folder.sent) == ("Report of 2025", True)
