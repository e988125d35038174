"""Takes long to import, where a test says so."""

import os
import time

time.sleep(float(os.environ.get("SLOW_TO_IMPORT", 0)))


def echo(value):
    return value


async def echo_async(value):
    return value
