"""What add-on authors test with: a test says which jobs may be submitted, and no other may."""

from collective.wsgifutures import jobs
from collective.wsgifutures import publish
from collective.wsgifutures import task
from collective.wsgifutures.jobs.errors import TaskUnknown
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import stand_ins
from collective.wsgifutures.testing.jobs import SubmittedJobs
from collective.wsgifutures.testing.jobs import UnexpectedJob
from collective.wsgifutures.testing.layers import SUBMITTED_JOBS
from holdsite import swallow
from pathlib import Path
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from Products.Five import BrowserView
from zope.interface import alsoProvides

import pickle
import pytest
import runpy
import transaction

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

ran = []


@task
def translate(context, language, tone="plain"):
    ran.append(language)
    return language


@task
def mail(context):
    ran.append("mail")


@task
def translate_and_mail(context):
    mail.submit(context)


@pytest.fixture
def page(site):
    ran.clear()
    return api.content.create(site.portal, "Document", "page")


# What is allowed


def test_a_job_that_is_allowed_is_recorded_and_not_run(page, submitted_jobs):
    """It runs when the test says so, as on a server."""
    submitted_jobs.allow(translate)
    job = translate.submit(page, "de")
    assert submitted_jobs.all == [
        (f"{__name__}.translate", page, {"language": "de", "tone": "plain"}, job)
    ]
    transaction.commit()
    assert (ran, job.state) == ([], JobState.WAITING)
    assert jobs.run() == [job]
    assert ran == ["de"]


ALLOWED = {
    "everything": lambda page: (..., (), {}),
    "the task": lambda page: (translate, (), {}),
    "any arguments": lambda page: (translate, (...,), {}),
    "its name": lambda page: (f"{__name__}.translate", (), {}),
    "the task with options": lambda page: (translate.using(delay=3), (), {}),
    "any arguments on the page": lambda page: (translate, (page, ...), {}),
    "the arguments": lambda page: (translate, (page, "de"), {}),
    "by name": lambda page: (translate, (page,), {"language": "de"}),
    "the default": lambda page: (translate, (page, "de", "plain"), {}),
    "any context": lambda page: (translate, (..., "de"), {}),
    "any language": lambda page: (translate, (page, ..., "plain"), {}),
    "any tone": lambda page: (translate, (page, "de"), {"tone": ...}),
}


@pytest.mark.parametrize("way", ALLOWED)
def test_what_is_allowed_may_be_said_in_many_ways(page, submitted_jobs, way):
    """Three dots stand for any."""
    what, arguments, kwargs = ALLOWED[way](page)
    submitted_jobs.allow(what, *arguments, **kwargs)
    translate.submit(page, "de")
    translate.using(priority="low").submit(page, language="de")
    assert len(submitted_jobs.of(translate)) == 2


