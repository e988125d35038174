"""Mails to whom a token is for: when it is made, and a week before it ends.

Each is a job that is recorded in the transaction that makes the token: it exists exactly if the
token does, and a mail server that is away neither loses the mail nor keeps anybody from making a
token. A site that has no address to send from has no such jobs. Whether there is still something to
tell, and to whom, is looked up when the job runs. No mail has the secret.
"""

from ..interfaces import _
from ..jobs.entering import acting_as
from ..jobs.origin import find_user
from ..jobs.tasks import task
from . import acts
from .acts import TokenState
from .events import AppTokenMade
from .records import AppToken
from .records import DAY
from AccessControl.SpecialUsers import system
from datetime import datetime
from datetime import UTC
from plone import api
from typing import Any
from zope.i18n import translate
from zope.i18nmessageid import Message

#: Seconds before the end of a token at which its user is told.
WARNED = 7 * DAY

#: Where users see their tokens.
PAGE = "@@wsgifutures-tokens"

_FOR = _("What it is for: ${name}")

#: The subjects of the mails, and their lines.
MADE = (
    _("${site}: an access token was made for you"),
    _("An access token was made for you at ${url}"),
    "",
    _FOR,
    _("Made by: ${by}"),
    _("Good until: ${ends}"),
    "",
    _(
        "Whatever has this token acts for you there, within the limits that were chosen for it. If "
        "you do not know it, revoke it now, and change your password:"
    ),
    "",
    "${page}",
)
ENDS = (
    _("${site}: an access token of yours ends soon"),
    _("An access token of yours at ${url} ends on ${ends}."),
    "",
    _FOR,
    _("Last used: ${used}"),
    "",
    _("If a program still needs it, make a new token before that day and give it to the program:"),
    "",
    "${page}",
)


def token_is_made(event: AppTokenMade) -> None:
    """Record the jobs."""
    site = _find_site(event.site)
    if site is None or not api.portal.get_registry_record("plone.email_from_address", default=None):
        return
    with acting_as(system):
        tell_made.submit(site, event.token)
        if event.ends - WARNED - DAY > datetime.now(UTC).timestamp():
            tell_ending.using(at=event.ends - WARNED).submit(site, event.token)


@task(title=_("Mail: an access token was made"))
def tell_made(site: Any, token_id: str) -> None:
    """Tell whom a token is for."""
    _tell(site, token_id, MADE)


@task(title=_("Mail: an access token ends soon"))
def tell_ending(site: Any, token_id: str) -> None:
    """Tell whom a token is for, if it is still good."""
    _tell(site, token_id, ENDS)


def _tell(site: Any, token_id: str, texts: tuple[Any, ...]) -> None:
    token = acts.find(site, token_id)
    if token is None or acts.state_of(site, token) is not TokenState.GOOD:
        return
    member = _find_member(site, token)
    address = member.getProperty("email", "")
    sender = api.portal.get_registry_record("plone.email_from_address", default=None)
    if not address or not sender:
        return
    language = member.getProperty("language", "") or api.portal.get_default_language()
    subject, *lines = (_write(text, site, token, language) for text in texts)
    api.portal.send_email(recipient=address, subject=subject, body="\n".join([*lines, ""]))


def _write(text: Any, site: Any, token: AppToken, language: str) -> str:
    url = site.absolute_url()
    known = {
        "site": " ".join(api.portal.get_registry_record("plone.site_title").split()),
        "url": url,
        "page": f"{url}/{PAGE}",
        "name": token.name,
        "by": token.made_by,
        "ends": _day(token.ends),
        "used": translate(_("never"), target_language=language)
        if token.used is None
        else _day(token.used + DAY / 2),
    }
    return str(translate(Message(text, mapping=known), target_language=language))


def _day(seconds: float) -> str:
    return str(api.portal.get_localized_time(datetime.fromtimestamp(seconds, UTC)))


def _find_member(site: Any, token: AppToken) -> Any:
    """Return who has *token*, with the properties that the site keeps.

    That is not another one with the same id, in another user folder.
    """
    user = find_user(token.origin, site.getPhysicalRoot())
    return api.portal.get_tool("portal_membership").wrapUser(user)


def _find_site(path: str) -> Any:
    """Return the current site, if it is the one of that path."""
    try:
        site = api.portal.get()
    except api.exc.CannotGetPortalError:
        return None
    return site if "/".join(site.getPhysicalPath()) == path else None
