"""Commands load a site without a server; a filter in its pipeline does not do their work."""

from collective.wsgifutures.command import add_command
from collective.wsgifutures.loading import load_site
from collective.wsgifutures.loading import SiteRefused
from collective.wsgifutures.wsgi.settings import Settings

import argparse
import pytest


def read_settings(global_conf):
    """Return what a filter that is loaded with the site would do: a factory of PasteDeploy's."""
    return Settings.read()


@pytest.fixture
def paste(tmp_path, monkeypatch):
    """A paste file; what is set in the environment ends with the test."""
    for name in ("JOBS", "CLOCK"):
        monkeypatch.setenv(f"WSGIFUTURES_{name}", "on")
    file = tmp_path / "site.ini"
    file.write_text(f"[app:main]\npaste.app_factory = {__name__}:read_settings\n")
    return str(file)


def test_a_filter_in_the_pipeline_neither_runs_jobs_nor_looks_at_timed_work(paste):
    """A command that lists jobs would claim some, and leave them behind at its end."""
    settings = load_site(paste, logs=False)
    assert (settings.jobs, settings.clock) == (False, False)


def test_a_filter_looks_at_timed_work_for_a_command_that_runs_jobs(paste):
    """That is one of the processes that look."""
    settings = load_site(paste, logs=False, off=["jobs"])
    assert (settings.jobs, settings.clock) == (False, True)


@pytest.fixture
def start():
    """Start a command that does *run*; return its exit status."""

    def start(run, *arguments):
        parser = argparse.ArgumentParser("wsgifutures")
        add_command(parser.add_subparsers(), "try", run, help="try it")
        options, others = parser.parse_known_args(["try", *arguments])
        return options.run(options, others)

    return start


def test_a_site_that_cannot_be_loaded_is_told_of_in_one_sentence(start, tmp_path, capsys):
    """With the name of the command."""
    paste = str(tmp_path / "none.ini")
    assert start(lambda options: load_site(options.paste), "--paste", paste) == 1
    said = f"wsgifutures try does not start. There is no file {paste}: name the site's paste file"
    assert capsys.readouterr().err == f"{said} with --paste.\n"


def test_a_setting_that_is_refused_is_told_of_in_one_sentence(start, paste, monkeypatch, capsys):
    """Whichever command reads it first."""
    monkeypatch.setenv("WSGIFUTURES_SLOTS", "many")
    assert start(lambda options: load_site(options.paste, logs=False), "--paste", paste) == 1
    said = capsys.readouterr().err
    assert said.startswith("wsgifutures try does not start. The setting WSGIFUTURES_SLOTS is ")


def test_an_option_that_is_not_there_is_wrong_usage(start, capsys):
    """And nothing is loaded."""

    def run(options):
        raise SiteRefused("nobody gets here")

    with pytest.raises(SystemExit) as ended:
        start(run, "--nosuch")
    assert ended.value.code == 2
    assert "unknown: --nosuch" in capsys.readouterr().err
