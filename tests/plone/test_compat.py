"""Views as they were written for ``collective.futures``, on a Plone site. C01 and so on: its cases.

Only their import line is another one.
"""

from collective.wsgifutures import compat as futures
from collective.wsgifutures.kernel.passes import current_pass
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from holdsite import released
from plone.app.layout.viewlets import ViewletBase
from plone.rest import Service
from Products.Five.browser import BrowserView
from Products.statusmessages.interfaces import IStatusMessage
from zExceptions import Redirect
from ZODB.POSException import ConflictError
from zope.globalrequest import getRequest
from zope.interface import Interface
from zope.interface import noLongerProvides

import pytest
import threading
import transaction


def echo(value):
    calls.append(value)
    return value


def fail(value):
    calls.append(value)
    raise LookupError(value)


def hang(value):
    calls.append(value)
    released.wait(10)
    return value


def look_around(value):
    calls.append((getRequest(), threading.current_thread().name))
    return value


# The views of its documentation, and of its tests


class MyView(BrowserView):
    def __call__(self, *args):
        try:
            return futures.result("my_unique_key")
        except futures.FutureNotSubmittedError:
            futures.submit("my_unique_key", echo, "my asynchronously computed value")
            return "just a placeholder value"


class MyOtherView(BrowserView):
    def __call__(self, *args):
        return futures.resultOrSubmit("my_unique_key", "placeholder value", echo, "value")


class Content(BrowserView):
    """Rendered by a template, which asks for its content."""

    def content(self):
        return futures.resultOrSubmit("futures.testing", "placeholder", echo, "testing-result")


class Impatient(BrowserView):
    """Catches nothing: the ancestor swallowed what left a view after a submit."""

    def content(self):
        try:
            return futures.result("k")
        except futures.FutureNotSubmittedError:
            futures.submit("k", echo, "value")
        return futures.result("k")

    __call__ = content


@pytest.mark.parametrize(
    ("view", "text"),
    [(MyView, "my asynchronously computed value"), (MyOtherView, "value")],
)
def test_a_view_of_the_documentation_is_published_twice_and_shows_its_value(site, view, text):
    """C07: the client sees the last pass only."""
    site.view("old", **{"__call__": view.__call__})
    answer = site.get("old")
    assert (answer.passes, answer.text, calls) == (["Suspended", "200"], text, [text])


@pytest.mark.parametrize("sent", ["form", "cookie"])
def test_what_a_visitor_sends_takes_no_mark_off(site, sent):
    """Zope's request has the form and the cookies as attributes; a cache could keep that page."""

    def view(self):
        page = futures.resultOrSubmit("k", "placeholder", hang, "value")
        ask("a")
        if current_pass().hold.passes == 2:
            released.set()  # soon: the call still runs when this pass ends
        return page

    site.view("old", view)
    if sent == "form":
        answer = site.get("old", query={futures._MARKED: "1"})
    else:
        answer = site.get("old", headers={"HTTP_COOKIE": f"{futures._MARKED}=1"})
    assert answer.text == "value"
    assert answer.passes == ["Suspended", "Suspended", "200"]


def test_a_page_with_a_template_shows_its_value(site):
    """C07: as its tests had it."""
    template = '<p tal:content="view/content">x</p>'
    site.view("old", content=Content.content, template=template)
    answer = site.get("old")
    assert (answer.passes, answer.text) == (["Suspended", "200"], "testing-result")


# What ends a pass


@pytest.fixture
def rendered(site):
    """What the site's exception views were called for."""
    found = []

    def sorry(self):
        found.append(type(self.context).__name__)
        return "sorry"

    site.view("index.html", sorry, for_=futures.FuturesException)
    return found


@pytest.mark.parametrize("template", [None, '<p tal:content="view/content">x</p>'])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_not_resolved_when_it_leaves_the_view_is_held(site, rendered, template, accept):
    """C03: no error page is rendered for it, and no error is logged."""
    if template is None:
        site.view("old", Impatient.content)
    else:
        site.view("old", content=Impatient.content, template=template)
    answer = site.get("old", accept=accept)
    assert answer.passes == ["Suspended", "200"]
    assert (answer.text, calls) == ("value", ["value"])
    assert (rendered, site.errors, site.logged) == ([], [], [])


