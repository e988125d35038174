"""What Plone does outside of its transaction is done once, whoever waits in the same pass."""

from base64 import b64encode
from collective.wsgifutures import fragment
from collective.wsgifutures import keep_pass
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.publisher import events
from email.message import EmailMessage
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from holdsite import count
from lxml.html import fromstring
from mailboxes import mailbox_of_the_site
from places import JSON
from plone import api
from plone.app.layout.viewlets import ViewletBase
from plone.registry.interfaces import IRegistry
from urllib.parse import urlsplit
from ZODB.POSException import ConflictError
from zope.component import getUtility
from ZPublisher.interfaces import IPubBeforeCommit
from ZPublisher.interfaces import IPubStart

import json
import logging
import logging.handlers
import pytest
import re
import smtplib
import transaction


class Waits(ViewletBase):
    """A viewlet of another add-on."""

    def render(self):
        return f"[{ask('viewlet')}]"


@fragment(placeholder="(waits)")
class WaitsAsAFragment(Waits):
    """The same, as it should be."""


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.setattr(checks, "_logged", set())


@pytest.fixture
def mailbox(site):
    """What the site's mail server got."""
    with mailbox_of_the_site() as box:
        yield box


@pytest.fixture(params=["Waits", "WaitsAsAFragment"])
def viewlet(site, request):
    """Every page has a viewlet that waits."""
    site.zcml(
        f"""<browser:viewlet name="waits" class="test_at_once.{request.param}"
            manager="plone.app.layout.viewlets.interfaces.IAboveContent"
            permission="zope2.Public" />"""
    )


def fill_in(site, path, button, user=None, **values):
    """Send the form of the page at *path* that has a field with *button*'s name."""
    page = fromstring(site.get(path, user=user).body)
    (form,) = [form for form in page.forms if form.xpath(f'.//button[@name="{button}"]')]
    calls.clear()
    return site.post(path, {**dict(form.form_values()), **values, button: "Send"}, user=user)


# mail


def register(site):
    return fill_in(
        site,
        "@@register",
        "form.buttons.register",
        **{"form.widgets.username": "jane", "form.widgets.email": "jane@example.com"},
    )


@pytest.fixture
def self_registration(site):
    """Visitors register by mail."""
    registry = getUtility(IRegistry)
    registry["plone.enable_self_reg"] = True
    site.portal.manage_permission("Add portal member", ["Anonymous"], acquire=1)
    transaction.commit()


def test_a_registration_on_a_page_with_a_viewlet_that_waits_sends_one_mail(
    site, mailbox, viewlet, self_registration
):
    """Its link works: the pass that has sent it is the one that is committed."""
    answer = register(site)
    assert (answer.passes, calls) == (["200"], ["viewlet"])
    assert "[VIEWLET]" in answer.body
    assert (len(mailbox.mails), site.errors) == (1, [])
    assert api.user.get("jane") is not None
    (link,) = re.findall(r"http://nohost\S+/passwordreset/\S+", mailbox.read())
    path = urlsplit(link)
    page = site.get(path.path.removeprefix("/plone/"), query={"userid": "jane"})
    assert page.status == 200
    assert "Set your password" in page.text


def test_a_registration_whose_mail_is_refused_says_so(site, mailbox, viewlet, self_registration):
    """As without us: no account, and a message in the page."""
    mailbox.refuses = True
    answer = register(site)
    assert (answer.passes, calls) == (["200"], ["viewlet"])
    assert "Failed to create your account" in answer.text
    assert api.user.get("jane") is None


def test_a_forgotten_user_name_is_sent_once(site, mailbox, viewlet):
    """At once, by the form."""
    api.user.create(email="jane@example.com", username="jane", properties={"fullname": "Jane"})
    transaction.commit()
    name = "form.widgets.recover_username"
    path, button = "@@login-help", "form.buttons.get_username"
    registry = getUtility(IRegistry)
    registry["plone.use_email_as_login"] = False
    answer = fill_in(site, path, button, **{name: "jane@example.com"})
    assert (answer.passes, calls) == (["200"], ["viewlet"])
    assert len(mailbox.mails) == 1
    assert "jane" in mailbox.read()


