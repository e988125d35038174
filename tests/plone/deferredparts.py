"""A viewlet that is a deferred part, and who fetches it as a browser does."""

from collective.wsgifutures import fragment
from holdsite import ask
from lxml.html import fromstring
from plone.app.layout.viewlets import ViewletBase

import base64
import json
import logging

MARY = ("mary", "correct horse battery")
MARK = ("mark", "correct horse battery")


@fragment(deferred=True, placeholder="<i>(waits)</i>", height=3)
class Later(ViewletBase):
    """It asks for its text in ``update``; the query says for which."""

    def update(self):
        super().update()
        self.text = ask(self.request.form.get("text", "a"))

    def index(self):
        return f"<b>[{self.text}]</b>"


def viewlet(site, class_=Later, more="", manager="IAboveContent", permission="zope2.View"):
    """Put a viewlet into all pages of the site."""
    site.zcml(
        f"""<browser:viewlet
            name="{class_.__name__.lower()}" class="{class_.__module__}.{class_.__name__}"
            permission="{permission}" {more}
            manager="plone.app.layout.viewlets.interfaces.{manager}" />"""
    )


def addresses(answer):
    """Return where the parts of a page are fetched."""
    return fromstring(answer.body).xpath("//@data-wsgifutures-part")


def address(answer):
    """Return where the only part of a page is fetched."""
    (found,) = addresses(answer)
    return found


def fetch(site, address, method="GET", **more):
    """Ask for a part as a browser does."""
    path, _, query = address.partition("?")
    more["headers"] = {"QUERY_STRING": query, **more.pop("headers", {})}
    more.setdefault("accept", "*/*")
    site.log.set_level(logging.INFO, "collective.wsgifutures")
    answer = site.request(method, path.removeprefix("/plone"), **more)
    assert [one for one in site.log.messages if "token" in one] == []  # what is signed, say
    return answer


def parts_of(address):
    """Return what stands before the token, what it tells, and its signature."""
    before, _, token = address.partition("wsgifutures-token=")
    told, _, signature = token.partition(".")
    return f"{before}wsgifutures-token=", told, signature


def told_by(address):
    """Return what the token tells."""
    told = parts_of(address)[1]
    return json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))
