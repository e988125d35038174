"""Install the wheel and the source distribution, and let a Plone site from each hold a response.

The worker elsewhere is installed into an environment of its own, which has no Plone.

    python tools/installed.py

The environment is empty, and uv gets only the file and the constraints. So a requirement that
setup.py does not name is missing, as for anybody who installs the package. The source
distribution is installed over the wheel, and uses the wheel's requirements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from environment import FIRST
from pathlib import Path
from ports import free_port
from wheel import build
from wheel import NotRight
from wheel import ROOT
from wheel import WORKER

import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

#: An add-on with a page that is held.
VIEWS = """
from collective.wsgifutures import future
from Products.Five import BrowserView

import os
import urllib.request


@future
def ask():
    return urllib.request.urlopen(os.environ["SLOW"]).read().decode()


class Held(BrowserView):
    def __call__(self):
        return ask()
"""
ZCML = """
<configure
    xmlns="http://namespaces.zope.org/zope"
    xmlns:browser="http://namespaces.zope.org/browser"
    >
  <browser:page
      name="held"
      for="*"
      class="heldpage.Held"
      permission="zope.Public"
      />
</configure>
"""
SITE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from instance import make_instance
make_instance(pathlib.Path(sys.argv[2]), ("collective.wsgifutures:default",))
"""

MAKE_KEY = "import sys, wsgifutures_worker.keys as keys; keys.make_key(sys.argv[1])"

#: Seconds until the site must answer.
START_SECONDS = 90


class Slow(http.server.BaseHTTPRequestHandler):
    """A service that takes half a second."""

    def do_GET(self):
        time.sleep(0.5)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the answer")

    def log_message(self, *args):
        pass


@contextmanager
def slow_service() -> Iterator[str]:
    """Serve while the context lasts; give the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def run(*command: object, **options: object) -> None:
    """Run a command.

    Raises:
        NotRight: The command's status is not 0.
    """
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
        **options,
    )
    if done.returncode:
        raise NotRight(f"{command[:4]} ended with {done.returncode}:\n{done.stdout[-3000:]}")


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment, without variables that show the repository's code."""
    names = {"PYTHONPATH", "GUNICORN_CMD_ARGS"}
    return {k: v for k, v in os.environ.items() if k not in names} | more


def install(bin_: Path, distribution: Path, *options: str) -> None:
    """Install *distribution* with the constraints."""
    uv = [ROOT / FIRST / "bin" / "uv", "pip", "install", "-q", "--python", bin_ / "python"]
    run(*uv, "-c", ROOT / "constraints.txt", *options, distribution, cwd=bin_)


def make_site(bin_: Path, folder: Path) -> Path:
    """Make an instance with a Plone site and the page that holds; return its zope.ini."""
    instance = folder / "instance"
    run(bin_ / "python", "-c", SITE, ROOT / "examples", instance, cwd=folder)
    (folder / "heldpage.py").write_text(VIEWS)
    includes = instance / "etc" / "package-includes"
    includes.mkdir()
    (includes / "heldpage-configure.zcml").write_text(ZCML)
    return instance / "etc" / "zope.ini"


@contextmanager
def gunicorn(bin_: Path, ini: Path, slow: str) -> Iterator[str]:
    """Start gunicorn as the README says; give the address of the site."""
    address = f"127.0.0.1:{free_port()}"
    command = [bin_ / "gunicorn", "-k", "gevent", "-c", "python:collective.wsgifutures.gunicorn"]
    command += ["--paste", ini, "-b", address, "--no-control-socket"]
    folder = ini.parent.parent.parent
    environ = clean_environment(
        PYTHONPATH=str(folder), SLOW=slow, WSGIFUTURES_DEBUG="on", no_proxy="127.0.0.1"
    )
    log = folder / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command)], stdout=output, stderr=output, env=environ, cwd=folder
        )
    try:
        yield f"http://{address}/Plone"
    except NotRight as wrong:
        raise NotRight(f"{wrong}\n{log.read_text()[-3000:]}") from None
    finally:
        process.terminate()
        process.wait(70)


def ask(url: str) -> tuple[str, str]:
    """Return the page and its number of passes, as soon as the site answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return answer.read().decode(), answer.headers["X-Hold-Passes"]
        except OSError as error:
            problem = error
            time.sleep(0.3)
    raise NotRight(f"{url} does not answer: {problem}")


def serve(bin_: Path, ini: Path, slow: str) -> None:
    """Let the site hold a response.

    Raises:
        NotRight: The page is wrong, or was not held.
    """
    with gunicorn(bin_, ini, slow) as site:
        page, passes = ask(site + "/@@held")
        if (page, passes) != ("the answer", "2"):
            raise NotRight(f"{page!r} came in {passes} passes")


def try_worker(folder: Path) -> None:
    """Let the worker elsewhere make its key, in an environment without Plone.

    Raises:
        NotRight: A requirement is missing, or the command does not say what it should.
    """
    bin_ = folder / "worker-env" / "bin"
    for distribution in build(folder / "worker-dist", WORKER):
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", bin_.parent)
        install(bin_, distribution)
        run(bin_ / "wsgifutures-worker", "--help")
        run(bin_ / "python", "-c", MAKE_KEY, bin_ / "worker.pem", cwd=bin_)
        print(f"{distribution.name}: its command runs", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as made, slow_service() as slow:
        folder = Path(made)
        try_worker(folder)
        bin_ = folder / "env" / "bin"
        wheel, source = build(folder / "dist")
        print("Installing the wheel into an empty environment, half a minute ...", flush=True)
        run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
        install(bin_, wheel)
        ini = make_site(bin_, folder)
        serve(bin_, ini, slow)
        print(f"{wheel.name}: its site holds responses", flush=True)
        install(bin_, source, "--force-reinstall", "--no-deps")
        serve(bin_, ini, slow)
        print(f"{source.name}: its site holds responses")


if __name__ == "__main__":
    try:
        main()
    except NotRight as wrong:
        sys.exit(str(wrong))