class OldService(Service):
    def render(self):
        return Impatient.content(self)


def service(site, method):
    """Register that service."""
    site.zcml(
        f"""<plone:service
            name="@old" method="{method}" for="*" permission="zope2.Public"
            factory="test_compat.OldService" />"""
    )


def test_not_resolved_when_it_leaves_a_service_is_held(site):
    """C03: plone.rest makes JSON of any other error."""
    service(site, "GET")
    answer = site.get("@old", accept="application/json")
    assert answer.passes == ["Suspended", "200"]
    assert answer.body == "value"


class OldViewlet(ViewletBase):
    def render(self):
        return f"viewlet: {Impatient.content(self)}"


def test_not_resolved_when_it_leaves_a_viewlet_stays_in_its_page(site):
    """C03: the viewlet's manager catches it; the page is held for what is pending."""
    site.zcml(
        """<browser:viewlet
            name="old" class="test_compat.OldViewlet" permission="zope2.Public"
            manager="plone.app.layout.viewlets.interfaces.IAboveContent" />"""
    )
    answer = site.get("")
    assert answer.passes == ["Suspended", "200"]
    assert "viewlet: value" in answer.text
    assert calls == ["value"]


def test_not_resolved_when_its_writes_came_before_leaves_nothing(site):
    """C03, C25: as any suspended pass."""

    def view(self):
        count(self)
        IStatusMessage(self.request).add("counted")
        return Impatient.content(self)

    site.view("old", view)
    assert site.get("old").text == "value"
    assert (site.portal.counter, site.commits) == (1, 1)


def test_any_other_exception_is_the_response_and_nothing_runs(site):
    """C09, changed: it was swallowed, and pass 2 decided."""

    def view(self):
        futures.submit("k", echo, "value")
        raise ValueError("x")

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, calls, site.errors) == (["500"], [], ["ValueError"])


def test_the_exception_of_a_future_when_not_caught_is_an_error_like_any_other(site):
    """C10: logged where it was raised, and once more as the site's error."""
    site.view("old", lambda self: futures.resultOrSubmit("k", "placeholder", fail, "x"))
    answer = site.get("old")
    assert (answer.passes, calls, site.errors) == (["Suspended", "500"], ["x"], ["LookupError"])
    assert "k failed" in site.logged


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_the_last_pass_when_not_resolved_leaves_the_view_is_504(site, accept):
    """The ancestor waited for ever."""

    def view(self):
        try:
            return futures.result("k")
        except futures.FutureNotSubmittedError:
            futures.submit("k", hang, "value")
        return futures.result("k")

    site.view("old", view)
    answer = site.get("old", deadline=1.0, accept=accept)
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert (calls, site.errors) == (["value"], ["FutureNotResolvedError"])


def test_not_resolved_when_there_is_no_further_pass_is_too_many_passes(site):
    """C20: an error that the site shows and logs."""

    def view(self):
        n = 0
        while futures.result(n, None) is not None:
            n += 1
        futures.submit(n, echo, str(n))
        return futures.result(n)

    site.view("old", view)
    answer = site.get("old", max_passes=3)
    assert (answer.status, answer.passes) == (500, ["Suspended", "Suspended", "500"])
    assert (site.errors, calls) == (["TooManyPasses"], ["0", "1"])


def test_the_last_pass_when_the_view_has_a_placeholder_shows_it(site):
    """As ``result(default=)`` does."""
    site.view("old", lambda self: futures.resultOrSubmit("k", "placeholder", hang, "value"))
    answer = site.get("old", deadline=1.0)
    assert (answer.passes, answer.text) == (["Suspended", "200"], "placeholder")


def test_a_view_that_opts_out_is_sent_and_nothing_runs(site):
    """C26: written as its tests had it."""

    def view(self):
        try:
            return futures.resultOrSubmit("futures.testing", "placeholder", echo, "value")
        finally:
            noLongerProvides(self.request, futures.IContainsPromises)

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.text, calls) == (["200"], "placeholder", [])