def test_a_forgotten_password_is_sent_once(site, mailbox, viewlet):
    """With the transaction."""
    api.user.create(email="jane@example.com", username="jane")
    transaction.commit()
    values = {"form.widgets.reset_password": "jane"}
    answer = fill_in(site, "@@login-help", "form.buttons.reset", **values)
    assert (answer.passes, calls) == (["Suspended", "200"], ["viewlet"])
    (link,) = re.findall(r"http://nohost\S+/passwordreset/\S+", mailbox.read())
    page = site.get(urlsplit(link).path.removeprefix("/plone/"), query={"userid": "jane"})
    assert "Set your password" in page.text


def test_the_contact_form_sends_once(site, mailbox, viewlet):
    """With the transaction."""
    values = {
        "form.widgets.sender_fullname": "Jane",
        "form.widgets.sender_from_address": "jane@example.com",
        "form.widgets.subject": "Hello",
        "form.widgets.message": "How are you?",
    }
    answer = fill_in(site, "@@contact-info", "form.buttons.send", **values)
    assert (answer.passes, calls) == (["Suspended", "200"], ["viewlet"])
    assert mailbox.subjects == ["Hello"]


def test_the_test_mail_of_the_control_panel_is_sent_once(site, mailbox, viewlet):
    """At once, so that its error can be shown."""
    answer = fill_in(site, "@@mail-controlpanel", "form.buttons.test", user=ADMIN)
    assert (answer.passes, calls) == (["200"], ["viewlet"])
    assert "Success! Check your mailbox" in answer.text
    assert mailbox.subjects == ["Test e-mail from Plone"]


def rest(site, method, path, data, **more):
    """Send *data* to plone.restapi, while another add-on waits in its subscriber."""
    site.subscriber(IPubBeforeCommit, lambda event: ask("subscriber"))
    body = json.dumps(data).encode()
    return site.request(method, path, body=body, kind=JSON, accept=JSON, user=ADMIN, **more)


def test_a_user_added_by_plone_restapi_gets_one_mail(site, mailbox):
    """At once."""
    data = {"username": "jane", "email": "jane@example.com", "sendPasswordReset": True}
    answer = rest(site, "POST", "@users", data)
    assert (answer.passes, calls) == (["201"], ["subscriber"])
    assert (len(mailbox.mails), api.user.get("jane").getId()) == (1, "jane")


def test_a_mail_of_plone_restapi_is_sent_once(site, mailbox):
    """With the transaction."""
    data = {"to": "a@example.com", "from": "b@example.com", "message": "Hi", "subject": "Hello"}
    answer = rest(site, "POST", "@email-send", data)
    assert (answer.passes, calls) == (["Suspended", "204"], ["subscriber"])
    assert mailbox.subjects == ["Hello"]


def send(immediate):
    mail = {"recipient": "a@example.com", "subject": "Hello", "body": "Hi"}
    api.portal.send_email(**mail, immediate=immediate)


def send_by_smtplib(immediate):
    registry = getUtility(IRegistry)
    message = EmailMessage()
    message["Subject"], message["To"], message["From"] = "Hello", "a@b.c", "d@e.f"
    where = registry["plone.smtp_host"], registry["plone.smtp_port"]
    with smtplib.SMTP(*where) as server:
        server.send_message(message)


@pytest.mark.parametrize("mail", [send, send_by_smtplib])
def test_mail_at_once_and_then_a_wait_sends_once(site, mailbox, mail):
    """The pass that has sent it waits inside, and its writes are committed."""

    def view(self):
        count(self)
        mail(immediate=True)
        assert mailbox.subjects == ["Hello"]
        return ask("a")

    site.view("mail", view)
    answer = site.get("mail")
    assert (answer.passes, answer.text) == (["200"], "A")
    assert (mailbox.subjects, site.portal.counter, calls) == (["Hello"], 1, ["a"])
    assert (answer.left_over, site.errors) == ([], [])


