"""``runzeo``, which gives up root before it opens its storage.

    python zeo_server.py zeo.conf USER

Everything is imported while it may still read whatever folder Python is installed in.
"""

from pkgutil import iter_modules
from ZEO.runzeo import ZEOOptions
from ZEO.runzeo import ZEOServer

import contextlib
import encodings
import importlib
import os
import pwd
import sys
import ZEO.StorageServer  # noqa: F401
import ZODB.blob
import ZODB.FileStorage  # noqa: F401


def give_up_root(name):
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


if __name__ == "__main__":
    options = ZEOOptions()
    options.realize(["-C", sys.argv[1]])
    for name in [module.name for module in iter_modules(encodings.__path__)]:
        with contextlib.suppress(ImportError):  # another system's
            importlib.import_module(f"encodings.{name}")
    if os.geteuid() == 0:
        give_up_root(sys.argv[2])
    ZEOServer(options).main()
