"""The command ``wsgifutures``; also ``python -m collective.wsgifutures``."""

from . import clock_command
from . import doctor
from . import jobs_command
from . import relay
from . import work

import argparse
import sys

_DESCRIPTION = "Tools for Plone sites that hold responses."


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser("wsgifutures", description=_DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    doctor.add_parser(commands)
    work.add_parser(commands)
    relay.add_parser(commands)
    jobs_command.add_parser(commands)
    clock_command.add_parser(commands)
    options, others = parser.parse_known_args(arguments)
    status: int = options.run(options, others)
    return status


if __name__ == "__main__":
    sys.exit(main())
