"""``@controlpanels/wsgifutures``: the same settings for Volto, with the same rules."""

from collective.wsgifutures.controlpanel.guard import ADDRESSES
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import fields
from holdsite import ADMIN
from sitesettings import install
from sitesettings import MEMBER
from sitesettings import NAMES
from sitesettings import records
from sitesettings import SITE_ADMIN

import ast
import json
import pytest
import transaction

PATH = "@controlpanels/wsgifutures"
LINE = "weather.base_url = https://example.com"


@pytest.fixture
def installed(site):
    """The site with the add-on."""
    install(site.portal)
    # As plone.restapi's own profile does.
    site.portal.manage_permission("plone.restapi: Use REST API", ["Anonymous"], acquire=1)
    transaction.commit()
    return site


def get(site, user=ADMIN, path=PATH, **more):
    return site.get(path, user=user, accept="application/json", **more)


def patch(site, data, user=ADMIN, path=PATH):
    return site.request(
        "PATCH",
        path,
        user=user,
        accept="application/json",
        body=json.dumps(data).encode(),
        kind="application/json",
    )


@pytest.mark.parametrize("user", [ADMIN, SITE_ADMIN])
def test_the_panel_is_listed(installed, user):
    """With its title and group, which Volto shows."""
    panels = get(installed, user, "@controlpanels").json
    (ours,) = [one for one in panels if one["@id"].endswith("/@controlpanels/wsgifutures")]
    assert (ours["title"], ours["group"]) == ("Held responses", "Add-on Configuration")


def test_the_panel_has_the_form_and_the_values(installed):
    """Titles, descriptions, types; what is kept."""
    panel = get(installed).json
    properties = panel["schema"]["properties"]
    assert set(properties) == set(NAMES)
    assert properties["deadline"]["type"] == "number"
    assert properties["upstream_limits"]["type"] == "array"
    assert all(one["title"] and one["description"] for one in properties.values())
    assert {n: v for n, v in panel["data"].items() if v} == {"enabled": True}


def test_the_panel_shows_the_settings_of_the_process_and_of_upstreams(installed):
    """For who looks: nobody changes them here."""
    panel = get(installed, deadline=20.0).json
    assert set(panel["process"]) == {one.name for one in fields(Settings)}
    assert panel["process"]["deadline"]["value"] == "20"
    assert panel["process"]["slots"]["from"] == "default"
    assert panel["process"]["slots"]["variable"] == "WSGIFUTURES_SLOTS"
    weather = panel["upstreams"]["weather"]
    assert weather["host"] == "127.0.0.1:9"
    assert set(weather["settings"]) == {one.name for one in fields(UpstreamSettings)}


def test_a_process_without_the_hold_shows_none(installed):
    """There is nothing to show."""
    assert get(installed, held=False).json["process"] is None


def test_settings_are_changed(installed):
    """A whole number is a number of seconds too; what is not sent stays."""
    data = {"enabled": False, "deadline": 10, "timeout": 2.5, "max_passes": 3}
    data |= {"server_timing": True, "upstream_limits": ["weather.off = on"], ADDRESSES: [LINE]}
    assert patch(installed, data).status == 204
    assert records(installed.portal) == data
    assert patch(installed, {"deadline": None, "unknown": 1}).status == 204
    assert records(installed.portal) == {**data, "deadline": None}


SECONDS = "This setting takes a number of seconds above 0, or nothing."
COUNT = "This setting takes a whole number, 1 or more, or nothing."
SWITCH = "This setting takes on or off."
LINES = "This setting takes lines like “weather.total = 5”."

REFUSED = [
    *[("timeout", value, SECONDS) for value in [0, -1.5, "5", True]],
    ("deadline", 1e999, SECONDS),
    *[("max_passes", value, COUNT) for value in [0, 2.5, "3", True]],
    *[("enabled", value, SWITCH) for value in ["yes", 1]],
    *[("server_timing", value, SWITCH) for value in ["off", 0.0, []]],
    ("upstream_limits", "weather.off = on", LINES),
    ("upstream_limits", ["weather.total = never"], "total takes a number of seconds above 0."),
    ("upstream_limits", ["weather.total = 5", 5], LINES),
    ("upstream_limits", [LINE], "base_url is not a setting of this field"),
    (ADDRESSES, ["weather.base_url = https://me:secret@example.com"], "without query, user or"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), REFUSED)
