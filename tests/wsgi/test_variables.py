"""A variable that is named like ours and changes nothing is told, with what may be meant."""

from collective.wsgifutures.wsgi.findings import Level
from collective.wsgifutures.wsgi.variables import changes_nothing
from collective.wsgifutures.wsgi.variables import KNOWN
from collective.wsgifutures.wsgi.variables import unknown_variables
from pathlib import Path

import os
import pytest
import re

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def none_of_ours(monkeypatch):
    """An environment without variables of ours."""
    for name in list(os.environ):
        if "FUTURE" in name.upper():
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("WSGIFUTURES_DEADLIN", "WSGIFUTURES_DEADLINE"),
        ("WSGIFUTURES_MAXHELD", "WSGIFUTURES_MAX_HELD"),
        ("WSGIFUTURES_SLOT", "WSGIFUTURES_SLOTS"),
        ("WSGIFUTURES_CACHE_SECRETS", "WSGIFUTURES_CACHE_SECRET"),
        ("wsgifutures_deadline", "WSGIFUTURES_DEADLINE"),
        ("WSGIFUTURE_DEADLINE", "WSGIFUTURES_DEADLINE"),
        ("WSGI_FUTURES_GRACE", "WSGIFUTURES_GRACE"),
        ("COLLECTIVE_WSGIFUTURES_DEBUG", "WSGIFUTURES_DEBUG"),
    ],
)
def test_mistyped_variable_is_told_with_the_nearest_name(monkeypatch, name, nearest):
    """And without its value."""
    monkeypatch.setenv(name, "s3cret")
    (finding,) = unknown_variables()
    assert (finding.level, finding.topic) == (Level.WARNING, "variables")
    assert str(finding) == (
        f"variables: The variable {name} changes nothing: nothing reads it. "
        f"Is it {nearest}? Correct its name, or take it out of the environment."
    )


@pytest.mark.parametrize("name", ["WSGIFUTURES_", "WSGIFUTURES", "WSGIFUTURES_COLOUR"])
def test_variable_that_is_like_no_other_is_told_without_a_guess(monkeypatch, name):
    """A wrong guess would not help."""
    monkeypatch.setenv(name, "1")
    (finding,) = unknown_variables()
    assert finding.remedy == "Correct its name, or take it out of the environment."


def test_variables_that_are_read_are_not_told(monkeypatch):
    """Nor those of upstreams, which are looked at where these are known, nor of others."""
    for name in (*KNOWN, "WSGIFUTURES_UPSTREAM_WETHER_OFF", "FUTURES_DEADLINE", "WSGI_DEADLINE"):
        monkeypatch.setenv(name, "1")
    assert list(unknown_variables()) == []


def test_nearest_name_of_an_upstreams_variable_is_one_of_its_own():
    """What all of them begin with does not count."""
    known = [f"WSGIFUTURES_UPSTREAM_WEATHER_{name}" for name in ("OFF", "MAX_CALLS")]
    finding = changes_nothing("upstreams", "WSGIFUTURES_UPSTREAM_WETHER_OFF", "why", known)
    assert finding.remedy.startswith(f"Is it {known[0]}? ")
    finding = changes_nothing("upstreams", "WSGIFUTURES_UPSTREAM_LLM_KEY", "why", known)
    assert finding.remedy.startswith("Correct its name")


def test_all_variables_that_the_project_reads_are_known():
    """Whoever sets one is not told that it changes nothing."""
    read = set()
    for folder in ("src", "examples", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            read.update(re.findall(r"\"(WSGIFUTURES_\w*[A-Z])\b", file.read_text()))
            read.update(re.findall(r"'(WSGIFUTURES_\w*[A-Z])'", file.read_text()))
    of_upstreams = {name for name in read if name.startswith("WSGIFUTURES_UPSTREAM_")}
    assert {"WSGIFUTURES_CACHE_SECRET", "WSGIFUTURES_DEMO_SERVICE"} <= read
    assert read - of_upstreams - set(KNOWN) == set()
