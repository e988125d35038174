"""Failure has a shape: the future's own exception, and 504 where it came too late."""

from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import HoldExpired
from holdsite import calls
from holdsite import fail
from holdsite import hang
from holdsite import hang_on
from plone.app.layout.viewlets import ViewletBase
from plone.rest import Service
from plone.subrequest import subrequest
from plone.transformchain.zpublisher import setErrorStatusOnResponse
from zope.interface import Interface
from ZPublisher.interfaces import IPubBeforeAbort

import pytest
import traceback

JSON = "application/json"
SORRY = "did not answer in time"


#: What makes a pass come too late, and the exception's name.
LATE = {
    "FutureTimeout": hang,
    "HoldExpired": hang_on,
}

late = pytest.mark.parametrize(("name", "call"), LATE.items(), ids=LATE)


def get(site, path, **more):
    return site.get(path, deadline=1.0, **more)  # a busy machine is slow to begin


# the future's own exception


def test_a_futures_exception_when_asked_for_has_its_own_traceback(site):
    """The view sees where the call failed."""
    log = []

    def view(self):
        try:
            return fail("a")
        except LookupError as error:
            log.extend(frame.name for frame in traceback.extract_tb(error.__traceback__))
            return f"caught {error.args[0]}"

    site.view("fails", view)
    answer = site.get("fails")
    assert answer.passes == ["Suspended", "200"]
    assert answer.text == "caught a"
    assert calls == ["a"]
    assert (log[0], log[-1]) == ("view", "fail")


def test_a_futures_exception_when_not_caught_is_an_error_like_any_other(site):
    """Its traceback stands in the site's error log, once."""
    site.view("fails", lambda self: fail("a"))
    answer = site.get("fails")
    assert (answer.status, answer.passes) == (500, ["Suspended", "500"])
    assert calls == ["a"]
    assert site.errors == ["LookupError"]
    assert "in fail" in site.error_log[0]["tb_text"]


@late
def test_a_late_future_when_caught_is_answered_by_the_view(site, name, call):
    """Both are a TimeoutError."""

    def view(self):
        try:
            return call("a")
        except TimeoutError as error:
            return type(error).__name__

    site.view("late", view)
    answer = get(site, "late")
    assert (answer.status, answer.text) == (200, name)
    assert (calls, site.errors) == (["a"], [])


# 504


@late
def test_a_late_future_when_not_caught_is_504_in_a_page_of_the_site(site, name, call):
    """It is a page of the site that says what happened, with its own status."""
    site.view("late", lambda self: call("a"))
    answer = get(site, "late")
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert answer.headers["content-type"].startswith("text/html")
    assert "retry-after" not in answer.headers
    assert SORRY in answer.text
    assert name not in answer.body
    assert "portal-footer" in answer.body  # it is a page of the site
    assert (calls, site.errors) == (["a"], [name])


@late
def test_a_late_future_when_no_html_is_asked_for_is_504_in_json(site, name, call):
    """Plone's exception view answers scripts with the error's type."""
    site.view("late", lambda self: call("a"))
    answer = get(site, "late", accept="*/*")
    assert (answer.status, answer.json) == (504, {"error_type": name})


class LateService(Service):
    """A service."""

    def render(self):
        return LATE[self.request.form["name"]]("a")


@late
def test_a_late_future_when_in_a_service_is_504_in_json(site, name, call):
    """plone.rest locks the status that it takes from the exception's name."""
    site.zcml(
        """<plone:service
            name="@late" method="GET" for="*" permission="zope2.Public"
            factory="test_failures.LateService" />"""
    )
    answer = get(site, "@late", accept=JSON, query={"name": name})
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert answer.json["type"] == name
    assert answer.headers["content-type"] == JSON
    assert "retry-after" not in answer.headers


@late
def test_a_late_future_when_there_is_no_exception_view_is_504_in_plain_text(site, name, call):
    """Zope raises it on, and the middleware answers: a browser with a page of its own."""
    for kind in (Exception, FutureTimeout, HoldExpired):
        site.adapter(lambda error, request: None, (kind, Interface), Interface, "index.html")
    site.view("late", lambda self: call("a"))
    page = get(site, "late")
    assert (page.status, page.passes) == (504, ["Suspended", name])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert SORRY in page.body
    calls.clear()
    answer = get(site, "late", accept="*/*")
    assert (answer.status, answer.passes) == (504, ["Suspended", name])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert SORRY in answer.body
    assert "retry-after" not in answer.headers


def test_a_late_future_when_an_exception_view_locks_a_status_keeps_it(site):
    """Whoever answers it on purpose is not overruled."""

    def sorry(self):
        self.request.response.setStatus(503, lock=True)
        return "later"

    site.view("index.html", sorry, for_=FutureTimeout)
    site.view("late", lambda self: hang("a"))
    answer = site.get("late")
    assert (answer.status, answer.text) == (503, "later")


@late
def test_a_late_future_when_the_transformchain_comes_last_is_504(site, name, call):
    """The order in which packages are configured does not matter."""
    site.subscriber(IPubBeforeAbort, setErrorStatusOnResponse)
    site.view("late", lambda self: call("a"))
    assert get(site, "late").status == 504


@late
def test_a_late_future_when_in_a_page_template_is_504(site, name, call):
    """Chameleon raises an exception of the same name, of a class that it makes."""
    site.view("late", template='<b tal:content="view/call" />', call=lambda self: call("a"))
    answer = get(site, "late")
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert site.errors == [name]


class Viewlet(ViewletBase):
    def render(self):
        return hang("a")


def test_a_late_future_when_in_a_viewlet_leaves_the_page_as_it_is(site):
    """The manager catches it, as any error of a viewlet: the page is there without it."""
    site.zcml(
        """<browser:viewlet
            name="late" class="test_failures.Viewlet" permission="zope2.Public"
            manager="plone.app.layout.viewlets.interfaces.IAboveContent" />"""
    )
    answer = site.get("")
    assert (answer.status, answer.passes) == (200, ["Suspended", "200"])
    assert "error while rendering late" in answer.text
    assert len(site.logged) == 1
    assert "FutureTimeout" in site.log.text


def test_a_late_future_when_in_a_subrequest_leaves_the_page_as_it_is(site):
    """plone.subrequest renders the error in the place of the part."""
    site.view("inner", lambda self: hang("a"))
    site.view("outer", lambda self: f"outer: {subrequest('/plone/inner').getBody()}")
    answer = site.get("outer")
    assert (answer.status, answer.passes) == (200, ["Suspended", "200"])
    assert "outer: " in answer.text


def test_a_late_future_when_asked_for_with_a_default_at_the_deadline_gives_it(site):
    """The last pass makes do with what is there."""
    site.view("late", lambda self: hang_on.submit("a").result(default="nothing yet"))
    answer = get(site, "late")
    assert (answer.status, answer.text) == (200, "nothing yet")
    assert (answer.passes, calls) == (["Suspended", "200"], ["a"])
