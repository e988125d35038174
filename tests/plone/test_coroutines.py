"""A view that is ``async def`` is refused with what to do, and is no 404."""

from plone.restapi.services import Service
from Products.Five import BrowserView
from z3c.form import form

import asyncio
import pytest


async def call(self):
    return "never"


async def stream(self):
    yield "never"


def page(site, names="", **attributes):
    """Register a view by ZCML, as an add-on does."""
    global Page
    Page = type("Page", (BrowserView,), attributes)
    Page.__module__ = __name__
    options = f'name="page" for="*" permission="zope2.Public" class="{__name__}.Page" {names}'
    site.zcml(f"<browser:page {options} />")


def by_call(site):
    page(site, __call__=call)


def by_attribute(site):
    page(site, 'attribute="ask"', ask=call)


def with_a_template(site):
    path = site.template("<p>page</p>")
    page(site, f'template="{path}"', __call__=call)


def as_a_generator(site):
    page(site, __call__=stream)


def as_a_service(site):
    global Answering
    Answering = type("Answering", (Service,), {"reply": call, "__module__": __name__})
    options = f'name="page" for="*" permission="zope2.Public" factory="{__name__}.Answering"'
    site.zcml(f'<plone:service method="GET" {options} />')


def as_a_form(site):
    class Form(form.Form):
        ignoreContext = True
        update = call

    site.view("page", **{"__call__": Form.__call__, "update": call})


WAYS = [by_call, by_attribute, with_a_template, as_a_generator, as_a_service, as_a_form]


@pytest.mark.parametrize("register", WAYS)
def test_async_def_is_refused_with_what_to_do(site, register):
    """However it is registered; without debug too, and without a hold."""
    register(site)
    accept = "application/json" if register is as_a_service else "text/html"
    for held in (True, False):
        SiteLog = site.error_log
        SiteLog.clear()
        site.log.clear()
        answer = site.get("page", accept=accept, held=held)
        assert (answer.status, answer.passes) == (500, ["500"])
        text = "".join(r.exc_text or "" for r in site.log.records)
        text += "".join(str(entry["value"]) for entry in site.error_log)
        assert " is async def, which Zope does not await. Write it as def, and move" in text


def works(self):
    return "works"


def test_a_view_that_is_no_async_def_is_published(site):
    """As ever."""
    page(site, __call__=works)
    assert site.get("page").body == "works"


async def words(self):
    return "words"


def test_a_view_that_awaits_its_own_method_is_published(site):
    """Whatever the method is called: nobody else calls it."""
    page(site, __call__=lambda self: asyncio.run(self.render()), render=words)
    assert site.get("page").body == "words"
