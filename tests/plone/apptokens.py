"""Application tokens of a real site, and requests with them."""

from bearers import Bearers
from collective.wsgifutures.jobs.origin import take_origin
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.failures import failures
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.scope import make_scope
from plone.uuid.interfaces import IUUID
from zope.event import subscribers

import time
import transaction


class Tokens(Bearers):
    """Makes tokens, and asks the site with their secrets."""

    def __init__(self, site):
        super().__init__(site)
        failures.forget()
        self.events = []
        subscribers.append(self._listen)

    def stop(self):
        subscribers.remove(self._listen)
        failures.forget()

    def _listen(self, event):
        if type(event).__module__.endswith("tokens.events"):
            self.events.append(event)

    def ask(self, path, *args, headers=(), **more):
        headers = {"REMOTE_ADDR": "127.0.0.1", **dict(headers)}
        return super().ask(path, *args, headers=headers, **more)

    def owner(self, name):
        portal = self.site.portal
        folder = next(h for h in (portal, portal.aq_parent) if h.acl_users.getUser(name))
        return take_origin(None, folder.acl_users.getUser(name))

    def make(self, *services, part=None, user="test-user", at=None, days=30):
        """Return a token, and its secret."""
        scope = make_scope(services or ["read:"], "" if part is None else IUUID(part))
        now = time.time() if at is None else at
        made = acts.make(
            self.site.portal, self.owner(user), "A", scope, now + days * DAY, "boss", now
        )
        transaction.commit()
        return made

    def secret(self, *services, **more):
        return self.make(*services, **more)[1]
