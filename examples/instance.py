"""Make a Zope instance with a Plone site in it, as ``make start`` and the tests do.

The instance is what ``mkwsgiinstance`` writes, with a folder for blobs, which Plone needs;
its ``zope.ini`` is unchanged. It is made beside its place and moved there when it is
complete, so that a half-made one is never used.
"""

from importlib.metadata import version
from pathlib import Path

import os
import shutil
import subprocess
import sys

BIN = Path(sys.executable).parent
SITE_ID = "Plone"

#: What makes Plone's classic site.
CLASSIC = (
    "plone.app.contenttypes:default",
    *(() if version("Products.CMFPlone").startswith("6.1.") else ("plone.app.layout:default",)),
    "plonetheme.barceloneta:default",
)

_ADD_SITE = """
from AccessControl.SecurityManagement import newSecurityManager
from Products.CMFPlone.factory import addPloneSite
from Testing.makerequest import makerequest
import transaction

app = makerequest(app)  # noqa: F821
newSecurityManager(None, app.acl_users.getUser("admin").__of__(app.acl_users))
addPloneSite(
    app,
    {site!r},
    title="Plone",
    setup_content=False,
    default_language="en",
    extension_ids={profiles!r},
)
transaction.commit()
app._p_jar.db().close()  # noqa: F821  writes the index
"""


class NotMade(Exception):
    """An instance could not be made; ``str`` says why and what to do."""


def make_instance(folder: Path, profiles: tuple[str, ...] = (), password: str = "admin") -> None:
    """Make an instance with a Plone site in *folder*, where there is none yet.

    Args:
        folder: Its place. What is there stays as it is.
        profiles: GenericSetup profiles of the site, beside those of a classic one.
        password: Of the user ``admin``.

    Raises:
        NotMade: A step failed; nothing is left in *folder*.
    """
    if folder.exists():
        return
    half = folder.with_name(folder.name + ".half-made")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    run("mkwsgiinstance", "-d", half, "-u", f"admin:{password}")
    conf = half / "etc" / "zope.conf"
    storage = "path $INSTANCE/var/Data.fs"
    blobs = storage + "\n     blob-dir $INSTANCE/var/blobs"  # without it no file can be uploaded
    conf.write_text(conf.read_text().replace(storage, blobs))
    script = half / "add_site.py"
    script.write_text(_ADD_SITE.format(site=SITE_ID, profiles=CLASSIC + profiles))
    run("zconsole", "run", conf, script)
    script.unlink()
    for name in ("zope.conf", "zope.ini"):  # mkwsgiinstance writes its folder into them
        file = half / "etc" / name
        file.write_text(file.read_text().replace(str(half), str(folder)))
    half.rename(folder)


def run(*command: object) -> None:
    """Run a command of this environment.

    Raises:
        NotMade: Its status is not 0.
    """
    done = subprocess.run(
        [str(BIN / str(command[0])), *map(str, command[1:])],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise NotMade(f"{command[0]} ended with status {done.returncode}:\n{output}")
