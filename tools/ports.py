"""A port for a server that is about to be started."""

import contextlib
import random
import socket

#: Below those that Linux gives to who asks for any one.
PORTS = (20_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now.

    Until our server has it, nobody who asks for any port gets it: not a client, and not the
    server of another test.
    """
    while True:
        port = random.SystemRandom().randint(*PORTS)  # tests may seed what is random
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
