"""Site Setup > Held responses: what it shows, what it takes, what it refuses, and from whom."""

from collective.wsgifutures.controlpanel.interfaces import FIELDS
from collective.wsgifutures.controlpanel.interfaces import TAKES
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.wsgi.joints import joints
from collective.wsgifutures.wsgi.joints import max_slots
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from dataclasses import fields
from holdsite import ADMIN
from lxml.html import fromstring
from sitesettings import install
from sitesettings import MEMBER
from sitesettings import NAMES
from sitesettings import PANEL
from sitesettings import Panel
from sitesettings import records
from sitesettings import SITE_ADMIN

import holdsite
import os
import pytest

UNSET = {
    "enabled": True,
    "timeout": None,
    "deadline": None,
    "max_passes": None,
    "server_timing": False,
    "upstream_limits": None,
    "upstream_addresses": None,
}


@pytest.fixture
def open_panel(site, functional):
    """Open the control panel as a user."""
    install(site.portal)
    return lambda user=ADMIN: Panel(functional["app"], site.portal.absolute_url(), user)


def rows(contents, section):
    """Return name, value, what it is and where from, for each setting in a *section*."""

    def text(row, part):
        (found,) = row.cssselect(part)
        return " ".join(found.text_content().split())

    parts = ["code", "span", "dt div", "dd div"]
    found = fromstring(contents).cssselect(f"#{section} dl > div")
    return [[text(row, part) for part in parts] for row in found]


# What it shows


def test_site_setup_lists_the_control_panel_with_an_icon(site, open_panel):
    """Among the add-ons, for Managers and Site Administrators."""
    for user, listed in [(ADMIN, 1), (SITE_ADMIN, 1)]:
        page = fromstring(site.get("@@overview-controlpanel", user=user).body)
        links = page.cssselect(f"#content li:not(.dropdown) a[href$='{PANEL}']:not(.dropdown-item)")
        assert len(links) == listed
        assert "Held responses" in links[0].text_content()
        assert links[0].cssselect("svg")


def test_each_field_has_a_title_and_a_description(open_panel):
    """In the add-on's i18n domain."""
    panel = open_panel()
    assert panel.fields == NAMES == tuple(FIELDS) == tuple(TAKES)
    for name in NAMES:
        assert len(panel.help(name)) > 40
        assert FIELDS[name].title.domain == "collective.wsgifutures"
        assert FIELDS[name].description.domain == "collective.wsgifutures"


def test_the_add_on_when_just_installed_is_set_to_nothing(site, open_panel):
    """It changes nothing by itself."""
    assert records(site.portal) == UNSET


@pytest.mark.parametrize(("user", "status"), [(MEMBER, 302), (None, 302)])
def test_who_may_not_manage_the_settings_gets_no_control_panel(site, open_panel, user, status):
    """Nor where it only reads."""
    answer = site.get(PANEL, user=user)
    assert answer.status == status
    assert "form.widgets.deadline" not in answer.body


def test_the_settings_of_the_process_are_shown_with_where_they_come_from(
    site, open_panel, monkeypatch
):
    """Nobody edits them here."""
    monkeypatch.setenv("WSGIFUTURES_GRACE", "2.5")
    monkeypatch.setattr(holdsite, "Settings", lambda: Settings.read({"slots": "3"}))
    answer = site.get(PANEL, user=ADMIN)
    listed = rows(answer.body, "wsgifutures-process")
    what = [(one.name, one.metadata["what"]) for one in fields(Settings)]
    assert [(row[0], row[2]) for row in listed] == what
    shown = {row[0]: (row[1], row[3]) for row in listed}
    assert shown["slots"] == ("3", "option of the PasteDeploy filter")
    assert shown["grace"] == ("2.5", "environment variable WSGIFUTURES_GRACE")
    assert shown["deadline"] == ("55", "default")
    assert shown["liveness_path"] == ("not set", "default")
    assert "does not hold responses" not in answer.body


