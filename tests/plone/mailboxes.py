"""A mail server, and a site that sends by it."""

from aiosmtpd.controller import Controller
from email import message_from_bytes
from email.header import decode_header
from email.header import make_header
from plone.registry.interfaces import IRegistry
from zope.component import getUtility

import contextlib
import socket
import transaction


class Mailbox:
    """An SMTP server that keeps what it gets, unless it refuses everything."""

    def __init__(self):
        self.mails = []
        self.refuses = False

    async def handle_DATA(self, server, session, envelope):
        if self.refuses:
            return "554 no"
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"

    @property
    def subjects(self):
        return [str(make_header(decode_header(mail["Subject"]))) for mail in self.mails]

    def read(self):
        """Return the text of the only mail."""
        (mail,) = self.mails
        return mail.get_payload(decode=True).decode()


@contextlib.contextmanager
def mailbox_of_the_site():
    """Yield the mailbox that gets what the current site sends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    registry = getUtility(IRegistry)
    registry["plone.smtp_host"], registry["plone.smtp_port"] = "127.0.0.1", port
    registry["plone.email_from_address"] = "site@example.com"
    registry["plone.email_from_name"] = "Site"
    transaction.commit()
    yield mailbox
    controller.stop()
