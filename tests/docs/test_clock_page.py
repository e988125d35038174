"""The page of timed work: what it lets a cluster call can be called."""

from collective.wsgifutures import clock_command
from pathlib import Path

import argparse
import re
import textwrap
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "clock.rst"


def test_the_cron_job_of_the_page_calls_the_command_often_enough():
    """At least every five minutes, and a call ends before the next one."""
    block = re.search(r":caption: clock.yaml\n\n(.+?)\n\n\S", PAGE.read_text(), re.S).group(1)
    spec = yaml.safe_load(textwrap.dedent(block))["spec"]
    job = spec["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    parser = argparse.ArgumentParser(program)
    clock_command.add_parser(parser.add_subparsers())
    options = parser.parse_args(arguments)
    assert (program, options.once) == ("wsgifutures", True)
    assert Path(options.paste).name == "zope.ini"
    assert spec["schedule"] == "*/5 * * * *"
    assert job["activeDeadlineSeconds"] < 300
