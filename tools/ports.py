"""A port for a server that is about to be started."""

import contextlib
import random
import socket

#: Below the ports that Linux gives out for port 0.
PORTS = (20_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now.

    Linux gives it to nobody who asks for any port, until our server listens there: neither to a
    client nor to the server of another test.
    """
    while True:
        port = random.SystemRandom().randint(*PORTS)  # tests may seed the global generator
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