def test_a_setting_that_is_not_set_is_shown_with_what_the_process_uses(
    site, open_panel, monkeypatch
):
    """Default is no number: how many there are is what somebody wants to know."""
    monkeypatch.setattr(holdsite, "Settings", lambda: Settings.read({"max_held": "300"}))
    listed = rows(site.get(PANEL, user=ADMIN).body, "wsgifutures-process")
    shown = {row[0]: (row[1], row[3]) for row in listed}
    worker = Worker(None, Settings())
    assert shown["slots"] == (str(worker.gate.slots), "default")
    assert shown["max_processes"] == (str(os.cpu_count()), "default")
    assert shown["max_held_per_client"] == ("30", "default")
    assert shown["status_folder"] == (os.path.join(joints[0].home(), "wsgifutures"), "default")


def test_more_slots_than_there_can_be_are_shown_with_those_that_are_used(
    site, open_panel, monkeypatch
):
    """The pool of the ZODB has no more connections."""
    monkeypatch.setattr(holdsite, "Settings", lambda: Settings.read({"slots": "1000"}))
    listed = rows(site.get(PANEL, user=ADMIN).body, "wsgifutures-process")
    shown = {row[0]: row[1] for row in listed}
    assert shown["slots"] == f"1000; {max_slots()} used"


def test_a_process_without_the_hold_says_so(site, open_panel):
    """Whoever wonders why nothing is held finds it here."""
    answer = site.get(PANEL, user=ADMIN, held=False)
    assert "This process does not hold responses" in answer.text
    assert rows(answer.body, "wsgifutures-process") == []


def test_upstreams_are_listed_with_all_that_can_be_set(site, open_panel):
    """As they are for this site; without what is secret about an address."""
    open_panel().save(upstream_limits=["weather.total = 5"])
    found = rows(site.get(PANEL, user=ADMIN).body, "upstream-weather")
    shown = {name: others for name, *others in found}
    assert len(shown) == len(fields(UpstreamSettings))
    assert shown["weather.total"][0::2] == ["5", "this site; else 30"]
    assert shown["weather.max_calls"][0::2] == ["50", "code, or default"]


def test_variable_that_nothing_reads_is_no_origin(site, open_panel, monkeypatch):
    """The prefix is in capitals, whatever comes after it."""
    monkeypatch.setenv("wsgifutures_upstream_weather_total", "5")
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_WEATHER_MAX_CALLS", "50")
    found = rows(site.get(PANEL, user=ADMIN).body, "upstream-weather")
    shown = {name: others for name, *others in found}
    assert shown["weather.total"][0::2] == ["30", "code, or default"]
    variable = "environment variable WSGIFUTURES_UPSTREAM_WEATHER_MAX_CALLS"
    assert shown["weather.max_calls"][0::2] == ["50", variable]


# What it takes and refuses


def test_settings_that_are_saved_are_kept(site, open_panel):
    """Each of them, and a second time what is empty again."""
    open_panel().save(
        enabled=[],
        timeout="2.5",
        deadline="10",
        max_passes="3",
        server_timing=["selected"],
        upstream_limits=["weather.total = 5", "weather.off = on"],
        upstream_addresses=["weather.base_url = https://example.com/"],
    )
    assert records(site.portal) == {
        "enabled": False,
        "timeout": 2.5,
        "deadline": 10.0,
        "max_passes": 3,
        "server_timing": True,
        "upstream_limits": ["weather.total = 5", "weather.off = on"],
        "upstream_addresses": ["weather.base_url = https://example.com/"],
    }
    panel = open_panel()
    panel.save(
        enabled=["selected"],
        timeout="",
        deadline="",
        max_passes="",
        server_timing=[],
        upstream_limits="",
        upstream_addresses="",
    )
    assert "Changes saved" in panel.said
    assert {n: v or UNSET[n] for n, v in records(site.portal).items()} == UNSET


SECONDS = "This setting takes a number of seconds above 0, or nothing."
COUNT = "This setting takes a whole number, 1 or more, or nothing."
SETTINGS = ", ".join(one.name for one in fields(UpstreamSettings))
HTTP = "an address that begins with http:// or https://, without query, user or password"

