"""A relay as a process of its own, on a FileStorage: ``relay_alone.py Data.fs URL [POINT]``.

It kills itself when it comes to POINT: ``confirmed``, when the broker has confirmed and nothing is
noted yet, or ``noted``, when the note is committed.
"""

from collective.wsgifutures.amqp import hints
from collective.wsgifutures.amqp.broker import Broker
from collective.wsgifutures.amqp.outbox import Outbox
from collective.wsgifutures.amqp.relay import Relay
from ZODB.FileStorage import FileStorage

import logging
import os
import signal
import sys
import threading
import ZODB


def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(plain):
    def wrapper(*args):
        plain(*args)
        die()

    return wrapper


def main(path, url, point=""):
    logging.basicConfig(level=logging.INFO)
    if point == "confirmed":
        Outbox._note = die
    if point == "noted":
        Outbox._note = dying_after(Outbox._note)
    if point == "hinted":
        hints.Hints._note = die
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Relay(ZODB.DB(FileStorage(path)), Broker(url, stop.is_set), stop).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
