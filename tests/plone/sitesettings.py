"""The add-on, installed, and who changes its settings through the control panel."""

from collective.wsgifutures import Upstream
from collective.wsgifutures.upstreams.upstream import upstreams
from holdsite import ADMIN
from lxml.html import fromstring
from plone.registry.interfaces import IRegistry
from plone.testing.zope import Browser
from zope.component import getUtility

import transaction

SITE_ADMIN = ("sally", "correct horse battery")
MEMBER = ("mark", "correct horse battery")
PANEL = "@@wsgifutures-controlpanel"

#: An upstream of this process that nobody has to ask.
WEATHER = Upstream("weather", "http://127.0.0.1:9", retries=0, max_calls=50)

NAMES = (
    "enabled",
    "timeout",
    "deadline",
    "max_passes",
    "server_timing",
    "upstream_limits",
    "upstream_addresses",
)


def install(portal):
    """Install the add-on, and add a Site Administrator and a member."""
    upstreams[WEATHER.name] = WEATHER  # another test may have had one of that name
    portal.portal_setup.runAllImportStepsFromProfile("profile-collective.wsgifutures:default")
    portal.acl_users.userFolderAddUser(*SITE_ADMIN, ["Member", "Site Administrator"], [])
    portal.acl_users.userFolderAddUser(*MEMBER, ["Member"], [])
    transaction.commit()


def records(portal):
    """Return the settings that are kept."""
    transaction.begin()
    registry = getUtility(IRegistry, context=portal)
    values = registry.records._values  # not what this request remembers of them
    return {name: values.get(f"wsgifutures.{name}", "no record") for name in NAMES}


class Panel:
    """Site Setup > Held responses, in the browser of a user."""

    def __init__(self, app, url, user=ADMIN):
        self.browser = Browser(app)
        self.browser.handleErrors = True
        self.browser.raiseHttpErrors = False
        self.browser.addHeader("Authorization", "Basic " + ":".join(user))
        self.browser.addHeader("Accept", "text/html")
        self.url = f"{url}/{PANEL}"
        self.open()

    def open(self):
        self.browser.open(self.url)
        self._is_fresh = True

    def save(self, **values):
        """Fill in the fields and press Save; a list is lines."""
        if not self._is_fresh:
            self.open()
        self._is_fresh = False
        for name, value in values.items():
            value = "\n".join(value) if isinstance(value, list) else value
            self.control(name).value = value
        self.browser.getControl(name="form.buttons.save").click()
        return self

    def control(self, name):
        suffix = ":list" if name in ("enabled", "server_timing") else ""
        return self.browser.getControl(name=f"form.widgets.{name}{suffix}")

    @property
    def page(self):
        return fromstring(self.browser.contents)

    @property
    def fields(self):
        """The names of the fields that it shows."""
        return tuple(f.get("data-fieldname")[13:] for f in self.page.cssselect(".field"))

    @property
    def said(self):
        """What it says of the last save."""
        (found,) = self.page.cssselect(".statusmessage")
        return " ".join(found.text_content().split())

    def error(self, name):
        """What it says at a field is wrong."""
        found = self.page.cssselect(f"#formfield-form-widgets-{name} .invalid-feedback")
        return " ".join(" ".join(e.text_content().split()) for e in found)

    def help(self, name):
        """What it says at a field of it."""
        (found,) = self.page.cssselect(f"#formfield-form-widgets-{name} .form-text")
        return " ".join(found.text_content().split())