def test_a_redirect_with_futures_pending_is_final(site):
    """C29, changed: in pass 1 it was dropped."""

    def view(self):
        futures.submit("k", echo, "value")
        return self.request.response.redirect("http://nohost/plone/elsewhere")

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.headers["location"]) == (["302"], "http://nohost/plone/elsewhere")
    assert calls == []


@pytest.mark.parametrize("raises", [True, False])
def test_a_redirect_in_pass_2_works(site, raises):
    """C29."""

    def view(self):
        value = futures.resultOrSubmit("k", None, echo, "value")
        if value is not None and raises:
            raise Redirect(f"http://nohost/plone/{value}")
        if value is not None:
            self.request.response.redirect(f"http://nohost/plone/{value}")
        return "placeholder"

    site.view("old", view)
    answer = site.get("old")
    assert answer.passes == ["Suspended", "302"]
    assert answer.headers["location"] == "http://nohost/plone/value"


def test_cancel_of_the_last_one_publishes_at_once(site):
    """C16: it never runs."""

    def view(self):
        futures.submit("k", echo, "value")
        return f"{futures.cancel('k')} {futures.result('k', 'none')}"

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.text, calls) == (["200"], "True none", [])


def test_clear_runs_it_again_in_a_further_pass(site):
    """C17."""

    def view(self):
        value = futures.resultOrSubmit("k", "placeholder", echo, "one")
        if value == "one" and futures.clear("k"):
            futures.submit("k", echo, "two")
        return value

    site.view("old", view)
    answer = site.get("old")
    assert answer.passes == ["Suspended", "Suspended", "200"]
    assert (answer.text, calls) == ("two", ["one", "two"])


# One commit


class Write(BrowserView):
    """Writes in each pass, and ends as ``ends`` does."""

    def __call__(self):
        count(self)
        transaction.get().addAfterCommitHook(lambda done: calls.append("hook"))
        return futures.resultOrSubmit("k", "placeholder", echo, "value")


def test_writes_and_commit_hooks_of_pass_1_are_dropped(site):
    """C25: the last pass commits as usual."""
    site.view("old", Write.__call__)
    assert site.get("old").text == "value"
    assert (site.portal.counter, site.commits, calls) == (1, 1, ["value", "hook"])


def test_an_explicit_commit_is_made_in_the_last_pass_only(site):
    """C25, changed: that of pass 1 survived."""

    def view(self):
        try:
            return Write.__call__(self)
        finally:
            transaction.commit()

    site.view("old", view)
    assert site.get("old").text == "value"
    assert (site.portal.counter, site.commits, calls) == (1, 1, ["value", "hook"])


def test_a_conflict_in_pass_1_forgets_what_was_submitted(site):
    """C33, changed: after a ``submit`` it was a 500."""
    log = []

    def view(self):
        log.append(futures.resultOrSubmit("k", "placeholder", echo, "value"))
        if len(log) == 1:
            raise ConflictError
        return log[-1]

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.text) == (["Suspended", "Suspended", "200"], "value")
    assert (log, calls) == (["placeholder", "placeholder", "value"], ["value"])


@pytest.mark.parametrize("clears", [False, True])
def test_a_conflict_in_pass_2_keeps_the_results(site, clears):
    """C33: ran once, also where the pass that conflicted cleared it."""
    log = []

    def view(self):
        log.append(futures.resultOrSubmit("k", "placeholder", echo, "value"))
        if len(log) == 2:
            if clears:
                futures.clear("k")
                futures.submit("k", echo, "again")
            raise ConflictError
        return log[-1]

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.text) == (["Suspended", "Suspended", "200"], "value")
    assert (log, calls) == (["placeholder", "value", "value"], ["value"])


# The request and the response


def test_each_pass_finds_the_form_the_upload_and_the_user_and_no_changes(site):
    """C27: what pass 1 changed in the request is gone."""
    log = []

    def view(self):
        form = self.request.form
        user = self.request["AUTHENTICATED_USER"]
        log.append((form["name"], form["upload"].read(), user.getId(), self.request.get("set")))
        form["name"] = "changed"
        self.request.set("set", "in pass 1")
        return futures.resultOrSubmit("k", "placeholder", echo, "value")

    site.view("old", view)
    body = (
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nfirst\r\n'
        b'--x\r\nContent-Disposition: form-data; name="upload"; filename="a.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--x--\r\n"
    )
    kind = "multipart/form-data; boundary=x"
    answer = site.request("POST", "old", body=body, kind=kind, user=ADMIN)
    assert answer.text == "value"
    assert log == [("first", b"\x00\xff", ADMIN[0], None)] * 2


