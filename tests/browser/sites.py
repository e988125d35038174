"""Sites that a browser visits: gunicorn with a gevent worker, the demo's slow service beside it."""

from pathlib import Path
from signal import SIGINT

import sys

sys.path.append(str(Path(__file__).resolve().parent.parent / "server"))

from instances import change
from processes import copy_instance
from processes import free_port
from processes import run_gunicorn
from processes import Server
from processes import Service
from processes import start_service


class Site(Server):
    """A running site. ``site`` is its address, ``service`` the slow service of its demo."""

    host = "localhost"  # Plone has no theme at 127.0.0.1
    page = ""

    def __init__(self, process, port, service):
        self.service = service
        super().__init__(process, port)

    def stop(self):
        self.process.stop(SIGINT)
        self.service.process.stop()


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
