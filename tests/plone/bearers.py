"""Jobs that workers elsewhere have claimed, and requests with the tokens that they got.

Everything in ``folder`` is private, and whoever submits is a Manager: what an answer has of it, or
of users and settings, was not for an anonymous client.
"""

from collective.wsgifutures import task
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.workers.access import access_token_for
from jobsite import prepare
from plone import api
from plone.app.testing import login
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.namedfile.file import NamedBlobImage
from Products.CMFCore.permissions import AccessContentsInformation
from Products.CMFCore.permissions import View
from Products.SiteAccess.VirtualHostMonster import manage_addVirtualHostMonster
from typing import NamedTuple
from ZPublisher.interfaces import IPubAfterTraversal

import time
import transaction

PASSWORD = "correct horse battery"

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><desc>drawn</desc></svg>'

MAY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "@@images", "@history", "@@described"]

read = task(name="bearers.read", queue="ocr", elsewhere=True, may=["GET", "@@images"])
change = task(name="bearers.change", queue="ocr", elsewhere=True, may=MAY)
blind = task(name="bearers.blind", queue="ocr", elsewhere=True)


class Claimed(NamedTuple):
    """A claim of a worker."""

    job: object
    claim: object

    def token(self, now=None):
        """Return an access token, as the worker gets it."""
        token = access_token_for(self.job, self.claim, now or time.time())
        transaction.commit()
        return token


class Bearers:
    """Asks the site with tokens, and keeps as whom each request was published."""

    def __init__(self, site):
        self.site = site
        self.seen = []
        prepare(site)
        manage_addVirtualHostMonster(site.portal.aq_parent, "virtual_hosting")
        setRoles(site.portal, TEST_USER_ID, ["Member", "Manager"])
        self._add_content(site.portal)
        site.subscriber(IPubAfterTraversal, self._note)
        transaction.commit()

    def _add_content(self, portal):
        folder = api.content.create(portal, "Folder", "folder", title="Private")
        for permission in (View, AccessContentsInformation):
            folder.manage_permission(permission, ["Manager", "Reader"], acquire=False)
        self.box = api.content.create(folder, "Folder", "box", title="Box")
        self.page = api.content.create(self.box, "Document", "page", title="Inside")
        self.image = api.content.create(self.box, "Image", "image", title="Image")
        self.image.image = NamedBlobImage(SVG, filename="drawn.svg")
        self.other = api.content.create(folder, "Document", "other", title="Beside")
        self.news = api.content.create(portal, "Folder", "news", title="News")
        api.content.create(self.news, "Document", "secret", title="Far away")
        self.news.manage_permission(View, ["Manager"], acquire=False)

    def _note(self, event):
        user = event.request.get("AUTHENTICATED_USER")
        self.seen.append(None if user is None else user.getId())

    def claim(self, context=None, task=read, user=TEST_USER_NAME):
        """Return a claim of a job that *user* has submitted about *context*."""
        portal = self.site.portal
        login(portal if portal.acl_users.getUser(user) else portal.aq_parent, user)
        job = task.submit(self.box if context is None else context)
        transaction.commit()
        login(portal, TEST_USER_NAME)
        store = find_store(main_connection(portal._p_jar))
        claim = leases.claim_elsewhere(store, job, "a-worker", job.id, time.time())
        transaction.commit()
        return Claimed(job, claim)

    def ask(self, path, token=None, method="GET", accept="application/json", headers=(), **more):
        """Send a request to a path below the site; one with a ``/`` is taken as it is."""
        headers = dict(headers)
        if path.startswith("/"):
            path, headers["PATH_INFO"] = "", path
        if token is not None:
            headers["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        self.seen.clear()
        return self.site.request(method, path, accept=accept, headers=headers, **more)

    def is_nobodys(self, path, token, **more):
        """Tell whether the answer to a request with *token* is the anonymous one."""
        answer, seen = _without_time(self.ask(path, token, **more)), [*self.seen]
        anonymous = _without_time(self.ask(path, **more))
        return answer == anonymous and seen == self.seen and TEST_USER_ID not in seen


def _without_time(answer):
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status, headers, answer.body
