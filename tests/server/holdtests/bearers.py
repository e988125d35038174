"""Views that are offered to tokens, each of which keeps something somewhere."""

from .jobs import write_down
from .upstreams import UPSTREAMS
from .views import View
from collective.wsgifutures.tokens.offered import offer
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import json

NAMES = ("@@bearer-kept", "@@bearer-submit", "@@bearer-failing")

for name in NAMES:
    offer(name, read=("GET",), title=name)


class Kept(View):
    """Has the answer of an upstream kept; with the token among what is asked, as careless code."""

    def __call__(self):
        upstream, token = UPSTREAMS["kept"], self.request._auth
        plain = upstream.get(f"/{self.text}")
        with_token = upstream.get(f"/{self.text}-own", headers={"X-Token": token})
        return f"{plain.text} {with_token.text}"


class Submit(View):
    """Submits a job, and returns its id."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return json.dumps(write_down.submit(self.context, self.text).id)


class Failing(View):
    """Leaves an error for the log, and for the site's own."""

    def __call__(self):
        raise ValueError(self.text)


class Errors(View):
    """Returns all that the site's error log has."""

    def __call__(self):
        log = self.context.error_log
        return repr([log.getLogEntryById(one["id"]) for one in log.getLogEntries()])
