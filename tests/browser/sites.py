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

#: The add-on, and the demo.
PROFILES = ("collective.wsgifutures:default", "wsgifutures_demo:default")

#: What is done to a site while no server runs on its instance.
_CHANGE = """
from plone import api
from zope.component.hooks import setSite
import transaction

setSite(app.Plone)  # noqa: F821
{change}
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


def change(instance, folder, *lines):
    """Copy *instance* to *folder*, and change its site with *lines* of Python; return that."""
    copy_instance(instance, folder)
    script = folder / "change.py"
    script.write_text(_CHANGE.format(change="\n".join(lines)))
    run("zconsole", "run", folder / "etc" / "zope.conf", script)
    return folder


def install(instance, folder, *profiles):
    """Copy *instance* to *folder*, with what *profiles* name installed in its site."""
    setup = "api.portal.get_tool('portal_setup')"
    lines = [f"{setup}.runAllImportStepsFromProfile('profile-{one}')" for one in profiles]
    return change(instance, folder, *lines)


def speak(instance, folder, language):
    """Copy *instance* to *folder*, with its site in *language*."""
    record = "api.portal.set_registry_record"
    return change(
        instance,
        folder,
        f"{record}('plone.available_languages', [{language!r}])",
        f"{record}('plone.default_language', {language!r})",
    )


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
        "WSGIFUTURES_DEBUG": "on",
        "WSGIFUTURES_DEMO_SERVICE": service.url,
        **(env or {}),
    }
    return Site(run_gunicorn(folder, port, environment), port, service)
