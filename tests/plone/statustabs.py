"""What the tests of both tabs of the live status need: a board, a request, and a look at a page."""

from holdsite import ADMIN
from lxml.html import fromstring
from sitesettings import install
from snapshots import Workers

import transaction

MANAGER = ("meg", "correct horse battery")  #: of this site alone


def make_workers(site, folder):
    """Return a board that nobody has written on, in a site with the add-on."""
    install(site.portal)
    site.portal.acl_users.userFolderAddUser(*MANAGER, ["Member", "Manager"], [])
    transaction.commit()
    return Workers(folder)


def asker(site, workers, page):
    """Return what asks for a view of the status as a user, for *page* if none is named."""

    def ask(path=page, query=None, user=ADMIN, **more):
        return site.get(path, query=query, user=user, **{**workers.settings, **more})

    return ask


def told(page, css):
    """Return the text of each element that *css* matches."""
    return [_text_of(one) for one in fromstring(page.body).cssselect(css)]


def rows(page, section, row="tbody tr"):
    """Return the cells of each row in a *section*."""
    found = fromstring(page.body).cssselect(f"#futures-part-{section} {row}")
    return [[_text_of(cell) for cell in one] for one in found]


def _text_of(element):
    return " ".join(element.text_content().split())
