"""Run the README's two commands for a new user account, in a clean clone.

    python tools/account.py                 make start, and make test-kernel
    python tools/account.py test lint       other targets in place of test-kernel

Needs root, to make the account and to remove it. The checked-out commit is tested, without
uncommitted changes and without the settings of root or of this shell.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ports import free_port

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = Path(__file__).resolve().parent.parent

#: Seconds until the environment and the site must be made, on a slow day.
START_SECONDS = 900


@contextmanager
def account() -> Iterator[tuple[str, Path]]:
    """Make a user; give name and home. Both are removed afterwards."""
    name = f"wsgifutures-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    try:
        yield name, Path(f"~{name}").expanduser()
    finally:
        subprocess.run(["userdel", "--remove", name], check=True, stderr=subprocess.DEVNULL)


def clone(name: str, home: Path) -> Path:
    """Clone the repository for the user *name*; return the clone's folder."""
    folder = home / "collective.wsgifutures"
    quiet = ["-c", "advice.detachedHead=false", "-c", f"safe.directory={ROOT}"]
    subprocess.run(["git", *quiet, "clone", "-q", "--no-local", str(ROOT), str(folder)], check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    subprocess.run(["git", *quiet, "checkout", "-q", head], cwd=folder, check=True)
    subprocess.run(["chown", "-R", f"{name}:", str(folder)], check=True)
    return folder


def as_user(name: str, folder: Path, command: str) -> list[str]:
    """Return the command that runs *command* as the user *name*, in a new login shell."""
    return ["su", "-", name, "--session-command", f"cd {folder} && exec {command}"]


def start(name: str, folder: Path) -> None:
    """Run ``make start`` until its site answers, then end it as Ctrl-C does.

    Raises:
        SystemExit: The command ended early, or its site does not answer.
    """
    port = free_port()
    command = as_user(name, folder, f"make start PORT={port}")
    process = subprocess.Popen(command, start_new_session=True)
    try:
        url = f"http://localhost:{port}/Plone/@@futures-demo"
        _wait_for(url, process)
        print(f"== {url} answers 200", flush=True)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the process has ended
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.wait(60)


def _wait_for(url: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"make start ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"{url} does not answer after {START_SECONDS} s")


def main(*targets: str) -> None:
    if os.geteuid():
        sys.exit("Run this command as root: it makes a user account and removes it.")
    with account() as (name, home):
        folder = clone(name, home)
        start(name, folder)
        for target in targets or ("test-kernel",):
            began = time.monotonic()
            subprocess.run(as_user(name, folder, f"make {target}"), check=True)
            print(f"== make {target}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed.cmd} ended with status {failed.returncode}")
