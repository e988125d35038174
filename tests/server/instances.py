"""Instances with a site, made once for all suites of this checkout; they are in ``var/tests``.

An instance is made anew when a file changes that it depends on. No server runs on it: a test
copies it.
"""

from hashlib import sha256
from importlib.metadata import version
from processes import copy_instance
from processes import ROOT

import re
import shutil
import sys
import time

sys.path.append(str(ROOT / "examples"))

from environment import alone
from instance import make_instance
from instance import run

KEPT = ROOT / "var" / "tests"

#: What makes a site without the add-on, and what makes the add-on and the demo.
OF_PLONE = ("constraints.txt", "constraints-plone61.txt", "examples/instance.py")
OF_ALL = (*OF_PLONE, "src", "examples", "tests/server/instances.py")

#: What Python and pip make beside them.
_MADE = re.compile(r"/__pycache__/|\.egg-info/")

#: Is in an instance that is complete; touched by each suite that begins to use it.
READY = ".ready"

#: An instance that is no longer current may be in use until then, in seconds.
UNUSED = 24 * 3600.0

USERS = {"alice": "wonderland-1", "bob": "wonderland-2"}

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


def bare():
    """Return an instance whose site has no add-on."""
    return keep("bare", make_instance, OF_PLONE)


def tested():
    """Return an instance whose site has the add-on, ``USERS`` and the views of ``holdtests``."""
    return keep("tested", _make_tested, OF_ALL)


def demo():
    """Return an instance whose site has the add-on and the demo."""
    return keep("demo", lambda folder: install(bare(), folder, *PROFILES), OF_ALL)


def change(instance, folder, *lines):
    """Copy *instance* to *folder*, and change its site with *lines* of Python; return that."""
    copy_instance(instance, folder)
    script = folder / "change.py"
    script.write_text(_CHANGE.format(change="\n".join(lines)))
    run("zconsole", "run", folder / "etc" / "zope.conf", script)
    return folder


def install(instance, folder, *profiles, more=()):
    """Copy *instance* to *folder*, with what *profiles* name installed in its site."""
    setup = "api.portal.get_tool('portal_setup')"
    lines = [f"{setup}.runAllImportStepsFromProfile('profile-{one}')" for one in profiles]
    return change(instance, folder, *lines, *more)


def keep(name, make, depends_on):
    """Return the instance *name*, made by *make* if a file changed that it *depends_on*."""
    kind = f"{name}-{version('Products.CMFPlone')}"
    folder = KEPT / f"{kind}-{_key(depends_on)}"
    lock = KEPT / f"lock-{kind}"
    lock.mkdir(parents=True, exist_ok=True)
    with alone(lock):  # another suite may want to make the same
        if not (folder / READY).exists():
            for old in KEPT.glob(f"{kind}-*"):
                if not _may_be_in_use(old):
                    shutil.rmtree(old)
            make(folder)
        (folder / READY).touch()
    return folder


def _may_be_in_use(instance):
    """Tell whether another suite may have *instance*. Nobody makes one of its kind now."""
    ready = instance / READY
    return ready.exists() and time.time() - ready.stat().st_mtime < UNUSED


def _make_tested(folder):
    add = "app.acl_users.users.addUser({0!r}, {0!r}, {1!r})"
    install(bare(), folder, PROFILES[0], more=[add.format(*user) for user in USERS.items()])
    includes = folder / "etc" / "package-includes"
    includes.mkdir()
    (includes / "holdtests-configure.zcml").write_text('<include package="holdtests" />')


def _key(depends_on):
    found = sha256()
    for file in sorted(file for name in depends_on for file in _files(ROOT / name)):
        found.update(f"{file.relative_to(ROOT)} ".encode() + file.read_bytes())
    return found.hexdigest()[:12]


def _files(path):
    found = [path] if path.is_file() else path.rglob("*")
    return [one for one in found if one.is_file() and not _MADE.search(str(one))]
