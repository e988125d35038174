"""Deferred parts, on gunicorn and on waitress."""

from lxml.html import fromstring

import pytest


def part_of(page):
    """Return where the part of *page* is fetched, below the site."""
    (address,) = fromstring(page.text).xpath("//@data-wsgifutures-part")
    return address.removeprefix("/Plone/")


def test_page_with_a_deferred_part_is_sent_at_once_and_its_part_is_held(server, service, text):
    """The page calls nothing; the part calls once, in two passes."""
    page = server.get("@@later", text=text)
    assert (page.headers["X-Hold-Passes"], service.calls(text)) == ("1", 0)
    part = server.get(part_of(page))
    assert (part.status_code, part.text) == (200, f"{text} for None")
    assert (part.headers["X-Hold-Passes"], service.calls(text)) == ("2", 1)


@pytest.mark.parametrize("user", [None, "bob"])
def test_deferred_part_of_a_users_page_is_for_that_user(server, service, text, users, user):
    """Nobody else makes a call with its address."""
    alice = ("alice", users["alice"])
    address = part_of(server.get("@@later", text=text, auth=alice))
    refused = server.get(address, auth=(user, users[user]) if user else None)
    assert (refused.status_code, refused.text, service.calls(text)) == (403, "", 0)
    assert f"{text} for alice" in server.get(address, auth=alice).text
