"""Futures of benchmarks/helper.py: what nearly nothing costs, and what waits."""

import asyncio
import time


def nothing(n):
    return n


async def nothing_async(n):
    return n


def wait(n):
    time.sleep(0.1)
    return n


async def wait_async(n):
    await asyncio.sleep(0.1)
    return n


def echo(text):
    return text


async def echo_async(text):
    return text
