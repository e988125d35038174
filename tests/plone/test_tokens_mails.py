"""Mails to whom a token is for: when it is made, and a week before it ends."""

from collective.wsgifutures import jobs
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.opaque import PATTERN
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.scope import make_scope
from email.header import decode_header
from email.header import make_header
from handrunners import HandRunner
from holdsite import ADMIN
from mailboxes import mailbox_of_the_site
from plone import api
from sitesettings import MEMBER
from tokenpages import Pages
from tokenpages import secret_in
from zope.component.hooks import setSite

import json
import pytest
import time
import transaction

SITE = "Die Süddeutsche"


@pytest.fixture
def mailbox(site, tokens):
    """The mailbox of a site whose member has an address."""
    api.portal.set_registry_record("plone.site_title", SITE)
    api.user.get(MEMBER[0]).setMemberProperties({"email": "mark@example.com"})
    transaction.commit()
    with mailbox_of_the_site() as box:
        yield box


@pytest.fixture
def make(site, mailbox):
    """Make a token by the form; return its record."""

    def send(**changes):
        secret_in(Pages(site).make(**changes))
        site.sync()
        return acts.all_of(site.portal)[0]

    return send


def run(site, later=0.0):
    """Run the jobs that are due so many seconds *later*."""
    runner = HandRunner()
    runner.go(later)
    setSite(site.portal)


def told(mailbox):
    """Return to whom, the subject, and the text of each mail."""
    return [
        (
            mail["To"],
            str(make_header(decode_header(mail["Subject"]))),
            mail.get_payload(decode=True).decode(),
        )
        for mail in mailbox.mails
    ]


def test_who_has_a_token_is_told_when_it_is_made(site, make, mailbox):
    """What it is for, by whom, until when; not the secret."""
    make(name="Nightly <export>")
    assert mailbox.mails == []
    run(site)
    ((to, subject, text),) = told(mailbox)
    assert (to, subject) == (
        "mark@example.com",
        "Die Süddeutsche: an access token was made for you",
    )
    assert "What it is for: Nightly <export>" in text
    assert "Made by: mark" in text
    assert "http://nohost/plone/@@wsgifutures-tokens" in text
    assert not PATTERN.search(mailbox.mails[0].as_string())


def test_a_token_that_an_administrator_or_a_program_makes_is_told_too(site, make, mailbox):
    """By @tokens."""
    wish = {"name": "A", "scope": "read:", "ends": "2027-01-01", "user": MEMBER[0]}
    body = json.dumps(wish).encode()
    kind = "application/json"
    answer = site.request("POST", "@tokens", body=body, kind=kind, accept=kind, user=ADMIN)
    assert answer.status == 201
    run(site)
    ((to, _, text),) = told(mailbox)
    assert to == "mark@example.com"
    assert "Made by: admin" in text
    assert "Good until: Jan 0" in text


def test_a_week_before_its_end_who_has_it_is_told_once(site, make, mailbox):
    """A day before that, not yet."""
    token = make(name="Export")
    run(site)
    left = token.ends - token.made
    run(site, left - 8 * DAY)
    assert len(mailbox.mails) == 1
    run(site, left - 7 * DAY + 60)
    run(site, left - 6 * DAY)
    _, (to, subject, text) = told(mailbox)
    assert (to, subject) == (
        "mark@example.com",
        "Die Süddeutsche: an access token of yours ends soon",
    )
    assert "What it is for: Export" in text
    assert "Last used: never" in text


def test_a_token_of_a_few_days_is_told_of_once(site, tokens, mailbox):
    """Its user knows."""
    tokens.make(user=MEMBER[0], days=7)
    run(site)
    run(site, 6.9 * DAY)
    assert [subject for _, subject, _ in told(mailbox)] == [
        f"{SITE}: an access token was made for you"
    ]


@pytest.mark.parametrize("how", ["revoked", "logged out"])
def test_of_a_token_that_is_not_good_any_more_nobody_is_told(site, make, mailbox, how):
    """There is nothing to do."""
    token = make()
    run(site)
    if how == "revoked":
        acts.revoke(site.portal, token, "mark")
    else:
        end_all(site.portal, "/plone", MEMBER[0])
    transaction.commit()
    run(site, token.ends - token.made - 6 * DAY)
    assert len(mailbox.mails) == 1


def test_who_has_no_address_gets_no_mail(site, make, mailbox):
    """And the job is done."""
    api.user.get(MEMBER[0]).setMemberProperties({"email": ""})
    transaction.commit()
    make()
    run(site)
    assert (mailbox.mails, site.logged) == ([], [])


def test_a_user_of_the_same_name_in_zopes_root_gets_no_mail_of_another(site, tokens, mailbox):
    """Nor the other way round."""
    root = site.portal.aq_parent
    root.acl_users.users.addUser(MEMBER[0], "rootmark", MEMBER[1])
    transaction.commit()
    owner = tokens.owner("rootmark")
    assert (owner.user, owner.folder) == (MEMBER[0], "")
    acts.make(site.portal, owner, "A", make_scope(["read:"]), time.time() + 30 * DAY, "boss")
    transaction.commit()
    run(site)
    assert mailbox.mails == []


@pytest.mark.parametrize(("language", "word"), [("de", "Wofür"), ("fi", "Käyttötarkoitus")])
def test_the_mail_is_in_the_language_of_its_reader(site, make, mailbox, language, word):
    """Else in that of the site."""
    api.user.get(MEMBER[0]).setMemberProperties({"language": language})
    transaction.commit()
    make()
    run(site)
    ((_, _, text),) = told(mailbox)
    assert word in text


def test_a_mail_server_that_is_away_keeps_nobody_from_making_a_token(site, make, mailbox):
    """The mail is sent when it is back."""
    port = api.portal.get_registry_record("plone.smtp_port")
    api.portal.set_registry_record("plone.smtp_port", 9)
    transaction.commit()
    assert make().name == "Nightly export"
    run(site)
    assert mailbox.mails == []
    api.portal.set_registry_record("plone.smtp_port", port)
    transaction.commit()
    run(site, 60)
    assert len(mailbox.mails) == 1


def test_a_site_that_sends_no_mail_has_no_jobs(site, tokens):
    """Nothing waits for a year there."""
    secret_in(Pages(site).make())
    site.sync()
    assert jobs.run() == []
    assert find_store(main_connection(site.portal._p_jar)) is None


def test_a_token_that_is_not_made_is_not_told_of(site, mailbox):
    """The job is in the same transaction."""
    Pages(site).make(name="")
    run(site)
    assert mailbox.mails == []
