"""Keeps a pass that does something at once, outside of its transaction.

A pass that is thrown away is made again, and would do that again. These are noticed:

mail
    Whoever sends it: ``MailHost.send(immediate=True)``, and anything else that uses ``smtplib``.
    Python's audit events report the connection before it is made, so nothing of Zope or Plone is
    patched. Our hook is called for all other events of the process too, such as imports and
    opened files: that costs 0.4 % of a page, as measured. Mail of the transaction is sent when
    the pass is committed, and is nothing special.
uploads of plone.restapi
    ``@tus-upload`` appends to a file for each part, and removes the file after the last one.

``events`` notices a view that commits by itself.
"""

from ..kernel.keep import keep_pass
from Acquisition import aq_base
from types import FrameType
from typing import Any

import functools
import logging
import sys

_UPLOADS: tuple[type, ...] = ()
try:
    from plone.restapi.services.content import tus
except ImportError:  # a Plone without plone.restapi
    pass
else:
    _UPLOADS = (tus.UploadPatch, tus.UploadPost)


@functools.cache  # once for a process: an audit hook cannot be removed
def listen_for_mail() -> None:
    """Keep each pass that sends mail from now on."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: Any) -> None:
    if event == "smtplib.connect" and not _logs():
        keep_pass()


def _logs() -> bool:
    """Tell whether a line of the log is mailed: no act of the view, which may go on to wait."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not logging.Handler.handle.__code__:
        frame = frame.f_back
    return frame is not None


def keep_uploads(request: Any) -> None:
    """Keep the pass of *request* if it is going to write an upload."""
    published = request.get("PUBLISHED")
    if isinstance(aq_base(getattr(published, "__self__", published)), _UPLOADS):
        keep_pass()