def test_a_value_that_is_wrong_is_refused_with_what_is_allowed(installed, name, value, allowed):
    """And nothing is changed, the others neither."""
    before = records(installed.portal)
    answer = patch(installed, {"max_passes": 7, "timeout": 7.0, name: value})
    assert answer.status == 400
    (error,) = ast.literal_eval(answer.json["message"])  # as plone.restapi writes a list
    assert error["field"] == name
    assert allowed in error["message"]
    assert "secret" not in answer.body
    assert records(installed.portal) == before


@pytest.mark.parametrize(("user", "status"), [(MEMBER, 401), (None, 401)])
def test_who_may_not_manage_the_settings_neither_reads_nor_writes(installed, user, status):
    """plone.restapi asks for its own permission first."""
    before = records(installed.portal)
    assert get(installed, user).status == status
    assert patch(installed, {"timeout": 7}, user).status == status
    assert records(installed.portal) == before


def test_who_may_see_site_setup_needs_our_permission_too(installed):
    """plone.restapi has one permission for all control panels."""
    installed.portal.manage_permission("Plone Site Setup: Overview", ["Member"], acquire=1)
    transaction.commit()
    before = records(installed.portal)
    assert get(installed, MEMBER, "@controlpanels").status == 200
    assert get(installed, MEMBER).status == 401
    assert patch(installed, {"timeout": 7}, MEMBER).status == 401
    assert records(installed.portal) == before


# Addresses, whichever way they are written


@pytest.mark.parametrize("lines", [[LINE], []])
def test_a_site_administrator_changes_no_address(installed, lines):
    """Nor anything else beside it."""
    kept = ["weather.base_url = https://other.example"]
    assert patch(installed, {ADDRESSES: kept}).status == 204
    answer = patch(installed, {"timeout": 7, ADDRESSES: lines}, SITE_ADMIN)
    assert (answer.status, "Managers" in answer.body) == (403, True)
    assert records(installed.portal)[ADDRESSES] == kept
    assert records(installed.portal)["timeout"] is None


def test_a_site_administrator_sends_back_what_is_there_and_changes_a_limit(installed):
    """As Volto does: it sends every field."""
    assert patch(installed, {ADDRESSES: [LINE]}).status == 204
    data = get(installed, SITE_ADMIN).json["data"]
    assert data[ADDRESSES] == [LINE]
    answer = patch(installed, {**data, "upstream_limits": ["weather.off = on"]}, SITE_ADMIN)
    assert answer.status == 204
    kept = records(installed.portal)
    assert (kept[ADDRESSES], kept["upstream_limits"]) == ([LINE], ["weather.off = on"])


def test_the_form_of_a_site_administrator_has_no_field_for_addresses(installed):
    """What cannot be changed is not offered."""
    assert ADDRESSES not in get(installed, SITE_ADMIN).json["schema"]["properties"]


def test_who_manages_the_registry_and_not_addresses_changes_none(installed):
    """``@registry`` writes the very record."""
    installed.portal.manage_permission("Manage portal", ["Manager", "Member"], acquire=0)
    transaction.commit()
    record = f"wsgifutures.{ADDRESSES}"
    answer = patch(installed, {record: [LINE]}, MEMBER, "@registry")
    assert answer.status == 401
    assert records(installed.portal)[ADDRESSES] is None
    assert patch(installed, {"wsgifutures.timeout": 7.0}, MEMBER, "@registry").status == 204
    assert patch(installed, {record: [LINE]}, ADMIN, "@registry").status == 204
    assert records(installed.portal)[ADDRESSES] == [LINE]


def test_a_site_without_the_add_on_has_no_such_panel(site):
    """It hangs on the browser layer."""
    assert get(site).status == 404
