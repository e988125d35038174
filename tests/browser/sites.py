"""Sites that a browser visits: gunicorn with a gevent worker, the demo's slow service beside it."""

from pathlib import Path

import sys

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "examples"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "server"))

from instance import make_instance
from instance import run
from processes import copy_instance
from processes import free_port
from processes import run_gunicorn
from processes import Server
from processes import Service
from processes import start_service

_INSTALL = """
from zope.component.hooks import setSite
import transaction

setSite(app.Plone)  # noqa: F821
for profile in {profiles!r}:
    app.Plone.portal_setup.runAllImportStepsFromProfile("profile-" + profile)  # noqa: F821
transaction.commit()
app._p_jar.db().close()  # noqa: F821  writes the index
"""


class Site(Server):
    """A running site. ``site`` is its address, ``service`` the slow service of its demo."""

    host = "localhost"  # Plone has no theme at 127.0.0.1
    page = ""

    def __init__(self, process, port, service):
        self.service = service
        super().__init__(process, port)

    def stop(self):
        self.process.stop()
        self.service.process.stop()


def make_bare_instance(folder):
    """Make an instance in *folder* with a site in which no add-on is installed."""
    make_instance(folder)
    return folder


def install(instance, folder, *profiles):
    """Copy *instance* to *folder*, with what *profiles* name installed in its site."""
    copy_instance(instance, folder)
    script = folder / "install.py"
    script.write_text(_INSTALL.format(profiles=profiles))
    run("zconsole", "run", folder / "etc" / "zope.conf", script)
    return folder


def start_site(instance, folder, env=None):
    """Start the site of *instance*, copied to *folder*, on a free port.

    Args:
        instance: The folder of an instance on which no server runs.
        folder: Where the copy is made.
        env: What the server has in its environment beside ours.
    """
    port = free_port()
    site = f"http://{Site.host}:{port}/Plone"
    copy_instance(instance, folder)
    service = Service(start_service(folder / "service.log", "--site", site))
    environment = {
        "PYTHONUNBUFFERED": "1",
        "WSGIFUTURES_BLOCKED": "10",  # the first pages compile their templates
        "WSGIFUTURES_DEBUG": "on",
        "WSGIFUTURES_DEMO_SERVICE": service.url,
        "WSGIFUTURES_MAX_WAIT": "60",  # on a busy machine 200 at once take a while
        **(env or {}),
    }
    return Site(run_gunicorn(folder, port, environment), port, service)
