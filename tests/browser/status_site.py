"""A site with people who wait: two workers of gunicorn, both at one ZEO server."""

from instance import run
from pathlib import Path
from processes import BIN
from processes import copy_instance
from processes import free_port
from processes import Process
from processes import run_gunicorn
from processes import Service
from processes import start_service
from sites import Site

import contextlib
import os
import re
import requests
import threading
import time

_ADD = """
from plone import api
from zope.component.hooks import setSite
import transaction

setSite(app.Plone)  # noqa: F821
for name in ("jane", "walter"):
    app.acl_users.users.addUser(name, name, "correct horse battery")  # noqa: F821
    app.acl_users.roles.assignRoleToPrincipal("Manager", name)  # noqa: F821
with api.env.adopt_roles(["Manager"]):
    for name in ("news", "shop", "library"):
        folder = api.content.create(app.Plone, "Folder", name, title=name.title())  # noqa: F821
        api.content.transition(folder, "publish")
transaction.commit()
"""

_ZEO = """<zeoclient>
    server 127.0.0.1:{port}
    blob-dir $INSTANCE/var/blobs
    shared-blob-dir on
  </zeoclient>"""


class StatusSite(Site):
    """Two workers, and a crowd that asks them."""

    def __init__(self, process, port, service, zeo):
        self.zeo = zeo
        super().__init__(process, port, service)

    @property
    def page(self):
        return "@@forecast?seconds=0"

    def ask(self, path, seconds=60, user=None, text="hello"):
        """Let somebody ask for a page, who waits for it; return what that person gets."""
        got = []
        auth = (user, "correct horse battery") if user else None

        def wait():
            params = {"seconds": seconds, "text": text}
            with contextlib.suppress(requests.ConnectionError):  # the site is stopped meanwhile
                got.append(
                    requests.get(f"{self.site}/{path}", params=params, auth=auth, timeout=120)
                )

        threading.Thread(target=wait, daemon=True).start()
        return got

    def submit(self, task, **form):
        """Submit jobs of a task of the add-on ``acme`` as an administrator; return their ids."""
        answer = requests.post(
            f"{self.site}/@@submit",
            data={"task": task, **form},
            auth=("admin", "admin"),
            timeout=60,
        )
        answer.raise_for_status()
        return answer.text.split()

    def holds(self):
        """Return the held responses, as the endpoint tells them."""
        return self._rest("GET", f"{self.site}/@futures").json()["holds"]

    def workers_that_hold(self):
        """Return the names of the workers that hold a response."""
        return {hold["worker"] for hold in self.holds()}

    def disperse(self):
        """Cancel what is held, until nobody waits."""
        while self.holds():
            for hold in self.holds():
                self._rest("DELETE", hold["@id"])
            time.sleep(0.5)

    def _rest(self, method, url):
        headers = {"Accept": "application/json"}
        return requests.request(method, url, headers=headers, auth=("admin", "admin"), timeout=60)

    def stop(self):
        super().stop()
        self.zeo.stop()


def start_status_site(instance, folder, env=None):
    """Start it with a copy of *instance*."""
    copy_instance(instance, folder)
    script = folder / "add.py"
    script.write_text(_ADD)
    run("zconsole", "run", folder / "etc" / "zope.conf", script)
    includes = folder / "etc" / "package-includes"
    includes.mkdir(exist_ok=True)
    (includes / "acme-configure.zcml").write_text('<include package="acme" />')
    zeo_port = free_port()
    data = folder / "var" / "Data.fs"
    zeo = Process([BIN / "runzeo", "-a", f"127.0.0.1:{zeo_port}", "-f", data], folder / "zeo.log")
    conf = folder / "etc" / "zope.conf"
    filestorage = re.compile(r"<filestorage>.*?</filestorage>", re.S)
    conf.write_text(filestorage.sub(_ZEO.format(port=zeo_port), conf.read_text()))
    port = free_port()
    service = Service(start_service(folder / "service.log"))
    path = os.pathsep.join((str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    environment = {
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "WSGIFUTURES_DEMO_SERVICE": service.url,
        "WSGIFUTURES_MAX_HELD": "20",
        "WSGIFUTURES_MAX_HELD_PER_CLIENT": "20",
        "WSGIFUTURES_DEADLINE": "300",
        "http_proxy": service.url,
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1,localhost",
        **(env or {}),
    }
    process = run_gunicorn(folder, port, environment, "-w", "2")
    return StatusSite(process, port, service, zeo)