def test_mail_at_once_while_something_is_pending_is_sent_in_the_next_pass(site, mailbox):
    """The pass would be thrown away, so it ends before."""

    def view(self):
        part = fragment(ask)("a")
        send(immediate=True)
        return part

    site.view("mail", view)
    answer = site.get("mail")
    assert (answer.passes, answer.text) == (["Suspended", "200"], "A")
    assert mailbox.subjects == ["Hello"]


def test_mail_at_once_that_fails_raises_where_it_is_sent(site, mailbox):
    """As ``immediate`` promises."""
    mailbox.refuses = True

    def view(self):
        with pytest.raises(smtplib.SMTPException):
            send(immediate=True)
        return ask("a")

    site.view("mail", view)
    assert site.get("mail").text == "A"


def test_mail_at_once_is_no_reason_to_wait_inside_the_next_request(site, mailbox):
    """It is over with its request."""
    site.view("mail", lambda self: send(immediate=True) or "sent")
    site.view("ask", lambda self: ask("a"))
    assert site.get("mail").passes == ["200"]
    assert site.get("ask").passes == ["Suspended", "200"]


def test_mail_of_the_transaction_is_no_reason_to_wait_inside(site, mailbox):
    """It goes out when the last pass is committed."""

    def view(self):
        send(immediate=False)
        return ask("a")

    site.view("mail", view)
    assert site.get("mail").passes == ["Suspended", "200"]
    assert mailbox.subjects == ["Hello"]


def test_a_mailed_line_of_the_log_is_no_act_of_the_view(site, mailbox):
    """It may come while something is pending, and the view waits as ever."""
    registry = getUtility(IRegistry)
    where = registry["plone.smtp_host"], registry["plone.smtp_port"]
    handler = logging.handlers.SMTPHandler(where, "a@b.c", ["d@e.f"], "Log")
    log = logging.getLogger("acme.mailed")
    log.addHandler(handler)

    def view(self):
        call = ask.submit("a")
        log.error("something is odd")
        return call.result()

    site.view("mail", view)
    try:
        assert site.get("mail").passes == ["Suspended", "200"]
    finally:
        log.removeHandler(handler)
    assert mailbox.subjects == ["Log", "Log"]


def test_a_wait_after_mail_at_once_is_told_with_the_view_and_the_future(site, mailbox):
    """It keeps a slot; what to do is said too."""

    def view(self):
        send(immediate=True)
        return ask("a")

    site.view("mail", view)
    site.log.clear()
    site.get("mail")
    (message,) = [r.getMessage() for r in site.log.records if "futures" in r.name]
    assert message.startswith("@@mail asks for holdsite.ask after it has done what cannot be")


# uploads


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """The folder of unfinished uploads."""
    folder = tmp_path / "uploads"
    monkeypatch.setenv("TUS_TMP_FILE_DIR", str(folder))
    return folder


WHEN = [IPubBeforeCommit, IPubStart]


def tus(site, method, path, data=b"", **headers):
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    named["HTTP_TUS_RESUMABLE"] = "1.0.0"
    kind = "application/offset+octet-stream" if data else ""
    more = {"body": data, "kind": kind, "accept": JSON, "user": ADMIN}
    calls.clear()
    return site.request(method, path, headers=named, **more)


def begin_upload(site, size):
    """Announce an upload, and return its path."""
    about = f"filename {b64encode(b'a.bin').decode()},@type {b64encode(b'File').decode()}"
    announced = tus(site, "POST", "@tus-upload", upload_length=str(size), upload_metadata=about)
    assert (announced.status, calls) == (201, ["subscriber"])
    return urlsplit(announced.headers["location"]).path.removeprefix("/plone/")