REFUSED = [
    *[("timeout", value, SECONDS) for value in ["0", "-1", "soon", "1e999"]],
    *[("deadline", value, SECONDS) for value in ["0", "-0.5", "1 minute"]],
    *[("max_passes", value, COUNT) for value in ["0", "-3", "2.5", "many"]],
    ("upstream_limits", "weather total 5", "as in “weather.off = …”"),
    ("upstream_limits", "weather.speed = 5", "The field takes: off, connect, read, total,"),
    ("upstream_limits", "weather.total = never", "total takes a number of seconds above 0."),
    ("upstream_limits", "weather.max_calls = 0", "takes a whole number, 1 or more."),
    ("upstream_limits", "wether.total = 5", "no upstream is called wether. The upstreams are:"),
    ("upstream_limits", "weather.off = on\nweather.off = no", "two lines change this setting"),
    (
        "upstream_limits",
        "weather.base_url = https://example.com",
        "base_url is not a setting of this",
    ),
    ("upstream_addresses", "weather.base_url = example.com", HTTP),
    ("upstream_addresses", "weather.base_url = https://me:secret@example.com", HTTP),
    ("upstream_addresses", "weather.total = 5", "The field takes: base_url, ca_file."),
]


@pytest.mark.parametrize(("name", "value", "allowed"), REFUSED)
def test_a_value_that_is_wrong_is_refused_with_what_is_allowed(
    site, open_panel, name, value, allowed
):
    """And nothing is changed, the other fields neither."""
    panel = open_panel().save(**{name: value, "server_timing": ["selected"]})
    assert allowed in panel.error(name)
    assert "secret" not in panel.error(name)
    assert "There were some errors" in panel.said
    assert records(site.portal) == UNSET


CUT = [("deadline", "100", 55), ("max_passes", "30", 25)]


@pytest.mark.parametrize(("name", "value", "allowed"), CUT)
def test_a_value_above_the_process_s_is_cut_and_the_form_says_so(
    site, open_panel, name, value, allowed
):
    """A site may lower what the process allows, never raise it."""

    def help_text():
        page = fromstring(site.get(PANEL, user=ADMIN).body)
        (found,) = page.cssselect(f"#formfield-form-widgets-{name} .form-text")
        return " ".join(found.text_content().split())

    assert help_text().endswith(f"This server allows at most {allowed}.")
    open_panel().save(**{name: value})
    cut = f"This server allows at most {allowed}, and lowers {value} to this limit."
    assert help_text().endswith(cut)


# Addresses


def test_a_site_administrator_sets_limits_and_finds_no_field_for_addresses(site, open_panel):
    """Whatever is sent to an upstream goes to its address."""
    panel = open_panel(SITE_ADMIN)
    assert panel.fields == NAMES[:-1]
    panel.save(upstream_limits=["weather.off = on"])
    assert records(site.portal)["upstream_limits"] == ["weather.off = on"]


def test_a_site_administrator_who_posts_an_address_sets_none(site, open_panel):
    """The form does not take what it does not show."""
    panel = open_panel(SITE_ADMIN)
    token = panel.browser.getControl(name="_authenticator", index=0).value
    answer = site.post(
        PANEL,
        {
            "form.widgets.upstream_addresses": "weather.base_url = https://evil.example",
            "form.widgets.timeout": "7",
            "form.buttons.save": "Save",
            "_authenticator": token,
        },
        user=SITE_ADMIN,
    )
    assert answer.status == 302
    kept = records(site.portal)
    assert (kept["timeout"], kept["upstream_addresses"]) == (7.0, None)


def test_what_a_manager_set_stays_when_a_site_administrator_saves(site, open_panel):
    """A field that is not shown is not emptied."""
    lines = ["weather.base_url = https://example.com"]
    open_panel().save(upstream_addresses=lines)
    open_panel(SITE_ADMIN).save(timeout="3")
    kept = records(site.portal)
    assert (kept["timeout"], kept["upstream_addresses"]) == (3.0, lines)
