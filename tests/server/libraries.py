"""What a library may do inside of a future: one function for each, plain and ``async def``."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor

import asyncio
import ctypes
import multiprocessing
import os
import socket
import subprocess
import threading
import time

GRPC = os.environ.get("LIBRARIES_GRPC", "")
HTTP = os.environ.get("LIBRARIES_HTTP", "")


def nothing(n):
    return n


def thread(n):
    box = []

    def work():
        time.sleep(0.2)
        box.append(n)

    one = threading.Thread(target=work)
    one.start()
    one.join()
    return box[0]


def process(n):
    return int(subprocess.run(["echo", str(n)], capture_output=True, check=True, text=True).stdout)


def loop(n):
    return asyncio.run(asyncio.sleep(0.2, n))


def to_thread(n):
    return asyncio.run(asyncio.to_thread(slept, n))


def slept(n):
    time.sleep(0.2)
    return n


def pool(n):
    with ThreadPoolExecutor(4) as workers:
        return next(iter(workers.map(slept, [n] * 4)))


def look_up(n):
    return n if socket.getaddrinfo("localhost", 80) else None


def c_wait(n):
    ctypes.CDLL(None).usleep(400_000)
    return n


def _forked(queue, n):
    queue.put(n)


def fork(n):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    one = context.Process(target=_forked, args=(queue, n))
    one.start()
    got = queue.get(timeout=4)
    one.join(4)
    return got


def process_pool(n):
    with ProcessPoolExecutor(1) as workers:
        return workers.submit(nothing, n).result(timeout=5)


async def _aio_process(n):
    one = await asyncio.create_subprocess_exec("echo", str(n), stdout=subprocess.PIPE)
    out, _ = await one.communicate()
    return int(out)


def aio_process(n):
    return asyncio.run(_aio_process(n))


async def _grpc_aio(n):
    import grpc

    async with grpc.aio.insecure_channel(GRPC) as channel:
        await channel.unary_unary("/s/m")(b"x", timeout=5)
    return n


def grpc_aio(n):
    return asyncio.run(_grpc_aio(n))


def grpc_sync(n):
    import grpc

    with grpc.insecure_channel(GRPC) as channel:
        channel.unary_unary("/s/m")(b"x", timeout=5)
    return n


async def _httpx(n):
    import httpx

    async with httpx.AsyncClient(timeout=5) as client:
        return int((await client.get(f"{HTTP}/{n}")).text)


def httpx_trio(n):
    import httpx

    return int(httpx.get(f"{HTTP}/{n}", timeout=5).text)


def requests_(n):
    import requests

    return int(requests.get(f"{HTTP}/{n}", timeout=5).text)


async def nothing_async(n):
    return n


async def thread_async(n):
    return thread(n)


async def process_async(n):
    return process(n)


async def loop_async(n):
    return await asyncio.to_thread(loop, n)


async def to_thread_async(n):
    return await asyncio.to_thread(slept, n)


async def pool_async(n):
    with ThreadPoolExecutor(4) as workers:
        loop = asyncio.get_running_loop()
        return (await asyncio.gather(*(loop.run_in_executor(workers, slept, n) for _ in "abcd")))[0]


async def look_up_async(n):
    return n if await asyncio.get_running_loop().getaddrinfo("localhost", 80) else None


async def c_wait_async(n):
    return await asyncio.to_thread(c_wait, n)


async def fork_async(n):
    return await asyncio.to_thread(fork, n)


async def process_pool_async(n):
    with ProcessPoolExecutor(1) as workers:
        return await asyncio.get_running_loop().run_in_executor(workers, nothing, n)


async def requests__async(n):
    return await asyncio.to_thread(requests_, n)


async def grpc_sync_async(n):
    return await asyncio.to_thread(grpc_sync, n)


aio_process_async = _aio_process
grpc_aio_async = _grpc_aio
httpx_trio_async = _httpx


#: What is tried, by the function that does it.
WHAT = [
    *("thread", "process", "loop", "to_thread", "pool", "look_up", "c_wait", "fork"),
    *("process_pool", "aio_process", "grpc_sync", "grpc_aio", "httpx_trio", "requests_"),
]

#: What several greenlets cannot do side by side. They share one thread, which can run one loop
#: of asyncio; and C code that waits there lets nothing else run.
NOT_IN_GREENLETS = {"loop", "to_thread", "aio_process", "grpc_aio", "c_wait", "fork"}
