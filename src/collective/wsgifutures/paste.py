"""PasteDeploy's ``egg:collective.wsgifutures#hold``: the hold as a filter, for any WSGI server."""

from .wsgi import audit
from .wsgi.joints import joints
from .wsgi.middleware import Middleware
from .wsgi.settings import Settings
from .wsgi.worker import Application
from .wsgi.worker import Worker

import logging
import sys

logger = logging.getLogger(__name__)

#: gunicorn's configuration, which logs the warnings if it is in use.
_GUNICORN = "collective.wsgifutures.gunicorn"


def filter_app(application: Application, global_conf: dict[str, str], **options: str) -> Middleware:
    """Return *application* behind PasteDeploy's ``egg:collective.wsgifutures#hold``.

    Args:
        application: The rest of the pipeline.
        global_conf: Of the configuration file; not read.
        options: Settings by their names.

    Raises:
        StartRefused: Greenlets are not safe here.
        SettingRefused: One of *options* is not what it takes.
    """
    found = audit.of_process(joints)
    audit.refuse(found)
    worker = Worker(application, Settings.read(options))
    if _GUNICORN not in sys.modules:
        for finding in audit.choose_warnings(found):
            logger.warning("%s", finding)
    worker.start()
    return Middleware(worker)
