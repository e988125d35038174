"""Deferred parts of a page: what the page is sent with, and what is fetched then."""

from collective.wsgifutures import fragment
from holdsite import ask
from holdsite import calls
from lxml.html import fromstring
from plone.app.layout.viewlets import ViewletBase

ME = "test_deferred"


class Base(ViewletBase):
    def index(self):
        return f"<b>[{self.text}]</b>"


@fragment(deferred=True, placeholder="<i>(waits)</i>", height=3)
class Later(Base):
    def update(self):
        super().update()
        self.text = ask("a")


def viewlet(site, name, more="", manager="IAboveContent", permission="zope2.View"):
    site.zcml(
        f"""<browser:viewlet
            name="{name.lower()}" class="{ME}.{name}" permission="{permission}" {more}
            manager="plone.app.layout.viewlets.interfaces.{manager}" />"""
    )


def addresses(answer):
    """Return where the parts of a page are fetched."""
    return fromstring(answer.body).xpath("//@data-wsgifutures-part")


def fetch(site, address, **more):
    path, _, query = address.partition("?")
    return site.request("GET", path.removeprefix("/plone"), headers={"QUERY_STRING": query}, **more)


def test_a_page_with_a_deferred_viewlet(site):
    viewlet(site, "Later")
    answer = site.get("")
    assert (answer.status, answer.passes, calls) == (200, ["200"], [])
    print(answer.body[answer.body.index("wsgifutures") - 100 :][:3000])
    (address,) = addresses(answer)
    part = fetch(site, address)
    print(part)
    assert part.body == "<b>[A]</b>"
    assert part.passes == ["Suspended", "200"]