OTHERS = {
    "another task": lambda page: (mail, (), {}),
    "another language": lambda page: (translate, (page, "fi"), {}),
    "another tone": lambda page: (translate, (..., ...), {"tone": "loud"}),
    "another context": lambda page: (translate, (api.portal.get(), "de"), {}),
    "another context, any arguments": lambda page: (translate, (api.portal.get(), ...), {}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_job_that_differs_is_refused(page, other):
    """The message says what to write, and if something of the task is allowed."""
    what, arguments, kwargs = OTHERS[other](page)
    with SubmittedJobs() as submitted_jobs:
        submitted_jobs.allow(what, *arguments, **kwargs)
        with pytest.raises(UnexpectedJob) as caught:
            translate.submit(page, "de")
        submitted_jobs.unexpected.clear()
    text = str(caught.value)
    assert "submitted_jobs.allow(translate, ..., language=..., tone=...)" in text
    assert ("with this context and these arguments" in text) == (what is translate)
    assert submitted_jobs.all == []
    transaction.commit()
    assert jobs.run() == []


def test_the_message_can_be_pasted(page, submitted_jobs):
    """It allows what was refused; it has no value of an argument."""
    with pytest.raises(UnexpectedJob) as caught:
        translate.submit(page, "de")
    assert "de'" not in str(caught.value)
    submitted_jobs.unexpected.clear()
    exec(f"submitted_jobs.{caught.value.call}", globals(), {"submitted_jobs": submitted_jobs})
    translate.submit(page, "de")
    assert len(submitted_jobs.all) == 1


def test_arguments_that_do_not_fit_the_task_are_refused(page, submitted_jobs):
    """When they are allowed, and when they are submitted."""
    for call in (submitted_jobs.allow, lambda task, *args: task.submit(*args)):
        with pytest.raises(TypeError, match="translate"):
            call(translate, page, "de", "plain", "one more")
    with pytest.raises(TypeError, match="language"):
        submitted_jobs.allow(translate, page)
    with pytest.raises(TaskUnknown):
        submitted_jobs.allow("no.such.task")


def test_a_task_without_arguments_is_allowed_by_its_context(page, submitted_jobs):
    """And ``publish`` as any other."""
    submitted_jobs.allow(mail, page)
    submitted_jobs.allow(publish, page, "@@export", form={"size": 3})
    mail.submit(page)
    publish.submit(page, "@@export", form={"size": 3})
    with pytest.raises(UnexpectedJob, match="publish"):
        publish.submit(page, "@@delete")
    submitted_jobs.unexpected.clear()
    assert [one.task for one in submitted_jobs.all] == [mail.name, "publish"]


# What is refused


def test_a_view_that_swallows_the_refusal_fails_the_test(page):
    """At its end; also if it swallows everything."""
    with pytest.raises(UnexpectedJob, match="mail"), SubmittedJobs():
        swallow(mail.submit, page)


def test_a_job_that_submits_another_one_fails_the_test(page):
    """It is not allowed by what submitted it."""
    submitted_jobs = SubmittedJobs().__enter__()
    submitted_jobs.allow(translate_and_mail)
    job = translate_and_mail.submit(page)
    transaction.commit()
    jobs.run()
    assert (job.state, ran) == (JobState.WAITING, [])
    with pytest.raises(UnexpectedJob, match=r"\.mail was submitted"):
        submitted_jobs.__exit__(None, None, None)
    assert stand_ins == []


def test_a_request_that_submits_is_refused_too(site, page):
    """Through a whole publication, and nothing of it is committed."""

    def submits(view):
        alsoProvides(view.request, IDisableCSRFProtection)
        view.context.title = "New"
        mail.submit(view.context)

    site.view("submits", submits)
    transaction.commit()
    with pytest.raises(UnexpectedJob), SubmittedJobs():
        site.get("page/submits")
    assert page.title != "New"
    assert jobs.run() == []


def test_what_the_test_itself_raised_is_not_covered(page):
    """Its own failure is what counts."""
    submitted_jobs = SubmittedJobs().__enter__()
    swallow(mail.submit, page)
    assert len(submitted_jobs.unexpected) == 1
    submitted_jobs.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert stand_ins == []


def test_nothing_is_refused_outside_of_it(page):
    """As on a server."""
    with SubmittedJobs():
        pass
    mail.submit(page)
    transaction.commit()
    assert len(jobs.run()) == 1


def test_the_refusal_survives_pickling_and_has_its_facts():
    """As every error of ours; it is none that ``except Exception`` catches."""
    error = UnexpectedJob("shop.mail", "allow(mail, ...)", True)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.name) == (str(error), "shop.mail")
    assert not isinstance(error, Exception)
    with pytest.raises(TypeError):
        type("Other", (UnexpectedJob,), {})


def test_the_layer_gives_each_test_its_own(page):
    """For zope.testrunner; what a view has swallowed there ends no run."""
    seen = []
    for _ in range(2):
        SUBMITTED_JOBS.testSetUp()
        seen.append(SUBMITTED_JOBS["submitted_jobs"])
        swallow(mail.submit, page)
        SUBMITTED_JOBS.testTearDown()
    assert seen[0] is not seen[1]
    assert stand_ins == []


def test_the_test_in_the_docs_passes(functional, site, submitted_jobs):
    """With a task and a view as the page has them in mind."""

    @task(name="docs.translate")
    def translate(context, language):
        context.title = {"de": "Tee"}[language]

    class Translate(BrowserView):
        def __call__(self):
            return translate.submit(self.context, "de").id

    docs = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "blocks.py"))
    blocks = docs["blocks_of"](docs["DOCS"] / "howto" / "test.rst", "python")
    (block,) = [block for block in blocks if "submitted_jobs" in block.text]
    names = {"translate": translate, "Translate": Translate}
    exec(block.text, names)
    names["test_a_page_is_translated_after_the_answer"](functional, submitted_jobs)
