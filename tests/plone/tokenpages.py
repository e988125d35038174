"""The pages of tokens: asked for, and their forms sent, by people."""

from collective.wsgifutures.keys.opaque import PATTERN
from datetime import date
from datetime import timedelta
from lxml.html import fromstring
from sitesettings import MEMBER
from statustabs import told
from urllib.parse import urlencode

MINE = "@@wsgifutures-tokens"
ACT = "@@wsgifutures-tokens-act"
SOON = str(date.today() + timedelta(30))
WISH = {
    "name": "Nightly export",
    "services:list": ["read:", "read:@search"],
    "part": "",
    "ends": SOON,
}
FORM = "application/x-www-form-urlencoded"


class Pages:
    """The pages of one kind, as a user sees them."""

    def __init__(self, site, page=MINE, act=ACT):
        self.site = site
        self.page = page
        self.act = act

    def get(self, path=None, user=MEMBER, **query):
        return self.site.get(path or self.page, query=query, user=user)

    def hidden(self, user=MEMBER):
        """Return the hidden fields of the form."""
        form = fromstring(self.get(user=user).body)
        fields = form.cssselect("#wsgifutures-tokens-make input[type=hidden]")
        return {field.get("name"): field.get("value") for field in fields}

    def send(self, path, fields, user=MEMBER, **more):
        body = urlencode(fields, doseq=True).encode()
        return self.site.request("POST", path, body=body, kind=FORM, user=user, **more)

    def make(self, user=MEMBER, hidden=None, **changes):
        """Send the form, with what *changes* of a good one."""
        changes = {name.replace("services", "services:list"): v for name, v in changes.items()}
        hidden = self.hidden(user) if hidden is None else hidden
        return self.send(self.page, {**WISH, **hidden, **changes}, user)

    def do(self, what, user=MEMBER, authenticator=True):
        """Press the button of the page that asks."""
        page = fromstring(self.get(self.act, user, what=what).body)
        found = page.cssselect("#content [name=_authenticator]")
        value = found[0].get("value") if found else self.hidden(user)["_authenticator"]
        fields = {"what": what, **({"_authenticator": value} if authenticator else {})}
        return self.send(self.act, fields, user)

    def message_after(self, answer, user=MEMBER):
        """Return the message of the page that *answer* leads to."""
        assert (answer.status, answer.headers["location"]) == (
            302,
            f"http://nohost/plone/{self.page}",
        )
        cookie = answer.headers["set-cookie"].partition(";")[0]
        page = self.site.get(self.page, user=user, headers={"HTTP_COOKIE": cookie})
        return " ".join(told(page, ".portalMessage"))


def secret_in(answer):
    """Return the secret that a page shows."""
    (found,) = told(answer, "#wsgifutures-tokens-secret")
    assert PATTERN.fullmatch(found)
    return found


def error_at(answer, name):
    """Return what is wrong with a field."""
    return " ".join(told(answer, f"#token-{name}-error"))
