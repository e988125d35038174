"""``wsgifutures doctor``: looks at a deployment without serving.

The doctor does what gunicorn does: it reads the configuration as the arbiter does, patches as a
worker does, and loads what the paste file describes. So nothing of Zope may be imported here
at the top, and imports that come too early are seen. Each failure is a finding.

Databases are opened as a worker opens them. If another process has a database, its findings
are made from ``zope.conf``.
"""

from .kernel.runtime import choose_asyncio
from .kernel.settings import SettingRefused
from .wsgi import audit
from .wsgi.findings import error
from .wsgi.findings import Finding
from .wsgi.findings import Level
from .wsgi.findings import ok
from .wsgi.findings import warning
from .wsgi.joints import good_slots
from .wsgi.joints import joints
from .wsgi.joints import max_slots
from .wsgi.settings import Settings
from .wsgi.versions import PACKAGE
from .wsgi.versions import versions
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argparse
import contextlib
import gc
import io
import logging
import os
import re
import sys
import warnings

OURS = "python:collective.wsgifutures.gunicorn"

_DESCRIPTION = """\
Look at a deployment without serving: the checks that a worker makes at its start, and the
versions, storages, limits and time limits around it. Each finding is one line: ok, warning or
error, what it means, what to do.

Give the doctor the options that gunicorn gets; GUNICORN_CMD_ARGS and gunicorn.conf.py are read
too. Run the doctor as the user of the site, in the environment of the site: it opens the
database as the site does, and looks at the limits of its own process.
"""
_EPILOG = """\
exit status: 0 no error (there may be warnings), 1 an error, 2 wrong usage

example: wsgifutures doctor -k gevent -c python:collective.wsgifutures.gunicorn \\
             --paste etc/zope.ini
"""


def add_parser(commands: Any) -> None:
    """Add the command to those of ``wsgifutures``."""
    parser = commands.add_parser(
        "doctor",
        help="look at a deployment without serving",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="wsgifutures doctor [-h] [--paste FILE] [-c CONFIG] [option of gunicorn ...]",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--paste",
        "--paster",
        metavar="FILE",
        default="etc/zope.ini",
        help="the paste file of the site, as for gunicorn (default: etc/zope.ini)",
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="CONFIG",
        help=f"gunicorn's configuration (default: gunicorn.conf.py if it exists, otherwise {OURS})",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, others: list[str]) -> int:
    """Print the findings and return the exit status."""
    paste = options.paste.partition("#")[0]
    if not Path(paste).is_file():
        options.parser.error(f"there is no file {paste}; name the paste file with --paste")
    hidden = secrets(paste)
    counts: Counter[Level] = Counter()
    for finding in examine(options, others):
        counts[finding.level] += 1
        print(line(finding, hidden), flush=True)
    print(f"\nerrors: {counts[Level.ERROR]}, warnings: {counts[Level.WARNING]}")
    return 1 if counts[Level.ERROR] else 0


def line(finding: Finding, hidden: Iterable[str] = ()) -> str:
    """Return *finding* as one line, without secrets."""
    text = " ".join(f"{finding.meaning} {finding.remedy}".split())
    for secret in hidden:
        text = text.replace(secret, "***")
    return f"{finding.level.value:8} {finding.topic:14} {_without_passwords(text)}"


def secrets(paste: str) -> list[str]:
    """Return the passwords in the paste file and in the ``.conf`` files beside it."""
    found: set[str] = set()
    for file in [Path(paste), *Path(paste).parent.glob("*.conf")]:
        with contextlib.suppress(OSError):
            found.update(_PASSWORD.findall(_without_comments(file)))
    return sorted((secret for secret in found if len(secret) > 2), key=len, reverse=True)


def _without_comments(file: Path) -> str:
    lines = file.read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("#", ";")))


_PASSWORD = re.compile(r"(?:password|passwd|pwd)\s*[=:\s]\s*['\"]?([^\s'\"]+)", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@]+@")


def _without_passwords(text: str) -> str:
    text = _URL_PASSWORD.sub(r"\1***@", text)
    return _PASSWORD.sub(lambda found: found[0].replace(found[1], "***"), text)


def examine(options: argparse.Namespace, others: list[str]) -> Iterator[Finding]:
    """Yield the findings of one deployment."""
    yield from versions()
    try:
        cfg = gunicorn_config(options, others)
    except _NotRead as failed:
        yield error("config", f"gunicorn's configuration cannot be read: {failed}.", "Correct it.")
        return
    os.environ.update(cfg.env)
    server = Server(cfg)
    yield from server.before_loading()
    if server.has_greenlets:
        from gevent import monkey

        with quiet():
            monkey.patch_all()
    elif server.is_asyncio:
        choose_asyncio()
    yield from _load_and_examine(server, options.paste)