def test_nothing_of_the_response_of_pass_1_leaks(site):
    """C28, changed: its headers were in the last response."""

    def view(self):
        value = futures.resultOrSubmit("k", None, echo, "value")
        if value is None:
            self.request.response.setHeader("X-Pass", "1")
            self.request.response.setCookie("pass", "1")
            self.request.response.setStatus(202)
        return value or "placeholder"

    site.view("old", view)
    answer = site.get("old")
    assert (answer.status, answer.text) == (200, "value")
    assert {"x-pass", "set-cookie"} & set(answer.headers) == set()


def test_what_pass_1_writes_is_not_sent(site):
    """C30, changed: the placeholder was, and a second whole response behind it."""

    def view(self):
        response = self.request.response
        if futures.resultOrSubmit("k", None, echo, "value") is None:
            response.setHeader("Content-Length", "11")
            response.write(b"placeholder")
            return None
        return futures.result("k")

    site.view("old", view)
    answer = site.get("old")
    assert (answer.passes, answer.body) == (["Suspended", "200"], "value")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_all_methods_are_held(site, method):
    """C35, changed: only GET and POST were."""

    service(site, method)
    answer = site.request(method, "@old", accept="application/json")
    assert (answer.passes, answer.body) == (["Suspended", "200"], "value")


def test_a_head_request_is_held(site):
    """C35: it has the headers of the last pass."""
    site.view("old", lambda self: futures.resultOrSubmit("k", "placeholder", echo, "value"))
    answer = site.request("HEAD", "old")
    assert (answer.passes, calls) == (["Suspended", "200"], ["value"])


# What a future is given


def test_in_a_future_there_is_no_request(site):
    """C34."""
    site.view("old", lambda self: futures.resultOrSubmit("k", "", look_around, "value"))
    assert site.get("old").text == "value"
    (found,) = calls
    assert found[0] is None
    assert found[1] != threading.current_thread().name


OLD_CALLS = {
    "the context": (lambda view: (echo, view.context), "an object in an acquisition wrapper"),
    "a persistent object": (lambda view: (echo, view.context.aq_base), "a persistent object"),
    "the request": (lambda view: (echo, view.request), "a request or response"),
    "a method of the view": (lambda view: (view.method,), "a bound method of a view"),
    "a method of the context": (lambda view: (view.context.Title,), "a bound method of"),
    "a closure": (lambda view: (lambda: view.context.Title(),), "a closure over view"),
}


@pytest.mark.parametrize("verb", [futures.submit, futures.submitMultiprocess])
@pytest.mark.parametrize("what", OLD_CALLS)
def test_what_belongs_to_zope_is_refused_and_the_error_says_how_to_port(site, verb, what):
    """C34, changed: it was let through, unguarded."""
    make, says = OLD_CALLS[what]
    errors = []

    def view(self):
        try:
            verb("k", *make(self))
        except TypeError as error:
            errors.append(str(error))
        return futures.result("k", "none")

    site.view("old", view, method=lambda self: "called", for_=Interface)
    answer = site.get("old")
    assert (answer.passes, answer.text) == (["200"], "none")
    assert says in errors[0]
    assert errors[0].endswith("See 'Port from collective.futures' in the documentation.")


# In place


def test_without_a_hold_the_call_runs_in_place(site):
    """Promise 8; what is kept is kept with the request, and gone with it."""
    site.view("old", lambda self: futures.resultOrSubmit("k", "placeholder", echo, "value"))
    answers = [site.get("old", held=False) for _ in range(2)]
    assert [(answer.passes, answer.text) for answer in answers] == [(["200"], "value")] * 2
    assert calls == ["value"] * 2


def test_a_view_in_a_test_without_a_server_runs_in_place(site):
    """The layer's request keeps the value for the second look."""
    request = site.portal.REQUEST
    view = MyView(site.portal, request)
    texts = ["just a placeholder value", "my asynchronously computed value"]
    assert [view(), view()] == texts
