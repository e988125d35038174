"""``wsgifutures relay``: a process without a port between a broker and the jobs of a database.

It tells the broker which jobs wait for workers elsewhere, sends what ``amqp.publish`` recorded, and
makes jobs of the messages that consumers are declared for. One is enough for all sites of a
database; a second one stands by. It waits with threads, never with gevent: there an answer of the
broker that comes late is read by somebody else.

Nothing of Zope is imported here at the top: the command has to say what is wrong first.
"""

from .command import add_command
from .command import Stop
from .loading import load_site
from .loading import SiteRefused
from typing import Any

import argparse
import logging
import os
import threading

logger = logging.getLogger(__name__)

#: The broker's address, where the command line does not name it: others see that one.
VARIABLE = "WSGIFUTURES_BROKER"

_DESCRIPTION = """\
Tell a broker which jobs wait for workers elsewhere, send the messages of amqp.publish, and make
jobs of the messages of declared consumers. The database is served, by ZEO or RelStorage.
"""
_EPILOG = f"""\
The address has a password, which other users of this machine can read in a command line: better
set {VARIABLE}. If the broker is away, the relay waits for it; nothing is lost.

example: {VARIABLE}=amqps://plone:...@rabbit.example.com/plone
         wsgifutures relay --paste etc/zope.ini
"""

#: How many seconds the threads have at a stop.
GRACEFUL = 5.0


def add_parser(commands: Any) -> None:
    """Add the command to those of ``wsgifutures``."""
    parser = add_command(
        commands,
        "relay",
        run,
        help="stand between a broker and the jobs of a database",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--broker", metavar="URL", help=f"the broker (default: ${VARIABLE})")
    parser.add_argument(
        "--queues", metavar="NAME,...", help="the queues to send hints for (default: all)"
    )
    parser.add_argument(
        "--no-consume",
        dest="consume",
        action="store_false",
        help="leave the messages of consumers to another relay",
    )


def run(options: argparse.Namespace) -> int:
    """Relay until the process is told to end; return the exit status.

    Raises:
        SiteRefused: It cannot start.
    """
    url = options.broker or os.environ.get(VARIABLE, "")
    if not url:
        options.parser.error(f"which broker? Give --broker or set {VARIABLE}.")
    stop = Stop()
    threads = _make(options, url, stop.first)
    with stop:
        _work(threads, stop.first)
    return 0


def _make(options: argparse.Namespace, url: str, stop: threading.Event) -> list[threading.Thread]:
    """Return what does the work.

    Raises:
        SiteRefused: Something is missing or wrong; its text says what to do.
    """
    from .amqp.broker import Broker
    from .amqp.broker import is_patched
    from .amqp.errors import BrokerRefused

    if is_patched():
        raise SiteRefused(
            "gevent has patched this process. Start the relay by itself, without gunicorn and "
            "without gevent's monkey."
        )
    try:
        broker = Broker(url, stop.is_set)
    except BrokerRefused as refused:
        raise SiteRefused(str(refused)) from None
    load_site(options.paste)
    queues = [name.strip() for name in (options.queues or "").split(",") if name.strip()]
    works = [_relay(broker, stop, queues)]
    if options.consume:
        works += _intakes(url, stop)
    return [threading.Thread(target=work.run, name=type(work).__name__) for work in works]


def _relay(broker: Any, stop: threading.Event, queues: list[str]) -> Any:
    from .amqp.relay import Relay

    import Zope2

    logger.info("The relay sends to %s.", broker.address)
    return Relay(Zope2.DB, broker, stop, queues=queues)


def _intakes(url: str, stop: threading.Event) -> list[Any]:
    """Return what takes the messages of the consumers that are declared."""
    from .amqp.broker import Broker
    from .amqp.consuming import check
    from .amqp.consuming import consumers
    from .amqp.intake import Intake

    import Zope2

    declared = consumers()
    for consumer in declared:
        wrong = check(consumer)
        logger.info("The queue %s is for the task %s.", consumer.queue, consumer.task)
        if wrong:
            logger.warning("No message of the queue %s can become a job. %s", consumer.queue, wrong)
    return [Intake(Zope2.DB, Broker(url, stop.is_set), stop, declared)] if declared else []


def _work(threads: list[threading.Thread], stop: threading.Event) -> None:
    """Let the threads work until they are to stop."""
    for thread in threads:
        thread.daemon = True  # one that waits for a broker does not keep the process
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(GRACEFUL)
