"""The command ``wsgifutures-worker``: introduce a worker, check it, run it."""

from . import __version__
from .errors import Away
from .errors import Refused
from .errors import WorkerError
from .executors import FORMAT
from .keys import Key
from .keys import load_key
from .keys import make_key
from .site import Site
from .worker import importing
from .worker import Worker
from argparse import ArgumentParser
from argparse import Namespace
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

import logging
import os
import platform
import socket
import sys
import time

#: Seconds by which the clocks may differ, before assertions are refused.
SKEW_SECONDS = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its status."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.do(asked))
    except (WorkerError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser("wsgifutures-worker", description="Does the jobs of a Plone site.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="make a key, and introduce this worker to the site")
    init.set_defaults(do=introduce)
    _add_site(init, required=True)
    init.add_argument("--queues", required=True, help="whose jobs it does: ocr,video")
    init.add_argument("--name", default=socket.gethostname(), help="what the site calls it")
    run = commands.add_parser("run", help="do jobs until a signal")
    run.set_defaults(do=run_worker)
    run.add_argument("worker", metavar="MODULE:WORKER", help="where the Worker is")
    check = commands.add_parser("check", help="is it approved, are the clocks right")
    check.set_defaults(do=check_worker)
    check.add_argument("worker", metavar="MODULE:WORKER", nargs="?", help="or --url and --key")
    _add_site(check, required=False)
    return parser


def _add_site(parser: ArgumentParser, required: bool) -> None:
    parser.add_argument("--url", required=required, help="the site's public address")
    parser.add_argument("--key", default="worker.pem", help="the key's file [%(default)s]")


def introduce(asked: Namespace) -> int:
    """Make the key if it is not there, and ask to be approved."""
    there = Path(asked.key).exists()
    site = Site(asked.url, load_key(asked.key) if there else make_key(asked.key))
    assert site.key  # noqa: S101
    print(f"{'Key' if there else 'New key'}: {asked.key}")
    print(f"Fingerprint: {site.key.fingerprint}")
    queues = [name.strip() for name in asked.queues.split(",") if name.strip()]
    state = site.introduce(asked.name, queues).get("state")
    print(_ADVICE.get(str(state), f"The site says: {state}").format(name=asked.name))
    return 0 if state in _ADVICE else 1


_ADVICE = {
    "pending": (
        'The site knows "{name}" now. In Site Setup > Workers elsewhere an administrator compares '
        "the fingerprint and approves it for its queues. Then: wsgifutures-worker check"
    ),
    "approved": "This worker is approved.",
}


def run_worker(asked: Namespace) -> int:
    """Do jobs until a signal."""
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    _find(asked.worker).run()
    return 0


def check_worker(asked: Namespace) -> int:
    """Say whether this worker could do jobs; the status is 0 if it could."""
    worker = _find(asked.worker) if asked.worker else None
    if not worker and not asked.url:
        raise ValueError("Name the worker as MODULE:WORKER, or give --url and --key.")
    site = worker.site if worker else Site(asked.url, load_key(asked.key))
    _print_versions()
    print(f"Site: {site.url}{_warning(site.url)}")
    right = _check_clock(site)
    return 0 if _check_approval(site, site.key, worker.queues if worker else None) and right else 1


def _check_clock(site: Site) -> bool:
    before = time.time()
    try:
        date = site.look().headers.get("Date")
    except Away as away:
        print(f"Site: {away}")
        return False
    except Refused as refused:
        print(f"Site: {refused}. Is it the address of a Plone site with collective.wsgifutures?")
        return False
    if not date:
        print("Clock: the site does not say what time it is")
        return True
    skew = (before + time.time()) / 2 - parsedate_to_datetime(date).timestamp() - 0.5
    good = abs(skew) < SKEW_SECONDS
    advice = "" if good else ": more than the minute that is tolerated; set it by NTP"
    print(f"Clock: {skew:+.0f} s from the site's{advice}")
    return good


def _check_approval(site: Site, key: Key | None, wanted: list[str] | None) -> bool:
    if key is None:
        print("Key: none; this worker does what a broker's messages let it do")
        return True
    print(f"Fingerprint: {key.fingerprint}")
    try:
        site.token()
        queues = site.introduce("check", wanted or ["any"]).get("queues", [])
    except (Away, Refused) as error:
        print(f"Approved: no: {error}")
        return False
    print(f"Approved: for {', '.join(queues)}")
    missing = sorted(set(wanted or []) - set(queues))
    if missing:
        print(f"Queues: it is not approved for {', '.join(missing)}")
    return not missing


def _print_versions() -> None:
    shown = [f"Python {platform.python_version()}", f"wsgifutures-worker {__version__}"]
    for name in ("requests", "PyJWT", "cryptography", "kombu"):
        try:
            shown.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            shown.append(f"{name} not installed")
    print(f"Versions: {', '.join(shown)}")


def _warning(url: str) -> str:
    local = ("http://localhost", "http://127.", "http://[::1]")
    return (
        " (not encrypted: tokens can be read)"
        if url.startswith("http:") and not url.startswith(local)
        else ""
    )


def _find(name: str) -> Worker:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with importing():  # a program may end with worker.run()
        found = getattr(import_module(module), attribute or "worker", None)
    if not isinstance(found, Worker):
        raise ValueError(f"{name} is no Worker.")
    return found


if __name__ == "__main__":
    sys.exit(main())