def _load_and_examine(server: "Server", paste: str) -> Iterator[Finding]:
    loaded = Loaded(paste)  # first: <environment> in zope.conf has settings too
    try:
        settings = Settings.read()
    except SettingRefused as refused:
        yield error("settings", str(refused), "")
        settings = Settings()
    yield server.hold(loaded)
    yield from loaded.findings(server.cfg.workers)
    settings = loaded.settings or settings
    yield from server.of_settings(settings)
    yield from loaded.of_settings(settings, server.is_behind)


class Server:
    """gunicorn with its configuration, *cfg*."""

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg
        #: Whether the configuration is our module, or begins with it.
        self.is_ours = OURS.removeprefix("python:") in sys.modules
        #: Whether its workers are of a kind that holds responses without a thread each.
        self.is_fit = audit.worker_class(cfg).level is Level.OK
        self.is_asyncio = audit.is_asyncio(cfg)
        self.has_greenlets = self.is_fit and not self.is_asyncio

    @property
    def is_behind(self) -> bool:
        """Tell whether only processes on this machine can reach the server."""
        hosts = [a[0] if isinstance(a, tuple) else "localhost" for a in self.cfg.address]
        return all(host in ("127.0.0.1", "::1", "localhost") for host in hosts)

    def before_loading(self) -> list[Finding]:
        """Return the findings before anything is loaded."""
        if self.is_ours or self.is_fit:
            return audit.of_arbiter(self.cfg)
        name = self.cfg.worker_class_str
        text = f"gunicorn's worker class is {name}: each held response keeps a thread."
        return [ok("worker", text)]

    def hold(self, loaded: "Loaded") -> Finding:
        """Check that the middleware is put around the application."""
        if loaded.has_filter:
            return ok("hold", "The filter in the pipeline holds responses.")
        if self.is_ours:
            return ok("hold", "gunicorn's configuration puts the hold around the application.")
        return error(
            "hold",
            f"Nothing holds responses: gunicorn's configuration does not have {PACKAGE}.gunicorn, "
            "and the pipeline does not have the filter.",
            f"Start gunicorn with -c {OURS}, or begin its config file with 'from "
            f"{PACKAGE}.gunicorn import *'.",
        )

    def of_settings(self, settings: Settings) -> list[Finding]:
        """Return the findings about the server and the system, for our settings."""
        from .serving import allow_open_files

        if not self.is_fit:
            return []
        if self.is_ours:
            allow_open_files()
        of_runtime = [*audit.chosen(self.cfg)]
        return of_runtime + audit.of_server(self.cfg, settings) + audit.of_system(settings)


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep the output, log lines and warnings of others out of the findings."""
    kept = io.StringIO()
    logging.disable(logging.CRITICAL)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(kept),
        contextlib.redirect_stderr(kept),
    ):
        warnings.simplefilter("ignore")
        try:
            yield kept
        finally:
            logging.disable(logging.NOTSET)


# gunicorn's configuration


class _NotRead(Exception):
    """gunicorn cannot read its configuration; ``str`` says why."""


def gunicorn_config(options: argparse.Namespace, others: list[str]) -> Any:
    """Return gunicorn's configuration, read as gunicorn reads it.

    An option that gunicorn does not have is wrong usage, and ends the process.

    Raises:
        _NotRead: gunicorn cannot read its configuration.
    """
    from gunicorn.app.wsgiapp import WSGIApplication

    config = options.config or _config_by_default(options.paste)
    arguments = ["--paste", options.paste, *(["-c", config] if config else []), *others]
    before, sys.argv = sys.argv, ["wsgifutures doctor", *arguments]
    try:
        with quiet() as printed:
            cfg = WSGIApplication(prog="wsgifutures doctor").cfg
            _ = cfg.worker_class
            return cfg
    except (Exception, SystemExit) as failed:
        said = (printed.getvalue().strip() or str(failed).partition("\n")[0]).splitlines()[-1]
        said = said.removeprefix("Error: ").rstrip(" .:")
        if isinstance(failed, SystemExit) and failed.code == 2:  # wrong usage
            options.parser.error(said.partition(": error: ")[2])
        raise _NotRead(said) from None
    finally:
        sys.argv = before


def _config_by_default(paste: str) -> str | None:
    """Return our module, unless there is another configuration or the filter."""
    from gunicorn.config import Config
    from gunicorn.config import get_default_config_file

    cfg = Config()
    from_env = cfg.parser().parse_args(cfg.get_cmd_args_from_env()).config
    return None if from_env or get_default_config_file() or _has_filter(paste) else OURS


def _has_filter(paste: str) -> bool:
    return f"{PACKAGE}#hold" in _without_comments(Path(paste.partition("#")[0]))


class Loaded:
    """What the file *paste* describes, loaded as far as possible, as a worker loads it."""

    def __init__(self, paste: str) -> None:
        from paste.deploy import loadapp

        self._paste = paste
        self._failed: BaseException | None = None
        self._pool: int | None = None  # from zope.conf, if the database is not open
        with quiet():
            try:
                self._application = loadapp(_uri(paste))  # kept for its settings
            except (Exception, SystemExit) as failed:
                self._failed = failed
        self.settings = _settings_of_a_filter()  #: None without a filter
        self.has_filter = self.settings is not None or _has_filter(paste)

    def findings(self, workers: int) -> Iterator[Finding]:
        """Yield the findings of the loaded site, or why it could not be loaded."""
        if self._failed is None:
            yield from _zcml()
        else:
            yield from _explain(self._failed)
        yield from audit.of_process(joints, workers)
        if not joints:
            with contextlib.suppress(Exception, SystemExit):  # _explain has said why
                yield from self._without_opening(workers)

    def _without_opening(self, workers: int) -> Iterator[Finding]:
        """Yield the findings about the databases, from ``zope.conf`` alone."""
        from .publisher.zope_audit import shared_state

        yield from shared_state()
        for database in _zope_conf(self._paste).databases:
            if "/" in database.getVirtualMountPaths():
                self._pool = database.config.pool_size
            yield _configured(database, workers)

    def of_settings(self, settings: Settings, is_behind: bool) -> Iterator[Finding]:
        """Yield the findings about our settings in this Zope."""
        if joints:
            yield audit.slots(settings.slots or good_slots(), max_slots())
        elif self._pool:
            yield audit.slots(settings.slots, self._pool)
        if "ZPublisher.HTTPRequest" in sys.modules:
            from .publisher.zope_audit import proxies
            from ZPublisher.HTTPRequest import trusted_proxies

            yield proxies(trusted_proxies, is_behind, settings.held_by_one_client)


def _uri(paste: str) -> str:
    return f"config:{Path(paste).absolute()}"


def _settings_of_a_filter() -> Settings | None:
    module = sys.modules.get(f"{PACKAGE}.wsgi.middleware")
    found = [one for one in gc.get_objects() if module and type(one) is module.Middleware]
    return found[0].worker.settings if found else None


#: Exceptions of the middleware at its start, with their topics.
_REFUSED = {"NotConfigured": "zcml", "SettingRefused": "settings"}


def _explain(failed: BaseException) -> Iterable[Finding]:
    name, text = type(failed).__name__, " ".join(str(failed).split())
    if isinstance(failed, audit.StartRefused):
        return failed.findings
    if name in _REFUSED:
        return [error(_REFUSED[name], text, "")]
    if name == "LockError":
        return [_in_use(text)]
    return [error("zope", f"The site cannot be loaded: {name}: {text}", "Correct the error.")]


def _in_use(text: str) -> Finding:
    lock = "".join(re.findall(" '(.+)'", text))
    by = "another process"
    with contextlib.suppress(OSError, ValueError):
        by = f"process {int(Path(lock).read_text().split()[0])}"
    return warning(
        "storage",
        f"{lock.removesuffix('.lock')} is in use by {by}. The doctor only looks at zope.conf.",
        "If that process is the site, all is well. For all checks of the storage, stop the site.",
    )


def _zcml() -> Iterator[Finding]:
    if joints:
        yield ok("zcml", f"The ZCML of {PACKAGE} is loaded.")
    elif "ZPublisher.WSGIPublisher" in sys.modules:
        yield error(
            "zcml",
            f"The ZCML of {PACKAGE} is not loaded: a held request would be committed in each "
            "of its passes.",
            f'Write <include package="{PACKAGE}" /> into the site\'s ZCML.',
        )


def _zope_conf(paste: str) -> Any:
    from paste.deploy.loadwsgi import APP
    from paste.deploy.loadwsgi import loadcontext
    from Zope2.Startup.options import ZopeWSGIOptions

    context = loadcontext(APP, _uri(paste))
    context = getattr(context, "app_context", context)
    with quiet():
        return ZopeWSGIOptions(configfile=context.local_conf["zope_conf"])().configroot


def _configured(database: Any, workers: int) -> Finding:
    from .publisher.zope_audit import file_storage

    kind = type(database.config.storage).__name__
    topic = f"storage {database.name}"
    if kind == "FileStorage":
        return file_storage(topic, kind, workers)
    return ok(topic, f"{kind}, a pool of {database.config.pool_size} connections.")
