"""Runs code in a fresh interpreter, with what it imports before and after gevent's patches."""

import subprocess
import sys

SECONDS = 60  # until a test gives up


def run_patched(code, *, before=""):
    """Return what *code* prints; gevent has patched, but *before* came first."""
    script = f"{before}\nfrom gevent import monkey\nmonkey.patch_all()\n{code}"
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout
