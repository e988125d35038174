"""``accepted``: the answer of a view that has submitted a job."""

from ...interfaces import _
from ...jobs import looking
from ...jobs.records import Job
from .shown import Shown
from .shown import site_url
from plone import api
from typing import Any
from urllib.parse import urlencode
from urllib.parse import urlsplit
from zope.globalrequest import getRequest
from zope.i18n import translate

import json

try:
    from plone.rest.interfaces import IAPIRequest
    from plone.rest.interfaces import IService
except ImportError:  # a Plone without plone.restapi
    IAPIRequest = IService = None

#: Seconds until a script looks again.
RETRY_AFTER = 2

#: In the query of the page that a browser is sent to: lead on when the job is done.
FOLLOW = "follow"

#: In the query of another page that it is sent to: the job to tell of.
ACCEPTED = "wsgifutures-accepted"


def accepted(job: Job, *, back_to: str = "") -> Any:
    """Answer that *job* was accepted. A view or a service returns what this returns.

    A browser goes to the page that follows the job, and at its end to where the task leads
    (``goes_to=``). A script gets 202, ``Location``, ``Retry-After`` and the job in JSON; a
    client of plone.restapi finds it under ``@jobs``. Somebody who may not see the job, since it
    is nobody's or another user's, goes to what the job is about and is told that it was accepted.

    Args:
        job: What ``submit`` returned, in the same request.
        back_to: The address of a page of this site where a browser goes instead. That page says
            that the job was accepted, with a link to it.
    """
    request = getRequest()
    request.response.setHeader("Cache-Control", "no-store")
    if is_for_a_browser(request):
        request.response.redirect(_next_page(job, back_to), status=303)
        return ""
    return _answer(job, request)


def is_for_a_browser(request: Any) -> bool:
    """Tell whether *request* wants a page."""
    return not _is_api(request) and "text/html" in (request.getHeader("Accept") or "")


def _is_api(request: Any) -> bool:
    return IAPIRequest is not None and bool(IAPIRequest.providedBy(request))


def _is_service(request: Any) -> bool:
    """Tell whether a service answers, which makes JSON of a dict by itself."""
    published = request.get("PUBLISHED")
    published = getattr(published, "__self__", published)
    return IService is not None and bool(IService.providedBy(published))


def _next_page(job: Job, back_to: str) -> str:
    shown = Shown(job)
    if not looking.may_see(job):
        api.portal.show_message(message_of(shown), getRequest())
        return back_to or (shown.context.url if shown.context else site_url())
    if back_to:
        mark = "&" if urlsplit(back_to).query else "?"
        return f"{back_to}{mark}{urlencode({ACCEPTED: job.id})}"
    return f"{shown.url}?{FOLLOW}=1"


def message_of(shown: Shown) -> Any:
    """Return what people read of a job that was accepted."""
    return _("“${task}” was accepted.", mapping={"task": _label(shown)})


def _label(shown: Shown) -> str:
    return str(translate(shown.label, context=getRequest()))


def _answer(job: Job, request: Any) -> Any:
    shown, response = Shown(job), request.response
    told = {"id": job.id, "state": shown.state, "task": job.wanted.task, "title": _label(shown)}
    response.setStatus(202)
    response.setHeader("Retry-After", str(RETRY_AFTER))
    if looking.may_see(job):
        url = f"{site_url()}/@jobs/{job.id}" if _is_api(request) else shown.url
        response.setHeader("Location", url)
        told = {"@id": url, **told}
    if _is_service(request):
        return told
    response.setHeader("Content-Type", "application/json; charset=utf-8")
    return json.dumps(told)