@pytest.mark.parametrize("when", WHEN)
def test_an_upload_in_parts_is_whole_whoever_waits(site, uploads, when):
    """Each part is written once, and the file is removed once."""
    site.subscriber(when, lambda event: ask("subscriber"))
    path = begin_upload(site, 6)
    assert len(list(uploads.iterdir())) == 1
    first = tus(site, "PATCH", path, b"abc", upload_offset="0")
    assert (first.status, first.headers["upload-offset"], calls) == (204, "3", ["subscriber"])
    last = tus(site, "PATCH", path, b"def", upload_offset="3")
    assert (last.status, calls) == (204, ["subscriber"])
    assert (site.portal["a.bin"].file.data, list(uploads.iterdir())) == (b"abcdef", [])
    assert (site.errors, site.logged) == ([], [])


# a commit of the view's own


def test_a_view_that_commits_and_then_asks_is_published_once(site):
    """What it has committed would be committed again."""

    def view(self):
        count(self)
        transaction.commit()
        count(self)
        return ask("a")

    site.view("commits", view)
    answer = site.get("commits")
    assert (answer.passes, answer.text) == (["200"], "A")
    assert (site.portal.counter, site.commits) == (2, 2)


@pytest.mark.parametrize("first", [lambda: None, transaction.abort, transaction.begin])
def test_a_view_that_commits_while_something_is_pending_ends_before(site, first):
    """Nothing of it is committed, whichever transaction of the pass that is."""

    def view(self):
        first()
        count(self)
        text = ask.submit("a").result(default="")
        transaction.commit()
        return text

    site.view("commits", view)
    answer = site.get("commits")
    assert (answer.passes, answer.text) == (["Suspended", "200"], "A")
    assert (site.portal.counter, site.commits) == (1, 1)
    assert (site.errors, answer.left_over) == ([], [])


@pytest.fixture(params=["abort", "begin", "abort and begin", "commit"])
def another_transaction(request):
    """What begins another transaction within a pass."""

    def begin():
        for name in request.param.split(" and "):
            getattr(transaction, name)()

    return begin


def test_a_view_that_commits_a_later_transaction_is_published_once(site, another_transaction):
    """It may have given up what came before."""

    def view(self):
        another_transaction()
        count(self)
        transaction.commit()
        return ask("a")

    site.view("commits", view)
    answer = site.get("commits")
    assert (answer.passes, answer.text) == (["200"], "A")
    assert (site.portal.counter, site.errors, answer.left_over) == (1, [], [])


def test_a_view_that_aborts_and_asks_is_published_again(site):
    """It has done nothing that cannot be undone."""

    def view(self):
        count(self)
        transaction.abort()
        return ask("a")

    site.view("aborts", view)
    known = len(transaction.manager.manager._synchs)
    answer = site.get("aborts")
    assert (answer.passes, answer.text) == (["Suspended", "200"], "A")
    assert (answer.left_over, len(transaction.manager.manager._synchs)) == ([], known)


# an act of an add-on's own


def test_an_act_after_keep_pass_is_done_once(site):
    """Whoever waits in the same pass."""
    done = []

    def view(self):
        keep_pass()
        done.append("done")
        return "done"

    site.view("acts", view)
    site.subscriber(IPubBeforeCommit, lambda event: ask("subscriber"))
    answer = site.get("acts")
    assert (answer.passes, done, calls) == (["200"], ["done"], ["subscriber"])


def test_an_act_is_done_again_after_a_conflict_as_without_us(site, monkeypatch):
    """Zope publishes the request again, whatever it has done."""
    done = []

    def view(self):
        keep_pass()
        done.append("done")
        if len(done) == 1:
            raise ConflictError
        return ask("a")

    monkeypatch.setattr(events, "_pause", lambda conflicts: 0.0)
    site.view("acts", view)
    assert site.get("acts", held=False).text == "A"
    assert len(done) == 2
    done.clear()
    answer = site.get("acts")
    assert (answer.passes, answer.text, len(done)) == (["Suspended", "200"], "A", 2)
