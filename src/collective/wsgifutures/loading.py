"""Loads a site from its paste file, for commands that work without a server.

Nothing of Zope is imported here at the top: the command has to say what is wrong first.
"""

from .wsgi.settings import variable_of
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import configparser
import logging
import logging.config
import os


class SiteRefused(Exception):
    """The site cannot be loaded here; ``str`` says why, and what to do."""


def load_site(paste: str, *, logs: bool = True, off: Iterable[str] = ("jobs", "clock")) -> Any:
    """Return the WSGI application that the file *paste* describes.

    Args:
        paste: The path of the file.
        logs: Set logging up as the file says.
        off: The settings that are switched off in this process: if the hold is a filter in the
            pipeline, its worker starts as the site is loaded, and is to do none of that.

    Raises:
        SiteRefused: There is no such file, or another process has the database.
    """
    from paste.deploy import loadapp

    path = Path(paste).absolute()
    if not path.is_file():
        raise SiteRefused(f"There is no file {paste}: name the site's paste file with --paste.")
    if logs:
        _set_up_logging(path)
    os.environ.update({variable_of(name): "off" for name in off})
    try:
        return loadapp(f"config:{path}")
    except Exception as failed:
        if type(failed).__name__ != "LockError":  # zc.lockfile's
            raise
        raise SiteRefused(
            f"{failed}: another process has this FileStorage, and only one process can have it. "
            "Let the server run the jobs, as it does by default, and look at them in its live "
            "status; or serve the database by ZEO or RelStorage."
        ) from None


def _set_up_logging(paste: Path) -> None:
    """Log as the paste file says, as a server does; to standard error if it does not say."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(paste)
    if parser.has_section("loggers"):
        names = {"__file__": str(paste), "here": str(paste.parent)}
        logging.config.fileConfig(paste, names, disable_existing_loggers=False)
    else:
        logging.basicConfig(level=logging.INFO)
